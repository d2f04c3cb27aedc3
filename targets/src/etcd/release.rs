//! Which release of etcd a program is: the program is asked.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a program may take to say its version.
const SAY_WITHIN: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The version that `binary` says it is, on this machine; `None` if it is not here or says nothing.
/// Blocks for some milliseconds.
pub(super) fn version(binary: &Path) -> Option<String> {
    let mut command = Command::new(binary);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let deadline = Instant::now() + SAY_WITHIN;
    // What it prints fits into a pipe, so that it ends without being read.
    while child.try_wait().ok()?.is_none() {
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let output = child.wait_with_output().ok()?;
    said(&String::from_utf8_lossy(&output.stdout))
}

/// The version in what `etcd --version` prints.
pub(super) fn said(text: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix("etcd Version: "))?;
    Some(line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_program_says() {
        let text =
            "etcd Version: 3.4.23\nGit SHA: Not provided (use ./build instead of go build)\n";
        assert_eq!(said(text).as_deref(), Some("3.4.23"));
        assert_eq!(said("false 1.0"), None);
    }

    #[test]
    fn a_program_that_is_not_there_has_no_version() {
        assert_eq!(version(Path::new("/nowhere/etcd")), None);
        assert_eq!(version(Path::new("true")), None);
    }
}
