//! The channel to a node's agent: requests out, answers back, each to whoever asked.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::bounds::Bounds;
use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf};
use schism_agent::protocol::{Answer, Deed, Hello, Request, Response, VERSION};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How often the agent is spoken to within its lease, whatever else there is to say.
const ECHOES: u32 = 4;
/// After so many echoes without a word from the agent, its channel counts as lost: by then its
/// lease may well be over, and what it held undone.
const SILENT_MAX: u32 = 2 * ECHOES;
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
    bounds: Bounds,
}

impl Agent {
    /// Waits for the agent behind `channel` to say who it is.
    ///
    /// From then on it is spoken to often enough for its `lease`, until this is dropped.
    pub(super) async fn meet(channel: Channel<Msg>, bounds: Bounds) -> Result<Self, String> {
        let (limit, lease) = (bounds.agent(), bounds.lease);
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
        let silent = Arc::new(AtomicU32::new(0));
        let hearing = Hearing {
            waiting: waiting.clone(),
            lost: lost.clone(),
            silent: silent.clone(),
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
        let keeping = keep(requests.downgrade(), lease, silent, lost.clone(), waiting.clone());
        tokio::spawn(keeping);
        Ok(Self { requests, waiting, next: AtomicU64::new(1), lost, last_words, hello, bounds })
    }

    /// How long it may take for what takes a moment.
    pub(super) fn answer_within(&self) -> Duration {
        self.bounds.answer
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

/// Speaks to the agent within its lease, and notices that it says nothing, until the channel closes.
async fn keep(
    requests: mpsc::WeakSender<Vec<u8>>,
    lease: Duration,
    silent: Arc<AtomicU32>,
    lost: Arc<AtomicBool>,
    waiting: Waiting,
) {
    let mut ticks = interval(lease / ECHOES);
    // Where this process itself stood still, that is no silence of the agent's.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // No request has the number 0, and nobody waits for its answer.
    let Ok(echo) = line(0, Deed::Echo) else { return };
    loop {
        ticks.tick().await;
        let Some(requests) = requests.upgrade() else { return };
        if lost.load(Ordering::Acquire) {
            return;
        }
        if silent.fetch_add(1, Ordering::AcqRel) >= SILENT_MAX {
            lost.store(true, Ordering::Release);
            waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
            return;
        }
        // Where there is no room, lines enough are on their way.
        let _ = requests.try_send(echo.clone());
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
    /// How many echoes were sent since the agent was last heard.
    silent: Arc<AtomicU32>,
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
        self.silent.store(0, Ordering::Release);
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
                if let Some(waits) = self.hello.take() {
                    let _ = waits.send(Ok(hello));
                }
            }
            (0, Answer::Refused(problem)) => {
                if let Some(waits) = self.hello.take() {
                    let _ = waits.send(Err(problem));
                }
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

    #[tokio::test]
    async fn speaks_within_the_lease_and_counts_a_silent_agent_as_lost() {
        let (requests, mut lines) = mpsc::channel(WAITING_MAX);
        let (silent, lost): (Arc<AtomicU32>, Arc<AtomicBool>) = Default::default();
        let lease = Duration::from_millis(40);
        let keeping =
            keep(requests.downgrade(), lease, silent.clone(), lost.clone(), Arc::default());
        let keeping = tokio::spawn(keeping);
        for _ in 0..3 * SILENT_MAX {
            // A busy machine is late, and never by so much.
            timeout(Duration::from_secs(5), lines.recv()).await.expect("a line");
            // The agent answers each.
            silent.store(0, Ordering::Release);
        }
        assert!(!lost.load(Ordering::Acquire));
        keeping.await.expect("it ends when nobody answers");
        assert!(lost.load(Ordering::Acquire));
    }

    #[tokio::test]
    async fn speaks_no_more_when_nobody_holds_the_agent() {
        let (requests, mut lines) = mpsc::channel(WAITING_MAX);
        let keeping = keep(
            requests.downgrade(),
            Duration::from_millis(40),
            Arc::default(),
            Arc::default(),
            Arc::default(),
        );
        drop(requests);
        keeping.await;
        assert_eq!(lines.recv().await, None);
    }

    #[test]
    fn takes_lines_in_pieces_and_overhears_what_is_no_answer() {
        let (say, mut hello) = oneshot::channel();
        let waiting: Waiting = Arc::default();
        let (sender, mut answers) = mpsc::unbounded_channel();
        waiting.lock().expect("the map").insert(7, sender);
        let mut hearing = Hearing {
            waiting,
            lost: Arc::default(),
            silent: Arc::default(),
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
