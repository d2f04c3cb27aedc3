//! What was not well at the end of a run, and what that explains.

use schism_history::History;

use super::Circumstances;
use crate::complaints::Complaints;
use crate::store::{ClaimRecord, UnwellRecord, Word};

/// What clients complained of, and what the nodes told.
pub(super) fn of(history: &History, circumstances: &Circumstances) -> Vec<UnwellRecord> {
    let mut complaints = Complaints::default();
    for event in history.events() {
        complaints.hear(event);
    }
    let complained = complaints.words().into_iter();
    let complained = complained.map(|what| UnwellRecord { what, node: None, log: Vec::new() });
    complained.chain(circumstances.unwell.iter().cloned()).collect()
}

/// Tells of each claim that is not decided what may have been in the way. What is decided stays so: it
/// was found in what clients saw.
pub(super) fn explain(claims: &mut [ClaimRecord], unwell: &[UnwellRecord]) {
    let Some(words) = words(unwell) else { return };
    for claim in claims.iter_mut().filter(|claim| claim.verdict == Word::Unknown) {
        claim.reason = format!("{} {words}", claim.reason);
    }
}

/// The story; where all is upheld, with what was not well all the same.
pub(super) fn mentioned(story: String, verdict: Word, unwell: &[UnwellRecord]) -> String {
    match words(unwell) {
        Some(words) if verdict == Word::Upheld => format!("{story} {words}"),
        _ => story,
    }
}

fn words(unwell: &[UnwellRecord]) -> Option<String> {
    let all: Vec<String> = unwell.iter().map(|one| brief(&one.what)).collect();
    (!all.is_empty()).then(|| format!("Not well at the end: {}.", all.join("; ")))
}

/// As much of it as a headline bears, in whole words: the whole stands beside the claims.
fn brief(what: &str) -> String {
    const LETTERS_MAX: usize = 120;
    let Some((end, _)) = what.char_indices().nth(LETTERS_MAX) else { return what.to_owned() };
    let words = what[..end].rsplit_once(' ').map_or(&what[..end], |(words, _)| words);
    format!("{words} …")
}

#[cfg(test)]
mod tests {
    use schism_checkers::{Asked, Budget, Claim, Question};

    use super::super::judge;
    use super::*;

    const NOBODY: &str = "nobody leads log-0-0 (last in sync: n1, which does not answer)";

    fn judged(text: &str) -> crate::store::VerdictRecord {
        let history = History::from_text(text).expect("a history");
        let claims = [Claim::ConsistentOffsets, Claim::NoUnseenWrites].map(Asked::new);
        let mut question = Question::new("log", claims.into());
        question.evidence_min = 1;
        let unwell = vec![UnwellRecord {
            what: NOBODY.into(),
            node: Some("n1".into()),
            log: vec!["ERROR cannot start".into()],
        }];
        let circumstances = Circumstances { unwell, ..Circumstances::default() };
        judge(&question, &history, &circumstances, &Budget::default())
    }

    #[test]
    fn what_is_not_decided_names_what_was_not_well_and_what_is_decided_stays() {
        let verdict = judged(
            "p0 invoke send x 1 \n p0 ok [0 1] \n p1 invoke poll x \n p1 ok [0 1]
             p2 invoke poll x \n p2 ok [0 1] \n p0 invoke send x 2 \n p0 ok [1 2]",
        );
        let of = |name: &str| verdict.claims.iter().find(|claim| claim.name == name).expect("it");
        let unseen = of("no-unseen-writes");
        assert_eq!(unseen.verdict, Word::Unknown);
        assert!(unseen.reason.ends_with(&format!("Not well at the end: {NOBODY}.")), "{unseen:?}");
        assert_eq!(of("consistent-offsets").verdict, Word::Upheld);
        assert!(!of("consistent-offsets").reason.contains(NOBODY));
        assert_eq!(verdict.unwell[0].log, ["ERROR cannot start"]);
        assert!(verdict.story.contains(NOBODY), "{}", verdict.story);
    }

    #[test]
    fn a_headline_breaks_off_what_is_long() {
        assert_eq!(brief(NOBODY), NOBODY);
        let long = format!("{} {}", "ü".repeat(100), "w".repeat(100));
        assert_eq!(brief(&long), format!("{} …", "ü".repeat(100)));
    }

    #[test]
    fn a_client_that_was_given_up_stands_in_the_verdict() {
        let verdict = judged("p0 invoke send x 1 \n p0 info fatal fenced by another");
        let what = &verdict.unwell[0].what;
        assert!(what.starts_with("one client was given up for good"), "{what}");
        assert!(what.ends_with("fenced by another"), "{what}");
    }
}
