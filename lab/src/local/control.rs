//! A lab that stays up, and commands from other terminals that run on its nodes.
//!
//! The controller listens on a socket in a folder that only its user may enter. A caller sends one
//! line of JSON with its own standard streams attached, and gets one line back; the program then
//! reads and writes the caller's terminal itself. When the caller goes away, the program is killed.

use std::fs;
use std::io::{self, BufRead as _, BufReader, IoSlice, IoSliceMut, Write as _};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use serde::{Deserialize, Serialize};

use super::Lab;
use super::host::LocalHost;
use crate::{Command, Host as _};

/// A request longer than this is none.
const REQUEST_MAX: usize = 1 << 16;
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long a caller may take to say what it wants: callers are listened to one after another.
const ASK_WITHIN: Duration = Duration::from_secs(2);

/// What a caller asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Ask {
    /// Run a program on a node.
    Exec { node: String, argv: Vec<String>, term: Option<String> },
    /// Take the lab down.
    Down,
}

/// What it is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    /// The program ended with this code.
    Ended(i32),
    /// It is done.
    Done,
    /// It could not be done.
    Refused(String),
}

/// Why a lab could not be reached or would not do it.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No lab listens.
    #[error("no lab is up; `schism lab up --nodes 5` in another terminal makes one")]
    NoLab,
    /// The lab refused.
    #[error("{0}")]
    Refused(String),
    /// The connection or the socket's folder is not as it should be.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The operating system's answer.
        source: io::Error,
    },
}

impl ControlError {
    fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// Where this user's lab listens. Makes the folder, and refuses one that belongs to somebody else.
pub fn socket_path() -> Result<PathBuf, ControlError> {
    let uid = nix::unistd::geteuid().as_raw();
    let folder = match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) if Path::new(&folder).is_dir() => PathBuf::from(folder).join("schism"),
        _ => std::env::temp_dir().join(format!("schism-{uid}")),
    };
    let shown = folder.display().to_string();
    match fs::DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(ControlError::io(shown)(error));
        }
        _ => {}
    }
    let metadata = fs::symlink_metadata(&folder).map_err(ControlError::io(shown.clone()))?;
    if !metadata.is_dir() || metadata.uid() != uid || metadata.mode() & 0o077 != 0 {
        let problem = "is not a folder that only you may enter; remove it";
        return Err(ControlError::io(shown)(io::Error::other(problem)));
    }
    Ok(folder.join("lab.sock"))
}

/// Whether a lab listens at `path`. A socket that nobody listens to is left over from a lab that
/// was killed, and is removed.
pub fn is_up(path: &Path) -> bool {
    if UnixStream::connect(path).is_ok() {
        return true;
    }
    let _ = fs::remove_file(path);
    false
}

/// Serves callers until one of them takes the lab down. To be called inside the lab.
pub fn serve(lab: &Lab, path: &Path) -> Result<(), ControlError> {
    let listener =
        UnixListener::bind(path).map_err(ControlError::io(path.display().to_string()))?;
    for caller in listener.incoming() {
        let Ok(caller) = caller else { continue };
        match receive(&caller) {
            Ok((Ask::Down, _)) => {
                answer(&caller, &Answer::Done);
                return Ok(());
            }
            Ok((Ask::Exec { node, argv, term }, streams)) => {
                let host =
                    lab.hosts.iter().find(|host| host.node().id.to_string() == node).cloned();
                let nodes = lab.hosts.len();
                std::thread::spawn(move || {
                    let done = match (host, <[OwnedFd; 3]>::try_from(streams)) {
                        (Some(host), Ok(streams)) => execute(&host, argv, term, streams, &caller),
                        (None, _) => Answer::Refused(format!(
                            "there is no node {node}; the nodes are n1 to n{nodes}"
                        )),
                        (_, Err(_)) => Answer::Refused("the caller sent no streams".into()),
                    };
                    answer(&caller, &done);
                });
            }
            Err(error) => answer(&caller, &Answer::Refused(error.to_string())),
        }
    }
    Ok(())
}

fn execute(
    host: &Arc<LocalHost>,
    argv: Vec<String>,
    term: Option<String>,
    streams: [OwnedFd; 3],
    caller: &UnixStream,
) -> Answer {
    let mut command = Command::new(argv);
    command.env.extend(term.map(|term| ("TERM".to_owned(), term)));
    let mut child = match host.start_with(&command, streams) {
        Ok(child) => child,
        Err(error) => return Answer::Refused(error.to_string()),
    };
    loop {
        match child.try_wait() {
            Ok(Some(status)) => {
                use std::os::unix::process::ExitStatusExt as _;
                let code = status.code().or(status.signal().map(|signal| 128 + signal));
                return Answer::Ended(code.unwrap_or(1));
            }
            Ok(None) if gone(caller) => {
                let _ = child.kill();
                let _ = child.wait();
                return Answer::Ended(130);
            }
            Ok(None) => std::thread::sleep(LOOK_EVERY),
            Err(error) => return Answer::Refused(error.to_string()),
        }
    }
}

/// Whether the other end has closed. A caller sends nothing after its request.
fn gone(caller: &UnixStream) -> bool {
    let mut poll =
        libc::pollfd { fd: caller.as_raw_fd(), events: libc::POLLIN | libc::POLLRDHUP, revents: 0 };
    // SAFETY: one pollfd is given, and it outlives the call.
    unsafe { libc::poll(&raw mut poll, 1, 0) > 0 }
}

/// Runs `argv` on a node of the lab at `path`, with this process' own standard streams; the exit
/// code, 128 + n for signal n.
pub fn exec(path: &Path, node: &str, argv: &[String]) -> Result<i32, ControlError> {
    let term = std::env::var("TERM").ok();
    let ask = Ask::Exec { node: node.into(), argv: argv.to_vec(), term };
    match call(path, &ask, &[0, 1, 2])? {
        Answer::Ended(code) => Ok(code),
        Answer::Done => Ok(0),
        Answer::Refused(problem) => Err(ControlError::Refused(problem)),
    }
}

/// Takes the lab at `path` down.
pub fn down(path: &Path) -> Result<(), ControlError> {
    match call(path, &Ask::Down, &[])? {
        Answer::Refused(problem) => Err(ControlError::Refused(problem)),
        Answer::Done | Answer::Ended(_) => Ok(()),
    }
}

fn call(path: &Path, ask: &Ask, streams: &[RawFd]) -> Result<Answer, ControlError> {
    let lab = UnixStream::connect(path).map_err(|_| ControlError::NoLab)?;
    let lost = || ControlError::io("the connection to the lab");
    let mut line = serde_json::to_vec(ask).map_err(|error| lost()(error.into()))?;
    line.push(b'\n');
    let rights = [ControlMessage::ScmRights(streams)];
    let control: &[ControlMessage<'_>] = if streams.is_empty() { &[] } else { &rights };
    sendmsg::<()>(lab.as_raw_fd(), &[IoSlice::new(&line)], control, MsgFlags::empty(), None)
        .map_err(|error| lost()(error.into()))?;
    let mut text = String::new();
    BufReader::new(lab).read_line(&mut text).map_err(lost())?;
    serde_json::from_str(&text).map_err(|error| lost()(error.into()))
}

fn receive(caller: &UnixStream) -> io::Result<(Ask, Vec<OwnedFd>)> {
    caller.set_read_timeout(Some(ASK_WITHIN))?;
    let mut line = vec![0; REQUEST_MAX];
    let mut space = nix::cmsg_space!([RawFd; 3]);
    let mut streams = Vec::new();
    let length = {
        let mut parts = [IoSliceMut::new(&mut line)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let message = recvmsg::<()>(caller.as_raw_fd(), &mut parts, Some(&mut space), flags)?;
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(descriptors) = control {
                // SAFETY: the kernel has just made these descriptors for this process.
                streams.extend(
                    descriptors.into_iter().map(|one| unsafe { OwnedFd::from_raw_fd(one) }),
                );
            }
        }
        message.bytes
    };
    // A request is far smaller than what a local socket delivers in one piece.
    Ok((serde_json::from_slice(&line[..length])?, streams))
}

fn answer(mut caller: &UnixStream, answer: &Answer) {
    let mut line = serde_json::to_vec(answer).unwrap_or_default();
    line.push(b'\n');
    // A caller that has gone away needs no answer.
    let _ = caller.write_all(&line);
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn gives_up_a_caller_that_says_nothing() {
        let (silent, lab) = UnixStream::pair().expect("two ends");
        let start = Instant::now();
        let error = receive(&lab).expect_err("nothing was asked");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(start.elapsed() < ASK_WITHIN * 2, "{:?}", start.elapsed());
        drop(silent);
    }
}
