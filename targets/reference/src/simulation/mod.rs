//! The protocol on a simulated network, disk and clock: one seed, one run, always the same.
//!
//! Messages are delayed, lost, duplicated and reordered, links are cut in one direction or both,
//! members crash, also between any two operations of their disk, and come back with what it had
//! synced, or a torn part of more, and their clocks run at different speeds. Clients write unique
//! values and read. After every step the invariants of Raft (figure 3 of the paper) are checked,
//! and at every answer whether the committed log says so.

mod cluster;
mod disk;
mod invariants;
mod model;
mod trouble;

use std::collections::BTreeMap;
use std::ops::{ControlFlow, RangeInclusive};
use std::panic::catch_unwind;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{available_parallelism, scope};
use std::time::Instant;

use crate::raft::Bug;

use self::cluster::{Finding, simulate};

/// Runs that wait until those of earlier seeds have ended.
const AHEAD: usize = 64;

/// Which runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// The seeds.
    pub seeds: RangeInclusive<u64>,
    /// A planted bug, to be found.
    pub bug: Option<Bug>,
    /// Whether to go on after the first seed that fails.
    pub all: bool,
}

/// Runs the seeds, prints what was found, and returns 0 if nothing was.
pub fn run(options: &Options) -> i32 {
    let began = Instant::now();
    let (mut ran, mut failed, mut steps) = (0, 0, 0);
    in_order(options.seeds.clone(), options.bug, |seed, finding| {
        ran += 1;
        steps += finding.steps;
        let Some(problem) = finding.problem else { return ControlFlow::Continue(()) };
        failed += 1;
        println!("seed {seed}, step {}: {problem}", finding.steps);
        for line in finding.trace {
            println!("    {line}");
        }
        if options.all { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    let seconds = began.elapsed().as_secs_f64();
    println!("{ran} seeds, {failed} failed, {steps} steps, {seconds:.1} s");
    i32::from(failed > 0)
}

/// Runs the seeds on all processors, and shows what came of each in the order of the seeds.
fn in_order(
    seeds: RangeInclusive<u64>,
    bug: Option<Bug>,
    mut show: impl FnMut(u64, Finding) -> ControlFlow<()>,
) {
    let mut next = *seeds.start();
    let seeds = Mutex::new(seeds);
    scope(|scope| {
        let (sender, findings) = sync_channel(AHEAD);
        for _ in 0..available_parallelism().map_or(1, usize::from) {
            let (seeds, sender) = (&seeds, sender.clone());
            scope.spawn(move || work(seeds, bug, &sender));
        }
        drop(sender);
        let mut early = BTreeMap::new();
        // Whoever stops here drops the receiver, and with it the workers end.
        for (seed, finding) in findings {
            early.insert(seed, finding);
            while let Some(finding) = early.remove(&next) {
                if show(next, finding).is_break() {
                    return;
                }
                next += 1;
            }
        }
    });
}

/// Runs one seed after the other until there is none left, or nobody listens any more.
fn work(
    seeds: &Mutex<RangeInclusive<u64>>,
    bug: Option<Bug>,
    findings: &SyncSender<(u64, Finding)>,
) {
    loop {
        let seed = seeds.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some(seed) = seed else { return };
        let finding = catch_unwind(|| simulate(seed, bug)).unwrap_or_else(|_| Finding {
            problem: Some("the machine panicked; the message stands above".into()),
            steps: 0,
            trace: Vec::new(),
        });
        if findings.send((seed, finding)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first of the seeds that finds something must be this one, or none.
    fn check(bug: Option<Bug>, seeds: RangeInclusive<u64>, expected: Option<&str>) {
        let mut found = None;
        in_order(seeds, bug, |seed, finding| {
            found = finding.problem.map(|problem| (seed, problem));
            if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        println!("{bug:?}: {found:?}");
        let kind = found.as_ref().and_then(|(_, problem)| problem.split(':').next());
        assert_eq!(kind, expected, "{bug:?}: {found:?}");
    }

    #[test]
    fn finds_nothing_in_the_correct_machine() {
        check(None, 1..=300, None);
    }

    #[test]
    fn is_the_same_again_from_the_same_seed() {
        let (once, again) = (simulate(7, None), simulate(7, None));
        assert_eq!((once.steps, once.trace), (again.steps, again.trace));
    }

    #[test]
    fn shows_every_seed_once_and_in_order() {
        let mut shown = Vec::new();
        in_order(3..=40, Some(Bug::NoFsync), |seed, _| {
            shown.push(seed);
            ControlFlow::Continue(())
        });
        assert_eq!(shown, (3..=40).collect::<Vec<_>>());
    }

    #[test]
    fn finds_a_leader_that_commits_entries_of_earlier_terms() {
        check(Some(Bug::CommitOldTerm), 1..=200, Some("leader completeness"));
    }

    #[test]
    fn finds_a_vote_that_was_forgotten() {
        check(Some(Bug::ForgetVote), 1..=200, Some("election safety"));
    }

    #[test]
    fn finds_a_log_that_was_not_synced() {
        check(Some(Bug::NoFsync), 1..=200, Some("leader completeness"));
    }

    #[test]
    fn finds_bugs_that_whole_runs_find_too() {
        check(Some(Bug::StaleRead), 1..=200, Some("clients"));
        check(Some(Bug::AckBeforeCommit), 1..=200, Some("clients"));
        check(Some(Bug::BufferedLog), 1..=200, Some("leader completeness"));
        check(Some(Bug::DropOnSnapshot), 1..=200, Some("clients"));
        check(Some(Bug::ApplyTwice), 1..=200, Some("clients"));
    }
}
