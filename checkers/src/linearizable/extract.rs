//! The registers of a history, and the events that are none of theirs.

use rustc_hash::FxHashMap;
use schism_history::{F, History, Key, Operation, Outcome, Value};

use super::operations::{Action, Content, Entry, Fate, NEVER, Register};

/// An event that is none of a register's.
#[derive(Clone, Debug)]
pub(crate) struct Alien {
    /// Its rank.
    pub rank: u64,
    /// What is wrong with it, as a clause that names the event.
    pub problem: String,
}

/// What a history says about its registers.
#[derive(Debug)]
pub(crate) struct Extract {
    /// The registers, in the order of their keys.
    pub registers: Vec<Register>,
    /// The first malformed event.
    pub alien: Option<Alien>,
    /// How many reads are ok.
    pub reads: usize,
    /// How many writes and compare-and-sets are ok.
    pub writes: usize,
}

impl Extract {
    /// Takes the registers out of `history`. O(n).
    ///
    /// A malformed event does not hide what came before it: its register is cut there (every
    /// register, if the event names no key), and the prefix can still be judged.
    pub fn new(history: &History, initial: &Value) -> Self {
        let functions = Functions::new();
        let mut extract = Self { registers: Vec::new(), alien: None, reads: 0, writes: 0 };
        let Some(initial) = Content::of(initial) else {
            let problem = format!("the initial value {initial} is neither nil nor a number");
            extract.alien = Some(Alien { rank: 0, problem });
            return extract;
        };
        let mut places: FxHashMap<Key, usize> = FxHashMap::default();
        let mut cut = NEVER;
        for operation in history.operations() {
            let register = operation.op.key.map(|key| {
                *places.entry(key).or_insert_with(|| {
                    extract.registers.push(Register::new(key, initial));
                    extract.registers.len() - 1
                })
            });
            if let Err(alien) = extract.take(&functions, &operation, register) {
                match register {
                    Some(place) => extract.registers[place].cut_at(alien.rank),
                    None => cut = cut.min(alien.rank),
                }
                extract.alien = extract.alien.into_iter().chain([alien]).min_by_key(|it| it.rank);
            }
        }
        for register in &mut extract.registers {
            register.cut_at(cut);
            register.seal();
        }
        extract.registers.sort_by_key(|register| register.key);
        extract
    }

    fn take(
        &mut self,
        functions: &Functions,
        operation: &Operation<'_>,
        place: Option<usize>,
    ) -> Result<(), Alien> {
        let parsed = functions.parse(operation)?;
        let place = place.ok_or_else(|| Alien::invoked(operation, "has no key"))?;
        let Some(parsed) = parsed else { return Ok(()) };
        let register = &mut self.registers[place];
        let action = match parsed {
            Parsed::Read(value) => Action::Read(register.number(value)),
            Parsed::Write(value) => Action::Write(register.number(value)),
            Parsed::CompareAndSet(expected, new) => {
                Action::CompareAndSet(register.number(expected), register.number(new))
            }
        };
        let fate = match operation.outcome {
            Some(Outcome::Ok(_)) => Fate::Ok,
            Some(Outcome::Fail(_)) => Fate::Failed,
            _ => Fate::Indeterminate,
        };
        let completed = match (fate, operation.completed) {
            (Fate::Ok | Fate::Failed, Some(index)) => index + 1,
            _ => NEVER,
        };
        if fate == Fate::Ok {
            *(if action.writes().is_some() { &mut self.writes } else { &mut self.reads }) += 1;
        }
        let (number, invoked) = (operation.number as u32, operation.invoked + 1);
        register.entries.push(Entry { number, action, fate, invoked, completed });
        Ok(())
    }
}

impl Alien {
    fn invoked(operation: &Operation<'_>, problem: &str) -> Self {
        let (index, f) = (operation.invoked, operation.op.f);
        Self { rank: index + 1, problem: format!("the {f} of event {index} {problem}") }
    }

    fn completed(operation: &Operation<'_>, value: &Value) -> Self {
        let index = operation.completed.unwrap_or(operation.invoked);
        let problem = format!("the read of event {index} returned {value}, which is no number");
        Self { rank: index + 1, problem }
    }
}

enum Parsed {
    Read(Content),
    Write(Content),
    CompareAndSet(Content, Content),
}

struct Functions {
    read: F,
    write: F,
    cas: F,
}

impl Functions {
    fn new() -> Self {
        Self { read: F::new("read"), write: F::new("write"), cas: F::new("cas") }
    }

    /// What `operation` does; `None` if it constrains nothing.
    fn parse(&self, operation: &Operation<'_>) -> Result<Option<Parsed>, Alien> {
        let alien = |problem: &str| Err(Alien::invoked(operation, problem));
        let (f, value) = (operation.op.f, &operation.op.value);
        if f == self.read {
            let Some(reply) = operation.ok() else { return Ok(None) };
            return match Content::of(&reply.value) {
                Some(value) => Ok(Some(Parsed::Read(value))),
                None => Err(Alien::completed(operation, &reply.value)),
            };
        }
        if f == self.write {
            return match Content::written(value) {
                Some(value) => Ok(Some(Parsed::Write(value))),
                None => alien("writes no number"),
            };
        }
        if f != self.cas {
            return alien("is no operation of a register (read, write, cas)");
        }
        let Value::List(pair) = value else { return alien("is not given a pair of values") };
        let [expected, new] = &**pair else { return alien("is not given a pair of values") };
        match (Content::of(expected), Content::written(new)) {
            (Some(expected), Some(new)) => Ok(Some(Parsed::CompareAndSet(expected, new))),
            _ => alien("is given what a register cannot hold"),
        }
    }
}
