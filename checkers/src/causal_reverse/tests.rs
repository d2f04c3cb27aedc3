//! Causal reverse against the definition, and against all linear extensions.

use schism_history::{History, Op, Operation, Value};

use super::ENTRY;
use crate::Validity::{self, Invalid, Unknown, Valid};
use crate::chance::{
    self, Chance, Shape, cases, compare, fail, history, info, numbers, ok, simulate, verdicts,
};
use crate::{Claim, Verdict};

fn judge(text: &str) -> Vec<Verdict> {
    verdicts(&ENTRY, &History::from_text(text).expect("the text is a history"))
}

fn check(text: &str, expected: Validity, part: &str) -> Verdict {
    chance::check(&ENTRY, text, expected, part)
}

const REVERSED: &str = "p0 invoke write k 1 \n p0 ok \n p1 invoke write k 2 \n p1 info timeout
    p2 invoke read k @n3 \n p2 ok [2]";

#[test]
fn finds_a_write_that_is_seen_without_its_past() {
    let verdict = check(
        REVERSED,
        Invalid,
        "Key k: the read of event 4 (p2 on n3) returned 2 (event 2, p1) and not 1 (event 0, p0), which \
         had been acknowledged 1.0 ms before that write began.",
    );
    assert_eq!(verdict.anomalies[0].operations, [0, 2, 4]);
    let validities: Vec<Validity> = judge(REVERSED).iter().map(|it| it.validity).collect();
    // Of other sessions: only real time orders them.
    assert_eq!(validities, [Invalid, Unknown, Invalid, Unknown, Invalid]);
}

#[test]
fn one_session_refutes_more() {
    let text =
        "p0 invoke write _ 1 \n p0 ok \n p0 invoke write _ 2 \n p2 invoke read _ \n p2 ok [2]";
    let verdicts = judge(text);
    assert!(verdicts.iter().all(|verdict| verdict.validity == Invalid));
    assert!(
        verdicts[1].anomalies[0].explanation.contains("which the same process had written before")
    );
    let history = History::from_text(text).expect("the text is a history").without_real_time();
    assert!(crate::chance::verdicts(&ENTRY, &history).iter().all(|it| it.validity == Invalid));
    let other = History::from_text(REVERSED).expect("the text is a history").without_real_time();
    assert!(crate::chance::verdicts(&ENTRY, &other).iter().all(|it| it.validity == Unknown));
}

#[test]
fn concurrent_writes_come_in_any_order() {
    let text = "p0 invoke write k 1 \n p1 invoke write k 2 \n p0 ok \n p1 ok
        p0 invoke write k 3 \n p2 invoke read k";
    check(&format!("{text} \n p2 ok [2]"), Unknown, "No read saw a write that began after");
    check(&format!("{text} \n p2 ok [3 2 1 1]"), Valid, "1 read saw writes with all that");
    check(&format!("{text} \n p2 ok [3]"), Invalid, "It misses 2 such writes");
    // Elements that nobody wrote are no evidence of order.
    check(&format!("{text} \n p2 ok [9]"), Unknown, "No read saw");
}

#[test]
fn upholds_nothing_without_evidence() {
    check("", Unknown, "No read saw");
    let twice = "p0 invoke write k 1 \n p0 ok \n p0 invoke write k 1 \n p0 ok \n p0 invoke read k \n p0 ok [1]";
    check(twice, Unknown, "element 1 was written to k more than once");
    check("p0 invoke add k 1", Unknown, "the add of event 0 is neither a write");
    check("p0 invoke write k", Unknown, "writes nothing");
    check("p0 invoke read k \n p0 ok 1", Unknown, "returned no list");
    check(&format!("{REVERSED} \n p0 invoke add k 1"), Invalid, "Key k");
}

fn elements(operation: &Operation<'_>) -> Option<Vec<Value>> {
    match (operation.op.f.as_str(), &operation.ok()?.value) {
        ("read", Value::List(list)) => Some(list.to_vec()),
        _ => None,
    }
}

/// Each read against each pair of writes.
fn expected(history: &History) -> Validity {
    let writes: Vec<Operation<'_>> =
        history.operations().filter(|it| it.op.f.as_str() == "write").collect();
    let (mut reverse, mut evidence) = (false, false);
    for read in history.operations().filter_map(|it| elements(&it)) {
        for saw in writes.iter().filter(|it| read.contains(&it.op.value)) {
            for before in writes.iter().filter(|it| it.ok().is_some()) {
                if before.completed < Some(saw.invoked) {
                    evidence = true;
                    reverse |= !read.contains(&before.op.value);
                }
            }
        }
    }
    match (reverse, evidence) {
        (true, _) => Invalid,
        (_, true) => Valid,
        _ => Unknown,
    }
}

/// One key; reads leave out elements, one in `lies`.
fn random(chance: &mut Chance, lies: usize, operations: usize) -> History {
    let (mut written, mut next): (Vec<i64>, i64) = (Vec::new(), 0);
    let shape = Shape { clients: 3, operations, open: 4 };
    let invent = |chance: &mut Chance| {
        if chance.one_in(3) {
            return Op::new("read", Some("k"), Value::Nil);
        }
        next += 1;
        Op::new("write", Some("k"), Value::Int(next))
    };
    let effect = |chance: &mut Chance, op: &Op| {
        let lie = lies > 0 && chance.one_in(lies);
        let Value::Int(element) = op.value else {
            let mut list = written.clone();
            if lie && !list.is_empty() {
                list.remove(chance.below(list.len()));
            }
            return if chance.one_in(9) { info() } else { ok(numbers(list)) };
        };
        match chance.below(8) {
            0 => return fail(),
            1 => return info(),
            _ => written.push(element),
        }
        if chance.one_in(6) { info() } else { ok(op.value.clone()) }
    };
    history(simulate(chance, &shape, invent, effect))
}

#[test]
fn agrees_with_the_definition() {
    let make = |chance: &mut Chance| {
        let operations = 4 + chance.below(7);
        random(chance, 2, operations)
    };
    compare(&ENTRY, 20_000, make, expected);
}

/// Whether some order of the transactions explains all reads and keeps `before`: every linear
/// extension is tried, and indeterminate writes may be left out.
fn explained(history: &History, before: impl Fn(&Operation<'_>, &Operation<'_>) -> bool) -> bool {
    let all: Vec<Operation<'_>> = history.operations().filter(|it| !it.failed()).collect();
    let mut stack: Vec<(Vec<usize>, Vec<Value>)> = vec![(Vec::new(), Vec::new())];
    while let Some((placed, state)) = stack.pop() {
        let left: Vec<usize> = (0..all.len()).filter(|at| !placed.contains(at)).collect();
        if left.iter().all(|&at| all[at].indeterminate()) {
            return true;
        }
        for &at in &left {
            let late = left
                .iter()
                .any(|&other| all[other].ok().is_some() && before(&all[other], &all[at]));
            let mut state = state.clone();
            let fits = match elements(&all[at]) {
                Some(list) => {
                    list.iter().all(|it| state.contains(it))
                        && state.iter().all(|it| list.contains(it))
                }
                None if all[at].op.f.as_str() == "write" => {
                    state.push(all[at].op.value.clone());
                    true
                }
                None => true,
            };
            if fits && !late {
                stack.push((placed.iter().copied().chain([at]).collect(), state));
            }
        }
    }
    false
}

/// A refuted history has no order of the kind; an honest system is never refuted.
#[test]
fn refutes_only_where_no_order_explains_the_reads() {
    let (cases, mut strict, mut sessions) = (cases(2_000), 0, 0);
    for seed in 0..cases {
        let history = random(&mut Chance::new(seed), [0, 1][(seed % 2) as usize], 6);
        let verdicts = verdicts(&ENTRY, &history);
        let invalid =
            |claim| verdicts.iter().any(|it| it.asked.claim == claim && it.validity == Invalid);
        if invalid(Claim::StrictSerializable) {
            strict += 1;
            let before = |one: &Operation<'_>, other: &Operation<'_>| {
                one.completed.is_some_and(|end| end < other.invoked)
            };
            assert!(!explained(&history, before), "seed {seed}\n{}", history.to_text());
            assert!(seed % 2 == 1, "seed {seed}: an honest system is refuted");
        }
        if invalid(Claim::StrongSessionSerializable) {
            sessions += 1;
            let before = |one: &Operation<'_>, other: &Operation<'_>| {
                one.process == other.process && one.number < other.number
            };
            assert!(!explained(&history, before), "seed {seed}\n{}", history.to_text());
        }
    }
    assert!(strict > cases / 50 && sessions > cases / 100, "{strict}, {sessions} of {cases}");
}
