//! Identifiers against the definition: every pair is compared.

use std::time::Duration;

use schism_history::{History, Op, Operation, Value};

use super::ENTRY;
use crate::Validity::{self, Invalid, Unknown, Valid};
use crate::chance::{self, Chance, Shape, compare, fail, history, info, ok, simulate};
use crate::{Asked, Budget, Claim, Question};

fn check(text: &str, expected: Validity, part: &str) {
    chance::check(&ENTRY, text, expected, part);
}

#[test]
fn finds_an_identifier_that_was_handed_out_twice() {
    check(
        "p0 invoke generate _ @n1 \n p1 invoke generate _ \n p1 ok \"a\" \n p0 ok \"a\"",
        Invalid,
        "Identifier \"a\" was handed out twice: to p0 on n1 (event 0), and 1.0 ms earlier to p1 (event \
         1).",
    );
}

#[test]
fn each_generator_has_its_own() {
    let both = "p0 invoke generate a \n p0 ok 1 \n p0 invoke generate b \n p0 ok 1";
    check(both, Unknown, "Fewer than two identifiers were handed out");
    check(&format!("{both} \n p0 invoke generate b \n p0 ok 2"), Valid, "3 identifiers");
    check(&format!("{both} \n p0 invoke generate b \n p0 ok 1"), Invalid, "Identifier 1 of b");
}

#[test]
fn upholds_nothing_without_evidence() {
    check("", Unknown, "Fewer than two");
    check("p0 invoke generate _ \n p0 ok 1", Unknown, "Fewer than two");
    check("p0 invoke generate _ \n p0 ok", Unknown, "the generate of event 1 returned nothing");
    check("p0 invoke read _", Unknown, "the read of event 0 is no operation of a generator");
    let text = "p0 invoke generate _ \n p0 ok 1 \n p0 invoke generate _ \n p0 ok 2";
    let history = History::from_text(text).expect("the text is a history");
    let question = Question::new("unique-ids", vec![Asked::new(Claim::NoDuplicates)]);
    let verdict = ENTRY.check(&question, &history, &Budget::new(Duration::ZERO, 0)).remove(0);
    assert!(verdict.reason.contains("ran out after 0 identifiers"), "{}", verdict.reason);
}

fn expected(history: &History) -> Validity {
    let id = |it: &Operation<'_>| it.ok().map(|reply| (it.op.key, reply.value.clone()));
    let ids: Vec<_> = history.operations().filter_map(|it| id(&it)).collect();
    if (0..ids.len()).any(|place| ids[..place].contains(&ids[place])) {
        return Invalid;
    }
    let could = (0..ids.len()).any(|place| ids[..place].iter().any(|it| it.0 == ids[place].0));
    if could { Valid } else { Unknown }
}

#[test]
fn agrees_with_the_definition() {
    let make = |chance: &mut Chance| {
        let range = [4, 20, 400][chance.below(3)];
        let keys = [&[None][..], &[Some("a"), Some("b")]][chance.below(2)];
        let shape = Shape { clients: 3, operations: chance.below(8), open: 4 };
        let invent =
            |chance: &mut Chance| Op::new("generate", keys[chance.below(keys.len())], Value::Nil);
        let effect = |chance: &mut Chance, _: &Op| match chance.below(8) {
            0 => fail(),
            1 => info(),
            2 => ok(Value::Text("a".into())),
            _ => ok(Value::Int(chance.below(range) as i64)),
        };
        history(simulate(chance, &shape, invent, effect))
    };
    compare(&ENTRY, 20_000, make, expected);
}
