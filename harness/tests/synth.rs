//! Simulated systems against the checkers: what they make is valid, and what is planted is found.

use std::time::Duration;

use schism_checkers::{Asked, Budget, CHECKERS, Claim, Question, Subject, Validity, Verdict};
use schism_history::History;
use schism_workloads::{SYNTHS, Synth, SynthEntry, synthesize};

fn history(synth: &Synth) -> History {
    synthesize(synth).unwrap_or_else(|problem| panic!("{synth:?}: {problem}"))
}

fn small(entry: &SynthEntry, seed: u64) -> Synth {
    let keys = 3 + seed as usize % 5;
    Synth { clients: 2 + seed as usize % 9, keys, seed, ..Synth::new(entry.name, 300) }
}

fn verdict(workload: &str, claim: Claim, history: &History) -> Verdict {
    let question = Question::new(workload, vec![Asked::new(claim)]);
    let row = CHECKERS.iter().find(|row| row.concerns(workload, claim));
    let row = row.unwrap_or_else(|| panic!("nothing decides {claim} of {workload}"));
    // Nothing so small may take longer, on however busy a machine.
    let budget = Budget::new(Duration::from_secs(10), 1 << 30);
    row.check(&question, history, &budget).remove(0)
}

/// Whether a simulated system keeps the claim at all: a queue without order keeps no producer's.
fn keeps(entry: &SynthEntry, claim: Claim) -> bool {
    entry.name != "queue" || claim != Claim::ProducerOrder
}

fn subject(entry: &SynthEntry) -> &'static Subject {
    Subject::named(entry.name).unwrap_or_else(|| panic!("there is no subject {}", entry.name))
}

#[test]
fn a_simulated_system_upholds_what_it_can() {
    for entry in SYNTHS {
        for seed in 1..20 {
            let history = history(&small(entry, seed));
            let claims = subject(entry).claims().into_iter().filter(|claim| keeps(entry, *claim));
            for claim in claims {
                let verdict = verdict(entry.name, claim, &history);
                let said = format!("{} seed {seed} {claim}: {}", entry.name, verdict.reason);
                assert_ne!(verdict.validity, Validity::Invalid, "{said}");
            }
            for claim in subject(entry).usual {
                let verdict = verdict(entry.name, *claim, &history);
                let said = format!("{} seed {seed} {claim}: {}", entry.name, verdict.reason);
                assert_eq!(verdict.validity, Validity::Valid, "{said}");
            }
        }
    }
}

#[test]
fn indeterminate_operations_are_held_against_nobody() {
    for entry in SYNTHS {
        for seed in 1..20 {
            let history = history(&Synth { info: 0.05, ..small(entry, seed) });
            let claims = subject(entry).claims().into_iter().filter(|claim| keeps(entry, *claim));
            for claim in claims {
                let verdict = verdict(entry.name, claim, &history);
                let said = format!("{} seed {seed} {claim}: {}", entry.name, verdict.reason);
                assert_ne!(verdict.validity, Validity::Invalid, "{said}");
            }
        }
    }
}

#[test]
fn each_planted_violation_is_found() {
    for entry in SYNTHS {
        for (violation, claim) in entry.violations {
            let claim = Claim::named(claim).expect("a claim");
            for seed in 1..20 {
                for info in [0.0, 0.02] {
                    let violate = Some((*violation).to_owned());
                    let history = history(&Synth { violate, info, ..small(entry, seed) });
                    let verdict = verdict(entry.name, claim, &history);
                    let said =
                        format!("{} {violation} seed {seed}: {}", entry.name, verdict.reason);
                    assert_eq!(verdict.validity, Validity::Invalid, "{said}");
                }
            }
        }
    }
}

#[test]
fn one_seed_makes_one_history() {
    for entry in SYNTHS {
        let text = |seed| history(&Synth { info: 0.1, ..small(entry, seed) }).to_text();
        assert_eq!(text(3), text(3));
        assert_ne!(text(3), text(4));
    }
}

#[test]
fn what_cannot_be_made_is_said() {
    let check = |synth: Synth, part: &str| {
        let problem = synthesize(&synth).expect_err("it cannot be made");
        assert!(problem.contains(part), "{problem}");
    };
    check(Synth::new("regster", 10), "did you mean `register`?");
    let violate = Some("stale".to_owned());
    check(Synth { violate, ..Synth::new("bank", 10) }, "wrong-total, negative");
    check(Synth { clients: 0, ..Synth::new("bank", 10) }, "clients");
    check(Synth { info: 1.5, ..Synth::new("bank", 10) }, "info");
}
