//! The steps that wait: for a time, for a leader, for an operation. Each ends with the fault's time
//! or with the run at the latest.

use std::time::Duration;

use schism_history::{F, Span};
use schism_lab::NodeId;
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Performance;
use crate::LEADER;
use crate::ear::{Began, Wanted};
use crate::hands::Matters;
use crate::roles::nobody;
use crate::scenario::{Condition, Place, Spread, Who};
use crate::victims::list;

/// How long a step that gives roles may look for a leader.
const CAST_WITHIN: Duration = Duration::from_secs(3);
/// How long one node may take to say whether it leads, and the pause between two questions.
const ASK_WITHIN: Duration = Duration::from_millis(200);
const ASK_AGAIN: Duration = Duration::from_millis(20);

impl Performance {
    /// Gives roles. Whoever has to know who plays one asks for a while: there may be an election.
    pub(super) async fn cast(
        &mut self,
        wanted: &[(String, Who)],
        stop: &CancellationToken,
    ) -> Result<Vec<(String, Vec<NodeId>)>, String> {
        let matters = Matters {
            roles: wanted.iter().filter_map(|(_, who)| who.role()).collect(),
            holder: wanted.iter().any(|(_, who)| matches!(who, Who::Holder)),
        };
        let deadline = Instant::now() + CAST_WITHIN;
        let hands = self.hands.clone();
        let asked = async move {
            loop {
                let (turn, view) = hands.turn_with_view(&matters).await;
                drop(turn);
                if matters.known(&view) || Instant::now() >= deadline {
                    return view;
                }
            }
        };
        let view = interruptible(asked, self.ends(), stop).await?;
        self.stage.cast(wanted, &view, &mut self.rng)
    }

    /// Lets a time pass, counted from the end of the step before.
    pub(super) async fn wait(
        &mut self,
        number: u32,
        spread: Spread,
        stop: &CancellationToken,
    ) -> Result<(), String> {
        let drawn = spread.draw(&mut self.rng);
        self.due += drawn;
        interruptible(tokio::time::sleep_until(self.due), self.ends(), stop).await?;
        let facts = json!({ "wait_us": drawn.as_micros() as u64 });
        let words = format!("wait {:.1} ms", drawn.as_secs_f64() * 1e3);
        self.mark(number, words, facts, self.late());
        Ok(())
    }

    /// Waits until something is seen, and remembers what it was.
    pub(super) async fn until(
        &mut self,
        number: u32,
        condition: &Condition,
        within: Duration,
        stop: &CancellationToken,
    ) -> Result<(), String> {
        let (began, late) = (Instant::now(), self.late());
        let seen = async {
            match condition {
                Condition::Plays { role, not } => self.player(role, not).await,
                Condition::Operation { f, outcome, at } => {
                    self.operation(f.as_deref(), *outcome, at).await
                }
            }
        };
        let bounded = tokio::time::timeout(within, seen);
        let seen = match interruptible(bounded, self.ends(), stop).await? {
            Ok(seen) => seen?,
            Err(_) => return Err(format!("{} within {}", self.unmet(condition), Span(within))),
        };
        let took = began.elapsed();
        let facts = json!({ "until": seen, "took_us": took.as_micros() as u64 });
        let words = format!("{seen} after {} ms", took.as_millis());
        self.mark(number, format!("until {words}"), facts, late);
        self.met.push(words);
        self.due = Instant::now();
        Ok(())
    }

    /// Asks until a node that is none of these plays the role.
    async fn player(&self, role: &'static str, not: &[Place]) -> Result<String, String> {
        let not = self.stage.nodes_at(not);
        loop {
            let players = self.hands.playing(role, ASK_WITHIN).await?;
            if let Some(player) = players.iter().find(|player| !not.contains(player)) {
                return Ok(match role {
                    LEADER => format!("{player} leads"),
                    role => format!("{player} is the {role}"),
                });
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    async fn operation(
        &self,
        f: Option<&str>,
        outcome: Began,
        at: &[Place],
    ) -> Result<String, String> {
        let ear = self.hands.ear().ok_or("nobody tells the nemesis of operations")?;
        let nodes = self.stage.nodes_at(at);
        let at = nodes.iter().map(|node| schism_history::NodeId(node.0)).collect();
        let wanted = Wanted { f: f.map(F::new), outcome, at, since: self.hands.elapsed() };
        ear.wait_for(wanted).await.map_err(|_| "the recording ended".into())
    }

    /// What was not seen, in words.
    fn unmet(&self, condition: &Condition) -> String {
        let nodes = |places: &[Place]| list(&self.stage.nodes_at(places));
        match condition {
            Condition::Plays { role, not } if not.is_empty() => nobody(role),
            Condition::Plays { role, not } => match *role {
                LEADER => format!("no node but {} said that it leads", nodes(not)),
                role => format!("no node but {} was said to be the {role}", nodes(not)),
            },
            Condition::Operation { f, outcome, at } => {
                let f = f.as_deref().unwrap_or("operation");
                let at = if at.is_empty() { String::new() } else { format!(" at {}", nodes(at)) };
                format!("no {f}{at} that was begun since came to be {}", outcome.word())
            }
        }
    }
}

/// Waits for `done`, but not beyond the end of the fault's time or of the run.
async fn interruptible<T>(
    done: impl Future<Output = T>,
    ends: Instant,
    stop: &CancellationToken,
) -> Result<T, String> {
    tokio::select! {
        biased;
        () = stop.cancelled() => Err("the run ended".into()),
        done = done => Ok(done),
        () = tokio::time::sleep_until(ends) => Err("the time of the scenario was over".into()),
    }
}
