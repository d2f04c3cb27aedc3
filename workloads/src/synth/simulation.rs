//! The clients of a simulated system, taking turns at random.

use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use schism_history::{
    Code, Event, FaultMark, History, Kind, Op, Outcome, Process, Reason, Time, did_you_mean,
};

use super::{SYNTHS, Step, Synth, SynthEntry, System};

/// Time between two events, in nanoseconds.
const EVERY_NS: u64 = 100_000;
/// More operations than this have no room in a history's 32-bit positions.
const OPERATIONS_MAX: usize = 1 << 30;

/// The history that `synth` describes. O(n), and deterministic.
///
/// # Errors
///
/// When there is no such workload or violation, or a figure is out of range.
pub fn synthesize(synth: &Synth) -> Result<History, String> {
    let entry = entry(synth)?;
    let system = (entry.construct)(synth);
    let mut simulation = Simulation::new(synth, system);
    let half = synth.operations / 2;
    simulation.run(half);
    if let Some(name) = &synth.violate {
        simulation.play(name);
    }
    simulation.run(synth.operations);
    simulation.finish();
    let history = History::from_events(simulation.events).map_err(|error| error.to_string())?;
    Ok(if entry.name == "weak-isolation" { history.without_real_time() } else { history })
}

fn entry(synth: &Synth) -> Result<&'static SynthEntry, String> {
    let names: Vec<&str> = SYNTHS.iter().map(|entry| entry.name).collect();
    let name = synth.workload.as_str();
    let entry = SYNTHS.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let meant = did_you_mean(name, &names);
        format!("no simulated system `{name}`: use one of {}{meant}", names.join(", "))
    })?;
    if let Some(violation) = &synth.violate {
        let can: Vec<&str> = entry.violations.iter().map(|(name, _)| *name).collect();
        if !can.contains(&violation.as_str()) {
            let meant = did_you_mean(violation, &can);
            return Err(format!(
                "{name} has no violation `{violation}`: use one of {}{meant}",
                can.join(", ")
            ));
        }
    }
    let in_range = [
        ("operations", synth.operations, OPERATIONS_MAX),
        ("clients", synth.clients, 100_000),
        ("keys", synth.keys, 10_000_000),
        ("length", synth.length, 1_000),
        ("domain", synth.domain.unwrap_or(1), usize::MAX),
    ];
    if let Some((name, value, most)) =
        in_range.into_iter().find(|(_, value, most)| *value == 0 || value > most)
    {
        return Err(format!("{name}: {value} is not from 1 to {most}"));
    }
    if !(0.0..=1.0).contains(&synth.info) {
        return Err(format!("info: {} is no share from 0 to 1", synth.info));
    }
    Ok(entry)
}

/// What a client is doing.
enum Client {
    Idle,
    /// Its operation has yet to take effect.
    Sent(Op),
    /// The answer is on its way.
    Done(Outcome),
}

struct Simulation {
    system: Box<dyn System>,
    rng: ChaCha8Rng,
    clients: Vec<(Process, Client)>,
    /// Operations whose clients have given up, and which have yet to take effect.
    late: Vec<(usize, Op)>,
    events: Vec<Event>,
    info: f64,
    begun: usize,
    processes: u32,
}

impl Simulation {
    fn new(synth: &Synth, system: Box<dyn System>) -> Self {
        let clients = (0..synth.clients as u32).map(|client| (Process(client), Client::Idle));
        Self {
            system,
            rng: ChaCha8Rng::seed_from_u64(synth.seed),
            clients: clients.collect(),
            late: Vec::new(),
            events: Vec::with_capacity(synth.operations * 2),
            info: synth.info,
            begun: 0,
            processes: synth.clients as u32,
        }
    }

    fn record(&mut self, process: Process, kind: Kind) {
        let index = self.events.len() as u64;
        self.events.push(Event { index, time: Time(index * EVERY_NS), process, kind });
    }

    /// Lets clients take turns until so many operations have begun.
    fn run(&mut self, until: usize) {
        while self.begun < until {
            let client = (self.rng.next_u32() as usize) % self.clients.len();
            self.turn(client);
            if !self.late.is_empty() && self.rng.random_ratio(1, 8) {
                self.take_effect_late();
            }
        }
    }

    fn turn(&mut self, client: usize) {
        let process = self.clients[client].0;
        let next = match std::mem::replace(&mut self.clients[client].1, Client::Idle) {
            Client::Idle => {
                self.begun += 1;
                let op = self.system.ask(client, &mut self.rng);
                self.record(process, Kind::Invoke { op: op.clone(), due: None, node: None });
                Client::Sent(op)
            }
            Client::Sent(op) if self.info > 0.0 && self.rng.random_bool(self.info) => {
                if self.system.survives(&op) && self.rng.random_ratio(1, 2) {
                    self.late.push((client, op));
                }
                Client::Done(Outcome::Info(Reason::new(Code::Timeout, "no answer")))
            }
            Client::Sent(op) => Client::Done(self.system.apply(client, &op, &mut self.rng)),
            Client::Done(outcome) => {
                if matches!(outcome, Outcome::Info(_)) {
                    // The process is retired; its client goes on as another.
                    self.clients[client].0 = Process(self.processes);
                    self.processes += 1;
                }
                self.record(process, Kind::Complete(outcome));
                Client::Idle
            }
        };
        self.clients[client].1 = next;
    }

    fn take_effect_late(&mut self) {
        let place = (self.rng.next_u32() as usize) % self.late.len();
        let (client, op) = self.late.swap_remove(place);
        self.system.apply(client, &op, &mut self.rng);
    }

    fn play(&mut self, violation: &str) {
        let first = self.processes;
        let mut last = first;
        for step in self.system.violate(violation) {
            let (process, kind) = match step {
                Step::Invoke(process, op) => (process, Kind::Invoke { op, due: None, node: None }),
                Step::Ok(process, value) => {
                    let reply = schism_history::Reply { value, version: None };
                    (process, Kind::Complete(Outcome::Ok(reply)))
                }
                Step::Fail(process) => {
                    let reason = Reason::new(Code::Unavailable, "aborted");
                    (process, Kind::Complete(Outcome::Fail(reason)))
                }
            };
            last = last.max(first + process + 1);
            self.record(Process(first + process), kind);
        }
        self.processes = last;
    }

    /// Lets everything that is open end, and asks for the final state.
    fn finish(&mut self) {
        for client in 0..self.clients.len() {
            while !matches!(self.clients[client].1, Client::Idle) {
                self.turn(client);
            }
        }
        while !self.late.is_empty() {
            self.take_effect_late();
        }
        let last = self.system.finish();
        if last.is_empty() {
            return;
        }
        self.record(Process::NEMESIS, Kind::Fault(FaultMark::Healed));
        let process = Process(self.processes);
        for op in last {
            self.record(process, Kind::Invoke { op: op.clone(), due: None, node: None });
            let outcome = self.system.apply(0, &op, &mut self.rng);
            self.record(process, Kind::Complete(outcome));
        }
    }
}
