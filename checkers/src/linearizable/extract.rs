//! The registers of a history, and the events that are none of theirs.

use rustc_hash::FxHashMap;
use schism_history::{F, History, Key, Operation, Outcome, Value};

use super::operations::{Action, Entry, Fate, NEVER, Register, is_content};

/// An event that is none of the objects'.
#[derive(Clone, Debug)]
pub(crate) struct Alien {
    /// What the objects are called, of which it is none.
    pub of: &'static str,
    /// Its rank.
    pub rank: u64,
    /// What is wrong with it, as a clause that names the event.
    pub problem: String,
}

/// What a history says about its registers.
#[derive(Debug)]
pub(crate) struct Extract<'a> {
    /// The registers, in the order of their keys.
    pub registers: Vec<Register<'a>>,
    /// The first malformed event.
    pub alien: Option<Alien>,
    /// How many reads are ok.
    pub reads: usize,
    /// How many writes and compare-and-sets are ok.
    pub writes: usize,
    /// How many ok operations tell what they found.
    pub telling: usize,
}

impl<'a> Extract<'a> {
    /// Takes the registers out of `history`. O(n).
    ///
    /// A malformed event does not hide what came before it: its register is cut there (every
    /// register, if the event names no key), and the prefix can still be judged.
    /// Either all operations name a key, or none does: those that differ from the first are
    /// malformed.
    pub fn new(history: &'a History, initial: &'a Value) -> Self {
        let functions = Functions::new();
        let mut extract =
            Self { registers: Vec::new(), alien: None, reads: 0, writes: 0, telling: 0 };
        if !is_content(initial) {
            let problem = format!("the initial value {initial} is none that a register can hold");
            extract.alien = Some(Alien { of: "register", rank: 0, problem });
            return extract;
        }
        let mut places: FxHashMap<Option<Key>, usize> = FxHashMap::default();
        let keyed = history.operations().next().is_some_and(|first| first.op.key.is_some());
        let mut cut = NEVER;
        for operation in history.operations() {
            let taken = if operation.op.key.is_some() == keyed {
                let place = *places.entry(operation.op.key).or_insert_with(|| {
                    extract.registers.push(Register::new(operation.op.key, initial));
                    extract.registers.len() - 1
                });
                let taken = extract.take(&functions, &operation, place);
                taken.map_err(|alien| (Some(place), alien))
            } else {
                let problem = if keyed { "has no key" } else { "has a key, and others have none" };
                Err((None, Alien::invoked(&operation, problem)))
            };
            if let Err((place, alien)) = taken {
                match place {
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
        operation: &Operation<'a>,
        place: usize,
    ) -> Result<(), Alien> {
        let Some(parsed) = functions.parse(operation)? else { return Ok(()) };
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
            self.telling += usize::from(action.needs().is_some());
        }
        let (number, invoked) = (operation.number as u32, operation.invoked + 1);
        register.entries.push(Entry { number, action, fate, invoked, completed });
        Ok(())
    }
}

impl Alien {
    /// An invocation that has `problem`, a verb with its object.
    pub fn invoked(operation: &Operation<'_>, problem: &str) -> Self {
        let (index, f) = (operation.invoked, operation.op.f);
        let problem = format!("the {f} of event {index} {problem}");
        Self { of: "register", rank: index + 1, problem }
    }

    /// A completion that returned what no object holds.
    pub fn completed(operation: &Operation<'_>, value: &Value) -> Self {
        let index = operation.completed.unwrap_or(operation.invoked);
        let f = operation.op.f;
        let problem =
            format!("the {f} of event {index} returned {value}, which is nothing that is held");
        Self { of: "register", rank: index + 1, problem }
    }

    /// The same event among objects of another sort.
    pub fn among(self, of: &'static str) -> Self {
        Self { of, ..self }
    }
}

enum Parsed<'a> {
    Read(&'a Value),
    Write(&'a Value),
    CompareAndSet(&'a Value, &'a Value),
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
    fn parse<'a>(&self, operation: &Operation<'a>) -> Result<Option<Parsed<'a>>, Alien> {
        let alien = |problem: &str| Err(Alien::invoked(operation, problem));
        let (f, value) = (operation.op.f, &operation.op.value);
        if f == self.read {
            let Some(reply) = operation.ok() else { return Ok(None) };
            return match &reply.value {
                value if is_content(value) => Ok(Some(Parsed::Read(value))),
                value => Err(Alien::completed(operation, value)),
            };
        }
        if f == self.write {
            return match value {
                value if is_content(value) => Ok(Some(Parsed::Write(value))),
                _ => alien("writes what a register cannot hold"),
            };
        }
        if f != self.cas {
            return alien("is no operation of a register (read, write, cas)");
        }
        let Value::List(pair) = value else { return alien("is not given a pair of values") };
        match &**pair {
            [expected, new] if is_content(expected) && is_content(new) => {
                Ok(Some(Parsed::CompareAndSet(expected, new)))
            }
            [_, _] => alien("is given what a register cannot hold"),
            _ => alien("is not given a pair of values"),
        }
    }
}
