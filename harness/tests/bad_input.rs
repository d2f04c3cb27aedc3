//! What is wrong with a command or a plan is said with its place and its remedy, and nothing is left
//! behind. These runs are refused before anything starts, so they need no lab.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The plan of most of these tests, with the line that is wrong put in the place of its own.
const PLAN: &[(&str, &str)] = &[
    ("name", "name: short"),
    ("target", "target: { reference: { protocol: raft } }"),
    ("workload", "workload: { register: { keys: 4 } }"),
    ("load", "load: { clients: 5, duration: 9s, rate: 150/s }"),
    ("faults", "faults: [ { at: 2s, for: 2s, kill: one } ]"),
    ("claims", "claims: [ linearizable ]"),
];

fn plan_with(line: &str) -> String {
    let key = line.split_once(':').map_or("", |(key, _)| key);
    let known = PLAN.iter().any(|(name, _)| *name == key);
    let mut lines: Vec<&str> =
        PLAN.iter().map(|(name, own)| if *name == key { line } else { own }).collect();
    if !known {
        lines.push(line);
    }
    lines.join("\n")
}

fn schism(folder: &Path, arguments: &[&str]) -> Output {
    // Whatever stands in a plan, refusing it takes no time.
    Command::new("timeout")
        .args(["-k", "5", "20", env!("CARGO_BIN_EXE_schism")])
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("the binary")
}

/// The command ends with `exit`, says all of `parts`, and leaves nothing behind.
fn check_command(folder: &Path, arguments: &[&str], exit: i32, parts: &[&str]) {
    let before = std::fs::read_dir(folder).expect("the folder").count();
    let output = schism(folder, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {said}");
    for part in parts {
        assert!(said.contains(part), "{arguments:?}: `{part}` is missing in:\n{said}");
    }
    assert!(!said.contains("panicked"), "{said}");
    let after = std::fs::read_dir(folder).expect("the folder").count();
    assert_eq!(before, after, "{arguments:?} left something behind");
}

/// The plan is refused, and the message holds all of `parts`.
fn check_plan(text: &str, parts: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("p.yaml"), text).expect("a plan");
    check_command(folder.path(), &["run", "p.yaml"], 64, parts);
}

fn check(line: &str, parts: &[&str]) {
    check_plan(&plan_with(line), parts);
}

/// Faults with a scenario of two steps, of which this is the second.
fn scenario(step: &str) -> String {
    let before = "at: 2s\n    for: 2s\n    scenario:\n      - roles: { L: leader }";
    format!("faults:\n  - {before}\n      - {step}")
}

#[test]
fn a_role_that_the_target_does_not_have_is_refused_with_those_it_has() {
    // A role of some target; whoever was built without it knows no such word.
    let named = schism_targets::TARGETS.iter().find_map(|target| target.roles.first());
    let Some(role) = named else {
        return eprintln!("skipped: roles of a target: no target of this build has any");
    };
    let has = format!("reference has no role `{role}`");
    check(
        &format!("faults: [ {{ at: 2s, for: 2s, kill: {role} }} ]"),
        &["p.yaml:5", &has, "can be named by leader"],
    );
}

#[test]
fn links_to_clients_are_not_slowed_down_on_hosts_behind_ssh() {
    let slow = "faults: [ { at: 2s, for: 2s, delay: { by: 50ms, between: [clients, leader] } } ]";
    let text = plan_with(slow) + "\nlab: { ssh: { nodes: [root@h1, root@h2, root@h3] } }";
    check_plan(&text, &["`delay` is none for hosts behind SSH", "not those to clients"]);
}

#[test]
fn the_plan_that_the_others_spoil_is_accepted() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("p.yaml");
    std::fs::write(&path, plan_with("seed: 3")).expect("a plan");
    schism::plan::read(&path, &[]).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_misspelt_key_is_named_with_its_line_and_the_nearest_valid_one() {
    check("claimz: 3", &["p.yaml:7", "`claimz`", "did you mean `claims`?"]);
    check("load: { cilents: 5, duration: 9s }", &["p.yaml:4", "`cilents`", "`clients`?"]);
    check("target: { refrence: {} }", &["p.yaml:2", "`refrence`", "`reference`?"]);
    check(
        "target: { reference: { protocl: raft } }",
        &["p.yaml:2", "`protocl`", "did you mean `protocol`?"],
    );
    check("workload: { regster: {} }", &["p.yaml:3", "`regster`", "`register`?"]);
    check("workload: { register: { kyes: 3 } }", &["p.yaml:3", "`kyes`", "`keys`?"]);
    check("workload: { register: { mix: { raed: 3 } } }", &["p.yaml:3", "`raed`", "`read`?"]);
    check("claims: [ linearisable ]", &["p.yaml:6", "`linearisable`", "`linearizable`?"]);
    check("faults: [ { at: 2s, for: 2s, kil: one } ]", &["p.yaml:5", "`kil`"]);
    check("faults: [ { at: 2s, for: 2s, kill: laeder } ]", &["p.yaml:5", "laeder", "leader"]);
}

#[test]
fn a_wrong_unit_or_type_is_named_with_a_right_one() {
    check("load: { duration: 9, rate: 150/s }", &["p.yaml:4", "duration", "such as"]);
    check("load: { duration: 9s, rate: 150 }", &["p.yaml:4", "rate", "400/s"]);
    check("load: { duration: 9s, rate: NaN/s }", &["p.yaml:4", "rate"]);
    check("load: { duration: 0s }", &["p.yaml:4", "duration", "at most 24h"]);
    check("load: { duration: 9s, clients: 0 }", &["p.yaml:4", "clients", "from 1 to 1000"]);
    check("load: { duration: 24h, rate: 10000000/s }", &["p.yaml:4", "100 million"]);
    check("faults: [ { at: 2, for: 2s, kill: one } ]", &["p.yaml:5", "at"]);
    check(&scenario("pausee: L"), &["p.yaml:10", "`pausee`", "did you mean `pause`?"]);
    check(&scenario("pause: K"), &["p.yaml:10", "no role `K` here", "the roles so far are L"]);
    check(&scenario("hold: { from: L, too: n2 }"), &["p.yaml:10", "did you mean `to`?"]);
    check(&scenario("pause: n9"), &["p.yaml:8", "step 2: there is no node n9"]);
    check(
        &scenario("pause: L\n      - wait: 3s..9s"),
        &["p.yaml:8", "of 3 steps needs more than 2s; use `for: 3s`"],
    );
    check("faults: [ { every: 1ns, for: 1ns, kill: one } ]", &["p.yaml:5"]);
    check("faults: { kill: one }", &["p.yaml:5", "list"]);
    check("seed: -1", &["p.yaml:7", "seed", "whole number"]);
    check("lab: { local: { nodes: 65 } }", &["p.yaml:7", "from 1 to 64"]);
}

#[test]
fn what_the_tables_do_not_offer_is_refused_with_what_they_do() {
    check("claims: [ serializable ]", &["p.yaml:6", "register cannot decide", "it can decide"]);
    check("target: memory", &["memory does not take the fault `kill`", "it takes none"]);
    check("faults: [ { at: 2s, for: 2s, kill: n9 } ]", &["p.yaml:5", "n9"]);
    check("faults: [ { at: 8s, for: 2s, kill: one } ]", &["p.yaml:5"]);
    check("claims: []", &["p.yaml:6", "claims something"]);
    check("name: a/latest", &["p.yaml:1", "latest"]);
}

#[test]
fn what_is_no_plan_is_refused_at_its_place() {
    check_plan("", &["holds no plan", "plans/"]);
    check_plan("a: [1", &["p.yaml:1", "this is no YAML: unclosed bracket"]);
    check_plan("a: *x", &["p.yaml:1", "anchor"]);
    check_plan(&format!("{}{}", "[".repeat(5000), "]".repeat(5000)), &["p.yaml"]);
    check_plan(&plan_with("seed: 3\nseed: 4"), &["`seed` stands here twice"]);
    check_plan(&format!("{}\n---\nname: b", plan_with("seed: 3")), &["a second document"]);
    // As long as a plan may be: places are found without going through it anew for each.
    let long = format!("{}\nclaimz: [{}]", plan_with("seed: 3"), "linearizable, ".repeat(60_000));
    check_plan(&long, &["`claimz`"]);
    let wrong = plan_with(&format!("claims: [{}]", "x, ".repeat(20_000)));
    check_plan(&wrong, &["there is no claim `x`", "… and 19980 more"]);
}

#[test]
fn what_cannot_be_read_is_named_with_a_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |arguments: &[&str], exit, parts: &[&str]| {
        check_command(folder.path(), arguments, exit, parts);
    };
    check(&["run", "none.yaml"], 64, &["none.yaml", "No such file", "plans/ has examples"]);
    check(&["run", "."], 64, &["Is a directory"]);
    check(&["run", "/dev/zero"], 64, &["/dev/zero"]);
    check(&["check", "none.jsonl"], 64, &["none.jsonl", "No such file"]);
    check(&["check", "."], 64, &["not the folder of a run"]);
    check(&["report", "."], 3, &["no run with a history"]);
    std::fs::write(folder.path().join("h.jsonl"), "{\"index\":0\nnothing\n").expect("a file");
    check(&["check", "h.jsonl"], 64, &["h.jsonl:2:1"]);
    let line = r#"{"index":0,"time":1,"process":0,"type":"invoke","f":"read","key":"x"}"#;
    std::fs::write(folder.path().join("h.jsonl"), format!("{line}\n")).expect("a file");
    let refused = ["check", "h.jsonl", "--workload", "register", "--claim", "serializable"];
    check(&refused, 64, &["--claim serializable", "the workload register decides linearizable"]);
    check(&["check", "h.jsonl", "--workload", "regster"], 64, &["use one of register"]);
    check(&["frobnicate"], 64, &["frobnicate"]);
}

#[test]
fn a_store_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("file"), "").expect("a file");
    std::fs::write(folder.path().join("p.yaml"), plan_with("seed: 3")).expect("a plan");
    let arguments = ["run", "p.yaml", "--runs", "file/runs"];
    check_command(
        folder.path(),
        &arguments,
        3,
        &["file/runs", "choose another folder with --runs"],
    );
}
