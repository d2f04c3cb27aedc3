//! What an operation reads and writes.

use rustc_hash::FxHashMap;
use schism_history::{F, History, Key, Mop, MopKind, Operation, Outcome, Value};

/// What one operation reads and writes, as far as it is known.
#[derive(Debug, Default)]
pub(crate) struct Parsed<'a> {
    /// What it found that was not its own doing.
    pub reads: Vec<(Key, &'a Value)>,
    /// What it leaves behind.
    pub writes: Vec<(Key, &'a Value)>,
    /// Keys of which it read one value where it had itself written or read the second.
    pub contradictions: Vec<(Key, &'a Value, &'a Value)>,
}

/// The functions of registers.
pub(crate) struct Functions {
    read: F,
    write: F,
    cas: F,
    pub txn: F,
    /// The one register, where no operation names any.
    only: Option<Key>,
}

impl Functions {
    /// Their names, interned, as `history` uses them.
    pub fn of(history: &History) -> Self {
        let named = history.operations().any(|operation| operation.op.key.is_some());
        let [read, write, cas, txn] = ["read", "write", "cas", "txn"].map(F::new);
        Self { read, write, cas, txn, only: (!named).then(|| Key::new("_")) }
    }

    /// What `operation` does: what it returned counts if it is ok, what it writes always. The error
    /// is a clause that follows the operation's name.
    pub fn parse<'a>(&self, operation: &Operation<'a>) -> Result<Parsed<'a>, &'static str> {
        let (f, value) = (operation.op.f, &operation.op.value);
        let reply = operation.ok().map(|reply| &reply.value);
        if f == self.txn {
            return transaction(value, reply);
        }
        let known = [self.read, self.write, self.cas].contains(&f);
        if !known {
            return Err("is no operation of a register (read, write, cas, txn)");
        }
        // A history of one register need not name it.
        let key = operation.op.key.or(self.only).ok_or("has no key")?;
        let mut parsed = Parsed::default();
        if f == self.read {
            if let Some(value) = reply {
                parsed.reads.push((key, scalar(value, "returned what no register holds")?));
            }
            return Ok(parsed);
        }
        if f == self.write {
            parsed.writes.push((key, scalar(value, "writes what no register holds")?));
            return Ok(parsed);
        }
        let Value::List(pair) = value else { return Err("is not given a pair of values") };
        let [expected, new] = &**pair else { return Err("is not given a pair of values") };
        parsed.reads.push((key, scalar(expected, "expects what no register holds")?));
        parsed.writes.push((key, scalar(new, "writes what no register holds")?));
        Ok(parsed)
    }

    /// Whether it can be told what `operation` would have done, had it not failed.
    pub fn failed<'a>(&self, operation: &Operation<'a>) -> Vec<(Key, &'a Value)> {
        debug_assert!(matches!(operation.outcome, Some(Outcome::Fail(_))));
        self.parse(operation).map(|parsed| parsed.writes).unwrap_or_default()
    }
}

fn scalar<'a>(value: &'a Value, problem: &'static str) -> Result<&'a Value, &'static str> {
    match value {
        Value::Nil | Value::Bool(_) | Value::Int(_) | Value::Text(_) => Ok(value),
        _ => Err(problem),
    }
}

fn transaction<'a>(asked: &'a Value, reply: Option<&'a Value>) -> Result<Parsed<'a>, &'static str> {
    let mops = |value: &'a Value| match value {
        Value::Mops(mops) => Some(&**mops),
        Value::List(none) if none.is_empty() => Some(&[][..]),
        _ => None,
    };
    let asked = mops(asked).ok_or("is given no micro-operations")?;
    let answered = match reply {
        None => None,
        Some(reply) => Some(mops(reply).ok_or("returned no micro-operations")?),
    };
    let fits = |(one, other): (&Mop, &Mop)| one.kind == other.kind && one.key == other.key;
    if answered.is_some_and(|it| it.len() != asked.len() || !asked.iter().zip(it).all(fits)) {
        return Err("returned other micro-operations than it was given");
    }
    let mut parsed = Parsed::default();
    // What the transaction itself knows of a key, and the place of what it wrote there.
    let mut known: FxHashMap<Key, (&Value, Option<usize>)> = FxHashMap::default();
    for mop in answered.unwrap_or(asked) {
        match mop.kind {
            MopKind::Read if answered.is_none() => {}
            MopKind::Read => {
                let value = scalar(&mop.value, "returned what no register holds")?;
                match known.get(&mop.key) {
                    Some(&(own, _)) if own == value => {}
                    Some(&(own, _)) => parsed.contradictions.push((mop.key, value, own)),
                    None => {
                        known.insert(mop.key, (value, None));
                        parsed.reads.push((mop.key, value));
                    }
                }
            }
            MopKind::Write => {
                let value = scalar(&mop.value, "writes what no register holds")?;
                let place = if let Some(&(_, Some(place))) = known.get(&mop.key) {
                    parsed.writes[place].1 = value;
                    place
                } else {
                    parsed.writes.push((mop.key, value));
                    parsed.writes.len() - 1
                };
                known.insert(mop.key, (value, Some(place)));
            }
            _ => return Err("does more than to read and write"),
        }
    }
    Ok(parsed)
}
