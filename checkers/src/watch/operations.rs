//! What one operation says about events, and which operations say nothing that is understood.

use schism_history::{F, Key, Mop, MopKind, Operation, Value};

/// The first event of a history that is none of watches and writes.
#[derive(Clone, Debug)]
pub(crate) struct Alien {
    /// Its index.
    pub index: u64,
    /// What is wrong with it.
    pub problem: String,
}

/// A change of one key at one revision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event<'a> {
    /// The revision at which the key changed.
    pub revision: u64,
    /// The key.
    pub key: Key,
    /// What it holds from then on, as far as is known.
    pub content: Content<'a>,
}

/// What a key holds after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content<'a> {
    /// Nothing: it was deleted.
    Deleted,
    /// This value, or one that is not told.
    Put(Option<&'a Value>),
}

impl Content<'_> {
    /// Whether both can be told of one change.
    pub fn agrees(self, other: Content<'_>) -> bool {
        match (self, other) {
            (Content::Put(Some(one)), Content::Put(Some(other))) => one == other,
            (Content::Put(_), Content::Put(_)) | (Content::Deleted, Content::Deleted) => true,
            _ => false,
        }
    }
}

/// The keys that a watch is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Every key.
    All,
    /// One key.
    One(Key),
    /// The keys that begin with a text.
    Prefix(&'static str),
}

impl Target {
    /// Whether a change of `key` concerns it.
    pub fn matches(self, key: Key) -> bool {
        match self {
            Target::All => true,
            Target::One(own) => own == key,
            Target::Prefix(prefix) => key.as_str().starts_with(prefix),
        }
    }
}

/// One message of the system to a watcher.
#[derive(Clone, Debug)]
pub(crate) enum Response<'a> {
    /// Changes.
    Events(Vec<Event<'a>>),
    /// Everything up to this revision has been delivered.
    Progress(u64),
}

/// A watch that ended, with all that it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Watch<'a> {
    /// The operation's number.
    pub number: usize,
    /// What it is about.
    pub target: Target,
    /// The revision from which it was to begin; `None`: then.
    pub start: Option<u64>,
    /// What it was sent, in order.
    pub responses: Vec<Response<'a>>,
}

/// What an operation is.
pub(crate) enum What<'a> {
    /// Changes that certainly took place.
    Written(Vec<Event<'a>>),
    /// A watch.
    Watched(Watch<'a>),
    /// It says nothing about events.
    Nothing,
}

/// The functions of watched stores.
pub(crate) struct Functions {
    watch: F,
    puts: [F; 2],
    delete: F,
    cas: F,
    txn: F,
    reads: [F; 2],
}

impl Functions {
    pub fn new() -> Self {
        Self {
            watch: F::new("watch"),
            puts: ["put", "write"].map(F::new),
            delete: F::new("delete"),
            cas: F::new("cas"),
            txn: F::new("txn"),
            reads: ["get", "read"].map(F::new),
        }
    }

    /// What an operation says, or why nobody understands it.
    pub fn read<'a>(&self, operation: &Operation<'a>) -> Result<What<'a>, Alien> {
        let (op, index) = (operation.op, operation.invoked);
        let alien =
            |what: &str| Alien { index, problem: format!("the {} of event {index} {what}", op.f) };
        if op.f == self.watch {
            return watch(operation);
        }
        if op.f == self.txn {
            let Value::Mops(mops) = &op.value else {
                return Err(alien("holds no reads and writes"));
            };
            if mops.iter().any(|mop| !matches!(mop.kind, MopKind::Read | MopKind::Write)) {
                return Err(alien("holds what is neither read nor write"));
            }
            return Ok(transaction(operation, mops));
        }
        let puts = self.puts.contains(&op.f);
        if !puts && op.f != self.delete && op.f != self.cas && !self.reads.contains(&op.f) {
            return Err(alien("is none of watch, put, write, delete, cas, txn, get and read"));
        }
        let Some(key) = op.key else { return Err(alien("has no key")) };
        let Some(reply) = operation.ok() else { return Ok(What::Nothing) };
        let content = if puts {
            Content::Put(Some(&op.value))
        } else if op.f == self.cas {
            let Value::List(pair) = &op.value else { return Err(alien("names no two values")) };
            let [_, new] = &**pair else { return Err(alien("names no two values")) };
            Content::Put(Some(new))
        } else if op.f == self.delete && deleted(&reply.value) {
            Content::Deleted
        } else {
            return Ok(What::Nothing);
        };
        let event = reply.version.map(|revision| Event { revision, key, content });
        Ok(What::Written(event.into_iter().collect()))
    }
}

/// Whether something was there to be deleted: otherwise there is no event.
fn deleted(reply: &Value) -> bool {
    matches!(reply, Value::Bool(true)) || matches!(reply, Value::Int(number) if *number > 0)
}

/// The writes of a transaction, all at its revision. What becomes of a key that is written twice,
/// or of a nil, which deletes what may not be there, is not known.
fn transaction<'a>(operation: &Operation<'a>, mops: &'a [Mop]) -> What<'a> {
    let Some(revision) = operation.ok().and_then(|reply| reply.version) else {
        return What::Nothing;
    };
    let writes = || mops.iter().filter(|mop| mop.kind == MopKind::Write);
    let once = |mop: &&Mop| writes().filter(|other| other.key == mop.key).count() == 1;
    let known = writes().filter(|mop| mop.value != Value::Nil).filter(once);
    let event =
        |mop: &'a Mop| Event { revision, key: mop.key, content: Content::Put(Some(&mop.value)) };
    What::Written(known.map(event).collect())
}

fn watch<'a>(operation: &Operation<'a>) -> Result<What<'a>, Alien> {
    let (op, index) = (operation.op, operation.invoked);
    let start = match op.value {
        // etcd takes 0 for no revision at all.
        Value::Nil | Value::Int(0) => None,
        Value::Int(revision) if revision > 0 => Some(revision.unsigned_abs()),
        _ => {
            let problem = format!("the watch of event {index} begins at no revision");
            return Err(Alien { index, problem });
        }
    };
    let target = match op.key {
        None => Target::All,
        Some(key) => key.as_str().strip_suffix('*').map_or(Target::One(key), Target::Prefix),
    };
    let Some(reply) = operation.ok() else { return Ok(What::Nothing) };
    let strange = || Alien {
        index: operation.completed.unwrap_or(index),
        problem: format!("the watch of event {index} returned no list of responses"),
    };
    let responses = match &reply.value {
        Value::List(list) => list.iter().map(response).collect::<Option<Vec<_>>>(),
        Value::Nil => Some(Vec::new()),
        _ => None,
    };
    let responses = responses.ok_or_else(strange)?;
    Ok(What::Watched(Watch { number: operation.number, target, start, responses }))
}

fn response(value: &Value) -> Option<Response<'_>> {
    match value {
        Value::List(events) => {
            events.iter().map(event).collect::<Option<_>>().map(Response::Events)
        }
        Value::Map(entries) => match &**entries {
            [(Value::Text(word), Value::Int(revision))] if &**word == "progress" => {
                u64::try_from(*revision).ok().map(Response::Progress)
            }
            _ => None,
        },
        _ => None,
    }
}

fn event(value: &Value) -> Option<Event<'_>> {
    let Value::List(parts) = value else { return None };
    let (revision, kind, key, value) = match &**parts {
        [Value::Int(revision), Value::Text(kind), key] => (revision, kind, key, None),
        [Value::Int(revision), Value::Text(kind), key, value] => (revision, kind, key, Some(value)),
        _ => return None,
    };
    let key = match key {
        Value::Text(text) => Key::new(text),
        Value::Int(number) => Key::new(&number.to_string()),
        _ => return None,
    };
    let content = match &**kind {
        "put" => Content::Put(value),
        "delete" => Content::Deleted,
        _ => return None,
    };
    Some(Event { revision: u64::try_from(*revision).ok()?, key, content })
}
