//! A node behind SSH as the controller sees it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schism_agent::protocol::{Answer, Deed, Program};

use super::datagrams::RemoteDatagrams;
use super::install::{checksum, receive};
use super::program;
use super::quote::quote;
use super::reach::Reach;
use crate::{Command, Datagrams, Effect, Host, HostError, Node, Output, ProcessState, Running};

/// How much longer than the program itself its answer may take.
const GRACE: Duration = Duration::from_secs(3);

/// A disk with less is full: databases write in larger pieces.
const ROOM_MIN: u64 = 1 << 20;
const ROOM_WITHIN: Duration = Duration::from_secs(2);

/// A node behind SSH.
pub(super) struct SshHost {
    pub(super) node: Node,
    pub(super) reach: Arc<Reach>,
    /// Where programs log, as seen on the node.
    pub(super) logs: String,
}

impl SshHost {
    async fn done(&self, deed: Deed) -> Result<(), HostError> {
        self.reach.ask(deed, self.reach.bounds.answer).await.map(drop)
    }

    fn surprised(&self) -> HostError {
        self.reach.error("its agent answered something else than it was asked")
    }

    /// The checksum of a file on the node, if it is there.
    async fn sum_there(&self, path: &Path) -> Result<Option<String>, HostError> {
        let path = path.display().to_string();
        let mut command = Command::new(["sha256sum", "--", &path]);
        command.folder = Some("/".into());
        let output = self.run(&command, self.reach.bounds.copy).await?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let sum = text.split_whitespace().next().map(|sum| sum.trim_start_matches('\\').to_owned());
        Ok(sum.filter(|_| output.code == 0))
    }
}

impl SshHost {
    /// Notes where the node's disk has no room left: whatever went wrong there may have that reason.
    /// Never connects, and takes no answer for one that there is room.
    pub(super) async fn note_room(&self) {
        if self.reach.agent_if_held().await.is_none() {
            return;
        }
        let folder = self.reach.access.folder().display().to_string();
        let mut command = Command::new(["stat", "-f", "-c", "%a %S", "--", &folder]);
        command.folder = Some("/".into());
        let Ok(output) = self.run(&command, ROOM_WITHIN).await else { return };
        if let Some(free) = free_bytes(&String::from_utf8_lossy(&output.stdout))
            && free < ROOM_MIN
        {
            let id = self.reach.id;
            self.reach.note(format!("{id}: no room is left in {folder} ({free} bytes)"));
        }
    }
}

/// Free blocks and the size of one.
fn free_bytes(said: &str) -> Option<u64> {
    let (blocks, size) = said.trim().split_once(' ')?;
    blocks.parse::<u64>().ok()?.checked_mul(size.parse().ok()?)
}

/// A command as the agent takes it.
fn program(command: &Command) -> Program {
    Program {
        argv: command.argv.clone(),
        env: command.env.clone(),
        folder: command.folder.as_ref().map(|folder| folder.display().to_string()),
    }
}

#[async_trait]
impl Host for SshHost {
    fn node(&self) -> &Node {
        &self.node
    }

    async fn run(&self, command: &Command, limit: Duration) -> Result<Output, HostError> {
        let limit_ms = limit.as_millis() as u64;
        let deed = Deed::Run { program: program(command), limit_ms };
        match self.reach.ask(deed, limit + GRACE).await? {
            Answer::Ended { code, stdout, stderr } => {
                Ok(Output { code, stdout: stdout.0, stderr: stderr.0 })
            }
            _ => Err(self.surprised()),
        }
    }

    async fn spawn(&self, command: &Command) -> Result<Running, HostError> {
        let held = self.reach.held().await?;
        let spawned = program::spawn(&held.agent, program(command)).await;
        spawned.map_err(|problem| self.reach.error(problem))
    }

    async fn upload(&self, from: &Path, to: &Path) -> Result<(), HostError> {
        let failed = |error: std::io::Error| HostError {
            node: self.node.id,
            problem: from.display().to_string(),
            source: Some(error),
        };
        let path = from.to_owned();
        let summed = tokio::task::spawn_blocking(move || checksum(&path)).await;
        let (sum, _) =
            summed.map_err(|error| self.reach.error(error.to_string()))?.map_err(failed)?;
        let mode = tokio::fs::metadata(from).await.map_err(failed)?.permissions().mode() & 0o7777;
        if self.sum_there(to).await?.as_deref() == Some(&sum) {
            return Ok(());
        }
        let held = self.reach.held().await?;
        let file = tokio::fs::File::open(from).await.map_err(failed)?;
        let path = quote(&to.display().to_string());
        let sent = receive(&held.connection, &self.reach.access, file, &path, mode, &sum).await;
        sent.map_err(|problem| self.reach.error(problem))
    }

    async fn download(&self, from: &Path, to: &Path) -> Result<(), HostError> {
        use std::io::Write as _;
        let failed = |error: std::io::Error| HostError {
            node: self.node.id,
            problem: to.display().to_string(),
            source: Some(error),
        };
        let held = self.reach.held().await?;
        let cat = format!("exec cat -- {}", quote(&from.display().to_string()));
        let cat = self.reach.access.as_root(&cat);
        // A file that came in part must not be taken for the whole.
        let mut part = to.as_os_str().to_owned();
        part.push(".part");
        let mut file = std::fs::File::create(&part).map_err(failed)?;
        let mut keep = |bytes: &[u8]| file.write_all(bytes);
        let nothing = tokio::io::empty();
        let copied =
            held.connection.exec_into(&cat, nothing, &mut keep, self.reach.bounds.copy).await;
        let problem = match copied {
            Ok((0, _)) => return std::fs::rename(&part, to).map_err(failed),
            Ok((_, stderr)) => String::from_utf8_lossy(&stderr).trim().to_owned(),
            Err(problem) => format!("{}: {problem}", from.display()),
        };
        let _ = std::fs::remove_file(&part);
        Err(self.reach.error(problem))
    }

    async fn start(&self, name: &str, command: &Command) -> Result<(), HostError> {
        let log = format!("{}/{name}.log", self.logs);
        self.done(Deed::Start { program: program(command), log }).await
    }

    async fn kill_all(&self) -> Result<(), HostError> {
        self.done(Deed::KillAll).await
    }

    async fn stop_all(&self, within: Duration) -> Result<bool, HostError> {
        let deed = Deed::StopAll { within_ms: within.as_millis() as u64 };
        // What does not end is killed then, which takes as long as any other answer.
        match self.reach.ask(deed, within + self.reach.bounds.answer).await? {
            Answer::Stopped { by_themselves } => Ok(by_themselves),
            _ => Err(self.surprised()),
        }
    }

    async fn pause_all(&self) -> Result<(), HostError> {
        self.done(Deed::PauseAll).await
    }

    async fn resume_all(&self) -> Result<(), HostError> {
        self.done(Deed::ResumeAll).await
    }

    async fn processes(&self) -> Result<Vec<ProcessState>, HostError> {
        let Answer::Processes(all) =
            self.reach.ask(Deed::Processes, self.reach.bounds.answer).await?
        else {
            return Err(self.surprised());
        };
        Ok(all.into_iter().map(ProcessState::from).collect())
    }

    async fn hold(&self, name: &str, effect: &Effect) -> Result<(), HostError> {
        self.done(Deed::Hold { name: name.to_owned(), effect: effect.clone() }).await
    }

    async fn release(&self, name: &str) -> Result<(), HostError> {
        self.done(Deed::Release { name: name.to_owned() }).await
    }

    async fn datagrams(&self) -> Result<Arc<dyn Datagrams>, HostError> {
        Ok(Arc::new(RemoteDatagrams::open(self.reach.clone(), self.node.address).await?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_how_much_room_is_left() {
        let output =
            std::process::Command::new("stat").args(["-f", "-c", "%a %S", "--", "/"]).output();
        let said = output.expect("stat").stdout;
        assert!(free_bytes(&String::from_utf8_lossy(&said)).is_some());
        assert_eq!(free_bytes("0 4096\n"), Some(0));
        assert_eq!(free_bytes("stat: no such file"), None);
    }
}
