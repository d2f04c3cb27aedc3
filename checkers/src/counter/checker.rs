//! The verdict on counters.

use schism_history::{History, Key, Operation, Value};

use super::sums::{Add, Bounds, Counter, Read, Sums};
use crate::evidence::{
    Alien, ByObject, NEVER, first_alien, named, operations_before, too_few, used_up,
};
use crate::phrase::{count, who};
use crate::refutation::Proofs;
use crate::{Anomaly, Asked, Budget, CheckerEntry, Claim, Question, Verdict, Witness};

/// The row of this checker.
pub(crate) const ENTRY: CheckerEntry = CheckerEntry {
    name: "counter",
    summary: "counters: each read between what was certainly added and what may have been",
    subjects: &["counter"],
    decides: &[Claim::CounterBounds],
    check,
};

/// Adds that a proof names, at most.
const NAMED_MAX: usize = 7;

/// Bytes that an operation takes while it is judged.
const BYTES: usize = 128;

fn check(question: &Question, history: &History, budget: &Budget) -> Vec<Verdict> {
    if let Some(unknown) = used_up(question, history, budget, BYTES) {
        return unknown;
    }
    question.claims.iter().map(|&asked| verdict(asked, question, history)).collect()
}

fn verdict(asked: Asked, question: &Question, history: &History) -> Verdict {
    let initial = match question.initial {
        Value::Nil => 0,
        Value::Int(initial) => initial,
        ref other => {
            let reason = format!("The counters begin at {other}, which is no whole number.");
            return Verdict::unknown(asked, 0, reason);
        }
    };
    let nil_reads = question.initial == Value::Nil;
    let parse = |operation: &Operation<'_>| parse(operation, nil_reads);
    let alien = first_alien(history, parse);
    let mut counters: ByObject<Counter> = ByObject::new();
    for operation in operations_before(history, alien.as_ref()) {
        let counter = counters.of(operation.op.key);
        match parse(&operation) {
            Ok(Parsed::Add(amount)) if !operation.failed() => counter.adds.push(Add {
                amount,
                invoked: operation.invoked,
                acknowledged: operation.ok().and(operation.completed).unwrap_or(NEVER),
            }),
            Ok(Parsed::Read(value)) => counter.reads.push(Read {
                number: operation.number,
                invoked: operation.invoked,
                completed: operation.completed.unwrap_or(NEVER),
                value,
            }),
            _ => {}
        }
    }
    judge(asked, question, history, (counters.sorted(), alien, initial))
}

type Found = (Vec<(Option<Key>, Counter)>, Option<Alien>, i64);

fn judge(
    asked: Asked,
    question: &Question,
    history: &History,
    (counters, alien, initial): Found,
) -> Verdict {
    let real_time = history.has_real_time();
    let (mut proofs, mut reads, mut evidence, mut uncertain) = (Proofs::default(), 0, 0, 0);
    for (key, counter) in &counters {
        let sums = Sums::new(&counter.adds, real_time);
        let begun = counter.adds.iter().find(|add| add.amount != 0).map(|add| add.invoked);
        for read in &counter.reads {
            let bounds = sums.bounds(read, initial);
            reads += 1;
            evidence += usize::from(begun.is_some_and(|begun| begun < read.completed));
            uncertain += usize::from(bounds.low < bounds.high);
            if !(bounds.low..=bounds.high).contains(&i128::from(read.value)) {
                proofs.add(|| tell(history, (*key, counter), read, &bounds));
            }
        }
    }
    if proofs.any() {
        let number = proofs.count;
        let verb = if number == 1 { "lies" } else { "lie" };
        let reason = format!("{number} of {} {verb} out of bounds.", count(reads, "read"));
        return Verdict::invalid(asked, reads, reason, proofs.kept);
    }
    if let Some(alien) = alien {
        return Verdict::unknown(asked, reads, alien.reason("counters"));
    }
    if reads == 0 && question.evidence_min > 0 {
        return Verdict::unknown(asked, 0, "No read was ok, so that nothing was seen.");
    }
    if !real_time {
        let reason = "Only the order within each process is known, so that nobody can say which adds \
                      a read must have seen; no read is beyond the sums of all of them.";
        return Verdict::unknown(asked, reads, reason);
    }
    let nothing = "No read completed after an add had begun.";
    let could = "read that completed after an add had begun";
    if let Some(reason) = too_few(evidence, question.evidence_min, nothing, could) {
        return Verdict::unknown(asked, reads, reason);
    }
    let (lie, counters) =
        (if reads == 1 { "lies" } else { "lie" }, count(counters.len(), "counter"));
    let read = count(reads, "read");
    let reason = format!(
        "{read} of {counters} {lie} between what was certainly added and what may have been; these \
         differ for {uncertain}."
    );
    Verdict::valid(asked, reads, reason)
}

enum Parsed {
    Add(i64),
    Read(i64),
    Nothing,
}

/// `nil_reads`: what was never added to reads as nil.
fn parse(operation: &Operation<'_>, nil_reads: bool) -> Result<Parsed, Alien> {
    let amount = |value: &Value| match value {
        Value::Int(amount) => Some(*amount),
        _ => None,
    };
    let or_one = |value: &Value| if *value == Value::Nil { Some(1) } else { amount(value) };
    let value = &operation.op.value;
    let added = match operation.op.f.as_str() {
        "add" => amount(value),
        "inc" | "increment" => or_one(value),
        "dec" | "decrement" => or_one(value).and_then(i64::checked_neg),
        "read" => {
            return match operation.ok().map(|reply| &reply.value) {
                None => Ok(Parsed::Nothing),
                Some(Value::Nil) if nil_reads => Ok(Parsed::Read(0)),
                Some(Value::Int(value)) => Ok(Parsed::Read(*value)),
                Some(_) => Err(Alien::answered(operation, "returned no whole number")),
            };
        }
        _ => {
            let alien = "is no operation of a counter (add, increment, decrement, read)";
            return Err(Alien::asked(operation, alien));
        }
    };
    let alien = || Alien::asked(operation, "adds no whole number of 64 bits");
    added.map(Parsed::Add).ok_or_else(alien)
}

fn tell(
    history: &History,
    (key, counter): (Option<Key>, &Counter),
    read: &Read,
    bounds: &Bounds,
) -> Anomaly {
    let value = i128::from(read.value);
    let low = value < bounds.low;
    // What pushes the bound beyond the read: certain adds, or all that may have been added.
    let relevant = counter.adds.iter().filter(|add| {
        let (certain, possible) = (add.acknowledged < read.invoked, add.invoked < read.completed);
        if (add.amount > 0) == low { certain } else { possible }
    });
    let mut operations: Vec<u64> = relevant.map(|add| add.invoked).collect();
    operations.drain(..operations.len().saturating_sub(NAMED_MAX));
    operations.push(read.invoked);
    let operation = history.operation(read.number);
    let (side, bound, off) = if low {
        ("at least", bounds.low, bounds.low - value)
    } else {
        ("at most", bounds.high, value - bounds.high)
    };
    let signs = if counter.adds.iter().any(|add| add.amount < 0) {
        if low {
            ", counting every decrement that had begun before it ended"
        } else {
            ", less the decrements that were acknowledged before it began"
        }
    } else {
        ""
    };
    let because = if low {
        let were = if bounds.certain == 1 { "was" } else { "were" };
        format!("{} {were} acknowledged before the read began", count(bounds.certain, "add"))
    } else {
        format!("only {} had begun before the read ended", count(bounds.possible, "add"))
    };
    Anomaly {
        name: "out-of-bounds".into(),
        key: key.map(|key| key.to_string()),
        operations,
        explanation: format!(
            "{}: the read of event {} ({}) returned {value}, which is {off} too {}: {because}, so that \
             it must be {side} {bound}{signs}.",
            named("counter", key),
            read.invoked,
            who(&operation),
            if low { "low" } else { "high" },
        ),
        witness: Witness::Operations,
    }
}
