//! What `schism explain` teaches: each anomaly with its definition, its source, the smallest history
//! that has it, and one that just misses it.

use crate::{Claim, Parameters};

/// An anomaly, taught by example. The examples are tested: a lesson cannot be wrong about its own
/// checker.
#[derive(Debug)]
pub struct Lesson {
    /// The anomaly's name, as verdicts say it.
    pub name: &'static str,
    /// What it is, in one or two sentences.
    pub definition: &'static str,
    /// Who defined it: author, year, section.
    pub source: &'static str,
    /// The subject of the examples.
    pub subject: &'static str,
    /// The weakest claim that it breaks.
    pub claim: Claim,
    /// What the examples' workload and system were set to.
    pub parameters: Parameters,
    /// The smallest history that has it, as short text, with comments that explain it.
    pub example: &'static str,
    /// A history that differs in one thing, and upholds the claim.
    pub near_miss: &'static str,
}

impl Lesson {
    /// Every lesson, in the order of the rooms.
    pub fn all() -> impl Iterator<Item = &'static Lesson> {
        LESSONS.iter().copied().flatten()
    }
}

/// The lessons of each room.
const LESSONS: &[&[Lesson]] = &[
    crate::set::LESSONS,
    crate::queue::LESSONS,
    crate::linearizable::LESSONS,
    crate::weak::LESSONS,
    crate::counter::LESSONS,
    crate::unique_ids::LESSONS,
    crate::bank::LESSONS,
    crate::long_fork::LESSONS,
    crate::causal_reverse::LESSONS,
    crate::write_skew::LESSONS,
    crate::lock::LESSONS,
    crate::log::LESSONS,
    crate::watch::LESSONS,
    crate::session::LESSONS,
    crate::sequential::LESSONS,
    crate::staleness::LESSONS,
    crate::list_append::CIRCLES,
    crate::list_append::LESSONS,
    crate::rw_register::LESSONS,
];

#[cfg(test)]
mod tests {
    use schism_history::History;

    use super::*;
    use crate::{Asked, Budget, CHECKERS, Question, Validity, Verdict};

    fn verdict(lesson: &Lesson, text: &str) -> Verdict {
        let history = History::from_text(text)
            .unwrap_or_else(|error| panic!("{}: the example: {error}", lesson.name));
        let mut question = Question::new(lesson.subject, vec![Asked::new(lesson.claim)]);
        question.parameters = lesson.parameters.clone();
        let row = CHECKERS.iter().find(|row| row.concerns(lesson.subject, lesson.claim));
        let row = row.unwrap_or_else(|| panic!("{}: no checker decides it", lesson.name));
        row.check(&question, &history, &Budget::default()).remove(0)
    }

    #[test]
    fn each_example_has_its_anomaly() {
        for lesson in Lesson::all() {
            let verdict = verdict(lesson, lesson.example);
            let names: Vec<&str> = verdict.anomalies.iter().map(|it| it.name.as_str()).collect();
            assert_eq!(verdict.validity, Validity::Invalid, "{}: {}", lesson.name, verdict.reason);
            assert!(names.contains(&lesson.name), "{} is not among {names:?}", lesson.name);
        }
    }

    #[test]
    fn each_near_miss_upholds_the_claim() {
        for lesson in Lesson::all() {
            let verdict = verdict(lesson, lesson.near_miss);
            assert_eq!(verdict.validity, Validity::Valid, "{}: {}", lesson.name, verdict.reason);
        }
    }

    #[test]
    fn no_anomaly_is_taught_twice() {
        let mut names: Vec<&str> = Lesson::all().map(|lesson| lesson.name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all, "two lessons have one name");
    }
}
