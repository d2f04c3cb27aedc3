//! Long forks against the definition, and against all serial orders.

use schism_history::{History, Key, Mop, MopKind, Op, Operation, Value};

use super::ENTRY;
use crate::Validity::{self, Invalid, Unknown, Valid};
use crate::chance::{
    self, Chance, Shape, cases, compare, fail, history, info, ok, simulate, verdicts,
};
use crate::{Asked, Budget, Claim, Parameters, Question, Verdict, Witness};

fn judge(text: &str, group_size: Option<usize>) -> Vec<Verdict> {
    let history = History::from_text(text).expect("the text is a history");
    let claims = ENTRY.decides.iter().copied().map(Asked::new).collect();
    let parameters = Parameters { group_size, ..Parameters::DEFAULT };
    let question = Question { parameters, ..Question::new("long-fork", claims) };
    ENTRY.check(&question, &history, &Budget::default())
}

fn check(text: &str, expected: Validity, part: &str) -> Verdict {
    chance::check(&ENTRY, text, expected, part)
}

fn reads(found: &[&str]) -> String {
    let asked = |found: &str| found.replace(" 1", " _").replace(" 2", " _");
    let read = |it: &&str| format!("p1 invoke txn [{}] \n p1 ok [{it}]", asked(it));
    found.iter().map(read).collect::<Vec<_>>().join("\n")
}

#[test]
fn finds_a_fork_without_the_writes() {
    let text = reads(&["r a 1, r b 1, r c _", "r c 1, r a 1, r b _"]);
    let verdict = check(
        &text,
        Invalid,
        "The read of event 0 (p1) sees the write of key b and not that of key c; the read of event 2 \
         (p1) sees c and not b.",
    );
    assert_eq!(verdict.anomalies[0].witness, Witness::Operations);
    let verdicts = judge(&text, Some(3));
    assert!(verdicts.iter().all(|verdict| verdict.validity == Invalid));
    assert_eq!(judge(&text, Some(2))[0].validity, Unknown);
}

#[test]
fn draws_the_cycle_where_the_writes_are_known() {
    let writes = "p0 invoke txn [w x 1] \n p0 ok \n p0 invoke txn [w y 1] \n p0 ok";
    let text = format!("{writes} \n {}", reads(&["r x 1, r y _", "r x _, r y 1"]));
    let verdict = check(&text, Invalid, "no order of commits has both");
    assert_eq!(verdict.anomalies[0].operations, [0, 2, 4, 6]);
    let Witness::Cycle { transactions, edges } = &verdict.anomalies[0].witness else {
        panic!("no cycle");
    };
    let operations: Vec<u64> = transactions.iter().map(|it| it.operation).collect();
    assert_eq!((operations, edges.len()), (vec![0, 4, 2, 6], 4));
}

#[test]
fn upholds_reads_that_are_a_chain() {
    let text = reads(&["r x _, r y _", "r x 1, r y _", "r y 1, r x 1", "r x 1, r y _"]);
    check(&text, Valid, "4 reads of 1 group see one order of the writes in each group.");
    let model = judge(&text, None).remove(2);
    assert_eq!(
        model.reason,
        "No two reads disagree on which write came first, but this workload can only refute \
         serializable, not prove it."
    );
}

#[test]
fn does_not_judge_what_the_argument_does_not_fit() {
    let fork = ["r x 1, r y _", "r x _, r y 1"];
    let with = |more: &str| format!("{more} \n {}", reads(&fork));
    let twice = "p0 invoke txn [w x 1] \n p0 ok \n p0 invoke txn [w x 2]";
    check(&with(twice), Unknown, "event 2 writes key x, which was written before");
    check(&with("p0 invoke txn [w x _]"), Unknown, "writes to key x what it held before, _");
    check(&with(&reads(&["r x 2, r y _"])), Unknown, "key x has two values, 2 and");
    // Only the group itself is in doubt.
    check(&with(&reads(&["r z 1, r w 1", "r z 2, r w 1"])), Invalid, "sees the write of key x");
    let failed = "p0 invoke txn [w x 1] \n p0 fail \n p0 invoke txn [w x 1]";
    check(&with(failed), Invalid, "no order of commits");
    let chain = reads(&["r x 1, r y _", "r x 1, r y 1"]);
    let with = |more: &str| format!("{chain} \n {}", reads(&[more]));
    check(&with("r x 1, r z _"), Unknown, "reads key x with other keys than an earlier one");
    check(&with("r x 1, r x 1"), Unknown, "reads key x twice");
    check(&format!("{chain} \n p0 invoke txn [w x 1, w y 1]"), Unknown, "is neither a transaction");
    check(&format!("{chain} \n p0 invoke cas x [1 2]"), Unknown, "the cas of event 4 is neither");
}

#[test]
fn upholds_nothing_without_evidence() {
    check("", Unknown, "No two reads read one group");
    check(&reads(&["r x 1, r y 1"]), Unknown, "No two reads read one group");
    check(&reads(&["r x 1", "r x 1"]), Unknown, "No two reads read one group");
    check(&reads(&["r x _, r y 1", "r x _, r y 1"]), Unknown, "in which two keys were written");
}

#[test]
fn reads_lists_as_micro_operations() {
    let read = |found: &str| format!("p0 invoke read _ [[\"r\" 0 _] [\"r\" 1 _]] \n p0 ok {found}");
    let text =
        format!("{} \n {}", read("[[\"r\" 0 1] [\"r\" 1 _]]"), read("[[\":r\" 0 _] [\":r\" 1 1]]"));
    check(&text, Invalid, "sees the write of key 0 and not that of key 1");
}

/// Each pair of reads of one group, compared key by key.
fn expected(history: &History) -> Validity {
    let found: Vec<Vec<Mop>> = history.operations().filter_map(|it| sorted_reads(&it)).collect();
    let differ = |one: &[Mop], other: &[Mop]| {
        one.iter().zip(other).any(|(a, b)| a.value != Value::Nil && b.value == Value::Nil)
    };
    let same = |one: &[Mop], other: &[Mop]| one.iter().zip(other).all(|(a, b)| a.key == b.key);
    let mut evidence = false;
    let mut fork = false;
    for (place, one) in found.iter().enumerate() {
        for other in found[..place].iter().filter(|other| same(one, other)) {
            fork |= differ(one, other) && differ(other, one);
            let written = |mop: &&Mop| {
                history.operations().any(|it| writes(&it, mop.key) && !it.failed())
                    || found.iter().flatten().any(|it| it.key == mop.key && it.value != Value::Nil)
            };
            evidence |= one.iter().filter(written).count() > 1;
        }
    }
    match (fork, evidence) {
        (true, _) => Invalid,
        (_, true) => Valid,
        _ => Unknown,
    }
}

fn sorted_reads(operation: &Operation<'_>) -> Option<Vec<Mop>> {
    let Value::Mops(mops) = &operation.ok()?.value else { return None };
    let mut mops = mops.to_vec();
    mops.sort_by_key(|mop| mop.key);
    mops.iter().all(|mop| mop.kind == MopKind::Read).then_some(mops)
}

fn writes(operation: &Operation<'_>, key: Key) -> bool {
    matches!(&operation.op.value, Value::Mops(mops) if mops[0].kind == MopKind::Write && mops[0].key == key)
}

/// Two groups of two or three keys; one in `lies` reads sees something else.
fn random(chance: &mut Chance, lies: usize) -> History {
    let size = 2 + chance.below(2);
    let mut written = [false; 6];
    let mut next = 0;
    let shape = Shape { clients: 4, operations: 4 + chance.below(7), open: 4 };
    let mop = |kind, key: usize, value| Mop { kind, key: Key::new(&key.to_string()), value };
    let invent = |chance: &mut Chance| {
        if next < 2 * size && chance.one_in(2) {
            next += 1;
            let write = mop(MopKind::Write, next - 1, Value::Int(1));
            return Op::new("txn", None, Value::Mops([write].into()));
        }
        let group = if chance.one_in(4) { size } else { 0 };
        let mut keys: Vec<usize> = (group..group + size).collect();
        keys.rotate_left(chance.below(size));
        let reads = keys.into_iter().map(|key| mop(MopKind::Read, key, Value::Nil));
        Op::new("txn", None, Value::Mops(reads.collect()))
    };
    let effect = |chance: &mut Chance, op: &Op| {
        let Value::Mops(mops) = &op.value else { return fail() };
        let lie = lies > 0 && chance.one_in(lies);
        let number = |mop: &Mop| mop.key.as_str().parse::<usize>().unwrap_or(0);
        if mops[0].kind == MopKind::Write {
            match chance.below(8) {
                0 => return fail(),
                1 => return info(),
                _ => written[number(&mops[0])] = true,
            }
            return if chance.one_in(8) { info() } else { ok(op.value.clone()) };
        }
        let read = |mop: &Mop| {
            let seen = written[number(mop)];
            Mop { value: if seen { Value::Int(1) } else { Value::Nil }, ..mop.clone() }
        };
        let mut found: Vec<Mop> = mops.iter().map(read).collect();
        if lie {
            for mop in &mut found {
                mop.value = if chance.one_in(2) { Value::Int(1) } else { Value::Nil };
            }
        }
        ok(Value::Mops(found.into()))
    };
    history(simulate(chance, &shape, invent, effect))
}

#[test]
fn agrees_with_the_definition() {
    compare(&ENTRY, 20_000, |chance| random(chance, 3), expected);
}

/// Whether some order of the commits explains all reads: written from the definition of
/// serializability, every order of the keys' writes is tried.
fn serializable(history: &History) -> bool {
    let reads: Vec<Vec<Mop>> = history.operations().filter_map(|it| sorted_reads(&it)).collect();
    let mut keys: Vec<Key> = reads.iter().flatten().map(|mop| mop.key).collect();
    keys.sort_unstable();
    keys.dedup();
    permutations(&keys).iter().any(|order| {
        reads.iter().all(|read| {
            (0..=order.len()).any(|commits| {
                let there = |key: Key| order[..commits].contains(&key);
                read.iter().all(|mop| there(mop.key) == (mop.value != Value::Nil))
            })
        })
    })
}

fn permutations(keys: &[Key]) -> Vec<Vec<Key>> {
    let mut all = vec![Vec::new()];
    for &key in keys {
        let insert = |order: &Vec<Key>| {
            let at = |place: usize| {
                let mut longer = order.clone();
                longer.insert(place, key);
                longer
            };
            (0..=order.len()).map(at).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(insert).collect();
    }
    all
}

/// A refuted history has no serial order; an honest system is never refuted.
#[test]
fn refutes_serializability_only_where_no_order_explains_the_reads() {
    let (cases, mut refuted) = (cases(4_000), 0);
    for seed in 0..cases {
        let history = random(&mut Chance::new(seed), [0, 3][(seed % 2) as usize]);
        let verdicts = verdicts(&ENTRY, &history);
        let model = verdicts.iter().find(|it| it.asked.claim == Claim::Serializable);
        if model.is_some_and(|it| it.validity == Invalid) {
            refuted += 1;
            assert!(!serializable(&history), "seed {seed}\n{}", history.to_text());
        } else if seed % 2 == 0 {
            assert!(serializable(&history), "seed {seed}: the simulation is no honest one");
        }
    }
    assert!(refuted > cases / 40, "only {refuted} of {cases} were refuted");
}
