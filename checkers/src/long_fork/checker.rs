//! The verdict on long forks.

use schism_history::{History, Key};

use super::groups::{Group, Groups, Read};
use crate::evidence::{too_few, used_up};
use crate::phrase::{count, who};
use crate::refutation::{Proofs, refute};
use crate::{
    Anomaly, Asked, Budget, CheckerEntry, Claim, Edge, Question, Transaction, Verdict, Witness,
};

/// The row of this checker.
pub(crate) const ENTRY: CheckerEntry = CheckerEntry {
    name: "long-fork",
    summary: "reads of groups of keys, each written once: no two disagree on what came first; refutes models",
    subjects: &["long-fork"],
    decides: &[
        Claim::NoLongFork,
        Claim::SnapshotIsolation,
        Claim::Serializable,
        Claim::StrongSessionSnapshotIsolation,
        Claim::StrongSnapshotIsolation,
        Claim::StrongSessionSerializable,
        Claim::StrictSerializable,
    ],
    check,
};

/// Bytes that a read takes while it is judged, besides those of its keys.
const BYTES: usize = 256;

fn check(question: &Question, history: &History, budget: &Budget) -> Vec<Verdict> {
    if let Some(unknown) = used_up(question, history, budget, BYTES) {
        return unknown;
    }
    let groups = Groups::of(history, &question.initial, question.parameters.group_size);
    let (mut proofs, mut tested) = (Proofs::default(), 0);
    for group in &groups.list {
        if let Some(unknown) = used_up(question, history, budget, BYTES) {
            return unknown;
        }
        for [one, other] in forks(group) {
            proofs.add(|| tell(history, &groups, group, [one, other]));
        }
        if group.keys.len() > 1 && groups.written(group) > 1 {
            tested += group.reads.len() - 1;
        }
    }
    let verdict = |&asked| verdict(asked, question, &groups, (&proofs, tested));
    question.claims.iter().map(verdict).collect()
}

fn verdict(
    asked: Asked,
    question: &Question,
    groups: &Groups<'_>,
    (proofs, tested): (&Proofs, usize),
) -> Verdict {
    let reads = groups.reads;
    let number = proofs.count;
    let verb = if number == 1 { "is" } else { "are" };
    let broken =
        format!("Among {} there {verb} {}.", count(reads, "read"), count(number, "long fork"));
    let problem = match (&groups.alien, &groups.illegal) {
        (Some(alien), _) => Some(alien.reason("long forks")),
        (_, Some(illegal)) => Some(format!("The reads cannot all be compared: {illegal}.")),
        _ => None,
    };
    if let Some(reason) = problem.filter(|_| !proofs.any()) {
        return Verdict::unknown(asked, reads, reason);
    }
    if asked.claim != Claim::NoLongFork {
        let because = format!(
            "Under {} reads see prefixes of one order of commits, and of two prefixes one contains the \
             other.",
            asked.claim
        );
        let unbroken = "No two reads disagree on which write came first";
        return refute(asked, reads, proofs, [&broken, &because, unbroken]);
    }
    if proofs.any() {
        return Verdict::invalid(asked, reads, broken, proofs.kept.clone());
    }
    let nothing = "No two reads read one group in which two keys were written.";
    let could = "read that another one could have contradicted";
    if let Some(reason) = too_few(tested, question.evidence_min, nothing, could) {
        return Verdict::unknown(asked, reads, reason);
    }
    let reason = format!(
        "{} of {} see one order of the writes in each group.",
        count(reads, "read"),
        count(groups.list.len(), "group")
    );
    Verdict::valid(asked, reads, reason)
}

/// Pairs of reads each of which saw a key that the other did not. One pair for each place at which
/// the reads, sorted by how much they saw, are no chain.
fn forks(group: &Group) -> Vec<[Read; 2]> {
    let mut reads = group.reads.clone();
    reads.sort_by_key(|read| (read.seen.count_ones(), read.seen, read.number));
    reads.dedup_by_key(|read| read.seen);
    let pairs = reads.windows(2).map(|pair| [pair[0], pair[1]]);
    // The first has fewer keys or as many, so that if it is not contained, neither is.
    pairs.filter(|[less, more]| less.seen & !more.seen != 0).collect()
}

fn tell(history: &History, groups: &Groups<'_>, group: &Group, pair: [Read; 2]) -> Anomaly {
    let mut reads = pair;
    reads.sort_by_key(|read| read.number);
    let [one, other] = reads;
    let first = |bits: u128| group.keys[(bits.trailing_zeros() as usize).min(group.keys.len() - 1)];
    let (x, y) = (first(one.seen & !other.seen), first(other.seen & !one.seen));
    let [a, b] = [one, other].map(|read| history.operation(read.number));
    let writers = [x, y].map(|key| groups.writer(key).map(|by| history.operation(by).invoked));
    let mut operations: Vec<u64> = writers.into_iter().flatten().collect();
    operations.sort_unstable();
    operations.extend([a.invoked, b.invoked]);
    let witness = match writers {
        [Some(wrote_x), Some(wrote_y)] => {
            cycle([(x, wrote_x), (y, wrote_y)], [a.invoked, b.invoked])
        }
        _ => Witness::Operations,
    };
    Anomaly {
        name: "long-fork".into(),
        key: None,
        operations,
        explanation: format!(
            "The read of event {} ({}) sees the write of key {x} and not that of key {y}; the read of \
             event {} ({}) sees {y} and not {x}. Each key is written once, so that for the one {x} came \
             first, and for the other {y}: no order of commits has both.",
            a.invoked,
            who(&a),
            b.invoked,
            who(&b),
        ),
        witness,
    }
}

/// Write x, the read that saw it without y, write y, the read that saw it without x.
fn cycle([(x, wrote_x), (y, wrote_y)]: [(Key, u64); 2], [a, b]: [u64; 2]) -> Witness {
    let names = ["T1", "T2", "T3", "T4"];
    let operations = [wrote_x, a, wrote_y, b];
    let transaction = |(name, operation): (&str, u64)| Transaction { name: name.into(), operation };
    let transactions = names.into_iter().zip(operations).map(transaction).collect();
    let edge = |from: usize, kind: &str, says: String| Edge {
        from: names[from].into(),
        to: names[(from + 1) % 4].into(),
        kind: kind.into(),
        says,
    };
    let edges = vec![
        edge(0, "wr", format!("T2 read what T1 wrote to key {x}")),
        edge(1, "rw", format!("T2 did not see what T3 wrote to key {y}")),
        edge(2, "wr", format!("T4 read what T3 wrote to key {y}")),
        edge(3, "rw", format!("T4 did not see what T1 wrote to key {x}")),
    ];
    Witness::Cycle { transactions, edges }
}
