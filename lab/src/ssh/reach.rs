//! A host within reach: its connection and its agent, made anew when they break.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schism_agent::protocol::{Answer, Deed, Slow};
use tokio::time::{Instant, sleep, timeout};

use super::access::Access;
use super::agent::Agent;
use super::bounds::Bounds;
use super::connection::Connection;
use super::install::{Installed, Programs, install};
use super::quote::{script, words};
use crate::{HostError, NodeId};

/// For so long a node that could not be reached is not tried again: whoever waited for that attempt
/// gets its answer, and not one more wait.
const DOWN_FOR: Duration = Duration::from_secs(1);
/// How often it is asked to.
const BYES: usize = 3;

/// Which packets of a node vanish, and which come late.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cut {
    /// Those from these vanish.
    pub(super) from: Vec<IpAddr>,
    /// Those to these vanish.
    pub(super) to: Vec<IpAddr>,
    /// Those to these come late.
    pub(super) slow: Vec<Slow>,
}

/// The programs that are to be on a host.
#[derive(Clone, Debug)]
pub(super) enum Ware {
    /// Copied there if need be.
    Copied(Programs),
    /// There already, since the host shares this machine's files.
    Shared(PathBuf),
}

/// A host, connected or not at this moment.
pub(super) struct Reach {
    pub(super) id: NodeId,
    pub(super) access: Access,
    ware: Ware,
    /// Tells the agents of this run from those of others.
    token: String,
    pub(super) bounds: Bounds,
    held: tokio::sync::Mutex<State>,
    left: Mutex<Left>,
}

/// What a reader of the report should know when a lab is down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// What happened on the way.
    pub notes: Vec<String>,
    /// Agents that were lost on the way, and with them all that their nodes ran and held.
    pub lost: Vec<String>,
    /// What is not as it was, each with its node and the command that cleans it.
    pub dirty: Vec<String>,
}

#[derive(Default)]
struct State {
    held: Option<Arc<Held>>,
    /// Whether there was ever a connection: then data and logs are kept.
    begun: bool,
    /// When it could not be reached, and why.
    failed: Option<(Instant, String)>,
    /// What is to be cut, and whether the agent that is held has been told.
    cut: Cut,
    told: bool,
}

/// An open connection with its agent.
pub(super) struct Held {
    pub(super) connection: Connection,
    pub(super) agent: Arc<Agent>,
    /// How much was copied when it was opened.
    pub(super) copied_bytes: u64,
}

impl Reach {
    pub(super) fn new(
        id: NodeId,
        access: Access,
        ware: Ware,
        token: String,
        bounds: Bounds,
    ) -> Self {
        let (held, left) = (tokio::sync::Mutex::default(), Mutex::default());
        Self { id, access, ware, token, bounds, held, left }
    }

    /// An error of this node, in one line.
    pub(super) fn error(&self, problem: impl Into<String>) -> HostError {
        HostError { node: self.id, problem: problem.into(), source: None }
    }

    fn left(&self) -> MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, note: String) {
        self.left().notes.push(note);
    }

    /// Replaces what was known of the node to be left dirty: who looks later knows it better.
    fn dirty(&self, dirty: &[String]) {
        self.left().dirty = dirty.iter().map(|one| format!("{}: {one}", self.id)).collect();
    }

    /// What the reader of a report should know of this node.
    pub(super) fn take_left(&self) -> Left {
        std::mem::take(&mut self.left())
    }

    /// The connection, made now if there is none. Rules that the node had are set again.
    pub(super) async fn held(&self) -> Result<Arc<Held>, HostError> {
        let mut state = self.held.lock().await;
        if let Some(held) = &state.held {
            if !held.connection.is_closed() && !held.agent.is_lost() {
                return Ok(held.clone());
            }
            state.held = None;
            let lost = format!(
                "{}: the connection to {} was lost; the agent there kills what it had started",
                self.id, self.access
            );
            self.left().lost.push(lost);
        }
        if let Some((at, problem)) = &state.failed
            && at.elapsed() < DOWN_FOR
        {
            return Err(self.error(problem.clone()));
        }
        let fresh = !state.begun;
        // The first time a program may have to be copied over a slow line; each step has its bound.
        let limit = if fresh { self.bounds.first() } else { self.bounds.reach };
        let opened = timeout(limit, self.open(fresh));
        let late = |_| self.error(format!("{} could not be reached within {limit:?}", self.access));
        let opened = opened.await.map_err(late).and_then(|opened| opened);
        state.failed = opened.as_ref().err().map(|error| (Instant::now(), error.problem.clone()));
        let held = Arc::new(opened?);
        let hello = held.agent.hello();
        if !hello.cleaned.is_empty() {
            let cleaned = hello.cleaned.join("; ");
            self.note(format!(
                "{}: an agent that ended had left, and the next cleaned: {cleaned}",
                self.id
            ));
        }
        self.dirty(&hello.dirty);
        state.begun = true;
        state.told = false;
        if state.cut != Cut::default() {
            self.tell_cut(&held, &mut state).await?;
        }
        state.held = Some(held.clone());
        Ok(held)
    }

    /// The agent, if it is there: never connects.
    pub(super) async fn agent_if_held(&self) -> Option<Arc<Agent>> {
        let state = self.held.lock().await;
        state.held.as_ref().filter(|held| !held.agent.is_lost()).map(|held| held.agent.clone())
    }

    async fn open(&self, fresh: bool) -> Result<Held, HostError> {
        let access = &self.access;
        let failed = |problem: String| self.error(format!("{access}: {problem}"));
        let connection = Connection::open(access, &self.bounds).await.map_err(failed)?;
        let installed = match &self.ware {
            Ware::Copied(programs) => {
                install(&connection, access, programs).await.map_err(failed)?
            }
            Ware::Shared(path) => {
                Installed { agent: path.clone(), schism: path.clone(), copied_bytes: 0 }
            }
        };
        let channel = connection.channel(&self.line(&installed, fresh)).await.map_err(failed)?;
        let agent = Agent::meet(channel, self.bounds).await.map_err(failed)?;
        Ok(Held { connection, agent: Arc::new(agent), copied_bytes: installed.copied_bytes })
    }

    /// The line of shell that starts the agent. The connection is told as an argument, since sudo
    /// keeps no variables.
    fn line(&self, installed: &Installed, fresh: bool) -> String {
        let path = |path: &PathBuf| path.display().to_string();
        let folder = self.access.folder();
        let mut line = words([
            &path(&installed.agent),
            "agent",
            "--folder",
            &path(&folder),
            "--token",
            &self.token,
            "--lease",
            &format!("{}ms", self.bounds.lease.as_millis()),
            "--schism",
            &path(&installed.schism),
        ]);
        if fresh {
            line += " --fresh";
        }
        if self.access.disposable {
            line += " --disposable";
        }
        script(&format!("exec {}{line} --connection \"$SSH_CONNECTION\"", self.sudo()))
    }

    /// What stands before a program that only root may run.
    pub(super) fn sudo(&self) -> &'static str {
        if self.access.needs_sudo() { "sudo -n -- " } else { "" }
    }

    /// Asks the agent, on a new connection if the old one is broken. Nothing is asked twice: what
    /// was under way when the connection broke may have been done or not.
    pub(super) async fn ask(&self, deed: Deed, limit: Duration) -> Result<Answer, HostError> {
        let held = self.held().await?;
        held.agent.ask(deed, limit).await.map_err(|problem| self.error(problem))
    }

    /// Has the node drop packets; asks only where something changes.
    pub(super) async fn cut(&self, cut: Cut) -> Result<(), HostError> {
        // The connection first: a new one is told what the old one was.
        let held = self.held().await?;
        let mut state = self.held.lock().await;
        // A new agent has no rules, which need not be taken away again.
        if state.cut == cut && (state.told || cut == Cut::default()) {
            return Ok(());
        }
        state.cut = cut;
        self.tell_cut(&held, &mut state).await
    }

    async fn tell_cut(&self, held: &Held, state: &mut State) -> Result<(), HostError> {
        state.told = false;
        let Cut { from, to, slow } = state.cut.clone();
        let set = held.agent.ask(Deed::Links { from, to, slow }, self.bounds.answer).await;
        set.map_err(|problem| self.error(problem))?;
        state.told = true;
        Ok(())
    }

    /// Has the agent undo everything, and closes the connection. A node that is not reached is
    /// tried again: what nobody saw undone counts as left.
    pub(super) async fn bye(&self) {
        if !self.held.lock().await.begun {
            return;
        }
        let mut problem = String::new();
        for _ in 0..BYES {
            let held = match self.held().await {
                Ok(held) => held,
                Err(error) => {
                    problem = error.problem;
                    sleep(DOWN_FOR).await;
                    continue;
                }
            };
            let bye = held.agent.ask(Deed::Bye, self.bounds.answer).await;
            self.held.lock().await.held = None;
            held.connection.close().await;
            match bye {
                Ok(Answer::Undone { dirty }) => return self.dirty(&dirty),
                Ok(_) => problem = "its agent answered something else than it was asked".into(),
                Err(error) => problem = error,
            }
        }
        let lease = self.bounds.lease;
        let dirty = format!(
            "{} was not reached at the end ({problem}), so that nobody saw what its agent undoes \
             {lease:?} after it heard the last; run: {}",
            self.access,
            self.cleaning()
        );
        self.dirty(&[dirty]);
    }

    /// What a person runs there to have everything undone.
    fn cleaning(&self) -> String {
        let folder = self.access.folder().display().to_string();
        let program = match &self.ware {
            Ware::Copied(programs) => format!("{folder}/programs/{}", programs.agent.sum),
            Ware::Shared(path) => path.display().to_string(),
        };
        self.sudo().to_owned() + &words([&program, "agent", "--clean", "--folder", &folder])
    }
}
