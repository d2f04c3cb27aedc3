//! Random histories of a few registers: simulated replicas, and now and then a lie.

use schism_history::{
    Code, Event, F, History, Key, Kind, Mop, MopKind, Op, Outcome, Process, Reason, Reply, Time,
    Value,
};

/// Small random numbers (`SplitMix64`; Steele, Lea and Flood 2014).
pub(crate) struct Chance(pub u64);

impl Chance {
    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 33) as usize % bound
    }

    /// True once in so many times; never if that is 0.
    pub fn one_in(&mut self, odds: usize) -> bool {
        odds > 0 && self.below(odds) == 0
    }
}

/// What may happen in a history.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing that may happen")]
pub(crate) struct Shape {
    pub operations: usize,
    pub clients: usize,
    pub keys: usize,
    /// Transactions of up to two micro-operations, in place of single ones.
    pub transactions: bool,
    /// Compare-and-sets, too.
    pub cas: bool,
    /// Each key is written by one client.
    pub one_writer: bool,
    /// All share one store, that numbers its versions.
    pub numbers: bool,
    /// One in so many reads is a lie.
    pub lies: usize,
    /// One in so many writes is indeterminate, and one in so many fails.
    pub lost: usize,
    /// Values are written once.
    pub unique: bool,
}

pub(crate) const SMALL: Shape = Shape {
    operations: 7,
    clients: 3,
    keys: 2,
    transactions: false,
    cas: false,
    one_writer: false,
    numbers: false,
    lies: 8,
    lost: 9,
    unique: true,
};

struct World {
    /// What each client's replica holds of each key: value and number.
    replicas: Vec<Vec<(Value, u64)>>,
    /// Writes on their way: to whom, key, what.
    messages: Vec<(usize, usize, (Value, u64))>,
    written: Vec<Vec<(Value, u64)>>,
    begun: i64,
    shared: bool,
}

impl World {
    fn write(&mut self, chance: &mut Chance, client: usize, key: usize, shape: Shape) -> Value {
        self.begun += 1;
        let value = if shape.unique { self.begun } else { 1 + chance.below(2) as i64 };
        let version = (Value::Int(value), self.begun as u64);
        self.written[key].push(version.clone());
        self.land(client, key, &version);
        version.0
    }

    fn land(&mut self, client: usize, key: usize, version: &(Value, u64)) {
        if self.shared {
            for replica in &mut self.replicas {
                replica[key] = version.clone();
            }
            return;
        }
        self.replicas[client][key] = version.clone();
        for other in (0..self.replicas.len()).filter(|&it| it != client) {
            self.messages.push((other, key, version.clone()));
        }
    }

    fn deliver(&mut self, chance: &mut Chance, lies: usize) {
        while !self.messages.is_empty() && chance.below(3) > 0 {
            let place = if chance.one_in(lies) { chance.below(self.messages.len()) } else { 0 };
            let (to, key, version) = self.messages.remove(place);
            self.replicas[to][key] = version;
        }
    }

    fn read(
        &mut self,
        chance: &mut Chance,
        client: usize,
        key: usize,
        lies: usize,
    ) -> (Value, u64) {
        if !chance.one_in(lies) {
            return self.replicas[client][key].clone();
        }
        if chance.one_in(12) {
            return (Value::Int(99), 99);
        }
        self.written[key][chance.below(self.written[key].len())].clone()
    }
}

/// A random history. Clients do not overlap: for these models only their own order matters.
pub(crate) fn history(chance: &mut Chance, shape: Shape) -> History {
    let nothing = vec![(Value::Nil, 0); shape.keys];
    let mut world = World {
        replicas: vec![nothing.clone(); shape.clients],
        messages: Vec::new(),
        written: vec![vec![(Value::Nil, 0)]; shape.keys],
        begun: 0,
        shared: shape.numbers || chance.one_in(3),
    };
    let mut processes: Vec<u32> = (0..shape.clients as u32).collect();
    let mut events: Vec<Event> = Vec::new();
    let lies = if chance.one_in(3) { 0 } else { shape.lies };
    for _ in 0..shape.operations {
        world.deliver(chance, lies);
        let client = chance.below(shape.clients);
        let fate = if shape.lost > 0 { chance.below(shape.lost) } else { 9 };
        let (op, mut reply) = if shape.transactions {
            transaction(chance, &mut world, client, shape, lies)
        } else {
            single(chance, &mut world, client, shape, lies)
        };
        if chance.below(3) == 0 && shape.numbers {
            reply.version = None;
        }
        let outcome = match fate {
            _ if op.f == F::new("read") => Outcome::Ok(reply),
            0 => Outcome::Info(Reason::new(Code::Timeout, "no answer")),
            1 => Outcome::Fail(Reason::new(Code::Other, "refused")),
            _ => Outcome::Ok(reply),
        };
        let process = Process(processes[client]);
        if matches!(outcome, Outcome::Info(_)) {
            processes[client] += shape.clients as u32;
        }
        for kind in [Kind::Invoke { op, due: None, node: None }, Kind::Complete(outcome)] {
            let index = events.len() as u64;
            events.push(Event { index, time: Time(index * 1_000_000), process, kind });
        }
    }
    History::from_events(events).expect("the simulation makes histories")
}

fn key_of(chance: &mut Chance, client: usize, shape: Shape, writes: bool) -> usize {
    let key = chance.below(shape.keys);
    if writes && shape.one_writer { client % shape.keys } else { key }
}

const KEYS: [&str; 3] = ["x", "y", "z"];

fn single(
    chance: &mut Chance,
    world: &mut World,
    client: usize,
    shape: Shape,
    lies: usize,
) -> (Op, Reply) {
    let version = |number: u64| shape.numbers.then_some(number).filter(|&it| it > 0);
    let kind = chance.below(if shape.cas { 5 } else { 4 });
    let key = key_of(chance, client, shape, kind >= 2 && kind != 4);
    if kind < 2 || (shape.one_writer && client >= shape.keys) {
        let (value, number) = world.read(chance, client, key, lies);
        let op = Op::new("read", Some(KEYS[key]), Value::Nil);
        return (op, Reply { value, version: version(number) });
    }
    if kind == 4 {
        let (found, _) = world.read(chance, client, key, lies);
        let new = world.write(chance, client, key, shape);
        let pair = Value::List([found, new].into());
        let op = Op::new("cas", Some(KEYS[key]), pair.clone());
        return (op, Reply { value: pair, version: version(world.begun as u64) });
    }
    let value = world.write(chance, client, key, shape);
    let op = Op::new("write", Some(KEYS[key]), value.clone());
    (op, Reply { value, version: version(world.begun as u64) })
}

fn transaction(
    chance: &mut Chance,
    world: &mut World,
    client: usize,
    shape: Shape,
    lies: usize,
) -> (Op, Reply) {
    let (mut asked, mut found) = (Vec::new(), Vec::new());
    for _ in 0..=chance.below(2) {
        let key = chance.below(shape.keys);
        let name = Key::new(KEYS[key]);
        if chance.below(2) == 0 {
            let (value, _) = world.read(chance, client, key, lies);
            asked.push(Mop { kind: MopKind::Read, key: name, value: Value::Nil });
            found.push(Mop { kind: MopKind::Read, key: name, value });
        } else {
            let value = world.write(chance, client, key, shape);
            asked.push(Mop { kind: MopKind::Write, key: name, value: value.clone() });
            found.push(Mop { kind: MopKind::Write, key: name, value });
        }
    }
    let op = Op { f: F::new("txn"), key: None, value: Value::Mops(asked.into()) };
    (op, Reply { value: Value::Mops(found.into()), version: None })
}
