//! The checker against the definitions, and what it makes of strange histories.

use schism_history::History;

use super::DECIDES;
use super::checker::{ENTRY, forbidden};
use super::oracle::Oracle;
use super::random::{Random, history};
use crate::{Asked, Budget, Question, Validity, Verdict};

/// How many random histories a test tries: `usual`, or as many more as the environment asks for in
/// place of the usual 20,000 small ones.
fn cases(usual: u64) -> u64 {
    let Ok(asked) = std::env::var("SCHISM_CASES") else { return usual };
    let asked: u64 = asked.parse().expect("SCHISM_CASES is a number");
    (usual * asked / 20_000).max(100)
}

fn verdicts(history: &History) -> Vec<Verdict> {
    let claims = DECIDES.iter().copied().map(Asked::new).collect();
    ENTRY.check(&Question::new("watch", claims), history, &Budget::default())
}

fn on_random(usual: u64, lies: usize) {
    let cases = cases(usual);
    let mut found = vec![[0_u64; 3]; DECIDES.len()];
    let mut random = Random(43);
    for _ in 0..cases {
        let steps = 3 + random.below(16);
        let history = history(&mut random, steps, lies);
        let oracle = Oracle::new(&history);
        for (counts, verdict) in found.iter_mut().zip(verdicts(&history)) {
            let number = oracle.count(forbidden(verdict.asked.claim));
            let text = || {
                format!("{number} {:?} {}\n{}", verdict.asked, verdict.reason, history.to_text())
            };
            assert_eq!(number > 0, verdict.validity == Validity::Invalid, "{}", text());
            assert_eq!(number.min(8), verdict.anomalies.len(), "{}", text());
            let told = verdict.reason.split(' ').next().and_then(|word| word.parse().ok());
            assert!(number == 0 || told == Some(number), "{}", text());
            assert!(lies > 0 || number == 0, "{}", text());
            counts[verdict.validity as usize] += 1;
        }
    }
    for (claim, [valid, unknown, invalid]) in DECIDES.iter().zip(found) {
        println!("{claim}: {valid} valid, {unknown} unknown, {invalid} invalid");
        assert!(valid > cases / 50, "{claim}: only {valid} of {cases} were valid");
        assert!(lies == 0 || invalid > cases / 50, "{claim}: only {invalid} were invalid");
    }
}

#[test]
fn agrees_with_the_definitions() {
    on_random(20_000, 12);
}

#[test]
fn a_store_without_lies_is_never_invalid() {
    on_random(4_000, 0);
}

fn check(text: &str, expected: [Validity; 6]) -> Vec<Verdict> {
    let history = History::from_text(text).expect("the text is a history");
    let verdicts = verdicts(&history);
    let found: Vec<Validity> = verdicts.iter().map(|verdict| verdict.validity).collect();
    let reasons: Vec<&str> = verdicts.iter().map(|verdict| verdict.reason.as_str()).collect();
    assert_eq!(found, expected, "{reasons:#?}");
    verdicts
}

use Validity::{Invalid, Unknown, Valid};

#[test]
fn tells_the_story_of_a_missing_event() {
    let verdicts = check(
        r#"p1 invoke put x 2
        p1 ok v3
        p0 invoke watch x @n2
        p0 ok [[[2 "put" "x" 1]] [[4 "put" "x" 3]]]"#,
        [Valid, Valid, Invalid, Unknown, Unknown, Unknown],
    );
    let missing = &verdicts[2].anomalies[0];
    assert_eq!(
        missing.explanation,
        "The watch of event 2 (p0 on n2) was sent events before and after the put of x = 2 at \
         revision 3, but never that. The put of event 0 (p1) vouches for it."
    );
    assert_eq!(missing.operations, [0, 2]);
    assert_eq!(
        verdicts[2].reason,
        "1 event that happened between the first and the last that came is not among them, in 1 of \
         1 watch."
    );
}

#[test]
fn a_deletion_of_what_is_not_there_is_no_event() {
    let text = |deleted: &str| {
        format!(
            r#"p1 invoke delete x
            p1 ok {deleted} v3
            p0 invoke watch x
            p0 ok [[[2 "put" "x" 1]] [[4 "put" "x" 3]]]"#
        )
    };
    check(&text("true"), [Valid, Valid, Invalid, Unknown, Unknown, Unknown]);
    check(&text("false"), [Valid, Valid, Unknown, Unknown, Unknown, Unknown]);
    check(&text("_"), [Valid, Valid, Unknown, Unknown, Unknown, Unknown]);
}

#[test]
fn other_keys_are_none_of_a_watch_of_one() {
    let text = |key: &str| {
        format!(
            r#"p1 invoke put ay 2
            p1 ok v3
            p0 invoke watch {key}
            p0 ok [[[2 "put" "ax" 1]] [[4 "put" "ax" 3]]]"#
        )
    };
    check(&text("ax"), [Valid, Valid, Unknown, Unknown, Unknown, Unknown]);
    check(&text("a*"), [Valid, Valid, Invalid, Unknown, Unknown, Unknown]);
    check(&text("_"), [Valid, Valid, Invalid, Unknown, Unknown, Unknown]);
}

#[test]
fn upholds_nothing_without_evidence() {
    check("", [Unknown; 6]);
    check("p0 invoke put x 1 \n p0 ok v2", [Unknown; 6]);
    check("p0 invoke watch x \n p0 ok []", [Unknown; 6]);
    check("p0 invoke watch x \n p0 info timeout", [Unknown; 6]);
    check("p0 invoke watch x \n p0 ok [[[2 \"put\" \"x\" 1]]]", [Unknown; 6]);
}

#[test]
fn names_the_event_that_nobody_understands() {
    for strange in [
        "p0 invoke compact x 3",
        "p0 invoke put _ 3",
        "p0 invoke watch x -1",
        "p0 invoke watch x [1]",
        "p0 invoke watch x \n p0 ok 7",
        "p0 invoke watch x \n p0 ok [7]",
        "p0 invoke watch x \n p0 ok [[[\"put\" 1]]]",
        "p0 invoke watch x \n p0 ok [[[-1 \"put\" \"x\" 1]]]",
        "p0 invoke watch x \n p0 ok [{\"progress\" \"x\"}]",
        "p0 invoke cas x 7 \n p0 ok",
        "p0 invoke txn [append x 1]",
    ] {
        let verdicts = check(strange, [Unknown; 6]);
        assert!(verdicts[0].reason.contains("of event 0"), "{}", verdicts[0].reason);
        // A violation before that event stays one.
        let before = "p7 invoke watch x \n p7 ok [[[3 \"put\" \"x\" 1] [2 \"put\" \"x\" 1]]]";
        check(
            &format!("{before}\n{strange}"),
            [Invalid, Unknown, Unknown, Unknown, Unknown, Unknown],
        );
    }
}
