//! Scenarios: faults of ordered steps, with roles that are resolved when a step begins, waits on
//! conditions, and random times within bounds.
//!
//! Many bugs need a sequence: hold one direction of a link for longer than a retry, then stop the
//! leader for longer than an election, wake it, then heal link by link. A scenario is one fault of
//! the schedule: it starts before its first step touches anything, each step leaves a mark with its
//! resolved facts, everything that it holds is healed when it ends for whatever reason, and then it
//! stops.
//!
//! **Evidence.** A scenario is proven if it came to its last step and everything that it did was
//! seen, by senders and receivers that know nothing of the rules:
//!
//! - Links: right after each step, datagrams are sent over the links that it changed
//!   (`probe/links/parcels.rs`). Those over a link that is held must come
//!   after its release and in order, those over a cut one never, those over a slow one late. This
//!   needs no time, so that windows of a few milliseconds are proven, too.
//! - Nodes: whoever was paused or killed is looked at in /proc at once, and asked over the network
//!   where the step lasts long enough for that.
//! - Conditions: what was waited for is said, as it was seen.
//!
//! A condition that is not met in its time ends the scenario: it is healed, and not proven.

mod inner;
mod perform;
mod read;
mod stage;

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use schism_history::Span;
use schism_lab::NodeId;

use crate::ear::Began;
use crate::{Fault, LEADER};

use inner::Inner;

pub(crate) use perform::Performance;
pub(crate) use stage::Stage;

/// Ordered steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    pub(crate) steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Names are given to nodes.
    Roles(Vec<(String, Who)>),
    /// Something that touches links or nodes.
    Touch(Touch),
    /// Time passes.
    Wait(Spread),
    /// Time passes until something is seen, but no more than this.
    Until(Condition, Duration),
    /// These come in a random order, so far apart.
    InAnyOrder(Vec<Touch>, Spread),
}

/// A step that touches something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Touch {
    /// Rules of links change.
    Links(Change, Links),
    /// Something is done to nodes.
    Nodes(Act, Vec<Place>),
    /// Another fault begins.
    Inner(Inner),
    /// What faults with these names hold ends.
    End(Vec<&'static str>),
}

/// What becomes of the rules of links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// What is sent is kept.
    Hold,
    /// What was kept goes out, in order.
    Release,
    /// What is sent vanishes, and what was kept.
    Drop,
    /// What is sent comes later by this, plus or minus that.
    Delay(Duration, Duration),
    /// Nothing of what the scenario did to them is left.
    Heal,
}

/// What is done to nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Pause,
    Resume,
    Kill,
    Start,
}

/// Links as a plan names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    /// From each of the first to each of the second.
    Directed(Vec<Place>, Vec<Place>),
    /// Between each two of these, both ways.
    Between(Vec<Place>),
    /// Between these and every other node, both ways.
    Of(Vec<Place>),
    /// All that the scenario has changed.
    All,
}

/// A node or several, as a plan names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Where the clients are: in the controller, or all of their places.
    Clients,
    /// This node, or the place of this client.
    Node(NodeId),
    /// The nodes that were given this name.
    Role(String),
}

/// Whom a role is given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// The node that plays this role in its system.
    Plays(&'static str),
    /// A random one that does not lead and has no other role of the same step.
    Follower,
    /// A random one that has no other role of the same step.
    One,
    /// All that have no other role of the same step.
    Other,
    /// The client that was granted a lock most recently, of those that have not given it back.
    Holder,
    /// A random client that is a process and has no other role of the same step.
    Client,
    /// This one.
    Node(NodeId),
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// A node plays this role in its system, and is none of these.
    Plays { role: &'static str, not: Vec<Place> },
    /// An operation that was begun after the step did gets so far.
    Operation { f: Option<String>, outcome: Began, at: Vec<Place> },
}

/// A time within bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spread {
    least: Duration,
    most: Duration,
}

impl Spread {
    /// Each time within the bounds is as likely as any other.
    fn draw(self, rng: &mut ChaCha8Rng) -> Duration {
        let room = self.most.saturating_sub(self.least).as_micros() as u64;
        // The bias of the remainder is nothing beside what a timer is late by.
        self.least + Duration::from_micros(rng.next_u64() % (room + 1))
    }
}

impl Who {
    /// The role that it must be known of who plays it.
    fn role(self) -> Option<&'static str> {
        match self {
            Who::Plays(role) => Some(role),
            Who::Follower => Some(LEADER),
            _ => None,
        }
    }
}

impl Scenario {
    /// The roles that its steps ask for, each once.
    pub(crate) fn roles(&self) -> Vec<&'static str> {
        let of_step = |step: &Step| match step {
            Step::Roles(wanted) => wanted.iter().filter_map(|(_, who)| who.role()).collect(),
            Step::Until(Condition::Plays { role, .. }, _) => vec![*role],
            _ => Vec::new(),
        };
        let mut roles: Vec<&'static str> = self.steps.iter().flat_map(of_step).collect();
        roles.sort_unstable();
        roles.dedup();
        roles
    }

    /// How long it takes at the least: all waits at their shortest, all conditions met at once.
    pub(crate) fn least(&self) -> Duration {
        let least = |step: &Step| match step {
            Step::Wait(spread) => spread.least,
            Step::InAnyOrder(steps, gap) => gap.least * (steps.len() as u32).saturating_sub(1),
            Step::Roles(_) | Step::Touch(_) | Step::Until(..) => Duration::ZERO,
        };
        self.steps.iter().map(least).sum()
    }

    /// The steps that touch something, in the order of the plan.
    pub(crate) fn touches(&self) -> impl Iterator<Item = &Touch> {
        self.steps.iter().flat_map(|step| match step {
            Step::Touch(touch) => std::slice::from_ref(touch),
            Step::InAnyOrder(touches, _) => touches.as_slice(),
            Step::Roles(_) | Step::Wait(_) | Step::Until(..) => &[],
        })
    }

    /// Whether it does something to nodes.
    pub(crate) fn strikes_nodes(&self) -> bool {
        self.touches().any(|touch| matches!(touch, Touch::Nodes(..) | Touch::Inner(_)))
    }

    /// The other faults that it is made of, as if they struck the first node.
    pub(crate) fn inner(&self) -> impl Iterator<Item = Box<dyn Fault>> {
        self.touches().filter_map(|touch| match touch {
            Touch::Inner(inner) => inner.fault(&[NodeId(1)]).ok(),
            _ => None,
        })
    }

    /// The names of the faults that it is made of: a target must take each of them.
    pub(crate) fn faults(&self) -> Vec<&'static str> {
        let name = |touch: &Touch| match touch {
            Touch::Links(Change::Hold, _) => Some("hold"),
            Touch::Links(Change::Drop, _) => Some("partition"),
            Touch::Links(Change::Delay(..), _) => Some("delay"),
            Touch::Nodes(Act::Pause, _) => Some("pause"),
            Touch::Nodes(Act::Kill, _) => Some("kill"),
            Touch::Inner(inner) => Some(inner.name),
            Touch::Links(Change::Release | Change::Heal, _)
            | Touch::Nodes(Act::Resume | Act::Start, _)
            | Touch::End(_) => None,
        };
        let mut names: Vec<&'static str> = self.touches().filter_map(name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl Change {
    fn word(self) -> &'static str {
        match self {
            Change::Hold => "hold",
            Change::Release => "release",
            Change::Drop => "drop",
            Change::Delay(..) => "delay",
            Change::Heal => "heal",
        }
    }

    /// The word, and how much where there is a measure.
    fn words(self) -> String {
        match self {
            Change::Delay(by, Duration::ZERO) => format!("delay by {}", Span(by)),
            Change::Delay(by, jitter) => format!("delay by {} ± {}", Span(by), Span(jitter)),
            other => other.word().into(),
        }
    }
}

impl Act {
    fn word(self) -> &'static str {
        match self {
            Act::Pause => "pause",
            Act::Resume => "resume",
            Act::Kill => "kill",
            Act::Start => "start",
        }
    }
}

#[cfg(test)]
mod tests;
