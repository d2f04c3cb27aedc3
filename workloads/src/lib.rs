//! What is asked of a system: generators of operations, and the workloads made of them.
//!
//! A generator is asked for the next operation by a client that is free, and told of every event.
//! It is pure and seeded: time and randomness come in through the [`Context`].
//!
//! A new workload is one file and one line in [`WORKLOADS`].

mod arrivals;
mod counter;
pub mod generator;
mod list_append;
mod lock;
mod log;
mod options;
mod register;
mod set;
mod synth;
mod watch;

pub use arrivals::arrivals;
pub use synth::{SYNTHS, Synth, SynthEntry, synthesize};

use rand_chacha::ChaCha8Rng;
use schism_checkers::Claim;
use schism_history::{Event, Op, OptionError, Process, Time, Value};

/// Makes operations for clients that are free.
pub trait Generator: Send {
    /// What the client of `context` should do now.
    fn next(&mut self, context: &mut Context<'_>) -> Next;

    /// Takes note of an event of the history, in order of index. Marks of faults come too.
    fn observe(&mut self, event: &Event) {
        let _ = event;
    }
}

/// What a generator is told about the client that asks.
pub struct Context<'a> {
    /// Now, on the history's clock.
    pub time: Time,
    /// The client's thread, from 0; it stays when the process is retired.
    pub thread: u32,
    /// How many threads there are.
    pub threads: u32,
    /// The client's process.
    pub process: Process,
    /// The run's randomness for generators.
    pub rng: &'a mut ChaCha8Rng,
}

impl<'a> Context<'a> {
    /// The context of `thread` at the beginning of the load, before any process was retired.
    pub fn of_thread(thread: u32, threads: u32, rng: &'a mut ChaCha8Rng) -> Self {
        Self { time: Time::ZERO, thread, threads, process: Process(thread), rng }
    }
}

/// A generator's answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Do this.
    Op(Op),
    /// Nothing before this time: ask again then.
    At(Time),
    /// Nothing for this client until something else has happened: ask again after the next event.
    Pending,
    /// Nothing any more, for this client or any other.
    Done,
}

/// A workload: what a client does to a healthy system before the load, during it, and at the end.
pub trait Workload: Send + Sync {
    /// The operations of the load, without end; the controller limits it in time.
    fn load(&self) -> Box<dyn Generator>;

    /// The final reads, after everything has healed: they end by themselves.
    fn final_reads(&self) -> Box<dyn Generator>;

    /// Steps that one client does one after another on a healthy system before the load begins, so
    /// that a client that lies or a node that refuses is not mistaken for evidence. They use an
    /// object of their own, named after `token`, which the load does not touch.
    fn preflight(&self, token: u32) -> Vec<Step>;

    /// What every object holds before the first write.
    fn initial(&self) -> Value;
}

/// One step of a preflight, and the reply that a healthy system gives.
#[derive(Clone, Debug)]
pub struct Step {
    /// What to do.
    pub op: Op,
    /// What must come back.
    pub expect: Expect,
}

/// What a healthy system answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Expect {
    /// Ok, with any value.
    Ok,
    /// Ok, with exactly this value.
    Value(Value),
    /// Fail with `Code::Mismatch`.
    Mismatch,
    /// Ok, with a poll that returned this message: asked again until it comes, since a consumer's
    /// first polls may well return nothing.
    Message(Value),
}

/// A row of [`WORKLOADS`].
pub struct WorkloadEntry {
    /// The workload's name in plans.
    pub name: &'static str,
    /// One line on what it does.
    pub summary: &'static str,
    /// The functions (`Op::f`), and the parts of transactions (`append`), that a target's client must
    /// speak.
    pub operations: &'static [&'static str],
    /// The claims that its history can decide.
    pub claims: &'static [Claim],
    /// The keys of its options, each with one line of help; what else stands in a plan is an error.
    pub options: &'static [(&'static str, &'static str)],
    /// Makes it from the options of a plan (a JSON object, or null).
    pub construct: fn(&serde_json::Value) -> Result<Box<dyn Workload>, OptionError>,
}

impl WorkloadEntry {
    /// What its histories are about: the name of a row of `SUBJECTS`. It is the workload's own, but
    /// for locks: a system's locks run out, so that they are leases, and `lock` is one that does not.
    pub fn subject(&self) -> &'static str {
        if self.name == lock::ENTRY.name { "lease" } else { self.name }
    }
}

/// The workloads that there are.
pub const WORKLOADS: &[WorkloadEntry] = &[
    register::ENTRY,
    set::ENTRY,
    list_append::ENTRY,
    counter::ENTRY,
    lock::ENTRY,
    watch::ENTRY,
    log::ENTRY,
];

#[cfg(test)]
mod conformance;
