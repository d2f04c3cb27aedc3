//! The operations on each lock of a history, taken out of it and made small.

use rustc_hash::FxHashMap;
use schism_history::{F, History, Key, Operation, Outcome, Process, Value};

/// The index of no event: what never completes.
pub(crate) const NEVER: u64 = u64::MAX;

/// The first event that is none of a lock's.
#[derive(Clone, Debug)]
pub(crate) struct Alien {
    /// Its index.
    pub index: u64,
    /// What is wrong with it, as a clause that names the event.
    pub problem: String,
}

/// What is done to a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// Takes it.
    Acquire,
    /// Gives it back.
    Release,
}

/// An acquire or a release that did not fail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// The operation's number in the history.
    pub number: u32,
    /// What it does.
    pub action: Action,
    /// Who asked.
    pub process: Process,
    /// The index of its invocation.
    pub invoked: u64,
    /// The index of its completion; [`NEVER`] unless it is ok.
    pub completed: u64,
    /// The fencing token that it returned, where it did.
    pub token: Option<i64>,
}

impl Entry {
    /// Whether it took effect for certain.
    pub fn is_ok(&self) -> bool {
        self.completed != NEVER
    }
}

/// Something that was done under a token, and accepted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write {
    /// The operation's number in the history.
    pub number: u32,
    /// The token.
    pub token: i64,
    /// The index of its invocation.
    pub invoked: u64,
    /// The index of its completion.
    pub completed: u64,
}

/// One lock's operations.
#[derive(Clone, Debug)]
pub(crate) struct Lock {
    /// Which lock; `None` where the history names none.
    pub key: Option<Key>,
    /// Acquires and releases in order of invocation.
    pub entries: Vec<Entry>,
    /// What was done under tokens, in order of invocation.
    pub writes: Vec<Write>,
    /// Whether one owner, by name, is more than one process.
    pub shared_owners: bool,
}

impl Lock {
    /// `lock x`, or `the lock` where it has no name.
    pub fn name(&self) -> String {
        self.key.map_or_else(|| "the lock".to_owned(), |key| format!("lock {key}"))
    }

    /// How many operations are ok.
    pub fn ok(&self) -> usize {
        self.entries.iter().filter(|it| it.is_ok()).count() + self.writes.len()
    }

    /// How many acquires were granted that could have been granted wrongly: another one had been
    /// asked for before.
    pub fn tested(&self) -> usize {
        let acquires = self.entries.iter().filter(|it| it.action == Action::Acquire);
        acquires.skip(1).filter(|it| it.is_ok()).count()
    }
}

/// Sorts a history by lock, up to the first event that is none of a lock's. `leases`: whether there
/// are writes under tokens.
pub(crate) fn by_lock(history: &History, leases: bool) -> (Vec<Lock>, Option<Alien>) {
    let functions = Functions::new(leases);
    let mut places: FxHashMap<Option<Key>, usize> = FxHashMap::default();
    let mut owners: FxHashMap<(usize, &Value), Process> = FxHashMap::default();
    let mut locks: Vec<Lock> = Vec::new();
    let mut alien: Option<Alien> = None;
    for operation in history.operations() {
        let key = operation.op.key;
        let place = *places.entry(key).or_insert_with(|| {
            let (entries, writes) = (Vec::new(), Vec::new());
            locks.push(Lock { key, entries, writes, shared_owners: false });
            locks.len() - 1
        });
        match functions.parse(&operation) {
            Ok(Parsed::Entry(entry)) => {
                if operation.op.value != Value::Nil {
                    let owner = owners.entry((place, &operation.op.value));
                    locks[place].shared_owners |=
                        *owner.or_insert(operation.process) != operation.process;
                }
                locks[place].entries.push(entry);
            }
            Ok(Parsed::Write(write)) => locks[place].writes.push(write),
            Ok(Parsed::Nothing) => {}
            Err(found) => {
                alien = alien.into_iter().chain([found]).min_by_key(|alien| alien.index);
            }
        }
    }
    locks.sort_by_key(|lock| lock.key);
    if let Some(alien) = &alien {
        for lock in &mut locks {
            lock.entries.retain(|it| it.invoked < alien.index);
            lock.writes.retain(|it| it.completed < alien.index);
            let open = lock.entries.iter_mut().filter(|it| it.completed >= alien.index);
            open.for_each(|it| (it.completed, it.token) = (NEVER, None));
        }
    }
    (locks, alien)
}

enum Parsed {
    Entry(Entry),
    Write(Write),
    Nothing,
}

struct Functions {
    acquire: F,
    release: F,
    write: F,
    leases: bool,
}

impl Functions {
    fn new(leases: bool) -> Self {
        let [acquire, release, write] = ["acquire", "release", "write"].map(F::new);
        Self { acquire, release, write, leases }
    }

    fn parse(&self, operation: &Operation<'_>) -> Result<Parsed, Alien> {
        let (number, invoked, f) = (operation.number as u32, operation.invoked, operation.op.f);
        let alien = |what: &str| {
            let problem = format!("the {f} of event {invoked} {what}");
            Err(Alien { index: invoked, problem })
        };
        let ok = operation.ok();
        let completed = operation.completed.filter(|_| ok.is_some()).unwrap_or(NEVER);
        if f == self.acquire || f == self.release {
            if matches!(operation.outcome, Some(Outcome::Fail(_))) {
                return Ok(Parsed::Nothing);
            }
            let acquires = f == self.acquire;
            let action = if acquires { Action::Acquire } else { Action::Release };
            let token = ok.filter(|_| acquires).and_then(|reply| token(&reply.value));
            let process = operation.process;
            let entry = Entry { number, action, process, invoked, completed, token };
            return Ok(Parsed::Entry(entry));
        }
        if f != self.write || !self.leases {
            let known = if self.leases { "acquire, release, write" } else { "acquire, release" };
            return alien(&format!("is no operation of a lock ({known})"));
        }
        let Value::List(parts) = &operation.op.value else { return alien("carries no token") };
        let Some(Value::Int(token)) = parts.first() else { return alien("carries no token") };
        if ok.is_none() {
            return Ok(Parsed::Nothing);
        }
        Ok(Parsed::Write(Write { number, token: *token, invoked, completed }))
    }
}

/// The fencing token that a reply holds: it is one, or has one as `token` or `fence`.
fn token(value: &Value) -> Option<i64> {
    match value {
        Value::Int(token) => Some(*token),
        Value::Map(entries) => entries.iter().find_map(|(name, value)| match (name, value) {
            (Value::Text(name), Value::Int(token)) if matches!(&**name, "token" | "fence") => {
                Some(*token)
            }
            _ => None,
        }),
        _ => None,
    }
}
