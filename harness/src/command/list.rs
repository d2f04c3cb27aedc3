//! `schism list`: what a plan can name, from the rooms' own tables.

use schism_checkers::{CHECKERS, Claim, SUBJECTS, Subject};
use schism_nemesis::FAULTS;
use schism_targets::TARGETS;
use schism_workloads::WORKLOADS;
use serde_json::{Value, json};

use super::say;
use crate::arguments::ListArguments;
use crate::judge;

type Section = (&'static str, fn() -> Vec<Row>);

const SECTIONS: [Section; 5] = [
    ("targets", targets),
    ("workloads", workloads),
    ("faults", faults),
    ("subjects", subjects),
    ("claims", claims),
];

/// One thing that a plan can name.
struct Row {
    name: &'static str,
    summary: String,
    /// What goes with it: a label, and words.
    more: Vec<(&'static str, Vec<String>)>,
}

/// Prints the tables.
pub fn list(arguments: &ListArguments) -> i32 {
    let wanted = |name: &str| arguments.table.as_deref().is_none_or(|table| table == name);
    let sections = SECTIONS.iter().filter(|(name, _)| wanted(name));
    if arguments.json {
        let tables = sections.map(|(name, rows)| {
            ((*name).to_owned(), rows().iter().map(Row::to_json).collect::<Value>())
        });
        let tables: serde_json::Map<String, Value> = tables.collect();
        say(&serde_json::to_string_pretty(&tables).unwrap_or_default());
        return judge::UPHELD;
    }
    for (number, (name, rows)) in sections.enumerate() {
        if number > 0 {
            say("");
        }
        say(&name.to_uppercase());
        for row in rows() {
            say(&format!("  {:<26} {}", row.name, row.summary));
            for (label, words) in &row.more {
                // Options and forms are read line by line, names at a glance.
                if *label == "options" || *label == "forms" {
                    for word in words {
                        say(&format!("  {:<26}   {word}", ""));
                    }
                } else if !words.is_empty() {
                    say(&format!("  {:<26}   {label}: {}", "", words.join(", ")));
                }
            }
        }
    }
    judge::UPHELD
}

impl Row {
    fn to_json(&self) -> Value {
        let mut value = json!({ "name": self.name, "summary": self.summary });
        for (label, words) in &self.more {
            value[*label] = words.iter().cloned().collect();
        }
        value
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn options(options: &[(&str, &str)]) -> Vec<String> {
    options.iter().map(|(key, help)| format!("{key}: {help}")).collect()
}

fn targets() -> Vec<Row> {
    let row = |entry: &schism_targets::TargetEntry| Row {
        name: entry.name,
        summary: entry.summary.into(),
        more: vec![
            ("options", options(entry.options)),
            ("operations", words(entry.operations)),
            ("faults", words(entry.faults)),
            ("roles", words(entry.roles)),
        ],
    };
    TARGETS.iter().map(row).collect()
}

fn workloads() -> Vec<Row> {
    let row = |entry: &schism_workloads::WorkloadEntry| Row {
        name: entry.name,
        summary: entry.summary.into(),
        more: vec![
            ("options", options(entry.options)),
            ("operations", words(entry.operations)),
            ("claims", entry.claims.iter().map(|claim| claim.name().to_owned()).collect()),
        ],
    };
    WORKLOADS.iter().map(row).collect()
}

fn faults() -> Vec<Row> {
    let row = |entry: &schism_nemesis::FaultEntry| Row {
        name: entry.name,
        summary: entry.summary.into(),
        more: vec![("forms", words(entry.forms))],
    };
    FAULTS.iter().map(row).collect()
}

/// What histories of others can be about, besides the workloads that schism runs itself.
fn subjects() -> Vec<Row> {
    let row = |subject: &Subject| Row {
        name: subject.name,
        summary: subject.summary.into(),
        more: vec![
            ("also called", words(subject.aliases)),
            ("usually", subject.usual.iter().map(|claim| claim.name().to_owned()).collect()),
            ("claims", subject.claims().iter().map(|claim| claim.name().to_owned()).collect()),
        ],
    };
    SUBJECTS.iter().map(row).collect()
}

/// Only claims that something decides: a name without a checker is no offer.
fn claims() -> Vec<Row> {
    let decided = |claim: &&Claim| CHECKERS.iter().any(|checker| checker.decides.contains(claim));
    let row = |claim: &Claim| {
        let workloads = WORKLOADS.iter().filter(|entry| entry.claims.contains(claim));
        let workloads = workloads.map(|entry| entry.name.to_owned()).collect();
        Row {
            name: claim.name(),
            summary: claim.summary().into(),
            more: vec![("workloads", workloads)],
        }
    };
    Claim::ALL.iter().filter(decided).map(row).collect()
}
