//! `schism explain`: what an anomaly or a claim is, with the smallest example.

use std::path::Path;
use std::rc::Rc;

use schism_checkers::{Asked, Budget, CHECKERS, Claim, Lesson, Question, SUBJECTS};
use schism_history::{History, did_you_mean};

use super::{say, tell_diagrams, warn};
use crate::arguments::ExplainArguments;
use crate::judge::{self, Circumstances};
use crate::report::{self, Drawing};

/// Teaches.
pub fn explain(arguments: &ExplainArguments) -> i32 {
    let Some(name) = &arguments.name else {
        list();
        return judge::UPHELD;
    };
    if let Some(lesson) = lesson_named(name) {
        teach(lesson);
        return match arguments.svg.as_deref().map(|folder| draw(lesson, folder)) {
            Some(Err(error)) => {
                warn(&format!("{error:#}"));
                judge::BAD_USAGE
            }
            _ => judge::UPHELD,
        };
    }
    if let Some(claim) = Claim::named(name) {
        if arguments.svg.is_some() {
            warn(&format!("--svg draws the example of an anomaly, and {claim} is a claim"));
            return judge::BAD_USAGE;
        }
        say_claim(claim);
        return judge::UPHELD;
    }
    let lessons = Lesson::all().map(|lesson| lesson.name);
    let names: Vec<&str> = lessons.chain(Claim::ALL.iter().map(|claim| claim.name())).collect();
    let meant = did_you_mean(name, &names);
    warn(&format!("there is no anomaly or claim `{name}`{meant}; `schism explain` lists them"));
    judge::BAD_USAGE
}

/// The lesson of this name; `G-single` is taught as `G-single-item`, since no workload here has
/// predicates, and without them the classes are the same.
fn lesson_named(name: &str) -> Option<&'static Lesson> {
    let exact = Lesson::all().find(|lesson| lesson.name.eq_ignore_ascii_case(name));
    exact.or_else(|| {
        let bare = |lesson: &&Lesson| {
            lesson.name.contains("-item")
                && lesson.name.replace("-item", "").eq_ignore_ascii_case(name)
        };
        Lesson::all().find(bare)
    })
}

fn list() {
    say("ANOMALIES");
    for lesson in Lesson::all() {
        say(&format!("  {:<28} {}", lesson.name, lesson.definition));
    }
    say("\nCLAIMS");
    for claim in Claim::ALL {
        say(&format!("  {:<28} {}", claim.name(), claim.summary()));
    }
}

fn teach(lesson: &Lesson) {
    say(&format!("{}\n\n{}\n", lesson.name, lesson.definition));
    say(&format!("Source: {}", lesson.source));
    say(&format!("It breaks {} of {}, and whatever is stronger.", lesson.claim, lesson.subject));
    say_history("The smallest history that has it:", lesson.example);
    say_history("One that just misses it:", lesson.near_miss);
}

/// Judges the example and draws what is found.
fn draw(lesson: &Lesson, folder: &Path) -> anyhow::Result<()> {
    let history = History::from_text(lesson.example)?.without_times();
    let mut question = Question::new(lesson.subject, vec![Asked::new(lesson.claim)]);
    question.parameters = lesson.parameters.clone();
    let circumstances = Circumstances::default();
    let verdict = judge::judge(&question, &history, &circumstances, &Budget::default());
    let name = format!("the smallest example of {}", lesson.name);
    let drawing = Drawing { name, question, history: Rc::new(history), verdict };
    say("");
    for line in tell_diagrams(&report::draw_anomalies(drawing, folder)?) {
        say(&line);
    }
    Ok(())
}

fn say_history(title: &str, text: &str) {
    say(&format!("\n{title}\n"));
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        say(&format!("  {line}"));
    }
}

fn say_claim(claim: Claim) {
    say(&format!("{claim}\n\n{}\n", claim.summary()));
    let subjects = SUBJECTS.iter().filter(|it| it.claims().contains(&claim)).map(|it| it.name);
    let subjects: Vec<&str> = subjects.collect();
    if !subjects.is_empty() {
        say(&format!("Decided of histories of: {}", subjects.join(", ")));
    }
    for row in CHECKERS.iter().filter(|row| row.decides.contains(&claim)) {
        say(&format!("By: {} ({})", row.name, row.summary));
    }
    let broken = Lesson::all().filter(|lesson| lesson.claim == claim).map(|lesson| lesson.name);
    let broken: Vec<&str> = broken.collect();
    if !broken.is_empty() {
        say(&format!("Broken by: {}", broken.join(", ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_without_predicates_have_two_names() {
        let name = |name: &str| lesson_named(name).map(|lesson| lesson.name);
        assert_eq!(name("G-single"), Some("G-single-item"));
        assert_eq!(name("g-nonadjacent-realtime"), Some("G-nonadjacent-item-realtime"));
        assert_eq!(name("G2"), Some("G2-item"));
        assert_eq!(name("G1a"), Some("G1a"));
        assert_eq!(name("G7"), None);
    }
}
