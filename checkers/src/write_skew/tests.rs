//! Write skew against the definition, and against all serial orders.

use schism_history::{History, Op, Operation, Value};

use super::ENTRY;
use crate::Validity::{self, Invalid, Unknown, Valid};
use crate::chance::{Chance, Shape, compare, fail, history, info, ok, simulate, verdicts};
use crate::{Claim, Verdict};

fn judge(text: &str) -> Vec<Verdict> {
    verdicts(&ENTRY, &History::from_text(text).expect("the text is a history"))
}

/// The validities of: no-write-skew, serializable, and the two strong snapshot isolations.
fn check(text: &str, expected: [Validity; 4], part: &str) {
    let verdicts = judge(text);
    let said =
        |it: &Verdict| it.anomalies.first().map_or(it.reason.clone(), |it| it.explanation.clone());
    let said: Vec<String> = verdicts.iter().map(said).collect();
    let found: Vec<Validity> = verdicts[..4].iter().map(|it| it.validity).collect();
    assert_eq!(found, expected, "{said:#?}");
    assert!(said.iter().any(|it| it.contains(part)), "{part} is not in: {said:#?}");
}

#[test]
fn finds_two_inserts_that_exclude_each_other() {
    check(
        "p0 invoke insert 1 [7 _] \n p1 invoke insert 1 [_ 8] @n2 \n p0 ok \n p1 ok",
        [Invalid, Invalid, Unknown, Unknown],
        "Key 1: insert [7 _] (event 0, p0) and insert [_ 8] (event 1, p1 on n2) both committed.",
    );
    check(
        "p0 invoke insert _ [1 [7 _]] \n p0 ok \n p1 invoke insert _ [1 [_ 8]] \n p1 ok",
        [Invalid, Invalid, Unknown, Invalid],
        "The one had committed before the other began.",
    );
    check(
        "p0 invoke insert 1 [7 _] \n p0 ok \n p0 invoke insert 1 [_ 8] \n p0 ok",
        [Invalid; 4],
        "One process did both, one after the other.",
    );
}

#[test]
fn one_insert_of_two_may_commit() {
    let both = "p0 invoke insert 1 [7 _] \n p1 invoke insert 1 [_ 8] \n p0 ok";
    let expected = [Valid, Unknown, Unknown, Unknown];
    check(
        &format!("{both} \n p1 fail"),
        expected,
        "One insert committed for each of 1 contended key.",
    );
    check(&format!("{both} \n p1 info timeout"), expected, "can only refute serializable");
    // What was never sent met nobody.
    check(&format!("{both} \n p1 fail shed"), [Unknown; 4], "For no key did one insert commit");
}

#[test]
fn upholds_nothing_without_evidence() {
    check("", [Unknown; 4], "For no key");
    check("p0 invoke insert 1 [7 _] \n p0 ok", [Unknown; 4], "For no key");
    check("p0 invoke read 1", [Unknown; 4], "the read of event 0 is no insert");
    check("p0 invoke insert _ 3", [Unknown; 4], "says not of which key it is");
}

fn key_of(operation: &Operation<'_>) -> String {
    match (operation.op.key, &operation.op.value) {
        (Some(key), _) => key.to_string(),
        (None, Value::List(parts)) => parts[0].to_string(),
        (None, other) => panic!("{other} names no key"),
    }
}

fn of<'a>(history: &'a History, key: &'a str) -> impl Iterator<Item = Operation<'a>> {
    history.operations().filter(move |it| key_of(it) == key)
}

/// Every pair of ok inserts.
fn expected(history: &History) -> Validity {
    let mut evidence = false;
    for one in history.operations().filter(|it| it.ok().is_some()) {
        for other in history.operations().filter(|it| it.number != one.number) {
            if key_of(&one) == key_of(&other) {
                evidence = true;
                if other.ok().is_some() {
                    assert!(!serializable(history, &key_of(&one)));
                    return Invalid;
                }
            }
        }
    }
    if evidence { Valid } else { Unknown }
}

/// Whether some serial order of the ok inserts of `key` lets each of them find nothing.
fn serializable(history: &History, key: &str) -> bool {
    let inserts = of(history, key).filter(|it| it.ok().is_some()).count();
    // In every order the second finds the first one's row.
    inserts < 2
}

/// A table that now and then looks at an older state.
fn random(chance: &mut Chance) -> History {
    let mut rows: Vec<i64> = Vec::new();
    let (keyed, lies) = (chance.one_in(2), [2, 6][chance.below(2)]);
    let shape = Shape { clients: 3, operations: 2 + chance.below(8), open: 4 };
    let keys = 1 + chance.below(4);
    let invent = |chance: &mut Chance| {
        let key = chance.below(keys) as i64;
        let pair = Value::List([Value::Int(key), Value::Nil].into());
        if keyed {
            return Op::new("insert", Some(&key.to_string()), pair);
        }
        Op::new("insert", None, Value::List([Value::Int(key), pair].into()))
    };
    let effect = |chance: &mut Chance, op: &Op| {
        let Value::List(parts) = &op.value else { return fail() };
        let Value::Int(key) = parts[0] else { return fail() };
        if rows.contains(&key) && !chance.one_in(lies) {
            return fail();
        }
        if chance.one_in(8) {
            return info();
        }
        rows.push(key);
        if chance.one_in(6) { info() } else { ok(op.value.clone()) }
    };
    history(simulate(chance, &shape, invent, effect))
}

#[test]
fn agrees_with_the_definition() {
    compare(&ENTRY, 20_000, random, expected);
}

/// The strong forms: only pairs that real time, or a session, orders.
#[test]
fn agrees_with_the_definitions_of_the_strong_forms() {
    for seed in 0..crate::chance::cases(20_000) {
        let history = random(&mut Chance::new(seed));
        let verdicts = verdicts(&ENTRY, &history);
        let pair = |ordered: &dyn Fn(&Operation<'_>, &Operation<'_>) -> bool| {
            let committed = || history.operations().filter(|it| it.ok().is_some());
            committed().any(|one| {
                let later = |it: &Operation<'_>| key_of(it) == key_of(&one) && ordered(&one, it);
                committed().any(|it| later(&it))
            })
        };
        for verdict in &verdicts {
            let expected = match verdict.asked.claim {
                Claim::StrongSnapshotIsolation => pair(&|one, it| one.completed < Some(it.invoked)),
                Claim::StrongSessionSnapshotIsolation => {
                    pair(&|one, it| one.process == it.process && one.number < it.number)
                }
                _ => pair(&|one, it| one.number != it.number),
            };
            let found = verdict.validity == Invalid;
            assert_eq!(found, expected, "seed {seed}: {verdict:?}\n{}", history.to_text());
        }
    }
}
