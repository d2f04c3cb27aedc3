//! Partitioned logs behind one lock, with a consumer group.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use rustc_hash::FxHashMap;
use schism_history::{Code, F, Key, Mop, MopKind, Op, Outcome, Reason, Reply, Value};

/// Messages that one poll returns of one log at most.
const POLLED_MAX: usize = 500;

/// Logs that lose nothing: what is sent stands at the next offset at once, and every operation takes
/// effect as a whole.
#[derive(Default)]
pub(super) struct Logs {
    state: Mutex<State>,
    f: Functions,
}

#[derive(Default)]
struct State {
    messages: FxHashMap<Key, Vec<Value>>,
    /// How far the group has read each log.
    committed: FxHashMap<Key, usize>,
    /// The members of the group, with the logs that they want to read.
    members: BTreeMap<u64, BTreeSet<Key>>,
    /// The number of the last member.
    last: u64,
}

/// The functions, interned once.
struct Functions {
    send: F,
    poll: F,
    txn: F,
    assign: F,
    subscribe: F,
    crash: F,
}

impl Default for Functions {
    fn default() -> Self {
        let [send, poll, txn, assign, subscribe, crash] =
            ["send", "poll", "txn", "assign", "subscribe", "crash"].map(F::new);
        Self { send, poll, txn, assign, subscribe, crash }
    }
}

impl Logs {
    /// Whether an operation is about logs.
    pub(super) fn concerns(&self, op: &Op) -> bool {
        let f = &self.f;
        let of_logs = |mop: &Mop| matches!(mop.kind, MopKind::Send | MopKind::Poll);
        let transacts =
            op.f == f.txn && matches!(&op.value, Value::Mops(mops) if mops.iter().any(of_logs));
        transacts || [f.send, f.poll, f.assign, f.subscribe, f.crash].contains(&op.f)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds the lock")
    }
}

/// What one client reads, and how far it is.
pub(super) struct Reader {
    logs: Arc<Logs>,
    reads: Reads,
}

enum Reads {
    Nothing,
    /// What it has chosen, with the place of the next message of each log.
    Chosen(Vec<(Key, usize)>),
    /// What the group gives it, as the member of this number.
    Member(u64),
}

impl Reader {
    pub(super) fn new(logs: Arc<Logs>) -> Self {
        Self { logs, reads: Reads::Nothing }
    }

    /// Does an operation that concerns logs.
    pub(super) fn invoke(&mut self, op: &Op) -> Outcome {
        let logs = Arc::clone(&self.logs);
        let answer = match &op.value {
            Value::Nil if op.f == logs.f.crash => {
                self.leave();
                return Outcome::Info(Reason::new(
                    Code::Disconnected,
                    "crashed, as it was asked to",
                ));
            }
            Value::List(keys) if op.f == logs.f.assign || op.f == logs.f.subscribe => named(keys)
                .map(|named| {
                    self.choose(named, op.f == logs.f.subscribe);
                    op.value.clone()
                }),
            Value::Mops(mops) => admitted(op, mops, &logs.f).then(|| self.transact(mops)),
            _ => None,
        };
        let refused = || {
            let problem = format!("no such operation of logs: {} with {:?}", op.f, op.value);
            Outcome::Fail(Reason::new(Code::Other, problem))
        };
        answer.map_or_else(refused, |value| Outcome::Ok(Reply { value, version: None }))
    }

    /// Reads these logs from now on. A log that it has chosen already goes on where it was, and any
    /// other begins at its beginning, or where the group is.
    fn choose(&mut self, keys: Vec<Key>, subscribes: bool) {
        let before = match &mut self.reads {
            Reads::Chosen(places) => std::mem::take(places),
            _ => Vec::new(),
        };
        self.leave();
        if subscribes {
            let mut state = self.logs.lock();
            state.last += 1;
            let number = state.last;
            state.members.insert(number, keys.into_iter().collect());
            self.reads = Reads::Member(number);
        } else {
            let place = |key: &Key| before.iter().find(|(other, _)| other == key).map(|it| it.1);
            let chosen = keys.into_iter().map(|key| (key, place(&key).unwrap_or(0)));
            self.reads = Reads::Chosen(chosen.collect());
        }
    }

    fn leave(&mut self) {
        if let Reads::Member(number) = std::mem::replace(&mut self.reads, Reads::Nothing) {
            self.logs.lock().members.remove(&number);
        }
    }

    /// Sends and polls, all at one moment. What it sends itself comes with no poll of the same
    /// operation: it is there only when the whole is.
    fn transact(&mut self, mops: &[Mop]) -> Value {
        let mut state = self.logs.lock();
        let mut answers = Vec::with_capacity(mops.len());
        for mop in mops.iter().filter(|mop| mop.kind == MopKind::Poll) {
            let polled = state.poll(&mut self.reads);
            // A poll that returned nothing is answered by what was asked.
            if polled.is_empty() { answers.push(mop.clone()) } else { answers.extend(polled) }
        }
        for mop in mops.iter().filter(|mop| mop.kind == MopKind::Send) {
            let messages = state.messages.entry(mop.key).or_default();
            let offset = Value::Int(messages.len() as i64);
            messages.push(mop.value.clone());
            let value = Value::List([offset, mop.value.clone()].into());
            answers.push(Mop { value, ..mop.clone() });
        }
        Value::Mops(answers.into())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.leave();
    }
}

impl State {
    /// What comes next in each log that is read, where there is anything.
    fn poll(&mut self, reads: &mut Reads) -> Vec<Mop> {
        match reads {
            Reads::Nothing => Vec::new(),
            Reads::Chosen(places) => {
                let polls = places.iter_mut().filter_map(|(key, place)| self.next(*key, place));
                polls.collect()
            }
            Reads::Member(number) => {
                let own: Vec<Key> = self.given(*number);
                let mut polls = Vec::new();
                for key in own {
                    let mut place = self.committed.get(&key).copied().unwrap_or(0);
                    polls.extend(self.next(key, &mut place));
                    self.committed.insert(key, place);
                }
                polls
            }
        }
    }

    /// The logs that the group gives to a member: each goes to one of those who want it.
    fn given(&self, number: u64) -> Vec<Key> {
        let Some(wanted) = self.members.get(&number) else { return Vec::new() };
        let mine = |(place, key): (usize, &Key)| {
            let all: Vec<u64> =
                self.members.iter().filter(|it| it.1.contains(key)).map(|it| *it.0).collect();
            (all[place % all.len()] == number).then_some(*key)
        };
        wanted.iter().enumerate().filter_map(mine).collect()
    }

    fn next(&self, key: Key, place: &mut usize) -> Option<Mop> {
        let messages = self.messages.get(&key)?.get(*place..)?;
        let messages = &messages[..messages.len().min(POLLED_MAX)];
        let from = *place;
        *place += messages.len();
        let numbered = messages.iter().enumerate();
        let flat = numbered
            .flat_map(|(number, message)| [Value::Int((from + number) as i64), message.clone()]);
        let value = Value::List(flat.collect());
        (!messages.is_empty()).then_some(Mop { kind: MopKind::Poll, key, value })
    }
}

/// Whether the operation holds what its function says and nothing else.
fn admitted(op: &Op, mops: &[Mop], f: &Functions) -> bool {
    let all = |kind| mops.iter().all(|mop| mop.kind == kind);
    op.key.is_none()
        && (op.f == f.send && all(MopKind::Send)
            || op.f == f.poll && all(MopKind::Poll)
            || op.f == f.txn
                && mops.iter().all(|mop| matches!(mop.kind, MopKind::Send | MopKind::Poll)))
}

fn named(keys: &[Value]) -> Option<Vec<Key>> {
    let key = |name: &Value| match name {
        Value::Text(name) => Some(Key::new(name)),
        Value::Int(number) => Some(Key::new(&number.to_string())),
        _ => None,
    };
    keys.iter().map(key).collect()
}

#[cfg(test)]
mod tests;
