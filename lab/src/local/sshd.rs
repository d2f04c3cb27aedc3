//! OpenSSH on every node of the local lab, so that the whole way over SSH can be walked on one
//! machine: own host keys, own key to log in with, port 22 of the node's address.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{FromRawFd as _, IntoRawFd as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::host::LocalHost;
use super::{Lab, LabError, rootless};
use crate::ssh::{Access, UnknownHosts};
use crate::{Command, Host as _};

const SSHD: &str = "/usr/sbin/sshd";
/// How long sshd may take to listen.
const LISTEN_WITHIN: Duration = Duration::from_secs(5);
const RUN_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Why nodes of this machine cannot be reached over SSH, if they cannot; and what helps.
pub fn refusal() -> Option<String> {
    let there = |name: &str| ["/usr/sbin", "/usr/bin", "/sbin"].map(|f| Path::new(f).join(name));
    let missing = |name: &str| !there(name).iter().any(|path| path.exists());
    if !nix::unistd::geteuid().is_root() || rootless() {
        return Some("sshd changes its user, which only root may: `sudo schism run …`".into());
    }
    if missing("sshd") {
        return Some("there is no sshd: `apt-get install openssh-server`".into());
    }
    missing("nft").then(|| "there is no nft: `apt-get install nftables`".into())
}

impl Lab {
    /// Starts sshd on every node. How the nodes are then reached; their keys and data are under the
    /// nodes' data folders, and go with them.
    pub async fn serve_ssh(&self) -> Result<Vec<Access>, LabError> {
        if let Some(refusal) = refusal() {
            return Err(LabError::new("sshd on the nodes", io::Error::other(refusal)));
        }
        self.switch.spare_ssh();
        let own = new_key()?;
        let id = in_memory(&own)?;
        let mut starts = JoinSet::new();
        for host in &self.hosts {
            let (host, own, id) = (host.clone(), own.clone(), id.clone());
            starts.spawn(async move { (host.node().id, serve(&host, &own, id).await) });
        }
        let mut started = starts.join_all().await;
        started.sort_by_key(|(id, _)| *id);
        started.into_iter().map(|(_, access)| access).collect()
    }
}

/// Makes the keys of one node, starts its sshd, and waits until it listens.
async fn serve(host: &Arc<LocalHost>, own: &PrivateKey, id: PathBuf) -> Result<Access, LabError> {
    let node = host.node().clone();
    let failed = |what: &str| {
        let what = format!("{}: {what}", node.id);
        move |error: io::Error| LabError::new(what, error)
    };
    let folder = node.data.join("ssh");
    fs::create_dir_all(&folder).map_err(failed("its folder for keys"))?;
    let host_key = new_key()?;
    let path = |name: &str| folder.join(name);
    let public = |key: &PrivateKey| key.public_key().to_openssh().map_err(io::Error::other);
    write_key(&path("host_key"), &host_key).map_err(failed("its host key"))?;
    let record = format!("{} {}\n", node.address, public(&host_key).map_err(failed("a key"))?);
    fs::write(path("known_hosts"), record).map_err(failed("known_hosts"))?;
    let allowed = public(own).map_err(failed("a key"))?;
    fs::write(path("authorized_keys"), allowed + "\n").map_err(failed("authorized_keys"))?;
    fs::write(path("sshd_config"), configuration(&folder, node.address))
        .map_err(failed("sshd_config"))?;
    // Where sshd locks itself in before anybody is known; a node's /run is empty at first.
    let jail = Command::new(["mkdir", "-p", "-m", "755", "/run/sshd"]);
    let made = host.run(&jail, RUN_WITHIN).await.map_err(io::Error::other);
    made.map_err(failed("/run/sshd"))?;
    let config = path("sshd_config").display().to_string();
    let sshd = Command::new([SSHD, "-D", "-e", "-f", &config]);
    host.start("sshd", &sshd).await.map_err(io::Error::other).map_err(failed("sshd"))?;
    listening(host).await.map_err(failed("sshd"))?;
    let mut access = Access::parse(&format!("root@{}", node.address))
        .map_err(io::Error::other)
        .map_err(failed("its address"))?;
    access.name = node.id.to_string();
    access.keys = vec![id];
    access.agent = false;
    access.known_hosts = vec![path("known_hosts")];
    access.unknown_hosts = UnknownHosts::Refuse;
    access.address = Some(node.address);
    access.data = Some(node.data.clone());
    Ok(access)
}

/// Waits until port 22 answers; otherwise what sshd logged.
async fn listening(host: &LocalHost) -> io::Result<()> {
    let node = host.node();
    let deadline = Instant::now() + LISTEN_WITHIN;
    while Instant::now() < deadline {
        let opened = timeout(LISTEN_WITHIN, TcpStream::connect((node.address, 22))).await;
        if matches!(opened, Ok(Ok(_))) {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let log = fs::read_to_string(node.logs.join("sshd.log")).unwrap_or_default();
    let last = log.lines().last().unwrap_or("it logged nothing").to_owned();
    Err(io::Error::other(format!("did not listen on 22 within {LISTEN_WITHIN:?}: {last}")))
}

/// Keys alone, no PAM, nothing of the machine's own configuration.
fn configuration(folder: &Path, address: std::net::IpAddr) -> String {
    let folder = folder.display();
    format!(
        "ListenAddress {address}\nPort 22\nHostKey \"{folder}/host_key\"\n\
         AuthorizedKeysFile \"{folder}/authorized_keys\"\nStrictModes no\nPidFile none\n\
         PermitRootLogin prohibit-password\nPasswordAuthentication no\n\
         KbdInteractiveAuthentication no\nUsePAM no\nUseDNS no\nPrintMotd no\nPrintLastLog no\n\
         MaxStartups 100\n"
    )
}

fn new_key() -> Result<PrivateKey, LabError> {
    let failed = |error: io::Error| LabError::new("a new key", error);
    let mut seed = [0; 32];
    let mut source = fs::File::open("/dev/urandom").map_err(failed)?;
    source.read_exact(&mut seed).map_err(failed)?;
    let pair = KeypairData::Ed25519(Ed25519Keypair::from_seed(&seed));
    PrivateKey::new(pair, "schism").map_err(|error| failed(io::Error::other(error)))
}

fn write_key(path: &Path, key: &PrivateKey) -> io::Result<()> {
    let text = key.to_openssh(LineEnding::LF).map_err(io::Error::other)?;
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// A key as a file that only this process can name, and that no disk ever sees. It lives as long as
/// this process, as the lab does.
fn in_memory(key: &PrivateKey) -> Result<PathBuf, LabError> {
    let failed = |error: io::Error| LabError::new("the key to log in with", error);
    // SAFETY: the name is a constant with its end, and the descriptor is owned from here on.
    let mut file = unsafe {
        let descriptor = libc::memfd_create(c"schism".as_ptr(), libc::MFD_CLOEXEC);
        if descriptor < 0 {
            return Err(failed(io::Error::last_os_error()));
        }
        fs::File::from_raw_fd(descriptor)
    };
    let text = key.to_openssh(LineEnding::LF).map_err(|error| failed(io::Error::other(error)))?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    Ok(PathBuf::from(format!("/proc/self/fd/{}", file.into_raw_fd())))
}
