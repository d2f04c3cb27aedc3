//! `descriptors`: the node's processes may open no more files and connections than a few.

use std::io;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Holding, Place};
use crate::look::process::descriptors;
use crate::members::state_of;

/// Processes that start while it is held are found once in so many looks.
const TENDS: u32 = 10;

/// Limits of processes that were lowered.
pub(super) struct Limits {
    leave: u64,
    lowered: Vec<Lowered>,
    tends: u32,
}

/// What a process was allowed, and is while it is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Lowered {
    pid: i32,
    started: u64,
    before: u64,
    held: u64,
}

impl Limits {
    pub(super) fn new(leave: u64) -> Self {
        Self { leave, lowered: Vec::new(), tends: 0 }
    }

    /// Lowers the limits of those processes that it has not met yet.
    fn lower(&mut self, place: &mut Place) -> Result<(), String> {
        let members = place.members.list().map_err(|error| format!("/proc: {error}"))?;
        let met =
            |pid, started| self.lowered.iter().any(|it| it.pid == pid && it.started == started);
        let mut fresh = Vec::new();
        for process in members.into_iter().filter(|it| !met(it.pid, it.started)) {
            let (pid, started) = (process.pid, process.started);
            // One that has ended meanwhile has no limits.
            let (Ok(limit), Ok(open)) = (limit(pid, None), descriptors(pid)) else { continue };
            let before = limit.rlim_cur;
            // The kernel gives the lowest number that is free, and none from the limit on.
            let free = (0..before).filter(|number| !open.contains(number)).nth(self.leave as usize);
            fresh.push(Lowered { pid, started, before, held: free.unwrap_or(before) });
        }
        if fresh.is_empty() {
            return Ok(());
        }
        let all: Vec<Lowered> = self.lowered.iter().chain(&fresh).copied().collect();
        place.entry.note(json!({ "limits": all })).map_err(|error| format!("ledger: {error}"))?;
        self.lowered = all;
        for process in fresh {
            // A process that is gone needs no limit.
            let _ = set(process, process.held);
        }
        Ok(())
    }
}

impl Holding for Limits {
    fn begin(&mut self, place: &mut Place) -> Result<(), String> {
        let begun = self.lower(place);
        match begun {
            Ok(()) if self.lowered.is_empty() => Err("nothing runs that could be limited".into()),
            Ok(()) => Ok(()),
            Err(problem) => self.end(place).and(Err(problem)),
        }
    }

    fn tend(&mut self, place: &mut Place) -> Result<(), String> {
        self.tends += 1;
        if self.tends.is_multiple_of(TENDS) { self.lower(place) } else { Ok(()) }
    }

    fn end(&mut self, _: &mut Place) -> Result<(), String> {
        raise(&self.lowered)
    }
}

/// Gives processes their limits back, from what the ledger says.
pub(super) fn clean(facts: &Value) -> Result<(), String> {
    let limits = &facts["limits"];
    if limits.is_null() {
        return Ok(());
    }
    let lowered: Vec<Lowered> =
        serde_json::from_value(limits.clone()).map_err(|error| format!("ledger: {error}"))?;
    raise(&lowered)
}

fn raise(lowered: &[Lowered]) -> Result<(), String> {
    let mut problems = Vec::new();
    for process in lowered {
        // One that has chosen another limit since keeps it.
        let held = limit(process.pid, None).is_ok_and(|limit| limit.rlim_cur == process.held);
        if held && let Err(error) = set(*process, process.before) {
            problems.push(format!("process {}: {error}", process.pid));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
}

/// Sets what a process may open now; what it may allow itself stays.
fn set(process: Lowered, to: u64) -> io::Result<()> {
    // Another process may have its number by now.
    if state_of(process.pid).is_none_or(|now| now.started != process.started) {
        return Ok(());
    }
    let mut now = limit(process.pid, None)?;
    now.rlim_cur = to;
    limit(process.pid, Some(now)).map(drop)
}

/// Sets, and returns what was before.
fn limit(pid: i32, new: Option<libc::rlimit>) -> io::Result<libc::rlimit> {
    let mut old = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let new = new.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: both point to limits that outlive the call, or to nothing.
    match unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, new, &raw mut old) } {
        0 => Ok(old),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::effects::Effect;
    use crate::ledger::Ledger;
    use crate::members::Members;

    /// A shell with a child of its own, which sleeps.
    fn sleeper() -> std::process::Child {
        let shell = Command::new("sh").args(["-c", "sleep 20 & wait"]).spawn().expect("a shell");
        let deadline = Instant::now() + Duration::from_secs(5);
        let asleep = || {
            let below = Members::Below(shell.id() as i32).list().expect("/proc");
            below.first().is_some_and(|process| process.name == "sleep")
        };
        while !asleep() {
            assert!(Instant::now() < deadline, "nobody sleeps");
            std::thread::sleep(Duration::from_millis(5));
        }
        shell
    }

    #[test]
    fn lowers_a_limit_to_what_is_used_and_gives_it_back_in_both_ways() {
        let mut shell = sleeper();
        let members = Members::Below(shell.id() as i32);
        let sleep = members.list().expect("/proc")[0].pid;
        let before = limit(sleep, None).expect("a limit").rlim_cur;
        let folder = tempfile::tempdir().expect("a folder");
        let effect = Effect::Descriptors { leave: 2 };
        let entry = Ledger::at(folder.path()).enter("F1", &effect).expect("entered");
        let mut place = Place { members, data: folder.path().into(), entry };
        let mut limits = Limits::new(2);
        limits.begin(&mut place).expect("begun");
        let held = limit(sleep, None).expect("a limit").rlim_cur;
        let open = descriptors(sleep).expect("open");
        let left = (0..held).filter(|number| !open.contains(number)).count();
        assert_eq!(left, 2, "{held} with {open:?}");
        limits.end(&mut place).expect("ended");
        assert_eq!(limit(sleep, None).expect("a limit").rlim_cur, before);
        // Once more, and its holder dies.
        Limits::new(0).begin(&mut place).expect("begun");
        assert!(limit(sleep, None).expect("a limit").rlim_cur < before);
        clean(&place.entry.facts).expect("clean");
        assert_eq!(limit(sleep, None).expect("a limit").rlim_cur, before);
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(sleep), nix::sys::signal::SIGKILL)
            .expect("killed");
        let _ = shell.wait();
    }
}
