//! Random histories of one register: a simulated register, and now and then a lie.

use schism_history::{
    Code, Event, History, Kind, Op, Outcome, Process, Reason, Reply, Time, Value,
};

/// What may happen in a history.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// How many operations there are.
    pub operations: usize,
    /// How many clients.
    pub clients: usize,
    /// Whether every value is written once.
    pub unique: bool,
    /// One in so many replies is a lie; 0: none is.
    pub lies: u32,
}

/// A source of small numbers; when it runs dry all are 0.
pub(crate) struct Choices<'a> {
    bytes: &'a [u16],
}

impl<'a> Choices<'a> {
    pub fn new(bytes: &'a [u16]) -> Self {
        Self { bytes }
    }

    pub fn below(&mut self, bound: usize) -> usize {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        usize::from(*first) % bound
    }

    pub fn one_in(&mut self, odds: u32) -> bool {
        odds > 0 && self.below(odds as usize) == odds as usize - 1
    }
}

/// An operation under way.
struct Open {
    op: Op,
    outcome: Option<Outcome>,
}

/// What is simulated: an object, and clients that use it.
pub(crate) trait Simulated {
    /// The next operation; so many were begun, with this one.
    fn invent(&mut self, choices: &mut Choices<'_>, begun: usize) -> Op;

    /// What the object makes of it.
    fn take_effect(&mut self, choices: &mut Choices<'_>, op: &Op) -> Outcome;

    /// What a client is told in place of the truth.
    fn lie(&mut self, choices: &mut Choices<'_>, op: &Op, outcome: Outcome) -> Outcome;
}

/// A history of the register `x`, as `choices` say.
pub(crate) fn history(choices: &mut Choices<'_>, shape: Shape) -> History {
    simulate(choices, shape, &mut Register { shape, held: Value::Nil, written: vec![Value::Nil] })
}

/// A history of an object, as `choices` say.
pub(crate) fn simulate(
    choices: &mut Choices<'_>,
    shape: Shape,
    object: &mut dyn Simulated,
) -> History {
    let mut events: Vec<Event> = Vec::new();
    let mut clients: Vec<(u32, Option<Open>)> =
        (0..shape.clients as u32).map(|process| (process, None)).collect();
    let mut begun = 0;
    let mut steps = 0;
    while steps < shape.operations * 12 {
        steps += 1;
        let client = choices.below(shape.clients);
        let (index, process) = (events.len() as u64, clients[client].0);
        let mut record = |kind| {
            events.push(Event {
                index,
                time: Time(index * 1_000_000),
                process: Process(process),
                kind,
            });
        };
        match &mut clients[client].1 {
            None if begun == shape.operations => {}
            None => {
                begun += 1;
                let op = object.invent(choices, begun);
                clients[client].1 = Some(Open { op: op.clone(), outcome: None });
                record(Kind::Invoke { op, due: None, node: None });
            }
            Some(open) => match open.outcome.take() {
                None => open.outcome = Some(object.take_effect(choices, &open.op)),
                Some(outcome) => {
                    let lies = choices.one_in(shape.lies);
                    let outcome =
                        if lies { object.lie(choices, &open.op, outcome) } else { outcome };
                    if matches!(outcome, Outcome::Info(_)) {
                        clients[client].0 += shape.clients as u32;
                    }
                    record(Kind::Complete(outcome));
                    clients[client].1 = None;
                }
            },
        }
    }
    History::from_events(events).expect("the simulation makes histories")
}

/// The register `x`.
struct Register {
    shape: Shape,
    held: Value,
    written: Vec<Value>,
}

impl Simulated for Register {
    fn invent(&mut self, choices: &mut Choices<'_>, begun: usize) -> Op {
        invent(choices, &mut self.written, self.shape, begun)
    }

    fn take_effect(&mut self, choices: &mut Choices<'_>, op: &Op) -> Outcome {
        take_effect(choices, op, &mut self.held)
    }

    fn lie(&mut self, choices: &mut Choices<'_>, op: &Op, outcome: Outcome) -> Outcome {
        lie(choices, op, outcome, &self.written)
    }
}

fn invent(choices: &mut Choices<'_>, written: &mut Vec<Value>, shape: Shape, begun: usize) -> Op {
    let fresh = if shape.unique { begun } else { 1 + choices.below(3) };
    let fresh = Value::Int(fresh as i64);
    let seen = written[choices.below(written.len())].clone();
    let (f, value) = match choices.below(4) {
        0 | 1 => ("read", Value::Nil),
        2 => ("write", fresh.clone()),
        _ => ("cas", Value::List([seen, fresh.clone()].into())),
    };
    if f != "read" {
        written.push(fresh);
    }
    Op::new(f, Some("x"), value)
}

fn take_effect(choices: &mut Choices<'_>, op: &Op, register: &mut Value) -> Outcome {
    let lost = choices.one_in(12);
    let timeout = Outcome::Info(Reason::new(Code::Timeout, "no answer"));
    match (op.f.as_str(), &op.value) {
        ("read", _) => Outcome::Ok(Reply { value: register.clone(), version: None }),
        _ if lost => timeout,
        ("cas", Value::List(pair)) if pair[0] != *register => {
            Outcome::Fail(Reason::new(Code::Mismatch, "another value"))
        }
        (_, value) => {
            let new = if let Value::List(pair) = value { pair[1].clone() } else { value.clone() };
            *register = new;
            // It took effect, but nobody is told so.
            if choices.one_in(8) {
                return timeout;
            }
            Outcome::Ok(Reply { value: op.value.clone(), version: None })
        }
    }
}

fn lie(choices: &mut Choices<'_>, op: &Op, outcome: Outcome, written: &[Value]) -> Outcome {
    let fail = Outcome::Fail(Reason::new(Code::Other, "a lie"));
    match (op.f.as_str(), outcome) {
        ("read", _) => {
            let value = written[choices.below(written.len())].clone();
            Outcome::Ok(Reply { value, version: None })
        }
        (_, Outcome::Ok(_)) => fail,
        (_, outcome) if choices.below(2) == 0 => outcome,
        _ => Outcome::Ok(Reply { value: op.value.clone(), version: None }),
    }
}
