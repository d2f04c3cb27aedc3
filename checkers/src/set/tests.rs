//! Each claim about sets against a history that breaks it, and one that does not.

use std::time::Duration;

use rustc_hash::FxHashMap;
use schism_history::{History, Key, Op, Value};

use super::{ENTRY, oracle};
use crate::chance::{
    Chance, Shape, cases, fail, healed, history, info, numbers, ok, simulate, verdicts,
};
use crate::{Asked, Budget, Claim, Question, Validity, Verdict};

fn judge(text: &str) -> Vec<Verdict> {
    let history = History::from_text(text).expect("the text is a history");
    let claims = ENTRY.decides.iter().copied().map(Asked::new).collect();
    ENTRY.check(&Question::new("set", claims), &history, &Budget::default())
}

/// The validities in the order of the row: lost, stale, duplicated, unexpected.
fn check(text: &str, expected: [Validity; 4]) -> Vec<Verdict> {
    let verdicts = judge(text);
    let found: Vec<Validity> = verdicts.iter().map(|verdict| verdict.validity).collect();
    let reasons: Vec<&str> = verdicts.iter().map(|verdict| verdict.reason.as_str()).collect();
    assert_eq!(found, expected, "{reasons:#?}");
    for verdict in &verdicts {
        assert_eq!(verdict.validity == Validity::Invalid, !verdict.anomalies.is_empty());
    }
    verdicts
}

use Validity::{Invalid, Unknown, Valid};

#[test]
fn upholds_a_set_that_keeps_what_it_was_given() {
    check(
        "p0 invoke add s 1 \n p1 invoke read s \n p1 ok [] \n p0 ok \n p1 invoke read-set s
         p1 ok [1] \n nemesis healed \n p1 invoke read s \n p1 ok [1]",
        [Valid; 4],
    );
}

#[test]
fn finds_an_acknowledged_element_that_no_final_read_returns() {
    let verdicts = check(
        "p0 invoke add s 1 \n p0 ok \n nemesis healed \n p1 invoke read s @n2 \n p1 ok []
         p2 invoke read s \n p2 ok []",
        [Invalid, Invalid, Unknown, Unknown],
    );
    let lost = &verdicts[0].anomalies[0];
    assert_eq!(lost.operations, [0, 5]);
    assert_eq!(
        lost.explanation,
        "Set s: element 1 is lost. The read of event 5 (p2) misses it, like every final read begun \
         after it was known (2 final reads in all), although add 1 (event 0, p0) had been \
         acknowledged 4.0 ms before that read began."
    );
    assert_eq!(verdicts[0].reason, "1 of 1 known element is lost, of set s.");
    assert!(verdicts[1].anomalies[0].explanation.contains("the read of event 3 (p1 on n2)"));
}

#[test]
fn finds_an_element_lost_that_was_only_ever_read() {
    check(
        "p0 invoke add s 1 \n p0 info timeout \n p1 invoke read s \n p1 ok [1] \n nemesis healed
         p1 invoke read s \n p1 ok []",
        [Invalid, Invalid, Valid, Valid],
    );
}

#[test]
fn an_element_that_comes_back_is_stale_and_not_lost() {
    check(
        "p0 invoke add s 1 \n p0 ok \n nemesis healed \n p1 invoke read s \n p1 ok []
         p1 invoke read s \n p1 ok [1]",
        [Valid, Invalid, Valid, Valid],
    );
}

#[test]
fn an_element_added_while_the_read_runs_may_be_missed() {
    check(
        "p1 invoke read s \n p0 invoke add s 1 \n p0 ok \n p1 ok [] \n nemesis healed
         p1 invoke read s \n p1 ok [1]",
        [Valid; 4],
    );
}

#[test]
fn an_indeterminate_add_may_show_or_not() {
    let rest = "nemesis healed \n p1 invoke read s \n p1 ok";
    let shown = format!("p0 invoke add s 1 \n p0 info timeout \n {rest} [1]");
    check(&shown, [Unknown, Unknown, Valid, Valid]);
    check(&format!("p0 invoke add s 1 \n p0 info timeout \n {rest} []"), [Unknown; 4]);
    let again = format!("{shown} \n p1 invoke read s \n p1 ok [1]");
    check(&again, [Valid; 4]);
}

#[test]
fn finds_an_element_twice_in_one_read() {
    let verdicts = check(
        "p0 invoke add s 1 \n p0 ok \n nemesis healed \n p1 invoke read s \n p1 ok [1 1]",
        [Valid, Valid, Invalid, Valid],
    );
    assert_eq!(verdicts[2].anomalies[0].operations, [0, 3]);
}

#[test]
fn finds_elements_that_nobody_can_have_added() {
    let failed = "p0 invoke add s 1 \n p0 fail unavailable \n nemesis healed
        p1 invoke read s \n p1 ok [1]";
    let verdicts = check(failed, [Unknown, Unknown, Valid, Invalid]);
    assert!(verdicts[3].anomalies[0].explanation.contains("had failed"));
    let never = "nemesis healed \n p1 invoke read s \n p1 ok [7]";
    let verdicts = check(never, [Unknown, Unknown, Valid, Invalid]);
    assert!(verdicts[3].anomalies[0].explanation.contains("nobody added"));
    let early = "p1 invoke read s \n p1 ok [1] \n p0 invoke add s 1 \n p0 ok \n nemesis healed
        p1 invoke read s \n p1 ok [1]";
    let verdicts = check(early, [Valid, Valid, Valid, Invalid]);
    assert!(verdicts[3].anomalies[0].explanation.contains("before add 1"));
}

#[test]
fn upholds_nothing_without_evidence() {
    check("", [Unknown; 4]);
    check("p0 invoke add s 1 \n p0 ok", [Unknown; 4]);
    check("p0 invoke add s 1 \n p0 ok \n nemesis healed", [Unknown; 4]);
    check("p1 invoke read s \n p1 ok []", [Unknown; 4]);
    // A read that began before anything was known could have missed nothing.
    let early = "p0 invoke add s 1 \n p1 invoke read s \n p0 ok \n p1 ok [1]";
    check(early, [Unknown, Unknown, Valid, Valid]);
    let reason = |text: &str, place: usize| judge(text)[place].reason.clone();
    assert_eq!(reason(early, 1), "No read began after an element was known.");
    let mut question = Question::new("set", vec![Asked::new(Claim::NoDuplicates)]);
    question.evidence_min = 2;
    let history = History::from_text(early).expect("the text is a history");
    let verdict = ENTRY.check(&question, &history, &Budget::default()).remove(0);
    assert_eq!(
        verdict.reason,
        "There is too little evidence: 1 element that a read returned, and at least 2 are wanted."
    );
}

#[test]
fn names_the_event_that_is_none_of_a_set() {
    let removal = "p0 invoke add s 1 \n p0 ok \n p0 invoke remove s 1 \n p0 ok \n nemesis healed
        p1 invoke read s \n p1 ok []";
    let verdicts = check(removal, [Unknown; 4]);
    assert!(verdicts[0].reason.contains("the remove of event 2"));
    check("p0 invoke add s \n p0 ok", [Unknown; 4]);
    check("p0 invoke read s \n p0 ok 3", [Unknown; 4]);
    // A violation before that event stays one.
    let before = "p0 invoke add s 1 \n p0 ok \n p1 invoke read s \n p1 ok []
        p0 invoke remove s 1 \n p0 ok";
    check(before, [Unknown, Invalid, Unknown, Unknown]);
    let mixed = "p0 invoke add s 1 \n p0 ok \n p1 invoke read _ \n p1 ok []";
    assert!(check(mixed, [Unknown; 4])[0].reason.contains("has a key, and others have none"));
}

#[test]
fn others_end_a_history_with_its_last_read() {
    let added = "p0 invoke add _ 1 \n p0 ok \n p0 invoke add _ 2 \n p0 ok \n p1 invoke read _";
    let verdicts = check(&format!("{added} \n p1 ok [2 1]"), [Valid; 4]);
    assert!(
        verdicts[0].reason.starts_with("2 known elements of 1 set are all in the final reads.")
    );
    let back = "p1 ok [1] \n p1 invoke read _ \n p1 ok [1 2]";
    check(&format!("{added} \n {back}"), [Valid, Invalid, Valid, Valid]);
    let verdicts = check(
        &format!("{added} \n p1 ok [1 2] \n p1 invoke read _ \n p1 ok [1]"),
        [Invalid, Invalid, Valid, Valid],
    );
    assert_eq!(verdicts[0].reason, "1 of 2 known elements is lost, of the set.");
    assert_eq!(
        verdicts[0].anomalies[0].explanation,
        "The set: element 2 is lost. The read of event 6 (p1), the last read of all, misses it, \
         although add 2 (event 2, p0) had been acknowledged 3.0 ms before that read began. The read \
         of event 4 (p1) was the last to return it."
    );
    // Faults that nobody healed: the recording stopped in the middle.
    let stopped = format!("nemesis start F1 kill n1 one \n {added} \n p1 ok [1]");
    check(&stopped, [Unknown, Invalid, Valid, Valid]);
}

#[test]
fn elements_may_be_anything() {
    let text = "p0 invoke add _ \"a b\" \n p0 ok \n p0 invoke add _ [0 1] \n p0 ok
        p0 invoke add _ true \n p0 ok \n p1 invoke read _";
    check(&format!("{text} \n p1 ok [[0 1] true \"a b\"]"), [Valid; 4]);
    let pairs =
        check(&format!("{text} \n p1 ok [1 true \"a b\"]"), [Invalid, Invalid, Valid, Invalid]);
    assert!(pairs[0].anomalies[0].explanation.contains("element [0 1] is lost"));
}

#[test]
fn without_real_time_nothing_is_known_to_be_late() {
    let early = "p1 invoke read s \n p1 ok [1] \n p0 invoke add s 1 \n p0 ok
        p1 invoke read s \n p1 ok []";
    let judge = |text: &str| {
        let history = History::from_text(text).expect("the text is a history").without_real_time();
        verdicts(&ENTRY, &history).into_iter().map(|it| it.validity).collect::<Vec<_>>()
    };
    assert_eq!(judge(early), [Unknown, Unknown, Valid, Valid]);
    assert_eq!(judge("p1 invoke read s \n p1 ok [1 1]"), [Unknown, Unknown, Invalid, Invalid]);
}

#[test]
fn tells_how_long_elements_took_to_be_in_every_read() {
    let text = "p0 invoke add s 1 \n p0 ok \n p0 invoke add s 2 \n p0 ok
        p1 invoke read s \n p1 ok [1] \n p1 invoke read s \n p1 ok [1] \n p1 invoke read s
        p1 ok [1 2]";
    assert_eq!(
        judge(text)[0].reason,
        "2 known elements of 1 set are all in the final reads. 1 was stale at first: from when an \
         element was known to the last read that missed it took 3.0 ms in the median, 3.0 ms at the \
         99th percentile and 3.0 ms at worst."
    );
}

/// A set that lies once in `lies` times: about what it holds, or about what it has done.
fn random(chance: &mut Chance, lies: usize) -> History {
    let keys: &[Option<&str>] =
        [&[None][..], &[Some("s")], &[Some("s"), Some("t")]][chance.below(3)];
    let mut sets: Vec<Vec<i64>> = vec![Vec::new(); keys.len()];
    let place = |op: &Op| keys.iter().position(|key| op.key == key.map(Key::new)).unwrap_or(0);
    let shape = Shape { clients: 3, operations: 3 + chance.below(8), open: 4 };
    let invent = |chance: &mut Chance| {
        let key = keys[chance.below(keys.len())];
        let (f, value) = match chance.below(5) {
            0 | 1 => ("add", Value::Int(1 + chance.below(4) as i64)),
            2 => ("read-set", Value::Nil),
            _ => ("read", Value::Nil),
        };
        Op::new(f, key, value)
    };
    let effect = |chance: &mut Chance, op: &Op| {
        let set = &mut sets[place(op)];
        let lie = lies > 0 && chance.one_in(lies);
        let Value::Int(element) = op.value else {
            let mut list = set.clone();
            match chance.below(3) {
                _ if !lie => {}
                0 => list.push(1 + chance.below(5) as i64),
                _ if list.is_empty() => {}
                1 => list.push(list[0]),
                _ => drop(list.remove(chance.below(list.len()))),
            }
            return if chance.one_in(9) { info() } else { ok(numbers(list)) };
        };
        let there = set.contains(&element);
        match chance.below(8) {
            0 => return fail(),
            1 => return info(),
            _ if lie || there => {}
            _ => set.push(element),
        }
        if chance.one_in(6) { info() } else { ok(op.value.clone()) }
    };
    let events = simulate(chance, &shape, invent, effect);
    let place = chance.below(events.len() + 1);
    history(if chance.one_in(2) { healed(events, place) } else { events })
}

#[test]
fn agrees_with_the_definitions() {
    let cases = cases(20_000);
    let mut tally: FxHashMap<(usize, Validity), u64> = FxHashMap::default();
    for seed in 0..cases {
        let lies = [0, 20, 8, 4][(seed % 4) as usize];
        let history = random(&mut Chance::new(seed), lies);
        for (place, verdict) in verdicts(&ENTRY, &history).into_iter().enumerate() {
            let expected = oracle::validity(&history, ENTRY.decides[place]);
            let found = verdict.validity;
            assert_eq!(found, expected, "seed {seed}: {}\n{}", verdict.reason, history.to_text());
            // Whatever a linearizable set returns upholds all of them.
            assert!(lies > 0 || found != Invalid, "seed {seed}: an honest set is accused");
            *tally.entry((place, expected)).or_default() += 1;
        }
    }
    for place in 0..4 {
        for validity in [Valid, Unknown, Invalid] {
            let number = tally.get(&(place, validity)).copied().unwrap_or(0);
            assert!(number > cases / 20, "{:?} {validity:?}: {number}", ENTRY.decides[place]);
        }
    }
}

#[test]
fn answers_unknown_when_the_budget_is_used_up() {
    let text = "p0 invoke add s 1 \n p0 ok \n p1 invoke read s \n p1 ok [1]";
    let history = History::from_text(text).expect("the text is a history");
    let claims = ENTRY.decides.iter().copied().map(Asked::new).collect();
    let question = Question::new("set", claims);
    for budget in [Budget::new(Duration::ZERO, 1 << 30), Budget::new(Duration::from_secs(9), 0)] {
        for verdict in ENTRY.check(&question, &history, &budget) {
            assert_eq!(verdict.validity, Unknown, "{}", verdict.reason);
            assert!(verdict.reason.contains("ran out after 0 of 1 read;"), "{}", verdict.reason);
        }
    }
}

#[test]
fn answers_only_what_it_was_asked() {
    let history = History::from_text("").expect("the text is a history");
    let claims = vec![Asked::new(Claim::Linearizable), Asked::new(Claim::NoDuplicates)];
    let question = Question::new("set", claims);
    let verdicts = ENTRY.check(&question, &history, &Budget::default());
    assert_eq!(verdicts.len(), 1);
    assert_eq!(verdicts[0].asked.claim, Claim::NoDuplicates);
}
