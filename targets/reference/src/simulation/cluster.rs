//! A cluster in one thread: an event queue, members on simulated disks, clients, and trouble.

use std::collections::{BTreeMap, VecDeque};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::disk::SimulatedDisk;
use super::invariants::Invariants;
use super::trouble::{Strike, Style};
use crate::raft::{
    Bug, Config, Effects, Input, Machine, Message, Micros, NodeId, Note, Role, Write,
};
use crate::storage::Storage;
use crate::store::{Mop, Operation, Request};

/// How long a run lasts, in simulated time.
const LENGTH: Micros = 6_000_000;
/// The lines of the trace that are kept.
const TRACE: usize = 30;
/// Some 15,000 steps are usual. A run that needs so many more is caught in a loop.
const STEPS: u64 = 300_000;
pub(super) const MS: Micros = 1000;
/// Of a thousand messages so many are lost, if nothing else is said.
pub(super) const LOSS: u64 = 20;

/// What a run found.
#[derive(Debug)]
pub struct Finding {
    /// The first invariant that did not hold, or `None`.
    pub problem: Option<String>,
    /// Steps until then.
    pub steps: u64,
    /// The last things that happened.
    pub trace: Vec<String>,
}

/// Runs one seed.
pub fn simulate(seed: u64, bug: Option<Bug>) -> Finding {
    let mut cluster = Cluster::new(seed, bug);
    let problem = cluster.run().err();
    Finding { problem, steps: cluster.steps, trace: cluster.trace.into() }
}

pub(super) enum Happening {
    Arrives { from: NodeId, to: NodeId, message: Message },
    Wakes { id: NodeId, life: u64 },
    Asks { client: u64 },
    Trouble,
    Strikes { strike: Strike },
    Heals,
    Starts { id: NodeId },
}

struct Member {
    machine: Machine,
    storage: Storage<SimulatedDisk>,
    /// Counts restarts, so that timers of an earlier life wake nobody.
    life: u64,
    /// Thousandths by which its clock runs fast or slow.
    drift: i64,
    wakes: Micros,
}

pub(super) struct Cluster {
    members: BTreeMap<NodeId, Member>,
    down: BTreeMap<NodeId, (SimulatedDisk, u64)>,
    /// What is to happen, by its time and then in the order in which it was planned.
    queue: BTreeMap<(Micros, u64), Happening>,
    planned: u64,
    pub(super) now: Micros,
    /// Directed links that are cut.
    pub(super) cut: Vec<(NodeId, NodeId)>,
    pub(super) loss: u64,
    rng: ChaCha8Rng,
    bug: Option<Bug>,
    seed: u64,
    pub(super) style: Style,
    /// What each client waits for, and what had been answered when it asked: the ticket is its
    /// number and sequence.
    waiting: BTreeMap<u64, (Operation, u64)>,
    sequences: BTreeMap<u64, u64>,
    next_value: i64,
    invariants: Invariants,
    steps: u64,
    trace: VecDeque<String>,
}

impl Cluster {
    fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let count = if rng.next_u32().is_multiple_of(3) { 3 } else { 5 };
        let style = Style::draw(&mut rng);
        let mut cluster = Self {
            members: BTreeMap::new(),
            down: BTreeMap::new(),
            queue: BTreeMap::new(),
            planned: 0,
            now: 0,
            cut: Vec::new(),
            loss: LOSS,
            rng,
            bug,
            seed,
            style,
            waiting: BTreeMap::new(),
            sequences: BTreeMap::new(),
            next_value: 1,
            invariants: Invariants::default(),
            steps: 0,
            trace: VecDeque::new(),
        };
        for number in 1..=count {
            cluster.down.insert(NodeId(number), (SimulatedDisk::default(), 0));
        }
        for number in 1..=count {
            cluster.start(NodeId(number), count).expect("empty disks are sound");
        }
        for client in 1..=4 {
            let at = cluster.draw(200) * MS;
            cluster.at(at, Happening::Asks { client });
        }
        cluster.at(400 * MS, Happening::Trouble);
        cluster
    }

    pub(super) fn count(&self) -> u16 {
        (self.members.len() + self.down.len()) as u16
    }

    pub(super) fn draw(&mut self, below: u64) -> u64 {
        self.rng.next_u64() % below.max(1)
    }

    pub(super) fn at(&mut self, time: Micros, happening: Happening) {
        self.queue.insert((time, self.planned), happening);
        self.planned += 1;
    }

    pub(super) fn say(&mut self, line: impl FnOnce() -> String) {
        if self.trace.len() == TRACE {
            self.trace.pop_front();
        }
        let now = self.now as f64 / 1e6;
        self.trace.push_back(format!("{now:.4}  {}", line()));
    }

    fn run(&mut self) -> Result<(), String> {
        while let Some(((time, _), happening)) = self.queue.pop_first() {
            if time > LENGTH {
                return Ok(());
            }
            if self.steps == STEPS {
                return Err(format!("runaway: {STEPS} steps did not end the run"));
            }
            self.now = time;
            self.steps += 1;
            self.happen(happening)?;
        }
        Ok(())
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        match happening {
            Happening::Arrives { from, to, message } => {
                self.step(to, Input::Message { from, message })
            }
            Happening::Wakes { id, life } => {
                if self.members.get(&id).is_some_and(|member| member.life == life) {
                    self.step(id, Input::Tick)?;
                }
                Ok(())
            }
            Happening::Asks { client } => self.ask(client),
            Happening::Trouble => {
                self.make_trouble();
                Ok(())
            }
            Happening::Strikes { strike } => {
                self.strike(strike);
                Ok(())
            }
            Happening::Heals => {
                self.heal();
                Ok(())
            }
            Happening::Starts { id } => {
                let count = self.count();
                self.start(id, count)
            }
        }
    }

    /// A member's own time: its clock drifts.
    fn local(&self, member: &Member) -> Micros {
        (self.now as i64 + self.now as i64 * member.drift / 1000).max(0) as Micros
    }

    fn step(&mut self, id: NodeId, input: Input) -> Result<(), String> {
        let Some(member) = self.members.get(&id) else { return Ok(()) };
        let local = self.local(member);
        let Some(member) = self.members.get_mut(&id) else { return Ok(()) };
        let led = *member.machine.role() == Role::Leader;
        let effects = member.machine.step(local, input);
        self.invariants.check_role(id, &member.machine)?;
        self.invariants.check_writes(id, &member.machine, &effects.writes)?;
        if !effects.writes.is_empty() && self.rng.next_u64().is_multiple_of(700) {
            return self.crash_while_writing(id, &effects.writes);
        }
        member.storage.write(&effects.writes).map_err(|error| format!("{id}: {error}"))?;
        self.invariants.check_commits(id, &member.machine)?;
        if !led && *member.machine.role() == Role::Leader {
            self.invariants.check_leader(id, &member.machine)?;
        }
        self.deliver(id, effects)?;
        self.wake(id);
        Ok(())
    }

    /// A member stops in the middle of the write, before anything that depends on it is sent.
    fn crash_while_writing(&mut self, id: NodeId, writes: &[Write]) -> Result<(), String> {
        // A batch is appended and synced; one with a snapshot is up to three times as much.
        let with_snapshot = writes.iter().any(|write| matches!(write, Write::Snapshot { .. }));
        let operations = self.draw(if with_snapshot { 7 } else { 3 });
        if let Some(member) = self.members.get_mut(&id) {
            member.storage.disk_mut().stop_after(operations);
            member.storage.write(writes).map_err(|error| format!("{id}: {error}"))?;
        }
        self.say(|| format!("{id} stops after {operations} operations of its disk"));
        self.crash(id);
        Ok(())
    }

    fn deliver(&mut self, id: NodeId, effects: Effects) -> Result<(), String> {
        for note in effects.notes {
            if !matches!(note, Note::ServedReads { .. }) {
                self.say(|| format!("{id} {note:?}"));
            }
            self.provoke(id, &note);
        }
        for (to, message) in effects.messages {
            self.send(id, to, message);
        }
        for (ticket, answer) in effects.replies {
            if let Some((operation, floor)) = self.waiting.remove(&ticket) {
                self.say(|| format!("{id} answers {operation:?} with {answer:?}"));
                self.invariants.answered(&operation, &answer, floor)?;
            }
        }
        Ok(())
    }

    fn send(&mut self, from: NodeId, to: NodeId, message: Message) {
        if self.cut.contains(&(from, to)) || self.draw(1000) < self.loss {
            return;
        }
        let votes = matches!(message, Message::Vote { .. });
        let copies = if self.draw(100) < 2 { 2 } else { 1 };
        for _ in 0..copies {
            // Most messages are quick; some are so late that they overtake elections.
            let delay = match self.draw(1000) {
                late if late < self.style.late => self.draw(900 * MS),
                late if self.style.slow_votes && late < 700 && votes => self.draw(30 * MS),
                late if late < self.style.late + 90 => self.draw(60 * MS),
                _ => self.draw(3 * MS),
            };
            let message = message.clone();
            self.at(self.now + 100 + delay, Happening::Arrives { from, to, message });
        }
    }

    fn wake(&mut self, id: NodeId) {
        let Some(member) = self.members.get(&id) else { return };
        let (life, local) = (member.life, self.local(member));
        let at = self.now + member.machine.deadline().saturating_sub(local).max(50);
        // An earlier wake-up that is still to come serves as well.
        if member.wakes > self.now && member.wakes <= at {
            return;
        }
        if let Some(member) = self.members.get_mut(&id) {
            member.wakes = at;
        }
        self.at(at, Happening::Wakes { id, life });
    }

    /// A client asks a random member; it gives up what it had not heard of.
    fn ask(&mut self, client: u64) -> Result<(), String> {
        let pause = (5 + self.draw(40)) * MS;
        self.at(self.now + pause, Happening::Asks { client });
        let ids: Vec<NodeId> = self.members.keys().copied().collect();
        if ids.is_empty() {
            return Ok(());
        }
        let id = ids[self.draw(ids.len() as u64) as usize];
        let sequence = self.sequences.entry(client).or_default();
        *sequence += 1;
        let sequence = *sequence;
        let key = format!("k{}", self.draw(3));
        let value = self.next_value;
        let operation = match self.draw(5) {
            0 | 1 => Operation::Read { key },
            2 => Operation::Transact {
                mops: vec![
                    Mop::Append { key: format!("l{}", self.draw(2)), value },
                    Mop::Read { key: format!("l{}", self.draw(2)) },
                ],
            },
            _ => Operation::Write { key, value },
        };
        self.next_value += 1;
        let ticket = client << 32 | sequence;
        self.waiting.insert(ticket, (operation.clone(), self.invariants.floor()));
        self.step(id, Input::Request { ticket, request: Request { client, sequence, operation } })
    }

    pub(super) fn crash(&mut self, id: NodeId) {
        let away = if self.draw(3) == 0 { self.draw(15) } else { self.draw(400) };
        self.crash_for(id, (1 + away) * MS);
    }

    /// A member crashes, and is back after so long.
    pub(super) fn crash_for(&mut self, id: NodeId, away: Micros) {
        let Some(member) = self.members.remove(&id) else { return };
        let mut disk = member.storage.into_disk();
        let power_fails = self.draw(3) > 0;
        if power_fails {
            disk.crash(&mut self.rng);
        } else {
            disk.kill();
        }
        self.down.insert(id, (disk, member.life));
        self.say(|| format!("{id} {}", if power_fails { "loses power" } else { "is killed" }));
        self.at(self.now + away, Happening::Starts { id });
    }

    pub(super) fn leaders(&self) -> Vec<NodeId> {
        let leads = |member: &Member| *member.machine.role() == Role::Leader;
        self.members.iter().filter(|(_, member)| leads(member)).map(|(&id, _)| id).collect()
    }

    fn start(&mut self, id: NodeId, count: u16) -> Result<(), String> {
        let Some((disk, life)) = self.down.remove(&id) else { return Ok(()) };
        let (storage, found) =
            Storage::recover(disk, self.bug).map_err(|error| format!("{id}: {error}"))?;
        let life = life + 1;
        let config = Config {
            id,
            members: (1..=count).map(NodeId).collect(),
            heartbeat: 30 * MS,
            election: (100 * MS, if self.style.tied { 106 } else { 200 } * MS),
            snapshot_every: self.style.snapshot_every,
            batch: self.style.batch,
            seed: self.seed << 16 | u64::from(id.0) << 8 | life,
            bug: self.bug,
        };
        let drift = self.draw(61) as i64 - 30;
        let local = (self.now as i64 + self.now as i64 * drift / 1000).max(0) as Micros;
        let machine = Machine::new(config, found.state, found.snapshot, found.log, local)
            .map_err(|error| format!("{id}: {error}"))?;
        self.say(|| format!("{id} starts with term {}", found.state.term));
        self.invariants.restarted(id);
        self.members.insert(id, Member { machine, storage, life, drift, wakes: 0 });
        self.wake(id);
        Ok(())
    }
}
