//! One SSH connection to a host: opened straight or through a jump host, the host's key checked.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{self, Handle, Msg};
use russh::keys::{Algorithm, PublicKey, PublicKeyOrCertificate};
use russh::{Channel, ChannelMsg, Disconnect};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::access::{Access, UnknownHosts};
use super::authentication::log_in;
use super::bounds::Bounds;
use super::known_hosts::{self, Standing};
use crate::Output;

/// A link that is silent for four of these is broken. A busy machine may well be silent for one.
const KEEPALIVE: Duration = Duration::from_secs(4);
/// sshd allows ten channels on a connection (`MaxSessions`); two are left for the agent and luck.
const CHANNELS_MAX: usize = 8;
/// What `exec` keeps of each stream.
const OUTPUT_MAX: usize = 1 << 20;

/// An open connection. Dropping it closes it.
pub(super) struct Connection {
    handle: Handle<Gatekeeper>,
    channels: Semaphore,
    pub(super) bounds: Bounds,
    /// Where the host was found, unless another led there.
    pub(super) peer: Option<IpAddr>,
    /// The connection that this one runs through, kept for as long.
    _jump: Option<Box<Connection>>,
}

impl Connection {
    /// Connects, checks the host's key and logs in; each step has its bound.
    pub(super) async fn open(access: &Access, bounds: &Bounds) -> Result<Self, String> {
        let jump = match &access.jump {
            None => None,
            Some(jump) => {
                let through = Box::pin(Self::open(jump, bounds)).await;
                Some(Box::new(through.map_err(|error| format!("through {jump}: {error}"))?))
            }
        };
        let (handle, peer) = match &jump {
            None => {
                let stream = connect(access, bounds.reach).await?;
                let peer = stream.peer_addr().ok().map(|peer| peer.ip());
                (greet(access, stream, bounds.reach).await?, peer)
            }
            Some(jump) => {
                let opened = jump.handle.channel_open_direct_tcpip(
                    access.host.clone(),
                    u32::from(access.port),
                    "127.0.0.1",
                    0,
                );
                let channel = within(bounds.reach, "the jump host did not connect", opened);
                let channel =
                    channel.await.map_err(|error| format!("from the jump host: {error}"))?;
                (greet(access, channel.into_stream(), bounds.reach).await?, None)
            }
        };
        let (channels, bounds) = (Semaphore::new(CHANNELS_MAX), *bounds);
        Ok(Self { handle, channels, bounds, peer, _jump: jump })
    }

    /// Whether it is known to be broken.
    pub(super) fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Runs a line of shell in a channel of its own that outlives this call.
    pub(super) async fn channel(&self, line: &str) -> Result<Channel<Msg>, String> {
        let what = "sshd opened no channel";
        let channel = within(self.bounds.reach, what, self.handle.channel_open_session()).await?;
        within(self.bounds.reach, "sshd started no program", channel.exec(true, line)).await?;
        Ok(channel)
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, String> {
        self.channels.acquire().await.map_err(|error| error.to_string())
    }

    /// Runs a line of shell to its end with `input` on its standard input.
    pub(super) async fn exec(
        &self,
        line: &str,
        input: impl AsyncRead + Unpin,
        limit: Duration,
    ) -> Result<Output, String> {
        let mut stdout = Vec::new();
        let mut keep = |bytes: &[u8]| -> std::io::Result<()> {
            let room = OUTPUT_MAX - stdout.len();
            stdout.extend_from_slice(&bytes[..bytes.len().min(room)]);
            Ok(())
        };
        let (code, stderr) = self.exec_into(line, input, &mut keep, limit).await?;
        Ok(Output { code, stdout, stderr })
    }

    /// The same, with the standard output handed on as it comes: exit code and standard error.
    pub(super) async fn exec_into(
        &self,
        line: &str,
        input: impl AsyncRead + Unpin,
        output: &mut (dyn FnMut(&[u8]) -> std::io::Result<()> + Send),
        limit: Duration,
    ) -> Result<(i32, Vec<u8>), String> {
        let _turn = self.turn().await?;
        let channel = self.channel(line).await?;
        let (mut reader, writer) = channel.split();
        let send = async {
            // One that reads no more says why in its own words.
            let _ = writer.data(input).await;
            let _ = writer.eof().await;
        };
        let receive = async {
            let (mut code, mut stderr) = (None, Vec::new());
            while let Some(message) = reader.wait().await {
                match message {
                    ChannelMsg::Data { data } => {
                        output(&data).map_err(|error| format!("what it sent: {error}"))?;
                    }
                    ChannelMsg::ExtendedData { data, .. } => {
                        let room = OUTPUT_MAX - stderr.len();
                        stderr.extend_from_slice(&data[..data.len().min(room)]);
                    }
                    ChannelMsg::ExitStatus { exit_status } => code = Some(exit_status as i32),
                    ChannelMsg::ExitSignal { .. } => code = Some(128),
                    _ => {}
                }
            }
            let lost = || "the connection was lost while a program ran".to_owned();
            code.map(|code| (code, stderr)).ok_or_else(lost)
        };
        let both = async {
            let ((), received) = tokio::join!(send, receive);
            received
        };
        timeout(limit, both).await.map_err(|_| format!("nothing came back within {limit:?}"))?
    }

    /// Says goodbye, so that sshd knows at once.
    pub(super) async fn close(&self) {
        let bye = self.handle.disconnect(Disconnect::ByApplication, "", "en");
        let _ = timeout(Duration::from_millis(200), bye).await;
    }
}

/// What happens within a time, or a sentence.
async fn within<T, E: std::fmt::Display>(
    limit: Duration,
    otherwise: &str,
    what: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    match timeout(limit, what).await {
        Ok(done) => done.map_err(|error| format!("{otherwise}: {error}")),
        Err(_) => Err(format!("{otherwise} within {limit:?}")),
    }
}

async fn connect(access: &Access, limit: Duration) -> Result<TcpStream, String> {
    let Access { host, port, .. } = access;
    let stream = TcpStream::connect((host.as_str(), *port));
    let stream = match timeout(limit, stream).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            let help = match error.kind() {
                std::io::ErrorKind::ConnectionRefused => "; does sshd run there, on that port?",
                _ => "",
            };
            return Err(format!("no connection to port {port}: {error}{help}"));
        }
        Err(_) => return Err(format!("port {port} did not answer within {limit:?}")),
    };
    // Without it every request waits for the other side's delayed acknowledgement.
    stream.set_nodelay(true).map_err(|error| format!("no delay: {error}"))?;
    Ok(stream)
}

/// Exchanges keys over an open stream, and logs in.
async fn greet<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    access: &Access,
    stream: S,
    limit: Duration,
) -> Result<Handle<Gatekeeper>, String> {
    let records = records(access).await;
    let mut config = client::Config {
        keepalive_interval: Some(KEEPALIVE),
        keepalive_max: 3,
        nodelay: true,
        ..client::Config::default()
    };
    let known = known_hosts::kinds(&records, &access.host, access.port);
    config.preferred.key = preferred(known, &config.preferred.key).into();
    let verdict = Arc::new(Mutex::new(None));
    let gatekeeper = Gatekeeper { access: access.clone(), records, refusal: Arc::clone(&verdict) };
    let greeted =
        timeout(limit, client::connect_stream(Arc::new(config), stream, gatekeeper)).await;
    let refusal = verdict.lock().unwrap_or_else(PoisonError::into_inner).take();
    let mut handle = match (greeted, refusal) {
        (_, Some(refusal)) => return Err(refusal),
        (Ok(Ok(handle)), None) => handle,
        (Ok(Err(error)), None) => return Err(format!("no SSH greeting: {error}")),
        (Err(_), None) => {
            return Err(format!(
                "something accepts connections, but no sshd greeted within {limit:?}"
            ));
        }
    };
    let logged_in = timeout(limit, log_in(&mut handle, access)).await;
    logged_in.map_err(|_| format!("nobody was let in within {limit:?}"))??;
    Ok(handle)
}

/// The kinds on record first: a host with several keys must show the one that is known.
fn preferred(mut known: Vec<Algorithm>, usual: &[Algorithm]) -> Vec<Algorithm> {
    // One record of an RSA key stands for all ways to sign with it.
    let rsa = known.iter().any(|kind| matches!(kind, Algorithm::Rsa { .. }));
    known.retain(|kind| usual.contains(kind));
    known.extend(usual.iter().filter(|kind| rsa && matches!(kind, Algorithm::Rsa { .. })).cloned());
    known.extend(usual.iter().cloned());
    let mut kinds: Vec<Algorithm> = Vec::new();
    for kind in known {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

/// The host keys on record, of all files.
async fn records(access: &Access) -> String {
    let files = if access.known_hosts.is_empty() {
        let own = std::env::home_dir().map(|home| home.join(".ssh/known_hosts"));
        own.into_iter().chain([PathBuf::from("/etc/ssh/ssh_known_hosts")]).collect()
    } else {
        access.known_hosts.clone()
    };
    let mut records = String::new();
    for file in files {
        // A file that is not there records nothing.
        records += &tokio::fs::read_to_string(file).await.unwrap_or_default();
        records.push('\n');
    }
    records
}

/// Checks the key that a host shows.
pub(super) struct Gatekeeper {
    access: Access,
    records: String,
    refusal: Arc<Mutex<Option<String>>>,
}

impl Gatekeeper {
    fn judge(&self, key: &PublicKey) -> Result<(), String> {
        let Access { host, port, unknown_hosts, known_hosts, .. } = &self.access;
        let print = known_hosts::fingerprint(key);
        let file = known_hosts
            .first()
            .map_or_else(|| "~/.ssh/known_hosts".to_owned(), |path| path.display().to_string());
        match known_hosts::standing(&self.records, host, *port, key) {
            Standing::Known => Ok(()),
            Standing::Unknown if *unknown_hosts == UnknownHosts::Accept => Ok(()),
            Standing::Unknown => Err(format!(
                "its host key {print} is not on record; if it is the right one, add this line to \
                 {file}: {}",
                known_hosts::line(host, *port, key)
            )),
            Standing::Changed => Err(format!(
                "its host key has changed to {print}: either the machine was made anew (then remove \
                 its old line from {file}), or somebody is in between"
            )),
            Standing::Revoked => Err(format!("its host key {print} was revoked in {file}")),
        }
    }
}

impl client::Handler for Gatekeeper {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        key: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        let judged = match key {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.judge(key),
            // None was asked for.
            PublicKeyOrCertificate::Certificate(_) => Err("it showed a certificate".into()),
        };
        let refused = judged.err();
        let known = refused.is_none();
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = refused;
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_for_the_kinds_on_record_before_the_usual_ones() {
        let rsa = |hash| Algorithm::Rsa { hash };
        let usual = [
            Algorithm::Ed25519,
            rsa(Some(russh::keys::HashAlg::Sha512)),
            rsa(Some(russh::keys::HashAlg::Sha256)),
        ];
        let first = |known: Vec<Algorithm>| preferred(known, &usual)[0].clone();
        assert_eq!(first(vec![]), Algorithm::Ed25519);
        assert_eq!(first(vec![rsa(None)]), usual[1]);
        assert_eq!(preferred(vec![rsa(None)], &usual).len(), 3);
    }
}
