//! Bounds of counters against their definition, and the verdicts' words.

use schism_history::{History, Op, Operation, Value};

use super::ENTRY;
use crate::Validity::{self, Invalid, Unknown, Valid};
use crate::chance::{self, Chance, Shape, compare, fail, history, info, ok, simulate, verdicts};
use crate::{Asked, Budget, Claim, Question};

fn check(text: &str, expected: Validity, part: &str) {
    chance::check(&ENTRY, text, expected, part);
}

#[test]
fn finds_what_was_acknowledged_and_is_not_there() {
    check(
        "p0 invoke add c 2 \n p0 ok \n p1 invoke increment c \n p1 ok \n p1 invoke read c @n2
         p1 ok 2",
        Invalid,
        "Counter c: the read of event 4 (p1 on n2) returned 2, which is 1 too low: 2 adds were \
         acknowledged before the read began, so that it must be at least 3.",
    );
}

#[test]
fn finds_what_nobody_added() {
    check(
        "p0 invoke add _ 2 \n p0 fail \n p1 invoke add _ 1 \n p1 info timeout \n p2 invoke read _
         p2 ok 2",
        Invalid,
        "The counter: the read of event 4 (p2) returned 2, which is 1 too high: only 1 add had begun \
         before the read ended, so that it must be at most 1.",
    );
}

#[test]
fn sorts_by_sign() {
    let both = "p0 invoke add c 5 \n p1 invoke decrement c 3 \n p2 invoke read c";
    for value in [-3, 0, 2, 5] {
        check(&format!("{both} \n p2 ok {value}"), Valid, "1 read of 1 counter");
    }
    check(&format!("{both} \n p2 ok -4"), Invalid, "1 too low");
    check(&format!("{both} \n p2 ok 6"), Invalid, "1 too high");
    let taken = "p0 invoke add c 5 \n p1 invoke dec c 3 \n p1 ok \n p2 invoke read c \n p2 ok 3";
    check(taken, Invalid, "less the decrements that were acknowledged before it began");
}

#[test]
fn sums_beyond_64_bits() {
    let much = i64::MAX;
    let text = format!("p0 invoke add c {much} \n p0 ok \n p0 invoke add c {much} \n p0 ok");
    check(&format!("{text} \n p0 invoke read c \n p0 ok {much}"), Invalid, "too low");
    let least = format!("p0 invoke dec c {} \n p0 ok", i64::MIN);
    check(&least, Unknown, "the dec of event 0 adds no whole number of 64 bits");
}

#[test]
fn upholds_nothing_without_evidence() {
    check("", Unknown, "No read was ok");
    check("p0 invoke add c 1 \n p0 ok", Unknown, "No read was ok");
    check("p0 invoke read c \n p0 ok 0", Unknown, "No read completed after an add had begun");
    check(
        "p0 invoke read c \n p0 ok _ \n p0 invoke reset c",
        Unknown,
        "the reset of event 2 is no",
    );
    check("p0 invoke read c \n p0 ok [1]", Unknown, "returned no whole number");
    check("p0 invoke read c \n p0 ok 1 \n p0 invoke reset c", Invalid, "1 too high");
}

#[test]
fn begins_where_it_is_told() {
    let text = "p0 invoke add c 1 \n p0 ok \n p0 invoke read c \n p0 ok 6";
    let history = History::from_text(text).expect("the text is a history");
    let mut question = Question::new("counter", vec![Asked::new(Claim::CounterBounds)]);
    let validity = |question: &Question| {
        ENTRY.check(question, &history, &Budget::default()).remove(0).validity
    };
    assert_eq!(validity(&question), Invalid);
    question.initial = Value::Int(5);
    assert_eq!(validity(&question), Valid);
    question.initial = Value::Bool(true);
    assert_eq!(validity(&question), Unknown);
}

#[test]
fn without_real_time_only_the_sums_of_all_bound() {
    let judge = |text: &str| {
        let history = History::from_text(text).expect("the text is a history").without_real_time();
        verdicts(&ENTRY, &history).remove(0).validity
    };
    let added = "p0 invoke add c 1 \n p0 ok \n p1 invoke read c";
    assert_eq!(judge(&format!("{added} \n p1 ok 0")), Unknown);
    assert_eq!(judge(&format!("{added} \n p1 ok 2")), Invalid);
}

/// The definition, read by read.
fn expected(history: &History) -> Validity {
    let amount = |it: &Operation<'_>| match (it.op.f.as_str(), &it.op.value) {
        ("add", Value::Int(amount)) => *amount,
        ("dec", _) => -1,
        ("inc", _) => 1,
        _ => 0,
    };
    let mut evidence = false;
    let reads = history.operations().filter(|it| it.op.f.as_str() == "read" && it.ok().is_some());
    for read in reads {
        let (mut low, mut high) = (0, 0);
        for add in history.operations().filter(|it| it.op.key == read.op.key && !it.failed()) {
            let certain = add.ok().is_some() && add.completed < Some(read.invoked);
            let possible = Some(add.invoked) < read.completed;
            let amount = amount(&add);
            evidence |= possible && amount != 0;
            low += if certain || possible && amount < 0 { amount } else { 0 };
            high += if certain || possible && amount > 0 { amount } else { 0 };
        }
        let value = read.ok().map(|reply| reply.value.clone());
        if !(low..=high).any(|within| value == Some(Value::Int(within))) {
            return Invalid;
        }
    }
    if evidence { Valid } else { Unknown }
}

/// Counters whose reads are off by one, now and then; `lies` odd ones.
fn random(chance: &mut Chance, lies: usize) -> History {
    let mut counters = [0_i64; 2];
    let keys = 1 + chance.below(2);
    let shape = Shape { clients: 3, operations: 3 + chance.below(8), open: 4 };
    let invent = |chance: &mut Chance| {
        let key = ["a", "b"][chance.below(keys)];
        let (f, value) = match chance.below(6) {
            0 | 1 => ("add", Value::Int(chance.below(7) as i64 - 2)),
            2 => ("inc", Value::Nil),
            3 => ("dec", Value::Nil),
            _ => ("read", Value::Nil),
        };
        Op::new(f, Some(key), value)
    };
    let effect = |chance: &mut Chance, op: &Op| {
        let counter = &mut counters[usize::from(op.key.is_some_and(|key| key.as_str() == "b"))];
        let lie = lies > 0 && chance.one_in(lies);
        let amount = match (op.f.as_str(), &op.value) {
            ("inc", _) => 1,
            ("dec", _) => -1,
            (_, Value::Int(amount)) => *amount,
            _ if chance.one_in(9) => return info(),
            _ => {
                return ok(Value::Int(*counter + if lie { chance.below(9) as i64 - 4 } else { 0 }));
            }
        };
        match chance.below(8) {
            0 => return fail(),
            1 => return info(),
            _ => *counter += if lie { 0 } else { amount },
        }
        if chance.one_in(6) { info() } else { ok(op.value.clone()) }
    };
    history(simulate(chance, &shape, invent, effect))
}

#[test]
fn agrees_with_the_definition() {
    compare(&ENTRY, 20_000, |chance| random(chance, 5), expected);
}

/// Whatever a linearizable counter returns lies within the bounds.
#[test]
fn no_honest_counter_is_out_of_bounds() {
    for seed in 0..crate::chance::cases(10_000) {
        let history = random(&mut Chance::new(seed), 0);
        let verdict = verdicts(&ENTRY, &history).remove(0);
        assert_ne!(verdict.validity, Invalid, "{}\n{}", verdict.reason, history.to_text());
    }
}
