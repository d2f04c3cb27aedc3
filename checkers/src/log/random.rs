//! Random histories of logs: a simulated broker with its clients, and now and then a lie.

use schism_history::{
    Code, Event, FaultMark, History, Key, Kind, Mop, MopKind, Op, Outcome, Process, Reason, Reply,
    Time, Value,
};

/// `SplitMix64`.
pub(crate) struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    pub fn one_in(&mut self, odds: usize) -> bool {
        odds > 0 && self.below(odds) == 0
    }
}

/// The process of the final polls.
const FINAL: u32 = 1000;

/// What may happen in a history.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// How many operations there are before the final polls.
    pub operations: usize,
    /// How many clients.
    pub clients: usize,
    /// How many logs.
    pub keys: usize,
    /// One step in so many goes wrong; 0: none does.
    pub lies: usize,
    /// One send in so many fails or is indeterminate; 0: none.
    pub failures: usize,
    /// Whether the system may assign logs.
    pub subscribes: bool,
}

struct Client {
    process: u32,
    /// It reads on where the group is, not where it was itself.
    member: bool,
    /// The logs that it reads; nothing yet.
    assigned: Vec<usize>,
    /// Where it reads next in each log.
    positions: Vec<usize>,
    open: Option<(Op, Outcome)>,
}

struct Broker<'a> {
    random: &'a mut Random,
    shape: Shape,
    logs: Vec<Vec<(i64, i64)>>,
    /// Where the group of all members reads next in each log.
    group: Vec<usize>,
    next: Vec<i64>,
    message: i64,
    events: Vec<Event>,
}

fn key(number: usize) -> Key {
    Key::new(["x", "y", "z", "w"][number % 4])
}

/// A random history.
pub(crate) fn history(random: &mut Random, shape: Shape) -> History {
    let starts = [0, 0, 7, 1 << 62];
    let next = (0..shape.keys).map(|_| starts[random.below(4)]).collect();
    let logs = vec![Vec::new(); shape.keys];
    let group = vec![0; shape.keys];
    let mut broker = Broker { random, shape, logs, group, next, message: 0, events: Vec::new() };
    // Now and then everybody begins as a member of the group.
    let grouped = shape.subscribes && broker.random.one_in(3);
    let mut clients: Vec<Client> = (0..shape.clients as u32)
        .map(|process| Client {
            process,
            member: false,
            assigned: (0..shape.keys).collect(),
            positions: vec![0; shape.keys],
            open: None,
        })
        .collect();
    for client in clients.iter_mut().filter(|_| grouped) {
        broker.assign(client, true);
    }
    let mut begun = 0;
    while begun < shape.operations || clients.iter().any(|client| client.open.is_some()) {
        let place = broker.random.below(shape.clients);
        let client = &mut clients[place];
        match client.open.take() {
            Some((_, outcome)) => broker.complete(client, outcome),
            None if begun < shape.operations => {
                begun += 1;
                broker.invoke(client);
            }
            None => {}
        }
    }
    if grouped || broker.random.one_in(2) {
        broker.end();
    }
    History::from_events(broker.events).expect("the simulation makes histories")
}

impl Broker<'_> {
    fn record(&mut self, process: u32, kind: Kind) {
        let index = self.events.len() as u64;
        let process = Process(process);
        self.events.push(Event { index, time: Time(index * 1_000_000), process, kind });
    }

    fn lies(&mut self) -> bool {
        self.random.one_in(self.shape.lies)
    }

    fn invoke(&mut self, client: &mut Client) {
        if self.random.one_in(9) {
            let subscribe = self.shape.subscribes && self.random.one_in(2);
            return self.assign(client, subscribe);
        }
        let (sends, polls) = [(0, 1), (0, 1), (1, 0), (2, 0), (1, 1), (1, 1)][self.random.below(6)];
        let mut asked: Vec<Mop> = Vec::new();
        let mut answered: Vec<Mop> = Vec::new();
        let failure = self.random.one_in(self.shape.failures).then(|| self.random.below(3));
        let (poll, send) = (MopKind::Poll, MopKind::Send);
        for _ in 0..polls {
            asked.push(Mop { kind: poll, key: Key::new(""), value: Value::Nil });
            // Of a poll without an outcome nobody knows whether it took effect.
            let unknown = client.member && failure.is_some_and(|it| it > 0);
            let keep = failure.is_none() || unknown && self.random.one_in(2);
            answered.extend(self.poll(client, keep));
        }
        for _ in 0..sends {
            if !self.random.one_in(90) {
                self.message += 1;
            }
            let (place, message) = (self.random.below(self.shape.keys), self.message);
            asked.push(Mop { kind: send, key: key(place), value: Value::Int(message) });
            let lost = self.lies();
            // A failed send leaves no message, an indeterminate one may.
            let stored = failure != Some(0) && failure != Some(1);
            let offset = if stored == lost { None } else { Some(self.append(place, message)) };
            let named = offset.or_else(|| self.logs[place].last().map(|last| last.0 + 1));
            let named = if self.random.one_in(8) { None } else { named };
            let value = named.map_or(Value::Nil, Value::Int);
            let value = Value::List([value, Value::Int(message)].into());
            answered.push(Mop { kind: send, key: key(place), value });
        }
        if sends == 2 && self.lies() {
            let other = answered[1].value.clone();
            swap_offsets(&mut answered, &other);
        }
        if polls > 0 && sends > 0 && self.lies() {
            // It polls what it has just sent.
            answered.extend(self.poll(client, failure.is_none()));
        }
        let f = if polls == 0 { "send" } else { ["poll", "txn"][sends.min(1)] };
        let op = Op { f: schism_history::F::new(f), key: None, value: Value::Mops(asked.into()) };
        let outcome = match failure {
            Some(0) => Outcome::Fail(Reason::new(Code::Other, "aborted")),
            Some(_) => Outcome::Info(Reason::new(Code::Timeout, "")),
            None => Outcome::Ok(Reply { value: Value::Mops(answered.into()), version: None }),
        };
        self.record(client.process, Kind::Invoke { op: op.clone(), due: None, node: None });
        client.open = Some((op, outcome));
    }

    fn append(&mut self, place: usize, message: i64) -> i64 {
        let mut offset = self.next[place];
        self.next[place] += 1 + self.random.below(2) as i64;
        if self.lies() {
            offset += self.random.below(3) as i64 - 1;
        }
        self.logs[place].push((offset.max(0), message));
        if self.lies() {
            // The producer's retry is stored once more.
            let again = self.next[place];
            self.next[place] += 1;
            self.logs[place].push((again, message));
        }
        offset.max(0)
    }

    /// What a client polls, a mop for each log.
    fn poll(&mut self, client: &mut Client, keep: bool) -> Vec<Mop> {
        let mut answered = Vec::new();
        for &place in &client.assigned.clone() {
            let from = if client.member { self.group[place] } else { client.positions[place] };
            let mut position = from.min(self.logs[place].len());
            if client.member && self.random.one_in(6) {
                // What was polled before was not committed.
                position = position.saturating_sub(1 + self.random.below(2));
            }
            if client.member && self.lies() {
                // What nobody polled was committed.
                position = (position + 1).min(self.logs[place].len());
            }
            if self.lies() {
                position = self.random.below(self.logs[place].len() + 1);
            }
            // A consumer may be slow, but not while the final polls look for the end.
            let length = self.random.below(4).max(usize::from(client.process == FINAL));
            let end = (position + length).min(self.logs[place].len());
            let mut batch = self.logs[place][position..end].to_vec();
            if keep && client.member {
                self.group[place] = end;
            } else if keep {
                client.positions[place] = end;
            }
            if batch.len() > 1 && self.lies() {
                let swapped = self.random.below(batch.len() - 1);
                batch.swap(swapped, swapped + 1);
            }
            if !batch.is_empty() && self.lies() {
                batch.remove(self.random.below(batch.len()));
            }
            if batch.is_empty() && self.random.one_in(2) {
                continue;
            }
            let unknown = self.random.one_in(12);
            let flat = batch.iter().flat_map(|(offset, message)| {
                [if unknown { Value::Nil } else { Value::Int(*offset) }, Value::Int(*message)]
            });
            let value = Value::List(flat.collect());
            answered.push(Mop { kind: MopKind::Poll, key: key(place), value });
        }
        if answered.is_empty() {
            answered.push(Mop { kind: MopKind::Poll, key: Key::new(""), value: Value::Nil });
        }
        answered
    }

    fn assign(&mut self, client: &mut Client, subscribe: bool) {
        client.member = subscribe;
        let mut assigned: Vec<usize> = (0..self.shape.keys).collect();
        assigned.retain(|_| !self.random.one_in(3));
        for place in 0..self.shape.keys {
            // Whoever gives a log up begins anew when it takes it up again.
            if !assigned.contains(&place) {
                client.positions[place] = 0;
            }
        }
        client.assigned.clone_from(&assigned);
        let keys = assigned.iter().map(|&place| Value::Text(key(place).as_str().into()));
        let op = Op::new(if subscribe { "subscribe" } else { "assign" }, None, {
            Value::List(keys.collect())
        });
        let outcome = Outcome::Ok(Reply { value: op.value.clone(), version: None });
        self.record(client.process, Kind::Invoke { op: op.clone(), due: None, node: None });
        client.open = Some((op, outcome));
    }

    fn complete(&mut self, client: &mut Client, mut outcome: Outcome) {
        if let Outcome::Ok(Reply { value: Value::Mops(mops), .. }) = &mut outcome {
            let has = |kind| mops.iter().any(|mop| mop.kind == kind);
            if has(MopKind::Send) && has(MopKind::Poll) && self.lies() {
                // It polls once more just before it commits, and sees what others have begun since.
                let mut all = mops.to_vec();
                all.extend(self.poll(client, true));
                *mops = all.into();
            }
        }
        let retired = matches!(outcome, Outcome::Info(_));
        // Some are open when the recording stops.
        if !retired || self.random.one_in(2) {
            self.record(client.process, Kind::Complete(outcome));
        }
        if retired {
            client.process += self.shape.clients as u32;
            client.positions = vec![0; self.shape.keys];
            client.assigned = (0..self.shape.keys).collect();
            client.member = false;
        }
    }

    /// All faults end, and a fresh consumer reads everything, most of the time.
    fn end(&mut self) {
        self.record(Process::NEMESIS.0, Kind::Fault(FaultMark::Healed));
        if self.lies() {
            let place = self.random.below(self.shape.keys);
            let length = self.random.below(self.logs[place].len() + 1);
            self.logs[place].truncate(length);
        }
        let mut client = Client {
            process: FINAL,
            member: false,
            assigned: (0..self.shape.keys).collect(),
            positions: vec![0; self.shape.keys],
            open: None,
        };
        let keys = client.assigned.iter().map(|&place| Value::Text(key(place).as_str().into()));
        let keys = Value::List(keys.collect());
        let op = Op::new("assign", None, keys.clone());
        self.record(client.process, Kind::Invoke { op, due: None, node: None });
        let outcome = Outcome::Ok(Reply { value: keys, version: None });
        self.record(client.process, Kind::Complete(outcome));
        let mut empty = 0;
        while empty < 5 && self.random.below(40) > 0 {
            let behind = |(place, log): (usize, &Vec<_>)| client.positions[place] < log.len();
            let done = !self.logs.iter().enumerate().any(behind);
            empty += usize::from(done);
            let answered = self.poll(&mut client, true);
            let mop = Mop { kind: MopKind::Poll, key: Key::new(""), value: Value::Nil };
            let op = Op::new("poll", None, Value::Mops([mop].into()));
            self.record(client.process, Kind::Invoke { op, due: None, node: None });
            let reply = Reply { value: Value::Mops(answered.into()), version: None };
            self.record(client.process, Kind::Complete(Outcome::Ok(reply)));
        }
    }
}

/// The first acknowledgement names the offset of the second, and the other way round.
fn swap_offsets(answered: &mut [Mop], other: &Value) {
    let sends: Vec<usize> =
        (0..answered.len()).filter(|&it| answered[it].kind == MopKind::Send).collect();
    let [one, two] = sends[..] else { return };
    let (Value::List(first), Value::List(_)) = (answered[one].value.clone(), other) else { return };
    let Value::List(second) = answered[two].value.clone() else { return };
    let pair =
        |offset: &Value, message: &Value| Value::List([offset.clone(), message.clone()].into());
    answered[one].value = pair(&second[0], &first[1]);
    answered[two].value = pair(&first[0], &second[1]);
}
