//! The channel to a node's agent: requests out, answers back, each to whoever asked.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf};
use schism_agent::protocol::{Answer, Deed, Hello, Request, Response, VERSION};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// Requests that may wait for the channel.
const WAITING_MAX: usize = 1024;
/// What is kept of the agent's standard error, for messages.
const STDERR_MAX: usize = 2048;
/// A line that is longer is none of the agent's.
const LINE_MAX: usize = 16 << 20;

/// Answers to one request. What an agent sends unasked is bounded by the protocol: output by its
/// window, datagrams by what probes send.
pub(super) type Answers = mpsc::UnboundedReceiver<Answer>;

type Waiting = Arc<Mutex<BTreeMap<u64, mpsc::UnboundedSender<Answer>>>>;

/// A node's agent.
pub(super) struct Agent {
    requests: mpsc::Sender<Vec<u8>>,
    waiting: Waiting,
    next: AtomicU64,
    lost: Arc<AtomicBool>,
    /// The last that the agent wrote to its standard error.
    last_words: Arc<Mutex<Vec<u8>>>,
    hello: Hello,
}

impl Agent {
    /// Waits for the agent behind `channel` to say who it is.
    pub(super) async fn meet(channel: Channel<Msg>, limit: Duration) -> Result<Self, String> {
        let (reader, writer) = channel.split();
        let (requests, mut lines) = mpsc::channel::<Vec<u8>>(WAITING_MAX);
        tokio::spawn(async move {
            while let Some(line) = lines.recv().await {
                if writer.data_bytes(line).await.is_err() {
                    break;
                }
            }
            // The agent ends with its input.
            let _ = writer.eof().await;
        });
        let waiting: Waiting = Arc::default();
        let lost = Arc::new(AtomicBool::new(false));
        let last_words = Arc::default();
        let (say_hello, hello) = oneshot::channel();
        let hearing = Hearing {
            waiting: waiting.clone(),
            lost: lost.clone(),
            hello: Some(say_hello),
            line: Vec::new(),
            last_words: Arc::clone(&last_words),
        };
        tokio::spawn(hearing.hear(reader));
        let hello = timeout(limit, hello).await;
        let hello = hello.map_err(|_| format!("its agent said nothing within {limit:?}"))?;
        let hello = hello.map_err(|_| "its agent broke off".to_owned())??;
        if hello.version != VERSION {
            let (theirs, ours) = (hello.version, VERSION);
            return Err(format!(
                "its agent speaks version {theirs}, not {ours}: unset SCHISM_AGENT"
            ));
        }
        Ok(Self { requests, waiting, next: AtomicU64::new(1), lost, last_words, hello })
    }

    /// Who the agent is.
    pub(super) fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Whether the channel is closed.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<u64, mpsc::UnboundedSender<Answer>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks; the one answer, or why there is none.
    pub(super) async fn ask(&self, deed: Deed, limit: Duration) -> Result<Answer, String> {
        let (id, mut answers) = self.open(deed).await?;
        let answer = timeout(limit, answers.recv()).await;
        self.forget(id);
        match answer {
            Ok(Some(Answer::Refused(problem))) => Err(problem),
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(self.loss()),
            Err(_) => Err(format!("its agent gave no answer within {limit:?}")),
        }
    }

    /// Asks for something that has more than one answer; it is forgotten by [`Agent::forget`].
    pub(super) async fn open(&self, deed: Deed) -> Result<(u64, Answers), String> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let line = line(id, deed)?;
        let (sender, answers) = mpsc::unbounded_channel();
        self.waiting().insert(id, sender);
        if self.is_lost() || self.requests.send(line).await.is_err() {
            self.forget(id);
            return Err(self.loss());
        }
        Ok((id, answers))
    }

    /// Why a request has no answer when the channel is gone, with the agent's last words if it had
    /// some.
    fn loss(&self) -> String {
        let words = self.last_words.lock().unwrap_or_else(PoisonError::into_inner);
        let words = String::from_utf8_lossy(&words);
        match words.trim() {
            "" => "the connection was lost".into(),
            words => format!("the connection was lost; its agent's last words: {words}"),
        }
    }

    /// Nobody waits any more for answers to this request.
    pub(super) fn forget(&self, id: u64) {
        self.waiting().remove(&id);
    }

    /// Tells something that has no answer; `false` if there is no room for it or nobody to hear it.
    pub(super) fn tell(&self, deed: Deed) -> bool {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        line(id, deed).is_ok_and(|line| self.requests.try_send(line).is_ok())
    }
}

fn line(id: u64, deed: Deed) -> Result<Vec<u8>, String> {
    let mut line =
        serde_json::to_vec(&Request { id, deed }).map_err(|error| format!("a request: {error}"))?;
    line.push(b'\n');
    Ok(line)
}

/// What listens to one agent, until its channel closes.
struct Hearing {
    waiting: Waiting,
    lost: Arc<AtomicBool>,
    hello: Option<oneshot::Sender<Result<Hello, String>>>,
    line: Vec<u8>,
    last_words: Arc<Mutex<Vec<u8>>>,
}

impl Hearing {
    async fn hear(mut self, mut reader: ChannelReadHalf) {
        while let Some(message) = reader.wait().await {
            match message {
                ChannelMsg::Data { data } => self.take(&data),
                ChannelMsg::ExtendedData { data, .. } => {
                    let mut words = self.last_words();
                    words.extend_from_slice(&data);
                    let surplus = words.len().saturating_sub(STDERR_MAX);
                    words.drain(..surplus);
                }
                _ => {}
            }
        }
        self.lost.store(true, Ordering::Release);
        if let Some(hello) = self.hello.take() {
            let why = explain(String::from_utf8_lossy(&self.last_words()).trim());
            let _ = hello.send(Err(why));
        }
        // Whoever waits hears that nothing will come.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn last_words(&self) -> MutexGuard<'_, Vec<u8>> {
        self.last_words.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&mut self, data: &[u8]) {
        for piece in data.split_inclusive(|&byte| byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.answer();
                self.line.clear();
            } else if self.line.len() > LINE_MAX {
                self.line.clear();
            }
        }
    }

    fn answer(&mut self) {
        // Before its agent a host may greet everybody, in words of its own.
        let Ok(Response { id, answer }) = serde_json::from_slice(&self.line) else { return };
        match (id, answer) {
            (0, Answer::Hello(hello)) => {
                drop(self.hello.take().map(|waits| waits.send(Ok(hello))));
            }
            (0, Answer::Refused(problem)) => {
                drop(self.hello.take().map(|waits| waits.send(Err(problem))));
            }
            (id, answer) => {
                let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(waits) = waiting.get(&id) {
                    let _ = waits.send(answer);
                }
            }
        }
    }
}

/// What an agent that did not come up says, with what helps where that is known.
fn explain(stderr: &str) -> String {
    const KNOWN: [(&str, &str); 3] = [
        (
            "GLIBC_",
            "the host's C library is older than this program's: build the small agent with `make agent` and name it in SCHISM_AGENT",
        ),
        ("sudo", "let the user `sudo` without a password, or log in as root (`user: root`)"),
        ("Exec format", "the host has another processor: name an agent for it in SCHISM_AGENT"),
    ];
    let help = KNOWN.iter().find(|(sign, _)| stderr.contains(sign));
    let help = help.map_or(String::new(), |(_, help)| format!("; {help}"));
    match stderr {
        "" => "its agent did not come up, and said nothing".into(),
        words => format!("its agent did not come up: {words}{help}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_lines_in_pieces_and_overhears_what_is_no_answer() {
        let (say, mut hello) = oneshot::channel();
        let waiting: Waiting = Arc::default();
        let (sender, mut answers) = mpsc::unbounded_channel();
        waiting.lock().expect("the map").insert(7, sender);
        let mut hearing = Hearing {
            waiting,
            lost: Arc::default(),
            hello: Some(say),
            line: Vec::new(),
            last_words: Arc::default(),
        };
        hearing.take(b"Welcome to h1!\n{\"id\":0,\"answer\":{\"ref");
        hearing.take(b"used\":\"no\"}}\n{\"id\":7,\"answer\":\"done\"}\n");
        assert_eq!(hello.try_recv().expect("an answer").expect_err("refused"), "no");
        assert!(matches!(answers.try_recv(), Ok(Answer::Done)));
    }

    #[test]
    fn says_what_helps_where_that_is_known() {
        assert!(explain("x: version `GLIBC_2.36' not found").contains("make agent"));
        assert!(explain("sudo: a password is required").contains("without a password"));
        assert!(explain("").contains("said nothing"));
    }
}
