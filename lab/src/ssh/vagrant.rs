//! The running machines of a Vagrantfile, as Vagrant itself says they are reached.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::access::Access;
use super::config_text;

/// Vagrant is slow, but no slower than this.
const WITHIN: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Asks `vagrant ssh-config`. The machines are there to be thrown away.
pub fn hosts(folder: &Path) -> Result<Vec<Access>, String> {
    let text = ssh_config(folder)?;
    let mut hosts = config_text::hosts(&text, folder)
        .map_err(|problem| format!("`vagrant ssh-config`: {problem}"))?;
    for host in &mut hosts {
        host.disposable = true;
    }
    Ok(hosts)
}

fn ssh_config(folder: &Path) -> Result<String, String> {
    let mut command = Command::new("vagrant");
    command.arg("ssh-config").current_dir(folder).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            "there is no `vagrant` here; `apt-get install vagrant` brings it, and an inventory \
             (`--inventory FILE`) does without"
                .to_owned()
        }
        _ => format!("`vagrant ssh-config`: {error}"),
    })?;
    let deadline = Instant::now() + WITHIN;
    // What it prints fits into the pipes, so that it can be read when it has ended.
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => std::thread::sleep(LOOK_EVERY),
            other => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(match other {
                    Err(error) => format!("`vagrant ssh-config`: {error}"),
                    Ok(_) => format!("`vagrant ssh-config` did not end within {WITHIN:?}"),
                });
            }
        }
    };
    let (mut text, mut errors) = (String::new(), String::new());
    let read = child.stdout.take().map(|mut stream| stream.read_to_string(&mut text));
    let _ = child.stderr.take().map(|mut stream| stream.read_to_string(&mut errors));
    if let Some(Err(error)) = read {
        return Err(format!("`vagrant ssh-config`: {error}"));
    }
    if !status.success() {
        let why = errors.lines().next().unwrap_or("it said nothing");
        return Err(format!(
            "`vagrant ssh-config` in {}: {why}; `vagrant up` first",
            folder.display()
        ));
    }
    Ok(text)
}
