//! `schism check` on files: what it prints, what it answers, and what it refuses.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use schism_checkers::{Asked, Budget, CHECKERS, Claim, Lesson, Question, SUBJECTS, Validity};
use schism_history::History;
use schism_workloads::{SYNTHS, Synth, synthesize};
use serde_json::Value;

fn schism(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_schism")).args(arguments).output().expect("schism runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A file of the name in `folder`.
fn file(folder: &Path, name: &str, content: &str) -> String {
    let path: PathBuf = folder.join(name);
    std::fs::write(&path, content).expect("the file is written");
    path.display().to_string()
}

const FRESH: &str = "[{:process 0, :type :invoke, :f :write, :value 1}
 {:process 0, :type :ok, :f :write, :value 1}
 {:process 1, :type :invoke, :f :read, :value nil}
 {:process 1, :type :ok, :f :read, :value 1}]";

const STALE: &str = "{:process 0, :type :invoke, :f :write, :value 1}
{:process 0, :type :ok, :f :write, :value 1}
{:process 0, :type :invoke, :f :write, :value 2}
{:process 0, :type :ok, :f :write, :value 2}
{:process 1, :type :invoke, :f :read, :value nil}
{:process 1, :type :ok, :f :read, :value 1}";

const UNTESTED: &str = "{:process 0, :type :invoke, :f :write, :value 1}
{:process 0, :type :ok, :f :write, :value 1}";

fn check(content: &str, arguments: &[&str], exit: i32) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(folder.path(), "history", content);
    let mut words = vec!["check", path.as_str()];
    words.extend(arguments);
    let output = schism(&words);
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(exit), "{said}");
    output
}

#[test]
fn the_exit_code_is_the_verdict() {
    let register = ["--workload", "register"];
    check(FRESH, &register, 0);
    check(STALE, &register, 1);
    check(UNTESTED, &register, 2);
    check(STALE, &["--workload", "register", "--claim", "linearizable"], 1);
}

#[test]
fn what_cannot_be_judged_is_refused_with_64() {
    let said = |content, arguments: &[&str]| text(&check(content, arguments, 64).stderr);
    let serializable = said(FRESH, &["--workload", "register", "--claim", "serializable"]);
    assert!(serializable.contains("register decides linearizable"), "{serializable}");
    assert!(said(FRESH, &["--workload", "regster"]).contains("did you mean `register`?"));
    assert!(said("[{:process 0,", &["--workload", "register"]).contains("history:1:"));
    assert!(said(FRESH, &["--format", "ednn"]).contains("did you mean `edn`?"));
    assert!(said(FRESH, &["--budget-memory", "4"]).contains("4GiB"));
    let completion = "{:process 0, :type :ok, :f :write, :value 1}";
    let said = said(completion, &["--workload", "register"]);
    assert!(said.contains("history:1") && said.contains('0'), "{said}");
    assert_eq!(schism(&["check", "/nowhere"]).status.code(), Some(64));
}

#[test]
fn json_has_the_shape_that_programs_rely_on() {
    let output = check(STALE, &["--workload", "register", "--json"], 1);
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(answer["version"], 1);
    for figure in ["read_s", "elapsed_s", "peak_memory_bytes"] {
        assert!(answer[figure].is_number(), "{figure}: {answer}");
    }
    let claim = &answer["claims"][0];
    assert_eq!(claim["claim"], "linearizable");
    assert_eq!(claim["validity"], "invalid");
    assert!(claim["reason"].is_string());
    let anomaly = &claim["anomalies"][0];
    assert!(anomaly["name"].is_string() && anomaly["explanation"].is_string(), "{anomaly}");
    assert!(anomaly["operations"].as_array().is_some_and(|all| !all.is_empty()), "{anomaly}");
    assert!(anomaly["part"].as_str().is_some_and(|part| part.contains("invoke read")));
}

#[test]
fn several_files_are_judged_one_by_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let fresh = file(folder.path(), "fresh.edn", FRESH);
    let stale = file(folder.path(), "stale.edn", STALE);
    let output = schism(&["check", &fresh, &stale, "--workload", "register", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let lines: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    let validity = |line: &Value| line["claims"][0]["validity"].as_str().map(str::to_owned);
    let found: Vec<_> = lines.iter().filter_map(validity).collect();
    assert_eq!(found, ["valid", "invalid"]);
}

#[test]
fn a_report_needs_no_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let stale = file(folder.path(), "stale.edn", STALE);
    let report = folder.path().join("out.html").display().to_string();
    let output = schism(&["check", &stale, "--workload", "register", "--report", &report]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let html = std::fs::read_to_string(&report).expect("a report");
    for part in ["stale.edn", "VIOLATED", "nonlinearizable"] {
        assert!(html.contains(part), "{part} is not in the report");
    }
}

#[test]
fn the_recorded_histories_have_the_verdicts_that_are_known() {
    let Some(corpora) = std::env::var_os("SCHISM_CORPORA") else {
        let why = "SCHISM_CORPORA names no folder with verdicts.tsv";
        let _ = writeln!(std::io::stderr(), "skipped: the_recorded_histories: {why}");
        return;
    };
    let table = Path::new(&corpora).join("verdicts.tsv").display().to_string();
    let output = schism(&["check", "--corpus", &table]);
    let said = text(&output.stdout);
    let last = said.lines().last().unwrap_or_default();
    assert!(last.ends_with(" passed, 0 failed"), "{said}{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_wrong_row_of_a_table_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    file(folder.path(), "fresh.edn", FRESH);
    file(folder.path(), "stale.edn", STALE);
    let header = "path\tformat\tmodel\tverdict\torigin";
    let row = |name: &str, verdict: &str| format!("{name}.edn\tedn\tregister\t{verdict}\tours");
    let rows = [row("fresh", "linearizable"), row("stale", "valid"), row("absent", "valid")];
    let table = file(folder.path(), "table.tsv", &format!("{header}\n{}\n", rows.join("\n")));
    let output = schism(&["check", "--corpus", &table]);
    assert_eq!(text(&output.stdout).lines().last(), Some("1 passed, 2 failed"));
    assert_eq!(output.status.code(), Some(1));
}

/// Violations that no lesson teaches, since the anomaly's lesson breaks a weaker claim.
const MORE: &[(&str, &str)] = &[
    (
        "causal-reverse",
        "p0 invoke write k 1 \n p0 ok \n p0 invoke write k 2 \n p0 ok
         p2 invoke read k \n p2 ok [2]",
    ),
    ("write-skew", "p0 invoke insert 1 [7 _] \n p0 ok \n p0 invoke insert 1 [_ 8] \n p0 ok"),
    (
        "log",
        "p0 invoke txn [send x 1, poll \"\" _] \n p1 invoke txn [send y 2, poll \"\" _]
         p0 ok [send x [0 1], poll y [0 2]] \n p1 ok [send y [0 2], poll x [0 1]]",
    ),
    (
        "lease",
        "p0 invoke acquire _ \n p0 ok 1 \n p1 invoke acquire _ \n p1 ok 2 \n p0 invoke release _ \n p0 ok",
    ),
    (
        "kv-append",
        "p0 invoke put x \"1;\" \n p0 ok \n p0 invoke put x \"2;\" \n p0 ok
         p1 invoke get x \n p1 ok \"2;\" \n p1 invoke get x \n p1 ok \"1;\"",
    ),
    // Every claim about texts at once.
    (
        "kv-append",
        "0s p0 invoke append x \"1;\" \n 0s p0 ok \n 0s p0 invoke append x \"2;\" \n 0s p0 ok
         9s p1 invoke get x \n 9s p1 ok \"2;\" \n 9s p1 invoke get x \n 9s p1 ok \"1;\"
         9s p0 invoke get x \n 9s p0 ok _ \n 9s p1 invoke append x \"3;\" \n 9s p1 ok
         9s nemesis healed \n 9s p2 invoke get x @n1 \n 9s p2 ok \"3;\"
         9s p3 invoke get x @n2 \n 9s p3 ok \"1;2;\"",
    ),
];

/// Histories that break something: what the lessons teach, and what can be planted.
fn broken() -> Vec<(History, Question)> {
    let lessons = Lesson::all().map(|lesson| {
        let history = History::from_text(lesson.example).expect("the example is a history");
        let mut question = Question::new(lesson.subject, Vec::new());
        question.parameters = lesson.parameters.clone();
        (history, question)
    });
    let planted = SYNTHS.iter().flat_map(|entry| {
        entry.violations.iter().map(|(violation, _)| {
            let violate = Some((*violation).to_owned());
            let synth = Synth { violate, ..Synth::new(entry.name, 100) };
            let history = synthesize(&synth).expect("the row can be made");
            (history, Question::new(entry.name, Vec::new()))
        })
    });
    let more = MORE.iter().map(|(subject, text)| {
        let history = History::from_text(text).expect("the text is a history");
        (history, Question::new(subject, Vec::new()))
    });
    lessons.chain(planted).chain(more).collect()
}

#[test]
fn every_claim_that_is_accepted_can_be_violated() {
    let broken = broken();
    let violated = |subject: &str, claim: Claim| {
        let mut rows = CHECKERS.iter().filter(|row| row.concerns(subject, claim));
        let row = rows.next_back().expect("the pair is accepted");
        broken.iter().any(|(history, question)| {
            let question = Question {
                workload: subject.into(),
                claims: vec![Asked::new(claim)],
                ..question.clone()
            };
            let verdicts = row.check(&question, history, &Budget::default());
            verdicts.iter().any(|verdict| verdict.validity == Validity::Invalid)
        })
    };
    let vacuous: Vec<String> = SUBJECTS
        .iter()
        .flat_map(|subject| subject.claims().into_iter().map(|claim| (subject.name, claim)))
        .filter(|(subject, claim)| !violated(subject, *claim))
        .map(|(subject, claim)| format!("{subject} {claim}"))
        .collect();
    assert!(vacuous.is_empty(), "nothing violates {}", vacuous.join(", "));
}

#[test]
fn each_pair_of_subject_and_claim_has_one_checker() {
    for subject in SUBJECTS {
        assert!(!subject.usual.is_empty(), "{}: nothing is usually claimed", subject.name);
        for claim in subject.usual {
            assert!(subject.claims().contains(claim), "{}: {claim} is not decided", subject.name);
        }
        for claim in Claim::ALL {
            let rows = CHECKERS.iter().filter(|row| row.concerns(subject.name, *claim)).count();
            assert!(rows <= 1, "{}: {claim} has {rows} checkers", subject.name);
        }
    }
}
