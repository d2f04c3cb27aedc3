//! The store against histories, a plain map, and threads.

use std::collections::BTreeMap;

use proptest::prelude::*;
use schism_history::History;

use super::*;

/// Runs a history's invocations one after another; the replies must be those of the history.
fn check(text: &str) {
    let store = Store::default();
    let history = History::from_text(text).expect("the test's text is a history");
    for operation in history.operations() {
        match (store.apply(operation.op), operation.outcome.expect("all complete")) {
            (Outcome::Fail(found), Outcome::Fail(wanted)) => {
                assert_eq!(found.code, wanted.code, "{found}");
            }
            (found, wanted) => assert_eq!(&found, wanted),
        }
    }
}

#[test]
fn keeps_registers() {
    check(
        "p0 invoke read x
         p0 ok _
         p0 invoke cas x [1 2]
         p0 fail mismatch
         p0 invoke write x 1
         p0 ok
         p0 invoke cas x [1 2]
         p0 ok
         p0 invoke cas x [1 3]
         p0 fail mismatch
         p0 invoke read x
         p0 ok 2",
    );
}

#[test]
fn keeps_sets_without_duplicates() {
    check(
        "p0 invoke read-set s
         p0 ok []
         p0 invoke add s 1
         p0 ok
         p0 invoke add s 2
         p0 ok
         p0 invoke add s 1
         p0 ok
         p0 invoke read-set s
         p0 ok [1 2]",
    );
}

#[test]
fn does_transactions_as_wholes() {
    check(
        "p0 invoke txn [r x _, append x 1, r x _, append y 2]
         p0 ok [r x _, append x 1, r x [1], append y 2]
         p0 invoke txn [r y _, w z 7, r z _]
         p0 ok [r y [2], w z 7, r z 7]
         p0 invoke txn [append y 3, append z 1]
         p0 fail other
         p0 invoke txn [append new 3, w new 1]
         p0 fail other
         p0 invoke txn [r y _, r new _]
         p0 ok [r y [2], r new _]",
    );
}

#[test]
fn refuses_what_does_not_fit() {
    check(
        "p0 invoke write x 1
         p0 ok
         p0 invoke add x 1
         p0 fail other
         p0 invoke read-set x
         p0 fail other
         p0 invoke steal x
         p0 fail other
         p0 invoke cas x 3
         p0 fail other
         p0 invoke read x
         p0 ok 1",
    );
}

proptest! {
    #[test]
    fn answers_as_a_plain_map_does(
        steps in proptest::collection::vec((0..4u8, 0..3u8, 0..3i64, 0..3i64), 1..60),
    ) {
        let store = Store::default();
        let mut registers: BTreeMap<u8, i64> = BTreeMap::new();
        let mut lists: BTreeMap<u8, Vec<i64>> = BTreeMap::new();
        let held = |held: Option<&i64>| held.map_or(Value::Nil, |&value| Value::Int(value));
        for (what, key, one, other) in steps {
            let register = format!("register-{key}");
            let list = Key::new(&format!("list-{key}"));
            let on = |f, value| Op::new(f, Some(&register), value);
            let ok = |value| Outcome::Ok(Reply { value, version: None });
            match what {
                0 => {
                    let found = store.apply(&on("read", Value::Nil));
                    prop_assert_eq!(found, ok(held(registers.get(&key))));
                }
                1 => {
                    registers.insert(key, one);
                    let found = store.apply(&on("write", Value::Int(one)));
                    prop_assert_eq!(found, ok(Value::Int(one)));
                }
                2 => {
                    let pair = Value::List([Value::Int(one), Value::Int(other)].into());
                    let found = store.apply(&on("cas", pair.clone()));
                    if registers.get(&key) == Some(&one) {
                        registers.insert(key, other);
                        prop_assert_eq!(found, ok(pair));
                    } else {
                        prop_assert!(matches!(found, Outcome::Fail(_)));
                    }
                }
                _ => {
                    let mop = |kind, value| Mop { kind, key: list, value };
                    let txn = |value| {
                        let append = mop(MopKind::Append, Value::Int(one));
                        Value::Mops([append, mop(MopKind::Read, value)].into())
                    };
                    lists.entry(key).or_default().push(one);
                    let whole = lists[&key].iter().map(|&element| Value::Int(element)).collect();
                    let found = store.apply(&Op::new("txn", None, txn(Value::Nil)));
                    prop_assert_eq!(found, ok(txn(Value::List(whole))));
                }
            }
        }
    }
}

#[test]
fn loses_no_swap_among_threads() {
    const EACH: i64 = 2000;
    let store = Store::default();
    store.apply(&Op::new("write", Some("x"), Value::Int(0)));
    let read = || match store.apply(&Op::new("read", Some("x"), Value::Nil)) {
        Outcome::Ok(Reply { value: Value::Int(number), .. }) => number,
        other => panic!("{other:?}"),
    };
    let increment = || {
        let held = read();
        let pair = Value::List([Value::Int(held), Value::Int(held + 1)].into());
        matches!(store.apply(&Op::new("cas", Some("x"), pair)), Outcome::Ok(_))
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..EACH).for_each(|_| while !increment() {}));
        }
    });
    assert_eq!(read(), 4 * EACH);
}

#[test]
fn shows_transactions_in_one_order_on_all_keys() {
    let store = Store::default();
    let mop = |kind, key: &str, value| Mop { kind, key: Key::new(key), value };
    let transact = |mops: Vec<Mop>| store.apply(&Op::new("txn", None, Value::Mops(mops.into())));
    std::thread::scope(|scope| {
        for thread in 0..4i64 {
            scope.spawn(move || {
                for number in 0..500 {
                    // The keys come in another order in every other transaction.
                    let mut keys = ["a", "b", "c"];
                    keys.rotate_left((number % 3) as usize);
                    let value = Value::Int(thread * 1000 + number);
                    transact(keys.map(|key| mop(MopKind::Append, key, value.clone())).into());
                }
            });
        }
    });
    let reads = ["a", "b", "c"].map(|key| mop(MopKind::Read, key, Value::Nil));
    let Outcome::Ok(Reply { value: Value::Mops(mops), .. }) = transact(reads.into()) else {
        panic!("a read of lists is ok")
    };
    assert!(matches!(&mops[0].value, Value::List(list) if list.len() == 2000));
    assert!(mops.iter().all(|mop| mop.value == mops[0].value));
}
