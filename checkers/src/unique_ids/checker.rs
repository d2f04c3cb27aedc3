//! The verdict on generated identifiers.

use rustc_hash::FxHashMap;
use schism_history::{History, Key, Operation, Value};

use crate::evidence::{Alien, first_alien, operations_before, too_few};
use crate::phrase::{count, span, who};
use crate::refutation::Proofs;
use crate::{
    Anomaly, Asked, Budget, CheckerEntry, Claim, Lesson, Parameters, Question, Verdict, Witness,
};

/// The row of this checker.
pub(crate) const ENTRY: CheckerEntry = CheckerEntry {
    name: "unique-ids",
    summary: "generated identifiers: none is handed out twice",
    subjects: &["unique-ids"],
    decides: &[Claim::NoDuplicates],
    check,
};

/// What `schism explain` teaches of identifiers.
pub(crate) const LESSONS: &[Lesson] = &[Lesson {
    name: "duplicate-id",
    definition: "Two calls of a generator of unique identifiers returned the same one.",
    source: "Kingsbury, Jepsen, checker/unique-ids",
    subject: "unique-ids",
    claim: Claim::NoDuplicates,
    parameters: Parameters::DEFAULT,
    example: "
        p0 invoke generate _
        p0 ok 7
        p1 invoke generate _
        p1 ok 7                 # handed out before",
    near_miss: "
        p0 invoke generate _
        p0 ok 7
        p1 invoke generate _
        p1 ok 8",
}];

/// Bytes that one identifier takes in the table, with what growing it costs.
const BYTES: usize = 100;

fn check(question: &Question, history: &History, budget: &Budget) -> Vec<Verdict> {
    question.claims.iter().map(|&asked| verdict(asked, question, history, budget)).collect()
}

fn verdict(asked: Asked, question: &Question, history: &History, budget: &Budget) -> Verdict {
    let alien = first_alien(history, parse);
    let mut first: FxHashMap<(Option<Key>, &Value), usize> = FxHashMap::default();
    let mut proofs = Proofs::default();
    let (mut ids, mut exhausted) = (0, false);
    for operation in operations_before(history, alien.as_ref()) {
        let Ok(Some(value)) = parse(&operation) else { continue };
        if ids % 1024 == 0 && (budget.expired() || first.len() * BYTES > budget.memory_bytes) {
            exhausted = true;
            break;
        }
        ids += 1;
        let earlier = *first.entry((operation.op.key, value)).or_insert(operation.number);
        if earlier != operation.number {
            proofs.add(|| tell(&history.operation(earlier), &operation, value));
        }
    }
    if proofs.any() {
        let number = count(proofs.count, "call");
        let reason = format!(
            "{number} of {ids} returned an identifier that another call had returned as well."
        );
        return Verdict::invalid(asked, ids, reason, proofs.kept);
    }
    if let Some(alien) = alien {
        return Verdict::unknown(asked, ids, alien.reason("generated identifiers"));
    }
    if exhausted {
        let reason = format!(
            "Time or memory ran out after {}, none of them twice; more of both would help.",
            count(ids, "identifier")
        );
        return Verdict::unknown(asked, ids, reason);
    }
    let objects: usize = {
        let mut keys: Vec<Option<Key>> = first.keys().map(|(key, _)| *key).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.len()
    };
    // The first identifier of a generator cannot repeat any.
    let nothing = "Fewer than two identifiers were handed out, so that none could repeat another.";
    let could = "identifier that could have repeated another";
    match too_few(ids.saturating_sub(objects), question.evidence_min, nothing, could) {
        Some(reason) => Verdict::unknown(asked, ids, reason),
        None => Verdict::valid(asked, ids, format!("{ids} identifiers, all of them different.")),
    }
}

fn parse<'a>(operation: &Operation<'a>) -> Result<Option<&'a Value>, Alien> {
    if operation.op.f.as_str() != "generate" {
        let alien = "is no operation of a generator of identifiers (generate)";
        return Err(Alien::asked(operation, alien));
    }
    match operation.ok().map(|reply| &reply.value) {
        Some(Value::Nil) => Err(Alien::answered(operation, "returned nothing")),
        value => Ok(value),
    }
}

fn tell(first: &Operation<'_>, second: &Operation<'_>, value: &Value) -> Anomaly {
    let generator = second.op.key.map_or_else(String::new, |key| format!(" of {key}"));
    let (one, other) = (first.end.unwrap_or(first.start), second.end.unwrap_or(second.start));
    let gap = if one <= other {
        format!("{} later", span(other.since(one)))
    } else {
        format!("{} earlier", span(one.since(other)))
    };
    Anomaly {
        name: "duplicate-id".into(),
        key: second.op.key.map(|key| key.to_string()),
        operations: vec![first.invoked, second.invoked],
        explanation: format!(
            "Identifier {value}{generator} was handed out twice: to {} (event {}), and {gap} to {} \
             (event {}).",
            who(first),
            first.invoked,
            who(second),
            second.invoked,
        ),
        witness: Witness::Operations,
    }
}
