//! The protocol on a simulated network, disk and clock: one seed, one run, always the same.
//!
//! Messages are delayed, lost, duplicated and reordered, links are cut in one direction or both,
//! members crash and come back with what their disk had synced, or a torn part of more, and their
//! clocks run at different speeds. Clients write unique values and read. After every step the
//! invariants of Raft (figure 3 of the paper) are checked, and the clients' view at every answer.

mod cluster;
mod disk;
mod invariants;

use std::ops::RangeInclusive;
use std::time::Instant;

use crate::raft::Bug;

use self::cluster::simulate;

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
    for seed in options.seeds.clone() {
        let outcome = simulate(seed, options.bug);
        ran += 1;
        steps += outcome.steps;
        if let Some(problem) = outcome.problem {
            failed += 1;
            println!("seed {seed}, step {}: {problem}", outcome.steps);
            for line in outcome.trace {
                println!("    {line}");
            }
            if !options.all {
                break;
            }
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{ran} seeds, {failed} failed, {steps} steps, {seconds:.1} s");
    i32::from(failed > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_failure(seeds: RangeInclusive<u64>, bug: Option<Bug>) -> Option<(u64, String)> {
        seeds.into_iter().find_map(|seed| Some((seed, simulate(seed, bug).problem?)))
    }

    #[test]
    fn finds_nothing_in_the_correct_machine() {
        assert_eq!(first_failure(1..=300, None), None);
    }

    #[test]
    fn is_the_same_again_from_the_same_seed() {
        let (once, again) = (simulate(7, None), simulate(7, None));
        assert_eq!((once.steps, once.trace), (again.steps, again.trace));
    }

    fn check_found(bug: Bug) {
        let found = first_failure(1..=5000, Some(bug));
        println!("{bug:?}: {found:?}");
        assert!(found.is_some(), "{bug:?} was not found in 5,000 seeds");
    }

    #[test]
    fn finds_a_leader_that_commits_entries_of_earlier_terms() {
        check_found(Bug::CommitOldTerm);
    }

    #[test]
    fn finds_a_vote_that_was_forgotten() {
        check_found(Bug::ForgetVote);
    }

    #[test]
    fn finds_a_log_that_was_not_synced() {
        check_found(Bug::NoFsync);
    }

    #[test]
    fn finds_bugs_that_whole_runs_find_too() {
        check_found(Bug::StaleRead);
        check_found(Bug::AckBeforeCommit);
        check_found(Bug::BufferedLog);
        check_found(Bug::DropOnSnapshot);
        check_found(Bug::ApplyTwice);
    }
}
