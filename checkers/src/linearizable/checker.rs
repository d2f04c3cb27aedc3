//! The checker: every register by the cheapest procedure that decides it.

use std::fmt::Write as _;
use std::sync::atomic::AtomicUsize;

use rayon::prelude::*;
use schism_history::{History, Key};

use super::extract::Extract;
use super::model::RegisterModel;
use super::operations::{INITIAL, NEVER, Register};
use super::prefix::{ambiguous, first_failing_prefix, past_open_failures};
use super::search::{Answer, Exhausted, Limits, search};
use super::witness::{self, Proof};
use crate::phrase::{count, in_words, list, span};
use crate::{Asked, Budget, CheckerEntry, Claim, Question, Verdict};

/// The row of this checker.
pub(crate) const ENTRY: CheckerEntry = CheckerEntry {
    name: "linearizable",
    summary: "registers with read, write and compare-and-set: zones of chains where values are \
              unique, a search with a budget where they repeat",
    subjects: &["register", "cas-register"],
    decides: &[Claim::Linearizable],
    check,
};

/// With fewer ok operations nothing is upheld.
const OPERATIONS_MIN: usize = 10;
/// With fewer ok operations that could have shown something nothing is upheld.
const TESTED_MIN: usize = 5;

/// The first search of each register visits so many configurations at most, so that one hard
/// register does not keep the others from being decided.
const FIRST_LOOK: u64 = 200_000;

fn check(question: &Question, history: &History, budget: &Budget) -> Vec<Verdict> {
    let extract = Extract::new(history, &question.initial);
    let verdict = judge(question.claims[0], history, extract, budget);
    question.claims.iter().map(|&asked| Verdict { asked, ..verdict.clone() }).collect()
}

/// What is known of one register.
enum Finding {
    /// Linearizable, by chains or after so many configurations.
    Holds { configurations: Option<u64> },
    /// Not linearizable.
    Breaks(Box<Proof>),
    /// The search was given up.
    Open(Exhausted),
}

fn judge(asked: Asked, history: &History, extract: Extract, budget: &Budget) -> Verdict {
    let held_bytes = AtomicUsize::new(0);
    let limits =
        |configurations_max| Limits { budget, held_bytes: &held_bytes, configurations_max };
    let decide = |register: &Register, most| decide(history, register, limits(most));
    // rayon keeps the order of the registers, so that the verdict does not depend on the threads.
    let registers = &extract.registers;
    let first_look = registers.par_iter().map(|register| decide(register, FIRST_LOOK));
    let mut findings: Vec<Finding> = first_look.collect();
    let broken = findings.iter().any(|finding| matches!(finding, Finding::Breaks(_)));
    if !broken {
        let open = findings.par_iter_mut().zip(registers);
        open.filter(|(finding, _)| matches!(finding, Finding::Open(_)))
            .for_each(|(finding, register)| *finding = decide(register, u64::MAX));
    }
    let findings = registers.iter().map(|register| register.key).zip(findings).collect();
    Summary::new(&extract, findings).verdict(asked, history, &extract)
}

/// Decides one register.
fn decide(history: &History, register: &Register, limits: Limits<'_>) -> Finding {
    let until = if register.cut == NEVER { NEVER } else { register.cut - 1 };
    let unique = register.unique_until();
    // Also where values repeat later: what is wrong before is found without a search, and stays
    // found whatever comes after.
    if let Some(prefix) = first_failing_prefix(register, unique.min(until)) {
        let few = Limits { configurations_max: FIRST_LOOK, ..limits };
        let shown = past_open_failures(register, prefix, until, few, ambiguous(register));
        let proof = witness::of_chains(history, register, prefix, shown);
        return Finding::Breaks(Box::new(proof));
    }
    if unique >= until {
        return Finding::Holds { configurations: None };
    }
    let (calls, kept) = register.calls(until, None, false);
    match search(&RegisterModel, INITIAL, &calls, limits) {
        Answer::Linearizable { configurations } => {
            Finding::Holds { configurations: Some(configurations) }
        }
        // The search would have to try every order to learn that none explains such a value.
        Answer::Exhausted(exhausted) => match register.unwritten(until) {
            Some((place, prefix)) => {
                let proof = witness::of_unwritten(history, register, place, prefix);
                Finding::Breaks(Box::new(proof))
            }
            None => Finding::Open(exhausted),
        },
        Answer::Impossible(found) => {
            let prefix = calls[found.call].returned;
            let prefix = past_open_failures(register, prefix, until, limits, |_| true);
            let kept_before =
                kept.iter().copied().filter(|&at| register.entries[at as usize].invoked <= prefix);
            let kept_before: Vec<u32> = kept_before.collect();
            let proof = witness::of_search(history, register, prefix, found, &kept_before);
            Finding::Breaks(Box::new(proof))
        }
    }
}

/// The findings, sorted for a verdict.
struct Summary {
    proofs: Vec<(Key, Proof)>,
    open: Vec<(Key, Exhausted)>,
    by_chains: usize,
    by_search: usize,
    configurations: u64,
    judged: usize,
}

impl Summary {
    fn new(extract: &Extract, findings: Vec<(Key, Finding)>) -> Self {
        let judged = extract.reads + extract.writes;
        let mut summary = Self {
            proofs: Vec::new(),
            open: Vec::new(),
            by_chains: 0,
            by_search: 0,
            configurations: 0,
            judged,
        };
        for (key, finding) in findings {
            match finding {
                Finding::Breaks(proof) => summary.proofs.push((key, *proof)),
                Finding::Open(exhausted) => summary.open.push((key, exhausted)),
                Finding::Holds { configurations: None } => summary.by_chains += 1,
                Finding::Holds { configurations: Some(configurations) } => {
                    summary.by_search += 1;
                    summary.configurations += configurations;
                }
            }
        }
        summary.proofs.sort_by_key(|(_, proof)| proof.prefix);
        summary
    }

    fn verdict(self, asked: Asked, history: &History, extract: &Extract) -> Verdict {
        let judged = self.judged;
        if !self.proofs.is_empty() {
            let reason = self.violated(history);
            let proofs = self.proofs.into_iter().map(|(_, proof)| proof.anomaly).collect();
            return Verdict::invalid(asked, judged, reason, proofs);
        }
        if let Some(reason) = self.undecided(extract) {
            return Verdict::unknown(asked, judged, reason);
        }
        Verdict::valid(asked, judged, self.upheld(extract))
    }

    fn violated(&self, history: &History) -> String {
        let names: Vec<String> = self.proofs.iter().map(|(key, _)| key.to_string()).collect();
        let mut reason = match names.len() {
            1 => format!("Key {} breaks", names[0]),
            _ => format!("Keys {} break", list(&names)),
        };
        let hold = self.by_chains + self.by_search;
        match (hold, self.open.len()) {
            (0, _) => {}
            (1, 0) => reason += ", the other one holds",
            (hold, 0) => {
                let _ = write!(reason, ", the other {} hold", in_words(hold));
            }
            (hold, _) => {
                let _ = write!(reason, ", {} hold", in_words(hold));
            }
        }
        match self.open.len() {
            0 => {}
            open => {
                let _ = write!(reason, ", {} could not be decided", in_words(open));
            }
        }
        let (_, first) = &self.proofs[0];
        let index = first.prefix - 1;
        let events = history.events();
        let place = events.partition_point(|event| event.index < index);
        if let Some(event) = events.get(place) {
            let _ = write!(reason, "; the first violation shows at {} (event {index})", event.time);
        }
        reason + "."
    }

    fn undecided(&self, extract: &Extract) -> Option<String> {
        if let Some(alien) = &extract.alien {
            return Some(format!(
                "The history cannot be judged as one of registers: {}. What came before it on its \
                 key shows no violation.",
                alien.problem
            ));
        }
        if let Some((key, far)) = self.open.first() {
            let more = match self.open.len() {
                1 => String::new(),
                open => format!(" {} more could not be decided either.", in_words(open - 1)),
            };
            return Some(format!(
                "The search of key {key} was given up after {}, {} configurations and {:.0} MB: \
                 its values repeat, and {} of {} operations were placed.{more}",
                span(far.elapsed),
                far.configurations,
                far.bytes as f64 / 1e6,
                far.placed,
                far.of,
            ));
        }
        let Extract { reads, writes, .. } = *extract;
        if reads + writes == 0 {
            return Some("No operation was ok, so that nothing was seen.".into());
        }
        if reads == 0 {
            return Some(format!("No read was ok: {} show nothing.", count(writes, "write")));
        }
        if writes == 0 {
            return Some(format!(
                "No write was ok: {} of what nobody changed show nothing.",
                count(reads, "read")
            ));
        }
        if reads + writes < OPERATIONS_MIN {
            return Some(format!(
                "Only {} ok, which is too few to uphold anything; at least {OPERATIONS_MIN} are \
                 wanted.",
                match reads + writes {
                    1 => "1 operation was".into(),
                    more => format!("{more} operations were"),
                }
            ));
        }
        let tested: usize = extract.registers.iter().map(Register::tested).sum();
        (tested < TESTED_MIN).then(|| {
            format!(
                "Only {tested} of {} told what a key held that somebody had written, which is too \
                 few to uphold anything; at least {TESTED_MIN} are wanted.",
                count(reads + writes, "ok operation")
            )
        })
    }

    fn upheld(&self, extract: &Extract) -> String {
        let Extract { reads, writes, .. } = *extract;
        let keys = self.by_chains + self.by_search;
        let reason = format!(
            "{} with {} and {} that were ok",
            count(keys, "key"),
            count(reads, "read"),
            count(writes, "write"),
        );
        let how = match (self.by_chains, self.by_search) {
            (_, 0) => ": values are unique, so that all were decided without a search".to_owned(),
            (0, _) => format!(": decided by a search of {} configurations", self.configurations),
            (chains, searched) => format!(
                ": {} decided without a search, {} by a search of {} configurations",
                in_words(chains),
                in_words(searched),
                self.configurations
            ),
        };
        format!("{reason}{how}.")
    }
}
