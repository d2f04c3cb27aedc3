//! Programs whose output the controller wants: as a whole when they end, or as it comes.

use std::collections::BTreeMap;
use std::io::{Read, Write as _};
use std::process::{Child, ChildStdin};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::children::kill_tree;
use crate::protocol::{Answer, Bytes, Stream, WINDOW};
use crate::session::Out;

/// What `run` keeps of each stream.
const OUTPUT_MAX: usize = 1 << 20;
const PIECE: usize = 32 << 10;

/// Waits for a program of `run`, and answers with all that it wrote.
pub fn run(name: &str, mut child: Child, ended: &Receiver<i32>, limit: Duration) -> Answer {
    let pid = child.id() as i32;
    let deadline = Instant::now() + limit;
    let outputs = (collect(child.stdout.take()), collect(child.stderr.take()));
    let left = || deadline.saturating_duration_since(Instant::now());
    let all = || {
        let code = ended.recv_timeout(left()).ok()?;
        // A child that it left behind may hold its output open.
        let stdout = Bytes(outputs.0.recv_timeout(left()).ok()?);
        let stderr = Bytes(outputs.1.recv_timeout(left()).ok()?);
        Some(Answer::Ended { code, stdout, stderr })
    };
    all().unwrap_or_else(|| {
        kill_tree(pid);
        Answer::Refused(format!("{name} did not end within {limit:?}"))
    })
}

/// Reads a stream to its end, in a thread; what does not fit is read and thrown away.
fn collect(stream: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        let mut piece = vec![0; PIECE];
        if let Some(mut stream) = stream {
            while let Ok(length @ 1..) = stream.read(&mut piece) {
                let room = OUTPUT_MAX - kept.len();
                kept.extend_from_slice(&piece[..length.min(room)]);
            }
        }
        let _ = sender.send(kept);
    });
    receiver
}

/// Programs whose streams are on the channel.
#[derive(Default)]
pub struct Spawned(Mutex<BTreeMap<u64, Handle>>);

struct Handle {
    /// 0 when it has ended: its number may be another's by then.
    pid: i32,
    input: Sender<(u64, Vec<u8>)>,
    windows: [Arc<Window>; 2],
}

/// How much may be written before the reader has taken some.
struct Window {
    room: Mutex<usize>,
    more: Condvar,
}

impl Window {
    fn new() -> Arc<Self> {
        Arc::new(Self { room: Mutex::new(WINDOW), more: Condvar::new() })
    }

    /// Waits for room, and takes up to `wanted` of it.
    fn take(&self, wanted: usize) -> usize {
        let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        while *room == 0 {
            room = self.more.wait(room).unwrap_or_else(PoisonError::into_inner);
        }
        let taken = wanted.min(*room);
        *room -= taken;
        taken
    }

    fn give(&self, bytes: usize) {
        *self.room.lock().unwrap_or_else(PoisonError::into_inner) += bytes;
        self.more.notify_all();
    }
}

impl Spawned {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Handle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects a program's streams to the channel, until it ends.
    pub fn connect(
        self: &Arc<Self>,
        id: u64,
        mut child: Child,
        ended: Receiver<i32>,
        out: &Arc<Out>,
    ) {
        let (input, inputs) = channel();
        let windows = [Window::new(), Window::new()];
        let pid = child.id() as i32;
        if let Some(stdin) = child.stdin.take() {
            let out = out.clone();
            std::thread::spawn(move || feed(stdin, &inputs, &out));
        }
        let readers = [
            forward(id, Stream::Stdout, child.stdout.take(), &windows[0], out),
            forward(id, Stream::Stderr, child.stderr.take(), &windows[1], out),
        ];
        self.lock().insert(id, Handle { pid, input, windows });
        out.answer(id, Answer::Started { pid });
        let (all, out) = (self.clone(), out.clone());
        std::thread::spawn(move || {
            let code = ended.recv().unwrap_or(-1);
            if let Some(handle) = all.lock().get_mut(&id) {
                handle.pid = 0;
            }
            let nothing = Bytes::default;
            out.answer(id, Answer::Ended { code, stdout: nothing(), stderr: nothing() });
            // What it wrote is told for as long as somebody reads.
            for reader in readers {
                let _ = reader.join();
            }
            all.lock().remove(&id);
        });
    }

    /// Bytes for a program's standard input; `request` is answered when they were taken.
    pub fn input(&self, request: u64, of: u64, bytes: Vec<u8>, out: &Out) {
        let handle = self.lock().get(&of).map(|handle| handle.input.clone());
        if handle.is_none_or(|input| input.send((request, bytes)).is_err()) {
            out.answer(request, Answer::Refused("the program reads no more".into()));
        }
    }

    /// The end of a program's standard input.
    pub fn close_input(&self, of: u64) {
        if let Some(handle) = self.lock().get_mut(&of) {
            // The thread that feeds it ends with the last sender.
            handle.input = channel().0;
        }
    }

    /// The controller has taken some output.
    pub fn took(&self, of: u64, stream: Stream, bytes: usize) {
        if let Some(handle) = self.lock().get(&of) {
            handle.windows[usize::from(stream == Stream::Stderr)].give(bytes);
        }
    }

    /// Kills a program.
    pub fn kill(&self, of: u64) {
        let pid = self.lock().get(&of).map(|handle| handle.pid);
        if let Some(pid @ 1..) = pid {
            kill_tree(pid);
        }
    }
}

fn feed(mut stdin: ChildStdin, inputs: &Receiver<(u64, Vec<u8>)>, out: &Out) {
    for (request, bytes) in inputs {
        let done = stdin.write_all(&bytes).and_then(|()| stdin.flush());
        let answer = match done {
            Ok(()) => Answer::Done,
            Err(error) => Answer::Refused(format!("the program reads no more: {error}")),
        };
        out.answer(request, answer);
    }
}

fn forward(
    id: u64,
    stream: Stream,
    source: Option<impl Read + Send + 'static>,
    window: &Arc<Window>,
    out: &Arc<Out>,
) -> std::thread::JoinHandle<()> {
    let (window, out) = (window.clone(), out.clone());
    std::thread::spawn(move || {
        let mut piece = vec![0; PIECE];
        if let Some(mut source) = source {
            loop {
                let room = window.take(PIECE);
                match source.read(&mut piece[..room]) {
                    Ok(length @ 1..) => {
                        window.give(room - length);
                        let bytes = Bytes(piece[..length].to_vec());
                        out.answer(id, Answer::Output { stream, bytes });
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {
                        window.give(room);
                    }
                    _ => break,
                }
            }
        }
        out.answer(id, Answer::Output { stream, bytes: Bytes::default() });
    })
}
