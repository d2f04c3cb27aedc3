//! The verdict on inserts that exclude each other.

use rustc_hash::FxHashMap;
use schism_history::{Code, History, Key, Operation, Outcome, Value};

use crate::evidence::{Alien, first_alien, operations_before, too_few, used_up};
use crate::phrase::{count, who};
use crate::refutation::{Proofs, refute};
use crate::{
    Anomaly, Asked, Budget, CheckerEntry, Claim, Edge, Lesson, Parameters, Question, Transaction,
    Verdict, Witness,
};

/// The row of this checker.
pub(crate) const ENTRY: CheckerEntry = CheckerEntry {
    name: "write-skew",
    summary: "inserts that exclude each other, of which two committed (G2); refutes models",
    subjects: &["write-skew"],
    decides: &[
        Claim::NoWriteSkew,
        Claim::Serializable,
        Claim::StrongSessionSnapshotIsolation,
        Claim::StrongSnapshotIsolation,
        Claim::StrongSessionSerializable,
        Claim::StrictSerializable,
    ],
    check,
};

/// What `schism explain` teaches of write skew.
pub(crate) const LESSONS: &[Lesson] = &[Lesson {
    name: "write-skew",
    definition: "Two transactions each look whether the other's row is there, find nothing, insert \
                 their own, and both commit: an anti-dependency cycle over a predicate (G2).",
    source: "Adya 1999, section 4.2; Berenson et al. 1995, A5B; Kingsbury, Jepsen, tests/adya",
    subject: "write-skew",
    claim: Claim::NoWriteSkew,
    parameters: Parameters::DEFAULT,
    example: "
        p0 invoke insert 1 [7 _]
        p1 invoke insert 1 [_ 8]
        p0 ok
        p1 ok                   # whoever came second should have found the other's row",
    near_miss: "
        p0 invoke insert 1 [7 _]
        p1 invoke insert 1 [_ 8]
        p0 ok
        p1 fail",
}];

/// Bytes that an insert takes while it is judged.
const BYTES: usize = 150;

/// The inserts of one key.
#[derive(Debug, Default)]
struct Inserts {
    /// The key, as it is written.
    key: String,
    /// How many were sent.
    sent: usize,
    /// Those that committed, in order of invocation, by number.
    committed: Vec<usize>,
}

/// What was found, over all keys.
#[derive(Default)]
struct Found {
    inserts: usize,
    keys: usize,
    /// Keys of which two inserts were sent, and one committed.
    tested: usize,
    /// Keys of which two inserts committed.
    pairs: Proofs,
    /// Those of which one committed before the other began.
    apart: Proofs,
    /// Those of which one session did both.
    sessions: Proofs,
    alien: Option<Alien>,
}

fn check(question: &Question, history: &History, budget: &Budget) -> Vec<Verdict> {
    if let Some(unknown) = used_up(question, history, budget, BYTES) {
        return unknown;
    }
    let found = find(history);
    question.claims.iter().map(|&asked| verdict(asked, question, &found)).collect()
}

fn find(history: &History) -> Found {
    let alien = first_alien(history, parse);
    let mut places: FxHashMap<Of<'_>, usize> = FxHashMap::default();
    let mut keys: Vec<Inserts> = Vec::new();
    for operation in operations_before(history, alien.as_ref()) {
        let Ok(of) = parse(&operation) else { continue };
        let place = *places.entry(of).or_insert_with(|| {
            let key = match of {
                Of::Key(key) => key.to_string(),
                Of::Value(value) => value.to_string(),
            };
            keys.push(Inserts { key, ..Inserts::default() });
            keys.len() - 1
        });
        keys[place].sent += usize::from(!never_sent(&operation));
        if operation.ok().is_some() {
            keys[place].committed.push(operation.number);
        }
    }
    let mut found = Found { alien, keys: keys.len(), ..Found::default() };
    for inserts in &keys {
        found.add(history, inserts);
    }
    found
}

impl Found {
    fn add(&mut self, history: &History, inserts: &Inserts) {
        let committed = &inserts.committed;
        self.inserts += committed.len();
        self.tested += usize::from(inserts.sent > 1 && !committed.is_empty());
        let [first, second, ..] = &**committed else { return };
        let tell = |pair: [usize; 2], how: &str| {
            tell(inserts, pair.map(|number| history.operation(number)), how)
        };
        self.pairs.add(|| tell([*first, *second], ""));
        let mut sessions = committed.clone();
        sessions.sort_by_key(|&number| (history.operation(number).process, number));
        let process = |number: usize| history.operation(number).process;
        let same = sessions.windows(2).find(|pair| process(pair[0]) == process(pair[1]));
        if let Some(&[one, other]) = same {
            self.sessions.add(|| tell([one, other], " One process did both, one after the other."));
        }
        if !history.has_real_time() {
            if let Some(&[one, other]) = same {
                self.apart
                    .add(|| tell([one, other], " One process did both, one after the other."));
            }
            return;
        }
        let completed = |number: &usize| history.operation(*number).completed;
        let earliest = committed.iter().copied().min_by_key(completed);
        let last = committed.last().copied();
        if let (Some(one), Some(other)) = (earliest, last)
            && completed(&one).is_some_and(|end| end < history.operation(other).invoked)
        {
            self.apart.add(|| tell([one, other], " The one had committed before the other began."));
        }
    }
}

fn verdict(asked: Asked, question: &Question, found: &Found) -> Verdict {
    let (proofs, which, because) = match asked.claim {
        Claim::StrongSnapshotIsolation => {
            let because =
                "A snapshot under strong snapshot isolation holds all that committed before.";
            (&found.apart, " of which one began after the other had committed", because)
        }
        Claim::StrongSessionSnapshotIsolation => {
            let because = "A snapshot under strong session snapshot isolation holds all that its \
                           session committed before.";
            (&found.sessions, " by one process", because)
        }
        _ => (
            &found.pairs,
            "",
            "In any serial order the later would have found the earlier one's row.",
        ),
    };
    let verb = if proofs.count == 1 { "has" } else { "have" };
    let broken =
        format!("{} of {} {verb} two ok inserts{which}.", proofs.count, count(found.keys, "key"));
    if let Some(alien) = found.alien.as_ref().filter(|_| !proofs.any()) {
        let reason = alien.reason("inserts that exclude each other");
        return Verdict::unknown(asked, found.inserts, reason);
    }
    if asked.claim != Claim::NoWriteSkew {
        let unbroken = format!("No key has two ok inserts{which}");
        return refute(asked, found.inserts, proofs, [&broken, because, &unbroken]);
    }
    if proofs.any() {
        return Verdict::invalid(asked, found.inserts, broken, proofs.kept.clone());
    }
    let nothing = "For no key did one insert commit and another one try to.";
    let could = "key for which one insert committed and another one tried to";
    if let Some(reason) = too_few(found.tested, question.evidence_min, nothing, could) {
        return Verdict::unknown(asked, found.inserts, reason);
    }
    let keys = count(found.tested, "contended key");
    Verdict::valid(asked, found.inserts, format!("One insert committed for each of {keys}."))
}

/// What an insert is about: the operation's own key, or the first part of its value.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Of<'a> {
    Key(Key),
    Value(&'a Value),
}

fn parse<'a>(operation: &Operation<'a>) -> Result<Of<'a>, Alien> {
    if operation.op.f.as_str() != "insert" {
        return Err(Alien::asked(operation, "is no insert"));
    }
    if let Some(key) = operation.op.key {
        return Ok(Of::Key(key));
    }
    match &operation.op.value {
        Value::List(parts) if parts.len() == 2 => Ok(Of::Value(&parts[0])),
        _ => Err(Alien::asked(operation, "says not of which key it is")),
    }
}

/// Whether it cannot have met the other one.
fn never_sent(operation: &Operation<'_>) -> bool {
    match operation.outcome {
        Some(Outcome::Fail(reason)) => matches!(reason.code, Code::Shed | Code::Refused),
        _ => false,
    }
}

fn tell(inserts: &Inserts, pair: [Operation<'_>; 2], how: &str) -> Anomaly {
    let [one, other] = &pair;
    let transaction = |name: &str, operation| Transaction { name: name.into(), operation };
    let edge = |from: &str, to: &str| Edge {
        from: from.into(),
        to: to.into(),
        kind: "rw".into(),
        says: format!("{from} found no row of key {}, and {to} inserted one", inserts.key),
    };
    let row = |operation: &Operation<'_>| {
        let (value, index) = (&operation.op.value, operation.invoked);
        format!("insert {value} (event {index}, {})", who(operation))
    };
    let more = match inserts.committed.len() {
        2 => String::new(),
        number => format!(" {number} inserts of this key committed."),
    };
    Anomaly {
        name: "write-skew".into(),
        key: Some(inserts.key.clone()),
        operations: vec![one.invoked, other.invoked],
        explanation: format!(
            "Key {}: {} and {} both committed. Each had looked in the same transaction whether a row of \
             this key was there, so that in any serial order the later would have found the earlier \
             one's row.{how}{more}",
            inserts.key,
            row(one),
            row(other),
        ),
        witness: Witness::Cycle {
            transactions: vec![transaction("T1", one.invoked), transaction("T2", other.invoked)],
            edges: vec![edge("T1", "T2"), edge("T2", "T1")],
        },
    }
}
