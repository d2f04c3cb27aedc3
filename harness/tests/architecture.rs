//! What the documents say of the house is what the code is: the arrows between the rooms, and
//! README's tables.
//!
//! `SCHISM_WRITE=1 cargo test -p schism --test architecture` writes README's tables anew.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use schism_checkers::{CHECKERS, Claim, SUBJECTS, Subject};
use schism_nemesis::FAULTS;
use schism_targets::TARGETS;
use schism_workloads::WORKLOADS;
use serde_json::Value;

const BEGIN: &str = "<!-- tables: written by harness/tests/architecture.rs -->";
const END: &str = "<!-- end of tables -->";

/// The rooms in docs/ARCHITECTURE.md, and the packages that they are.
const ROOMS: &[(&str, &str)] = &[
    ("history", "schism-history"),
    ("checkers", "schism-checkers"),
    ("workloads", "schism-workloads"),
    ("lab", "schism-lab"),
    ("targets", "schism-targets"),
    ("nemesis", "schism-nemesis"),
    ("harness", "schism"),
    ("targets/reference", "schism-reference"),
    ("nemesis/agent", "schism-agent"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The direct dependencies of every package of the workspace: those of the library alone, and with
/// those of its tests.
fn dependencies() -> BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo's metadata");
    let names = |package: &Value, all: bool| {
        let list = package["dependencies"].as_array().expect("a list").iter();
        let wanted = list.filter(|one| all || one["kind"].is_null());
        wanted.map(|one| one["name"].as_str().expect("a name").to_owned()).collect()
    };
    let packages = metadata["packages"].as_array().expect("packages").iter();
    packages
        .map(|package| {
            let name = package["name"].as_str().expect("a name").to_owned();
            (name, (names(package, false), names(package, true)))
        })
        .collect()
}

/// The cells of the row of `room` in docs/ARCHITECTURE.md: holds, imports, never.
fn row_of(document: &str, room: &str) -> Vec<String> {
    let start = format!("| `{room}` |");
    let line = document
        .lines()
        .find(|line| line.starts_with(&start))
        .unwrap_or_else(|| panic!("docs/ARCHITECTURE.md has no row of {room}"));
    line.trim_matches('|').split('|').skip(1).map(|cell| cell.trim().to_owned()).collect()
}

#[test]
fn the_rooms_import_what_the_architecture_says_and_nothing_else() {
    let document = read("docs/ARCHITECTURE.md");
    let packages = dependencies();
    let room_of = |package: &str| {
        ROOMS.iter().find(|(_, name)| *name == package).map(|(room, _)| (*room).to_owned())
    };
    assert_eq!(packages.len(), ROOMS.len(), "rooms without a row: {:?}", packages.keys());
    for (room, package) in ROOMS {
        let (own, all) = &packages[*package];
        let cells = row_of(&document, room);
        let (imports, never) = (cells[1].as_str(), cells[2].as_str());
        let mut allowed: BTreeSet<String> = match imports {
            "–" => BTreeSet::new(),
            "all" => ROOMS.iter().map(|(room, _)| (*room).to_owned()).collect(),
            list => list.split(", ").map(str::to_owned).collect(),
        };
        allowed.remove(*room);
        // Tests of a room go along the same arrows as its code.
        let rooms: BTreeSet<String> = all.iter().filter_map(|name| room_of(name)).collect();
        assert_eq!(rooms, allowed, "what {room} imports");
        for word in never.split(", ").filter(|word| !word.contains("room") && *word != "–") {
            assert!(!own.contains(word), "{room} must never import {word}");
        }
    }
}

#[test]
fn no_algorithm_stands_in_a_contents_page() {
    for room in ["history", "checkers", "workloads", "lab", "targets", "nemesis", "harness"] {
        let lines = read(&format!("{room}/src/lib.rs")).lines().count();
        assert!(lines <= 250, "{room}/src/lib.rs has {lines} lines: it holds traits and the table");
    }
}

#[test]
fn every_plan_of_the_repository_is_accepted() {
    let mut found = 0;
    for folder in ["plans", "plans/bugs"] {
        for entry in std::fs::read_dir(root().join(folder)).expect("the folder").flatten() {
            let path = entry.path();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let plan = schism::plan::read(&path, &[]).unwrap_or_else(|error| panic!("{error}"));
            let file = path.strip_prefix(root().join("plans")).expect("below plans");
            assert_eq!(format!("{}.yaml", plan.name), file.display().to_string());
            found += 1;
        }
    }
    assert!(found >= 7, "{found} plans");
}

#[test]
fn readme_lists_what_the_tables_hold() {
    let readme = read("README.md");
    let (before, rest) = readme.split_once(BEGIN).expect("README.md has a place for the tables");
    let (written, after) = rest.split_once(END).expect("README.md has an end of the tables");
    let expected = format!("\n{}\n", tables());
    if std::env::var_os("SCHISM_WRITE").is_some() {
        let text = format!("{before}{BEGIN}{expected}{END}{after}");
        std::fs::write(root().join("README.md"), text).expect("README.md");
        return;
    }
    assert_eq!(
        written, expected,
        "README.md differs: SCHISM_WRITE=1 cargo test -p schism --test architecture"
    );
}

fn tables() -> String {
    [targets(), workloads(), faults(), claims(), subjects()].join("\n\n")
}

fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let line = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    let names = header.iter().map(|&name| name.to_owned()).collect();
    let mut lines = vec![line(names), format!("|{}", "---|".repeat(header.len()))];
    lines.extend(rows.into_iter().map(line));
    lines.join("\n")
}

fn codes<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "–".into() } else { names.join(", ") }
}

fn subjects() -> String {
    let row = |subject: &Subject| {
        let names = [&[subject.name], subject.aliases].concat();
        vec![
            codes(names),
            subject.summary.to_owned(),
            codes(subject.claims().iter().map(|claim| claim.name())),
        ]
    };
    let header =
        ["history of", "what is in it", "claims that it decides, besides those about runs"];
    table(&header, SUBJECTS.iter().map(row).collect())
}

fn targets() -> String {
    let row = |entry: &schism_targets::TargetEntry| {
        let speaks = WORKLOADS.iter().filter(|workload| {
            workload.operations.iter().all(|operation| entry.operations.contains(operation))
        });
        vec![
            format!("`{}`", entry.name),
            entry.summary.to_owned(),
            codes(speaks.map(|workload| workload.name)),
            codes(entry.faults.iter().copied()),
        ]
    };
    table(&["target", "what it is", "workloads", "faults"], TARGETS.iter().map(row).collect())
}

fn workloads() -> String {
    let row = |entry: &schism_workloads::WorkloadEntry| {
        let claims = entry.claims.iter().map(|claim| claim.name());
        vec![format!("`{}`", entry.name), entry.summary.to_owned(), codes(claims)]
    };
    table(&["workload", "what it does", "claims"], WORKLOADS.iter().map(row).collect())
}

fn faults() -> String {
    let row = |entry: &schism_nemesis::FaultEntry| {
        vec![format!("`{}`", entry.name), entry.summary.to_owned()]
    };
    table(&["fault", "what it does"], FAULTS.iter().map(row).collect())
}

fn claims() -> String {
    let row = |claim: &Claim| {
        let deciding = CHECKERS.iter().filter(|checker| checker.decides.contains(claim));
        let by: Vec<&str> = deciding.map(|checker| checker.name).collect();
        assert!(!by.is_empty(), "nothing decides {claim}");
        vec![format!("`{claim}`"), claim.summary().to_owned(), codes(by)]
    };
    table(&["claim", "what it promises", "checker"], Claim::ALL.iter().map(row).collect())
}
