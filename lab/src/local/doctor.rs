//! What this machine forbids, and the one command that helps. The lab is really tried, in a child.

use std::fs;
use std::io::{Read as _, Write as _};
use std::time::Duration;

use nix::unistd::{geteuid, pipe2};

use super::supervise::{FRESH_PROC, FRESH_PROC_REMEDY};
use super::{Ended, Lab, Options, supervise};
use crate::{Command, Host};

/// How long one thing that is tried may take.
const TRY_WITHIN: Duration = Duration::from_secs(5);

/// What was looked at.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What.
    pub name: &'static str,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was seen.
    pub says: String,
    /// The one command that helps, where there is one.
    pub remedy: Option<String>,
}

/// A setting that forbids user namespaces: its file, the value that forbids, and the command.
const SETTINGS: [(&str, &str, &str); 3] = [
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "sudo sysctl -w kernel.unprivileged_userns_clone=1",
    ),
    ("/proc/sys/user/max_user_namespaces", "0", "sudo sysctl -w user.max_user_namespaces=10000"),
];

/// Tries and uses a lab of two nodes, and says what it takes where that fails. The first finding is the lab
/// itself.
///
/// Must be called while the process has one thread.
pub fn examine() -> Vec<Finding> {
    let (ok, says, remedy) = match try_lab() {
        Ok(says) => (true, says, None),
        Err(problem) => {
            let remedy = remedy(&problem);
            (false, problem, remedy)
        }
    };
    let mut findings = vec![Finding { name: "local lab", ok, says, remedy }];
    findings.push(ssh());
    findings.push(disk());
    findings.push(cores());
    findings.extend(memory());
    findings
}

/// Founds the namespaces, makes two nodes, runs a program on one, sends a datagram to the other,
/// and takes all down again. What was seen, or what refused.
fn try_lab() -> Result<String, String> {
    let (answer, tell) = pipe2(nix::fcntl::OFlag::O_CLOEXEC)
        .map_err(|error| format!("no pipe could be opened: {error}"))?;
    let folder = std::env::temp_dir().join(format!("schism-doctor-{}", std::process::id()));
    let inside = folder.clone();
    let ended = supervise(move || {
        let options = Options {
            nodes: 2,
            clients: 0,
            data: inside.join("data"),
            logs: inside.join("logs"),
            seed: 0,
        };
        let (code, text) = match try_inside(options) {
            Ok(text) => (0, text),
            Err(problem) => (1, problem),
        };
        let _ = fs::File::from(tell).write_all(text.as_bytes());
        code
    });
    let _ = fs::remove_dir_all(&folder);
    let mut text = String::new();
    match ended {
        Ok(Ended::Exit(code)) => {
            let _ = fs::File::from(answer).read_to_string(&mut text);
            if code == 0 { Ok(text) } else { Err(format!("{text} (code {code})")) }
        }
        Ok(Ended::Signal(signal)) => Err(format!("was killed by signal {signal}")),
        Err(refused) => Err(refused.to_string()),
    }
}

fn try_inside(options: Options) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
    let tried = runtime.block_on(async {
        let lab = Lab::up(options).await.map_err(|error| error.to_string())?;
        use_lab(&lab).await?;
        Ok(lab.describe())
    });
    runtime.shutdown_timeout(TRY_WITHIN);
    tried
}

/// Whether the lab does what it is for: nodes run programs, and the switch carries frames.
async fn use_lab(lab: &Lab) -> Result<(), String> {
    let hosts = lab.hosts();
    let [one, other] = hosts.as_slice() else { return Err("two nodes were asked for".into()) };
    let ran = one.run(&Command::new(["true"]), TRY_WITHIN).await;
    match ran.map_err(|error| error.to_string())?.code {
        0 => {}
        code => return Err(format!("n1: `true` ended with code {code}")),
    }
    let socket = async |host: &dyn Host| host.datagrams().await.map_err(|error| error.to_string());
    let (from, to) = (socket(&**one).await?, socket(&**other).await?);
    let carried = async {
        from.send(b"schism", to.address());
        to.receive().await
    };
    match tokio::time::timeout(TRY_WITHIN, carried).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!("n1 → n2: {error}")),
        Err(_) => Err("n1 → n2: the switch carried nothing".into()),
    }
}

fn remedy(problem: &str) -> Option<String> {
    if problem.contains(FRESH_PROC) {
        return Some(FRESH_PROC_REMEDY.into());
    }
    if geteuid().is_root() {
        // Root without namespaces is root in a container.
        let container = fs::metadata("/.dockerenv").is_ok();
        return container.then(|| {
            "docker run --privileged …, or --cap-add SYS_ADMIN --cap-add NET_ADMIN --device /dev/net/tun".into()
        });
    }
    let forbids = |(file, value, _): &&(&str, &str, &str)| {
        fs::read_to_string(file).is_ok_and(|text| text.trim() == *value)
    };
    let setting = SETTINGS.iter().find(forbids);
    Some(setting.map_or("sudo schism run …", |(_, _, command)| command).to_owned())
}

/// Whether nodes of this machine can be reached over SSH. A lab does without.
fn ssh() -> Finding {
    let name = "ssh: true";
    match super::sshd::refusal() {
        None => Finding { name, ok: true, says: "sshd and nft are there".into(), remedy: None },
        Some(problem) => {
            let (says, remedy) = problem.split_once(": ").unwrap_or((&problem, ""));
            let remedy = Some(remedy.replace('`', "")).filter(|remedy| !remedy.is_empty());
            Finding { name, ok: false, says: says.into(), remedy }
        }
    }
}

/// Whether a disk can be laid over data folders, as its faults need. It is opened as they open it.
fn disk() -> Finding {
    let name = "disk faults";
    let opened = fs::OpenOptions::new().read(true).write(true).open("/dev/fuse");
    let (says, remedy) = match opened.map_err(|error| error.kind()) {
        Ok(_) => {
            return Finding {
                name,
                ok: true,
                says: "/dev/fuse can be opened".into(),
                remedy: None,
            };
        }
        Err(std::io::ErrorKind::PermissionDenied) => {
            ("/dev/fuse is not for this user", "sudo chmod 666 /dev/fuse")
        }
        Err(std::io::ErrorKind::NotFound) => ("there is no /dev/fuse", "sudo modprobe fuse"),
        Err(_) => ("/dev/fuse cannot be opened: the kernel has no FUSE", "sudo modprobe fuse"),
    };
    Finding { name, ok: false, says: says.into(), remedy: Some(remedy.into()) }
}

fn cores() -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let ok = cores >= 2;
    let says = if ok {
        format!("{cores}")
    } else {
        "one: nodes, switch and clients share it, so claims about time may stay unknown".into()
    };
    Finding { name: "cores", ok, says, remedy: None }
}

fn memory() -> Option<Finding> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    let ok = kilobytes >= 1 << 20;
    let says = format!("{:.1} GiB free", kilobytes as f64 / f64::from(1 << 20));
    Some(Finding { name: "memory", ok, says, remedy: None })
}
