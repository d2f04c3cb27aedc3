//! Events made of Jepsen's operation maps: who completes what, and under which number.

use rustc_hash::FxHashMap;

use super::entry::{Entry, FIRST_FRESH, Kind as EntryKind, Who};
use super::keyed::Keyed;
use crate::{
    Code, Event, F, History, Kind, Malformed, Op, Outcome, Process, Reason, Reply, Time, Value,
};

/// The session of all operations that name no process. No client has this number.
const NAMELESS: u32 = u32::MAX;

/// What an entry can be wrong about, at its own place.
pub(super) type Problem = String;

/// A process of the file.
struct Session {
    /// The number under which its events stand.
    process: Process,
    /// The position of its open invocation among the events, and the line of that.
    open: Option<(usize, u64)>,
    /// Whether its last operation was indeterminate: from then on it is somebody else.
    retired: bool,
}

/// Events on their way into a history.
pub(super) struct Assembly {
    events: Vec<Event>,
    sessions: FxHashMap<u32, Session>,
    /// How many numbers of our own were given.
    fresh: u32,
    greatest: Option<u32>,
    keyed: Keyed,
    /// How many events came before each map that is no client's: they count where events are
    /// counted, since a reader of the file counts them, too.
    skipped: Vec<usize>,
    /// Whether every map has an index, and they rise.
    indexed: bool,
    /// Whether every map has a time.
    timed: bool,
    last: (Option<u64>, u64),
    txn: F,
    reads: [F; 2],
}

impl Assembly {
    pub fn new() -> Self {
        Self {
            events: Vec::new(),
            sessions: FxHashMap::default(),
            fresh: 0,
            greatest: None,
            keyed: Keyed::default(),
            skipped: Vec::new(),
            indexed: true,
            timed: true,
            last: (None, 0),
            txn: F::new("txn"),
            reads: [F::new("read"), F::new("get")],
        }
    }

    /// Takes the next map of the file.
    pub fn take(&mut self, entry: Entry) -> Result<(), Problem> {
        let number = match entry.who {
            Who::Other => {
                self.skipped.push(self.events.len());
                return Ok(());
            }
            Who::Missing => NAMELESS,
            Who::Client(number) => {
                self.greatest = self.greatest.max(Some(number));
                number
            }
        };
        let index = entry.index.unwrap_or_default();
        self.indexed &= entry.index.is_some() && self.last.0.is_none_or(|last| index > last);
        self.last.0 = Some(index);
        self.timed &= entry.time.is_some();
        let time = Time(entry.time.unwrap_or(self.last.1));
        self.last.1 = time.0;
        let (process, kind) = match entry.kind {
            EntryKind::Invoke => self.invoke(number, entry)?,
            _ => self.complete(number, entry)?,
        };
        self.events.push(Event { index, time, process, kind });
        Ok(())
    }

    fn invoke(&mut self, number: u32, entry: Entry) -> Result<(Process, Kind), Problem> {
        let session = self.sessions.entry(number).or_insert_with(|| Session {
            process: Process(number),
            open: None,
            retired: false,
        });
        if let Some((_, line)) = session.open {
            let who = name_of(number);
            return Err(format!("{who} invokes while its operation of line {line} is still open"));
        }
        if session.retired {
            // Other tools go on under the same number; our processes end with what nobody knows.
            session.process = Process(FIRST_FRESH + self.fresh);
            session.retired = false;
            self.fresh += 1;
            if FIRST_FRESH + self.fresh == NAMELESS {
                return Err("more than 2^31 processes".into());
            }
        }
        session.open = Some((self.events.len(), entry.line));
        let mut value = entry.value.unwrap_or_default();
        let f = match (entry.f, &value) {
            (Some(f), _) => f,
            (None, Value::Mops(_)) => self.txn,
            (None, _) => return Err("an invocation without its function `f`".into()),
        };
        if f == self.txn && matches!(&value, Value::List(items) if items.is_empty()) {
            value = Value::Mops(Box::new([]));
        }
        let op = Op { f, key: entry.key, value };
        self.keyed.invoked(&op);
        let due = entry.due.map(Time);
        Ok((session.process, Kind::Invoke { op, due, node: entry.node }))
    }

    fn complete(&mut self, number: u32, entry: Entry) -> Result<(Process, Kind), Problem> {
        let session = self.sessions.get_mut(&number);
        let open = session.and_then(|it| it.open.take().map(|(position, _)| (it, position)));
        let Some((session, position)) = open else {
            let who = name_of(number);
            return Err(format!("{who} completes an operation that it has not invoked"));
        };
        let process = session.process;
        let Kind::Invoke { op, .. } = &self.events[position].kind else {
            unreachable!("what is open was invoked");
        };
        if let Some(f) = entry.f.filter(|&f| f != op.f) {
            let who = name_of(number);
            return Err(format!("{who} completes {f}, but its open operation is {}", op.f));
        }
        let reason = || entry.reason.unwrap_or_else(|| Reason::new(Code::Other, ""));
        let outcome = match entry.kind {
            EntryKind::Fail => Outcome::Fail(reason()),
            EntryKind::Info | EntryKind::Invoke => {
                session.retired = true;
                Outcome::Info(reason())
            }
            EntryKind::Ok => {
                let value = match entry.value {
                    None | Some(Value::Nil) if argument_stands(op, &self.reads) => op.value.clone(),
                    value => value.unwrap_or_default(),
                };
                self.keyed.returned(op, &value);
                Outcome::Ok(Reply { value, version: entry.version })
            }
        };
        Ok((process, Kind::Complete(outcome)))
    }

    /// The history, in the order of the file. An error if there is no operation in it.
    pub fn finish(mut self) -> Result<Option<History>, Malformed> {
        if self.events.is_empty() {
            return Ok(None);
        }
        if !self.indexed {
            let mut skipped = self.skipped.iter().peekable();
            let mut before = 0;
            for (position, event) in self.events.iter_mut().enumerate() {
                while skipped.next_if(|&&place| place <= position).is_some() {
                    before += 1;
                }
                event.index = position as u64 + before;
            }
        }
        let free = self.greatest.map_or(0, |greatest| greatest + 1);
        let nameless = u32::from(self.sessions.contains_key(&NAMELESS));
        for event in &mut self.events {
            match event.process.0 {
                NAMELESS => event.process = Process(free),
                number if number >= FIRST_FRESH => {
                    event.process = Process(free + nameless + (number - FIRST_FRESH));
                }
                _ => {}
            }
            if !self.timed {
                event.time = Time(event.index.saturating_mul(1_000_000));
            }
        }
        self.keyed.split(&mut self.events);
        let history = History::from_events(self.events)?;
        Ok(Some(if self.timed { history } else { history.without_times() }))
    }
}

/// Whether an ok completion without a value means that the argument was taken. A read returned
/// nil, and a transaction that reads cannot have returned nothing: it stays nil, for the checkers
/// to refuse.
fn argument_stands(op: &Op, reads: &[F]) -> bool {
    match &op.value {
        Value::Nil => false,
        Value::Mops(mops) => {
            use crate::MopKind::{Append, Send, Write};
            mops.iter().all(|mop| matches!(mop.kind, Append | Send | Write))
        }
        _ => !reads.contains(&op.f),
    }
}

fn name_of(number: u32) -> String {
    match number {
        NAMELESS => "the client without a process".into(),
        number => format!("process {number}"),
    }
}
