//! The operations on one register, taken out of a history and made small.

use rustc_hash::FxHashMap;
use schism_history::{Key, Value};

use super::search::Call;
use super::summary::Label;

/// The rank of a completion that never comes, and of the prefix that is the whole history.
pub(crate) const NEVER: u64 = u64::MAX;

/// The number of the initial value in [`Register::values`].
pub(crate) const INITIAL: u32 = 0;

/// Whether a register can hold `value`: nothing, a truth value, a number or a text.
pub(crate) fn is_content(value: &Value) -> bool {
    matches!(value, Value::Nil | Value::Bool(_) | Value::Int(_) | Value::Text(_))
}

/// A value as verdicts say it.
pub(crate) fn show(value: &Value) -> String {
    match value {
        Value::Nil => "nil".into(),
        value => value.to_string(),
    }
}

/// What an operation does; values are numbers into [`Register::values`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// Returned the value.
    Read(u32),
    /// Replaces whatever is there.
    Write(u32),
    /// Replaces the first value, and only it, by the second.
    CompareAndSet(u32, u32),
}

impl Action {
    /// The value that must be there for this to take effect.
    pub fn needs(self) -> Option<u32> {
        match self {
            Action::Read(value) | Action::CompareAndSet(value, _) => Some(value),
            Action::Write(_) => None,
        }
    }

    /// The value that it leaves behind, if it leaves another than it found.
    pub fn writes(self) -> Option<u32> {
        match self {
            Action::Read(_) => None,
            Action::Write(value) | Action::CompareAndSet(_, value) => Some(value),
        }
    }
}

/// What became of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It took effect before its completion.
    Ok,
    /// It never took effect.
    Failed,
    /// Nobody knows.
    Indeterminate,
}

/// One operation. Reads are kept only if they are ok, since others constrain nothing.
///
/// Ranks are indexes of events plus one, so that 0 stands before every event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// The operation's number in the history.
    pub number: u32,
    /// What it does.
    pub action: Action,
    /// What became of it.
    pub fate: Fate,
    /// The rank of its invocation.
    pub invoked: u64,
    /// The rank of its completion; [`NEVER`] if it is indeterminate.
    pub completed: u64,
}

impl Entry {
    /// The rank before which it took effect, as far as the prefix of the history up to rank
    /// `prefix` tells: what is open there is indeterminate.
    pub fn end(&self, prefix: u64) -> u64 {
        if self.is_ok(prefix) { self.completed } else { NEVER }
    }

    /// Whether it is known in the prefix that it took effect.
    pub fn is_ok(&self, prefix: u64) -> bool {
        self.fate == Fate::Ok && self.completed <= prefix
    }

    /// Whether it is known in the prefix that it did not take effect.
    pub fn is_failed(&self, prefix: u64) -> bool {
        self.fate == Fate::Failed && self.completed <= prefix
    }
}

/// All operations on one key, in order of invocation.
#[derive(Debug)]
pub(crate) struct Register<'a> {
    /// The object; `None` where operations name none.
    pub key: Option<Key>,
    /// The operations.
    pub entries: Vec<Entry>,
    /// The values by number, the initial one first.
    pub values: Vec<&'a Value>,
    /// From this rank on the history cannot be judged: [`NEVER`], or the rank of a malformed event.
    pub cut: u64,
    numbers: FxHashMap<&'a Value, u32>,
    /// The same for integers, which nearly all values are, and which are cheaper to look up.
    integers: FxHashMap<i64, u32>,
}

impl<'a> Register<'a> {
    /// A register without operations.
    pub fn new(key: Option<Key>, initial: &'a Value) -> Self {
        let (numbers, integers) = match initial {
            Value::Int(integer) => {
                (FxHashMap::default(), FxHashMap::from_iter([(*integer, INITIAL)]))
            }
            other => (FxHashMap::from_iter([(other, INITIAL)]), FxHashMap::default()),
        };
        Self { key, entries: Vec::new(), values: vec![initial], cut: NEVER, numbers, integers }
    }

    /// The number of a value, which is a new one if it was not seen before.
    pub fn number(&mut self, value: &'a Value) -> u32 {
        let next = self.values.len() as u32;
        let number = match value {
            Value::Int(integer) => *self.integers.entry(*integer).or_insert(next),
            other => *self.numbers.entry(other).or_insert(next),
        };
        if number == next {
            self.values.push(value);
        }
        number
    }

    /// Says that nothing can be judged from `rank` on.
    pub fn cut_at(&mut self, rank: u64) {
        self.cut = self.cut.min(rank);
    }

    /// Frees what only [`Register::number`] needs.
    pub fn seal(&mut self) {
        self.numbers = FxHashMap::default();
        self.integers = FxHashMap::default();
    }

    /// The value's text.
    pub fn show(&self, value: u32) -> String {
        show(self.values[value as usize])
    }

    /// The object's name.
    pub fn label(&self) -> Label {
        match self.key {
            Some(key) => Label { noun: "key", name: key.to_string() },
            None => Label { noun: "the register", name: String::new() },
        }
    }

    /// The operations of the prefix up to the rank `prefix`, as the search wants them, with their
    /// places in [`Register::entries`]. `only`: these places; `None`: all.
    ///
    /// Operations that fail later are left out, or with `open_failures` taken as indeterminate.
    pub fn calls(
        &self,
        prefix: u64,
        only: Option<&[u32]>,
        open_failures: bool,
    ) -> (Vec<Call<Action>>, Vec<u32>) {
        let call = |place: u32| {
            let entry = &self.entries[place as usize];
            let returned = entry.end(prefix);
            let counts = match (entry.action, entry.fate) {
                _ if entry.invoked > prefix => false,
                (Action::Read(_), _) => returned != NEVER,
                (_, Fate::Failed) => open_failures && entry.completed > prefix,
                _ => true,
            };
            let call = Call { action: entry.action, invoked: entry.invoked, returned };
            counts.then_some((call, place))
        };
        match only {
            Some(only) => only.iter().filter_map(|&place| call(place)).unzip(),
            None => (0..self.entries.len() as u32).filter_map(call).unzip(),
        }
    }

    /// The greatest rank such that, in the prefix up to it, no value is written twice and none is
    /// the initial one; [`NEVER`] if that holds of the whole. What a failed operation would have
    /// written does not count.
    pub fn unique_until(&self) -> u64 {
        let mut written = vec![false; self.values.len()];
        written[INITIAL as usize] = true;
        for entry in self.entries.iter().filter(|entry| entry.fate != Fate::Failed) {
            let Some(value) = entry.action.writes() else { continue };
            if std::mem::replace(&mut written[value as usize], true) {
                return entry.invoked - 1;
            }
        }
        NEVER
    }

    /// How many operations are ok and could have shown something: they tell what they found, and
    /// another operation that may have changed it was invoked before they completed.
    pub fn tested(&self) -> usize {
        let writes = self
            .entries
            .iter()
            .filter(|entry| entry.fate != Fate::Failed && entry.action.writes().is_some());
        // Of the first two at least one is another than the operation itself.
        let first: Vec<&Entry> = writes.take(2).collect();
        let shows = |entry: &&Entry| {
            entry.fate == Fate::Ok
                && entry.action.needs().is_some()
                && first
                    .iter()
                    .any(|write| write.number != entry.number && write.invoked < entry.completed)
        };
        self.entries.iter().filter(shows).count()
    }

    /// The operation that completed first of those that found what nobody had written by then, as
    /// its place in [`Register::entries`]; and the rank, `until` at most, from which on nothing can
    /// explain it: that of its completion, or of the last failure of an operation that would have
    /// written it. O(n), wherever values repeat.
    pub fn unwritten(&self, until: u64) -> Option<(u32, u64)> {
        let mut writers: Vec<[Option<u32>; 2]> = vec![[None; 2]; self.values.len()];
        for (place, entry) in (0..).zip(&self.entries) {
            let Some(value) = entry.action.writes().filter(|_| entry.fate != Fate::Failed) else {
                continue;
            };
            if let Some(free) = writers[value as usize].iter_mut().find(|it| it.is_none()) {
                *free = Some(place);
            }
        }
        let explained = |place: u32, needs: u32| {
            let end = self.entries[place as usize].completed;
            let others = writers[needs as usize].into_iter().flatten();
            needs == INITIAL
                || others
                    .filter(|&writer| writer != place)
                    .any(|writer| self.entries[writer as usize].invoked < end)
        };
        let unwritten = (0..).zip(&self.entries).filter_map(|(place, entry)| {
            let needs = entry.action.needs().filter(|_| entry.is_ok(until))?;
            (!explained(place, needs)).then_some((entry.completed, place, needs))
        });
        let (completed, place, needs) = unwritten.min()?;
        let failed = self.entries.iter().filter(|entry| {
            entry.action.writes() == Some(needs)
                && entry.fate == Fate::Failed
                && entry.invoked < completed
        });
        let prefix = failed.map(|entry| entry.completed).max().unwrap_or(0).max(completed);
        (prefix <= until).then_some((place, prefix))
    }
}
