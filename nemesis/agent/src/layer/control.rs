//! How others on the node speak to a layer: one line of JSON asks, one answers.
//!
//! A trouble lasts for as long as the connection that asked for it.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::libc;
use serde::{Deserialize, Serialize};

use super::disk::{Disk, Loss, Tally};
use super::trouble::Trouble;

/// How long the other side may take for its line; undoing what was not synced takes the longest.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const LINE_MAX: u64 = 1 << 16;

/// What a layer is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// Have this trouble from now on, until the connection closes.
    Hold(Trouble),
    /// Lose what was not synced. Nobody may use the disk.
    Lose(Loss),
    /// Say what would be lost.
    Tally,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    Held,
    Tally(Tally),
    Refused(String),
}

/// A trouble that a layer has for as long as this lives.
pub struct HeldTrouble {
    _connection: UnixStream,
}

/// Asks the layer at `socket`; what is held goes with what is returned.
pub fn ask(socket: &Path, ask: &Ask) -> Result<(Tally, HeldTrouble), String> {
    let told = || -> io::Result<(Answer, UnixStream)> {
        let mut layer = in_folder(socket, |path| UnixStream::connect(path))?;
        layer.set_read_timeout(Some(ANSWER_WITHIN))?;
        layer.set_write_timeout(Some(ANSWER_WITHIN))?;
        let mut line = serde_json::to_vec(ask)?;
        line.push(b'\n');
        layer.write_all(&line)?;
        let answer = read_line(&layer)?;
        Ok((serde_json::from_str(&answer)?, layer))
    };
    match told() {
        Ok((Answer::Held, connection)) => {
            Ok((Tally::default(), HeldTrouble { _connection: connection }))
        }
        Ok((Answer::Tally(tally), connection)) => {
            Ok((tally, HeldTrouble { _connection: connection }))
        }
        Ok((Answer::Refused(problem), _)) => Err(problem),
        Err(error) => Err(format!("{}: the disk layer does not answer: {error}", socket.display())),
    }
}

/// The listening end.
pub(super) struct Control {
    socket: PathBuf,
    closed: Arc<AtomicBool>,
}

impl Control {
    pub(super) fn listen(socket: &Path, disk: Arc<Disk>) -> io::Result<Self> {
        match fs::remove_file(socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = in_folder(socket, |path| UnixListener::bind(path))?;
        let closed = Arc::new(AtomicBool::new(false));
        let over = closed.clone();
        std::thread::Builder::new().name("control".into()).spawn(move || {
            for caller in listener.incoming() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(caller), disk) = (caller, disk.clone()) else { continue };
                // A caller whose thread cannot be made sees its connection closed.
                let _ = std::thread::Builder::new().spawn(move || serve(&caller, &disk));
            }
        })?;
        Ok(Self { socket: socket.to_owned(), closed })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        // Wakes the listener, which then ends.
        let _ = in_folder(&self.socket, |path| UnixStream::connect(path));
        let _ = fs::remove_file(&self.socket);
    }
}

fn serve(mut caller: &UnixStream, disk: &Disk) {
    let _ = caller.set_read_timeout(Some(ANSWER_WITHIN));
    let asked = read_line(caller).and_then(|line| Ok(serde_json::from_str::<Ask>(&line)?));
    let (answer, held) = match asked {
        Ok(Ask::Hold(trouble)) => (Answer::Held, Some(disk.troubles.begin(trouble))),
        Ok(Ask::Tally) => (Answer::Tally(disk.tally()), None),
        Ok(Ask::Lose(loss)) => match disk.lose(loss) {
            Ok(tally) => (Answer::Tally(tally), None),
            Err(error) => (Answer::Refused(format!("not all could be undone: {error}")), None),
        },
        Err(error) => (Answer::Refused(error.to_string()), None),
    };
    let mut line = serde_json::to_vec(&answer).unwrap_or_default();
    line.push(b'\n');
    let told = caller.write_all(&line);
    if let Some(number) = held {
        if told.is_ok() && caller.set_read_timeout(None).is_ok() {
            // Nothing more is said; this returns when the other end is gone.
            let _ = io::copy(&mut caller, &mut io::sink());
        }
        disk.troubles.end(number);
    }
}

fn read_line(stream: &UnixStream) -> io::Result<String> {
    let mut line = String::new();
    BufReader::new(stream.take(LINE_MAX)).read_line(&mut line)?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line)
}

/// Does something with a socket by a name that is short enough, however long its folder's is.
fn in_folder<T>(socket: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let (Some(folder), Some(name)) = (socket.parent(), socket.file_name()) else {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    };
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
    let folder = fs::OpenOptions::new().read(true).custom_flags(flags).open(folder)?;
    act(&Path::new(&format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name))
}
