//! `schism explain`: what an anomaly or a claim is, with the smallest example.

use schism_checkers::{CHECKERS, Claim, Lesson, SUBJECTS};
use schism_history::did_you_mean;

use super::{say, warn};
use crate::arguments::ExplainArguments;
use crate::judge;

/// Teaches.
pub fn explain(arguments: &ExplainArguments) -> i32 {
    let Some(name) = &arguments.name else {
        list();
        return judge::UPHELD;
    };
    if let Some(lesson) = Lesson::all().find(|lesson| lesson.name.eq_ignore_ascii_case(name)) {
        teach(lesson);
        return judge::UPHELD;
    }
    if let Some(claim) = Claim::named(name) {
        say_claim(claim);
        return judge::UPHELD;
    }
    let lessons = Lesson::all().map(|lesson| lesson.name);
    let names: Vec<&str> = lessons.chain(Claim::ALL.iter().map(|claim| claim.name())).collect();
    let meant = did_you_mean(name, &names);
    warn(&format!("there is no anomaly or claim `{name}`{meant}; `schism explain` lists them"));
    judge::BAD_USAGE
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
