//! What this machine forbids, and the one command that helps. The lab is really tried, in a child.

use std::fs;
use std::io::{Read as _, Write as _};

use nix::unistd::{geteuid, pipe2};

use super::{Ended, Lab, Options, supervise};

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

/// Tries a lab of two nodes, and says what it takes where that fails. The first finding is the lab
/// itself.
///
/// Must be called while the process has one thread.
pub fn examine() -> Vec<Finding> {
    let (ok, says) = try_lab();
    let remedy = (!ok).then(remedy).flatten();
    let mut findings = vec![Finding { name: "local lab", ok, says, remedy }];
    findings.push(cores());
    findings.extend(memory());
    findings
}

/// Founds the namespaces, makes two nodes and their links, and takes all down again.
fn try_lab() -> (bool, String) {
    let Ok((answer, tell)) = pipe2(nix::fcntl::OFlag::O_CLOEXEC) else {
        return (false, "no pipe could be opened".into());
    };
    let folder = std::env::temp_dir().join(format!("schism-doctor-{}", std::process::id()));
    let inside = folder.clone();
    let ended = supervise(move || {
        let options =
            Options { nodes: 2, data: inside.join("data"), logs: inside.join("logs"), seed: 0 };
        let (code, text) = match Lab::build(&options) {
            Ok(lab) => (0, lab.describe()),
            Err(error) => (1, error.to_string()),
        };
        let _ = fs::File::from(tell).write_all(text.as_bytes());
        code
    });
    let _ = fs::remove_dir_all(&folder);
    match ended {
        Ok(Ended::Exit(code)) => {
            let mut text = String::new();
            let _ = fs::File::from(answer).read_to_string(&mut text);
            (code == 0, if text.is_empty() { format!("ended with code {code}") } else { text })
        }
        Ok(Ended::Signal(signal)) => (false, format!("was killed by signal {signal}")),
        Err(refused) => (false, refused.to_string()),
    }
}

fn remedy() -> Option<String> {
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
