//! Synthetic histories: large valid ones of simulated systems, and the same with one planted
//! violation.
//!
//! A simulated system is one state that every operation changes at one instant between its
//! invocation and its completion, while clients overlap at random. So what is recorded is valid by
//! construction, with true concurrency; and a violation is a short script of answers that no such
//! system gives, played by processes of its own in the middle of the history.
//!
//! A new simulated system is one file and one line in [`SYNTHS`].

mod bank;
mod collection;
mod log;
mod register;
mod simulation;
mod transactions;

pub use simulation::synthesize;

use rand_chacha::ChaCha8Rng;
use schism_history::{Op, Outcome, Value};

/// What history to make.
#[derive(Clone, Debug)]
pub struct Synth {
    /// The workload: the name of a row of [`SYNTHS`].
    pub workload: String,
    /// Operations, without those of the violation and the final reads.
    pub operations: usize,
    /// Clients that overlap.
    pub clients: usize,
    /// Keys in use at a time.
    pub keys: usize,
    /// The share of operations that end indeterminate, from 0 to 1.
    pub info: f64,
    /// Values are numbers from 1 to this; `None`: each is written once.
    pub domain: Option<usize>,
    /// Micro-operations of a transaction at most; of some workloads exactly.
    pub length: usize,
    /// The violation to plant, by a name of the row.
    pub violate: Option<String>,
    /// Seeds everything.
    pub seed: u64,
}

impl Synth {
    /// The usual history of `workload`.
    pub fn new(workload: &str, operations: usize) -> Self {
        Self {
            workload: workload.into(),
            operations,
            clients: 10,
            keys: 10,
            info: 0.0,
            domain: None,
            length: 4,
            violate: None,
            seed: 1,
        }
    }
}

/// A row of [`SYNTHS`].
pub struct SynthEntry {
    /// The workload's name, which is that of the subject.
    pub name: &'static str,
    /// The violations that can be planted, each with the usual claim that it breaks.
    pub violations: &'static [(&'static str, &'static str)],
    /// Makes the system.
    construct: fn(&Synth) -> Box<dyn System>,
}

/// The simulated systems that there are.
pub const SYNTHS: &[SynthEntry] = &[
    register::REGISTER,
    register::CAS_REGISTER,
    register::MULTI_REGISTER,
    register::KV_APPEND,
    transactions::LIST_APPEND,
    transactions::RW_REGISTER,
    transactions::WEAK_ISOLATION,
    collection::SET_FULL,
    collection::COUNTER,
    collection::UNIQUE_IDS,
    collection::QUEUE,
    collection::FIFO_QUEUE,
    collection::MUTEX,
    bank::BANK,
    log::LOG,
];

/// A system that is simulated: what clients ask, and what becomes of it at one instant.
trait System {
    /// What `client` asks next.
    fn ask(&mut self, client: usize, rng: &mut ChaCha8Rng) -> Op;

    /// Does `op` for `client` at once, and answers: `Ok` or `Fail`.
    fn apply(&mut self, client: usize, op: &Op, rng: &mut ChaCha8Rng) -> Outcome;

    /// Whether an operation whose answer is lost may have taken effect. Where a lost answer would
    /// stop the system for good, it has not.
    fn survives(&self, op: &Op) -> bool {
        let _ = op;
        true
    }

    /// The violation `name`, one of the row's: a script that changes the state as it says. The system
    /// has been in use for a while.
    fn violate(&mut self, name: &str) -> Vec<Step>;

    /// What one client asks in the end, when everything is quiet.
    fn finish(&mut self) -> Vec<Op> {
        Vec::new()
    }
}

/// A step of a script. Processes are numbered from 0 within it.
enum Step {
    /// A process invokes.
    Invoke(u32, Op),
    /// A process is answered.
    Ok(u32, Value),
    /// A process is refused.
    Fail(u32),
}
