//! The place of one client: its process, which is started, told what to do, killed, started again.

use std::path::PathBuf;
use std::sync::{Arc, Mutex as Plain, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use schism_history::{Call, Code, Outcome, Process, Reason};
use schism_lab::{Command, Host, NodeId};
use schism_targets::Client;
use tokio::io::AsyncRead;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::talk::{Lost, Talk};
use crate::client::lines::{self, Hello, Ready, VERSION};

/// How long a process may take until it can be asked: an interpreter may have to load much.
const START_WITHIN: Duration = Duration::from_secs(5);
/// How long whoever speaks to the process may take to notice that it is dead.
const HAND_OVER: Duration = Duration::from_secs(2);
/// One that ended by itself, or could not be started, is started again so much later.
const START_AGAIN: Duration = Duration::from_millis(100);
/// How often a process that owes an answer is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Of a process that ends again and again, so much is said.
const NOTES_MAX: usize = 5;

/// A client's place.
pub(super) struct Place {
    host: Arc<dyn Host>,
    command: Command,
    hello: Hello,
    /// The pipes; `None` while no process runs that can be asked.
    talk: Mutex<Option<Talk>>,
    life: watch::Sender<Life>,
    /// How far the client's clock was ahead of ours by its last answer, in seconds.
    ahead_s: watch::Sender<Option<f64>>,
    notes: Plain<Vec<String>>,
}

/// Which process of a place it is, and whether it may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Life {
    /// The how many-th.
    number: u32,
    /// A fault has killed it and is not over: nobody else may start it.
    struck: bool,
}

impl Place {
    pub(super) fn new(host: Arc<dyn Host>, command: Command, hello: Hello) -> Self {
        let life = watch::Sender::new(Life { number: 0, struck: false });
        let (talk, notes) = (Mutex::default(), Plain::default());
        Self { host, command, hello, talk, life, ahead_s: watch::Sender::new(None), notes }
    }

    pub(super) fn host(&self) -> &Arc<dyn Host> {
        &self.host
    }

    fn id(&self) -> NodeId {
        self.host.node().id
    }

    fn log(&self) -> PathBuf {
        self.host.node().logs.join("client.log")
    }

    fn note(&self, note: String) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.len() < NOTES_MAX {
            notes.push(note);
        }
    }

    /// What the reader of the report should know.
    pub(super) fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How far the client's clock is ahead of ours, by the next answer that it gives to anybody; `None`
    /// if none comes in that time, or it does not say what its clock shows.
    pub(super) async fn ahead_s(&self, within: Duration) -> Option<f64> {
        let mut ahead_s = self.ahead_s.subscribe();
        timeout(within, ahead_s.changed()).await.ok()?.ok()?;
        *ahead_s.borrow()
    }

    /// Starts the process where none runs, and returns when it can be asked.
    pub(super) async fn start(&self) -> Result<(), String> {
        let Ok(mut talk) = timeout(HAND_OVER, self.talk.lock()).await else {
            return Err(format!("{}: its client is still being spoken to", self.id()));
        };
        if talk.is_none() {
            let running =
                self.host.spawn(&self.command).await.map_err(|error| error.to_string())?;
            *talk = Some(self.greet(running).await?);
            self.life.send_modify(|life| life.number += 1);
        }
        self.life.send_modify(|life| life.struck = false);
        Ok(())
    }

    async fn greet(&self, mut running: schism_lab::Running) -> Result<Talk, String> {
        let (place, name) = (self.id(), self.command.argv.join(" "));
        if let Some(errors) = running.stderr.take() {
            tokio::spawn(keep(errors, self.log()));
        }
        let mut talk = Talk::new(running).ok_or("the client has no pipes")?;
        let greeted = async {
            // Whoever ended before it was greeted refuses the greeting; what it said before its
            // end tells more than that.
            let greeting = talk.say(lines::line(&self.hello)).await;
            let line = talk.hear().await?;
            let said = || String::from_utf8_lossy(&line).trim().to_owned();
            let Ready { ready } = serde_json::from_slice(&line)
                .map_err(|_| format!("said `{}`, not {{\"ready\":{VERSION}}}", said()))?;
            if ready == VERSION {
                return greeting.map_err(|error| format!("does not listen: {error}"));
            }
            Err(format!("speaks version {ready} of the lines, not {VERSION}"))
        };
        let late = || Err(format!("did not say that it is ready within {START_WITHIN:?}"));
        match timeout(START_WITHIN, greeted).await.unwrap_or_else(|_| late()) {
            Ok(()) => Ok(talk),
            Err(problem) => {
                let end = talk.end().await;
                let log = self.log();
                let log = log.display();
                Err(format!("{place}: the client `{name}` {problem} ({end}); its log: {log}"))
            }
        }
    }

    /// Kills everything in the place, for as long as a fault lasts: until [`Place::start`].
    pub(super) async fn kill(&self) -> Result<(), String> {
        self.life.send_modify(|life| life.struck = true);
        self.host.kill_all().await.map_err(|error| error.to_string())?;
        // Whoever waits for an answer sees the end of the pipe, and lets go.
        match timeout(HAND_OVER, self.talk.lock()).await {
            Ok(mut talk) => {
                if let Some(talk) = talk.take() {
                    talk.end().await;
                }
                Ok(())
            }
            Err(_) => Err(format!("{}: its client is dead and still spoken to", self.id())),
        }
    }

    /// Returns when the place has a process that waits for something to do: the number of its life.
    /// `None` if `stop` came first.
    ///
    /// A dead client asks nothing, and neither does one that is stopped in the middle of something.
    /// One that ended by itself is started again; one that runs and does not answer for longer than
    /// `patience` is killed first.
    pub(super) async fn ready(&self, patience: Duration, stop: &CancellationToken) -> Option<u32> {
        let mut life = self.life.subscribe();
        loop {
            let now = *life.borrow_and_update();
            tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                ready = self.look(now, patience), if !now.struck => if ready {
                    return Some(life.borrow().number);
                },
                _ = life.changed() => {}
            }
        }
    }

    /// Whether it is ready; otherwise something was done about it.
    async fn look(&self, now: Life, patience: Duration) -> bool {
        let mut talk = self.talk.lock().await;
        let Some(spoken) = &mut *talk else {
            drop(talk);
            if now.number > 0 {
                tokio::time::sleep(START_AGAIN).await;
            }
            // A fault that has struck meanwhile brings its client back itself.
            if !self.life.borrow().struck
                && let Err(problem) = self.start().await
            {
                self.note(problem);
                tokio::time::sleep(HAND_OVER).await;
            }
            return false;
        };
        if !spoken.owes() {
            return true;
        }
        let settled = tokio::select! {
            settled = spoken.settle() => settled,
            () = self.stuck(patience) => {
                Err(format!("ran for {patience:?} and did not answer"))
            }
        };
        match settled {
            Ok(()) => true,
            Err(problem) => {
                self.bury(&mut talk, &problem).await;
                false
            }
        }
    }

    /// Returns when something of the place has run, not stopped, for so long.
    async fn stuck(&self, patience: Duration) {
        let mut ran = Duration::ZERO;
        while ran < patience {
            let before = Instant::now();
            tokio::time::sleep(LOOK_EVERY).await;
            let states = self.host.processes().await.unwrap_or_default();
            let runs = |state: &schism_lab::ProcessState| !matches!(state.state, 'T' | 't' | 'Z');
            if states.iter().any(runs) {
                ran += before.elapsed();
            }
        }
    }

    /// Ends a process that is of no more use; what it was like, in words.
    async fn bury(&self, talk: &mut Option<Talk>, problem: &str) -> String {
        let Some(dead) = talk.take() else { return problem.to_owned() };
        let end = dead.end().await;
        let words = format!("{}: its client {problem} ({end})", self.id());
        if !self.life.borrow().struck {
            self.note(format!("{words}; no fault had killed it. Its log: nodes/{}", self.id()));
        }
        words
    }
}

/// Keeps what a client writes to its standard error.
async fn keep(mut errors: Box<dyn AsyncRead + Send + Unpin>, path: PathBuf) {
    let log = tokio::fs::OpenOptions::new().create(true).append(true).open(path).await;
    // Whoever cannot write a log must still read, or the client would wait for it.
    match log {
        Ok(mut log) => drop(tokio::io::copy(&mut errors, &mut log).await),
        Err(_) => drop(tokio::io::copy(&mut errors, &mut tokio::io::sink()).await),
    }
}

/// A client whose work is done in its place.
pub(super) struct PlacedClient {
    pub(super) place: Arc<Place>,
    pub(super) process: Process,
}

#[async_trait]
impl Client for PlacedClient {
    /// What a process that died had done of it, nobody knows: `Info`. That holds for reads, too,
    /// since with it its thread goes on as another process, as it has to.
    async fn invoke(&mut self, call: &Call<'_>) -> Outcome {
        let mut talk = self.place.talk.lock().await;
        let Some(spoken) = &mut *talk else {
            let problem = format!("{}: its client does not run", self.place.id());
            return Outcome::Fail(Reason::new(Code::Refused, problem));
        };
        match spoken.ask(self.process, call).await {
            Ok(outcome) => {
                self.place.ahead_s.send_replace(spoken.ahead_s());
                outcome
            }
            // The process has not seen a byte of it, and never will.
            Err(Lost::Unsent(problem)) => {
                let words = self.place.bury(&mut talk, &problem).await;
                Outcome::Fail(Reason::new(Code::Refused, words))
            }
            Err(Lost::Sent(problem)) => {
                let words = self.place.bury(&mut talk, &problem).await;
                Outcome::Info(Reason::new(Code::Disconnected, words))
            }
        }
    }
}
