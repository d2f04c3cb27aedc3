//! Nothing is left behind, whoever of a run is killed.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::{PLAN, Place, wait_until};

/// The processes of this machine whose command line mentions `needle`, with their parents.
fn processes(needle: &str) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains(needle) && pid != std::process::id() as i32 {
            found.push(pid);
        }
    }
    found
}

/// The children of every thread of a process.
fn children(parent: i32) -> Vec<i32> {
    let mut found = Vec::new();
    for task in std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten() {
        let text = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        found.extend(text.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
    }
    found
}

/// The namespaces of a process, as /proc names them.
fn namespaces(pid: i32) -> Vec<PathBuf> {
    let link = |kind| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
    ["net", "mnt", "pid", "uts", "ipc"].into_iter().filter_map(link).collect()
}

/// The namespaces of all processes of this machine. One without a process, and without a descriptor
/// of one, is gone, and with a network namespace its interfaces.
fn all_namespaces() -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.flat_map(namespaces).collect()
}

/// Everything below `root`.
fn descendants(root: i32) -> Vec<i32> {
    let mut all = Vec::new();
    let mut front = vec![root];
    while let Some(pid) = front.pop() {
        let below = children(pid);
        all.extend(&below);
        front.extend(below);
    }
    all
}

fn alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| !rest.trim().is_empty() && !rest.trim().starts_with('Z'))
}

/// Kills one process of a run in the middle of its partition; nothing may be left, and what was
/// recorded can be judged.
fn check_kill(victim: impl Fn(i32) -> i32) {
    let Some(place) = Place::new("kill -9 in the middle of a partition") else { return };
    let mut run = place.start(&PLAN.replace("FAULT", "kill: one"));
    let outer = run.id() as i32;
    let history = place.latest().join("history.jsonl");
    wait_until(Duration::from_secs(30), "a partition that bites", || {
        std::fs::read_to_string(&history).unwrap_or_default().contains("\"phase\":\"bites\"")
    });
    let family = descendants(outer);
    assert!(family.len() >= 11, "two processes a node and the controller: {family:?}");
    let before: BTreeSet<PathBuf> = family.iter().copied().flat_map(namespaces).collect();
    let own: BTreeSet<PathBuf> = namespaces(std::process::id() as i32).into_iter().collect();
    let made: BTreeSet<PathBuf> = before.difference(&own).cloned().collect();
    assert!(made.len() > 10, "namespaces of five nodes: {made:?}");
    // The test kills a process that it started, by its number.
    let status = Command::new("kill").args(["-9", &victim(outer).to_string()]).status();
    assert!(status.expect("kill").success());
    wait_until(Duration::from_secs(3), "every process of the run is gone", || {
        family.iter().all(|&pid| !alive(pid)) && all_namespaces().is_disjoint(&made)
    });
    let name = place.folder.path().to_str().expect("a plain path").to_owned();
    wait_until(Duration::from_secs(20), "the outer supervisor ends", || {
        run.try_wait().expect("the run").is_some()
    });
    assert_eq!(processes(&name), Vec::<i32>::new());
    let check = place.schism(&["check", "runs/latest", "--json"]);
    let verdict: Value = serde_json::from_slice(&check.stdout).expect("a verdict");
    assert!(verdict["claims"][0]["judged"].as_u64().expect("a count") > 50, "{verdict}");
    assert_ne!(check.status.code(), Some(1), "{verdict}");
}

#[test]
fn nothing_is_left_when_the_controller_is_killed() {
    // The deepest single chain: outer, the namespaces' founder, its init, the controller.
    check_kill(|outer| {
        let mut pid = outer;
        loop {
            match children(pid)[..] {
                [only] => pid = only,
                _ => return pid,
            }
        }
    });
}

#[test]
fn nothing_is_left_when_the_outer_supervisor_is_killed() {
    check_kill(|outer| outer);
}
