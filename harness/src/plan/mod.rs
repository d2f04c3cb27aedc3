//! Plans: what a run is to do, as a YAML file says it.

mod bounds;
mod claims;
mod clients;
mod diagnose;
mod document;
mod faults;
mod lab;
mod overrides;
mod read;

pub use bounds::Bounds;
pub use read::{PlanError, read};

use std::path::PathBuf;
use std::time::Duration;

use schism_checkers::Asked;
use schism_history::Rate;
use schism_lab::ssh::Source;
use schism_nemesis::FaultSpec;
use schism_workloads::WORKLOADS;
use serde_json::Value;

/// A plan that was accepted: every name in it stands in a table, every unit was understood.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The plan's name: `quickstart`, `bugs/stale-read`. Runs are stored under it.
    pub name: String,
    /// The seed of everything that is drawn.
    pub seed: u64,
    /// Where the nodes stand.
    pub lab: LabPlan,
    /// The system under test.
    pub target: Choice,
    /// What is asked of it.
    pub workload: Choice,
    /// How much is asked.
    pub load: Load,
    /// What is done to it.
    pub faults: Vec<FaultSpec>,
    /// What it is claimed to guarantee.
    pub claims: Vec<Asked>,
    /// When to end early.
    pub stop: Stop,
    /// How long it may wait for what.
    pub bounds: Bounds,
    /// Where the plan was read from.
    pub file: PathBuf,
    /// The plan's text, as it was read, with overrides applied as `key: value` lines of a comment.
    pub text: String,
}

impl Plan {
    /// What its history will be about: the name of a row of `SUBJECTS`.
    pub fn subject(&self) -> &str {
        match WORKLOADS.iter().find(|entry| entry.name == self.workload.name) {
            Some(entry) => entry.subject(),
            None => &self.workload.name,
        }
    }
}

/// A row of a table, with its options.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The row's name.
    pub name: String,
    /// The options: a JSON object, or null.
    pub options: Value,
}

/// Where the nodes stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabPlan {
    /// Namespaces on this machine, joined by the virtual switch.
    Local {
        /// How many nodes, 1 to 64.
        nodes: u16,
        /// Whether each runs sshd, and is reached over it alone.
        ssh: bool,
        /// For how long an agent keeps up what it does without hearing from the controller.
        lease: Duration,
    },
    /// Hosts that somebody has, behind SSH.
    Ssh {
        /// Where they are named.
        source: Source,
        /// As above.
        lease: Duration,
    },
    /// No nodes: the target lives inside the controller.
    None,
}

/// How much is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// How many clients, 1 to 1,000.
    pub clients: u32,
    /// How long the load runs.
    pub duration: Duration,
    /// Arrivals a second (open loop); `None`: each client asks again when answered (closed loop).
    pub rate: Option<Rate>,
    /// How long a client waits for an answer; default 1 s.
    pub timeout: Duration,
    /// At most this many operations in all; `None`: no limit but the duration.
    pub operations: Option<u64>,
    /// Where the clients run.
    pub host: ClientHost,
}

impl Load {
    /// How many places of their own the clients need.
    pub fn places(&self) -> u16 {
        match self.host {
            ClientHost::Controller => 0,
            ClientHost::Process { .. } => self.clients as u16,
        }
    }
}

/// Where clients run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClientHost {
    /// In the controller.
    #[default]
    Controller,
    /// Each as a process in a place of its own, where faults can strike it.
    Process {
        /// The program, which speaks the lines of docs/clients.md; `None`: `schism client`.
        command: Option<Vec<String>>,
    },
}

/// When a run ends before its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stop {
    /// Never.
    #[default]
    AtTheEnd,
    /// When a check of the history so far, once a second, proves a violation.
    FirstViolation,
}
