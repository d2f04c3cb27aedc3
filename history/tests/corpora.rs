//! Recorded histories of other tools: each is recognised, and read as what it is.
//!
//! They are looked for where `SCHISM_CORPORA` says; without it the tests are skipped in words.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use schism_history::{Format, History, Kind, Operation, Outcome, Reading, Value, read};

fn corpora(test: &str) -> Option<PathBuf> {
    let place = std::env::var_os("SCHISM_CORPORA").map(PathBuf::from);
    if place.is_none() {
        let _ = writeln!(std::io::stderr(), "skipped: {test}: SCHISM_CORPORA is not set");
    }
    place
}

fn read_one(path: &Path) -> Reading {
    read(path, Format::Auto).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_file_is_recognised_and_read() {
    let Some(corpora) = corpora("every_file_is_recognised_and_read") else { return };
    let table = std::fs::read_to_string(corpora.join("verdicts.tsv")).expect("a table of verdicts");
    let mut files = 0;
    for row in table.lines().skip(1) {
        let mut columns = row.split('\t');
        let (Some(path), Some(format)) = (columns.next(), columns.next()) else {
            panic!("{row:?} has no format");
        };
        let path = corpora.join(path);
        let expected = Format::named(format).unwrap_or_else(|| panic!("{format} is unknown"));
        let reading = read_one(&path);
        assert_eq!(reading.format, expected, "{}", path.display());
        assert!(!reading.torn && !reading.history.is_empty(), "{}", path.display());
        let again = read(&path, expected).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(again.history.events(), reading.history.events(), "{}", path.display());
        files += 1;
    }
    assert!(files > 100, "only {files} files are in the table");
}

/// How many operations there are, how many of them are ok, and how many are indeterminate.
fn counts(history: &History) -> [usize; 3] {
    let ok = history.operations().filter(|operation| operation.ok().is_some()).count();
    let unknown = history.operations().filter(Operation::indeterminate).count();
    [history.len(), ok, unknown]
}

#[test]
fn some_files_hold_what_other_means_count_in_them() {
    let Some(corpora) = corpora("some_files_hold_what_other_means_count_in_them") else { return };
    let check = |path: &str, expected: [usize; 3]| {
        assert_eq!(counts(&read_one(&corpora.join(path)).history), expected, "{path}");
    };
    check("porcupine/kv/c10-bad.txt", [405, 405, 0]);
    check("elle-cli/jepsen/bank.edn", [321, 221, 1]);
    check("elle-cli/elle/paper-example.json", [4, 4, 0]);
    check("knossos/multi-register/good/multi-register.edn", [123, 119, 2]);
    check("awdit/causal/long-fork.txt", [5, 5, 0]);
}

#[test]
fn values_are_what_the_file_says() {
    let Some(corpora) = corpora("values_are_what_the_file_says") else { return };
    let first = |path: &str| {
        let history = read_one(&corpora.join(path)).history;
        let operation = history.operation(0);
        let reply = operation.ok().map(|reply| reply.value.to_string());
        let key = operation.op.key.map_or("_", |key| key.as_str());
        format!("{} {key} {} → {}", operation.op.f, operation.op.value, reply.unwrap_or_default())
    };
    let check = |path: &str, expected: &str| assert_eq!(first(path), expected, "{path}");
    check("porcupine/kv/c01-ok.txt", "append 0 \"x 0 0 y\" → \"x 0 0 y\"");
    check("elle-cli/jepsen/long-fork.edn", "read _ [r 0 _, r 1 _, r 2 _] → [r 0 1, r 1 1, r 2 _]");
    check("elle-cli/jepsen/set_full.json", "add _ [0 0] → [0 0]");
    check(
        "elle-cli/jepsen/bank.edn",
        "read _ _ → {0 100, 1 0, 2 0, 3 0, 4 0, 5 0, 6 0, 7 0, 8 0, 9 0}",
    );
    check("awdit/none/hb-cycle.txt", "txn _ [r 1 _] → [r 1 1]");
    check("porcupine/etcd/etcd_000.log", "read _ _ → _");
}

#[test]
fn what_timed_out_in_a_log_is_indeterminate() {
    let Some(corpora) = corpora("what_timed_out_in_a_log_is_indeterminate") else { return };
    let (mut timed_out, mut lines) = (0, 0);
    for entry in std::fs::read_dir(corpora.join("porcupine/etcd")).expect("a folder") {
        let path = entry.expect("a file").path();
        lines += std::fs::read_to_string(&path).expect("a text").matches(":timed-out").count();
        let history = read_one(&path).history;
        for event in history.events() {
            if let Kind::Complete(Outcome::Info(reason) | Outcome::Fail(reason)) = &event.kind {
                timed_out += usize::from(&*reason.text == "timed-out");
            }
        }
        let argument = |value: &Value| matches!(value, Value::Nil | Value::Int(_) | Value::List(_));
        assert!(history.operations().all(|operation| argument(&operation.op.value)));
    }
    assert_eq!(timed_out, lines);
}
