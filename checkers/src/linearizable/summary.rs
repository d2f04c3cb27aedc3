//! The verdict from what is known of each object.

use std::fmt::Write as _;

use schism_history::History;

use super::extract::Alien;
use super::search::Exhausted;
use super::witness::Proof;
use crate::phrase::{count, in_words, list, span};
use crate::{Asked, Question, Verdict};

/// So many proofs are reported at most.
const PROOFS_MAX: usize = 8;

/// What is known of one object.
#[derive(Debug)]
pub(crate) enum Finding {
    /// Linearizable.
    Holds {
        /// After so many configurations; `None`: without a search.
        configurations: Option<u64>,
        /// What is to be said about it.
        remark: Option<String>,
    },
    /// Not linearizable.
    Breaks(Box<Proof>),
    /// The search was given up.
    Open(Exhausted),
}

/// An object's name.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    /// `key`, `group`; or all there is to say: `the register`.
    pub noun: &'static str,
    /// Its own name; empty where there is only one.
    pub name: String,
}

impl Label {
    /// The name in a sentence.
    pub fn text(&self) -> String {
        format!("{} {}", self.noun, self.name).trim_end().to_owned()
    }

    /// The name at the beginning of a sentence.
    pub fn capital(&self) -> String {
        capital(&self.text())
    }
}

/// The text with a capital first.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}

/// What there was to see.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    /// How many operations of each sort are ok, and what a sort is called; those that tell
    /// something first.
    pub ok: Vec<(usize, &'static str)>,
    /// How many ok operations tell what they found.
    pub telling: usize,
    /// How many of these told what others may have changed.
    pub tested: usize,
    /// The first malformed event.
    pub alien: Option<Alien>,
}

impl Evidence {
    /// How many operations are ok.
    fn judged(&self) -> usize {
        self.ok.iter().map(|(ok, _)| ok).sum()
    }

    fn counts(&self) -> String {
        let counts: Vec<String> = self.ok.iter().map(|&(ok, noun)| count(ok, noun)).collect();
        list(&counts)
    }

    /// Why it is too little to uphold anything, if it is.
    fn too_little(&self, wanted: usize) -> Option<String> {
        let judged = self.judged();
        if wanted == 0 {
            return None;
        }
        if judged == 0 {
            return Some("No operation was ok, so that nothing was seen.".into());
        }
        if self.telling == 0 {
            let (_, noun) = self.ok[0];
            return Some(format!("No {noun} was ok: {} show nothing.", self.counts()));
        }
        let few = |number: usize, what: &str| {
            let ok = count(judged, "ok operation");
            format!(
                "Only {number} of {ok} told what {what}, which is too few to uphold anything; at \
                 least {wanted} are wanted."
            )
        };
        if self.telling < wanted {
            return Some(few(self.telling, "it found"));
        }
        // Of a run it is wanted that what was told could have changed, too.
        (wanted > 1 && self.tested < wanted)
            .then(|| few(self.tested, "was there that somebody had written"))
    }
}

/// The findings, sorted for a verdict.
pub(crate) struct Summary {
    proofs: Vec<(Label, Proof)>,
    open: Vec<(Label, Exhausted)>,
    remarks: Vec<String>,
    noun: &'static str,
    without_search: usize,
    by_search: usize,
    configurations: u64,
}

impl Summary {
    /// Sorts the findings, which come in the order of the objects.
    pub fn new(findings: Vec<(Label, Finding)>) -> Self {
        let noun = findings.first().map_or("key", |(label, _)| label.noun);
        let mut summary = Self {
            proofs: Vec::new(),
            open: Vec::new(),
            remarks: Vec::new(),
            noun: noun.trim_start_matches("the "),
            without_search: 0,
            by_search: 0,
            configurations: 0,
        };
        for (label, finding) in findings {
            match finding {
                Finding::Breaks(proof) => summary.proofs.push((label, *proof)),
                Finding::Open(exhausted) => summary.open.push((label, exhausted)),
                Finding::Holds { configurations, remark } => {
                    summary.remarks.extend(remark);
                    match configurations {
                        None => summary.without_search += 1,
                        Some(_) => summary.by_search += 1,
                    }
                    summary.configurations += configurations.unwrap_or(0);
                }
            }
        }
        summary.proofs.sort_by_key(|(_, proof)| proof.prefix);
        summary
    }

    /// The verdict.
    pub fn verdict(
        self,
        asked: Asked,
        question: &Question,
        history: &History,
        evidence: &Evidence,
    ) -> Verdict {
        let judged = evidence.judged();
        if !self.proofs.is_empty() {
            let reason = self.violated(history);
            let proofs = self.proofs.into_iter().take(PROOFS_MAX);
            let proofs = proofs.map(|(_, proof)| proof.anomaly).collect();
            return Verdict::invalid(asked, judged, reason, proofs);
        }
        let undecided = self.undecided(evidence);
        if let Some(reason) = undecided.or_else(|| evidence.too_little(question.evidence_min)) {
            return Verdict::unknown(asked, judged, reason);
        }
        Verdict::valid(asked, judged, self.upheld(evidence))
    }

    fn violated(&self, history: &History) -> String {
        let noun = self.proofs[0].0.noun;
        let names: Vec<String> = self.proofs.iter().map(|(label, _)| label.name.clone()).collect();
        let mut reason = match names.len() {
            1 => format!("{} breaks", self.proofs[0].0.capital()),
            _ => format!("{}s {} break", capital(noun), list(&names)),
        };
        let hold = self.without_search + self.by_search;
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

    fn undecided(&self, evidence: &Evidence) -> Option<String> {
        if let Some(alien) = &evidence.alien {
            return Some(format!(
                "The history cannot be judged as one of {}s: {}. What came before it on its {} \
                 shows no violation.",
                alien.of, alien.problem, self.noun
            ));
        }
        let (label, far) = self.open.first()?;
        let more = match self.open.len() {
            1 => String::new(),
            open => format!(" {} more could not be decided either.", capital(&in_words(open - 1))),
        };
        Some(format!(
            "The search of {} was given up after {}, {} configurations and {:.0} MB: its values \
             repeat, and {} of {} operations were placed. Values that are written once, more keys \
             with fewer operations each, or a larger budget of time and memory would help.{more}",
            label.text(),
            span(far.elapsed),
            far.configurations,
            far.bytes as f64 / 1e6,
            far.placed,
            far.of,
        ))
    }

    fn upheld(&self, evidence: &Evidence) -> String {
        let objects = self.without_search + self.by_search;
        let reason =
            format!("{} with {} that were ok", count(objects, self.noun), evidence.counts());
        let configurations = count(self.configurations as usize, "configuration");
        let how = match (self.without_search, self.by_search) {
            (_, 0) => ": values are unique, so that all were decided without a search".to_owned(),
            (0, _) => format!(": decided by a search of {configurations}"),
            (chains, searched) => format!(
                ": {} decided without a search, {} by a search of {configurations}",
                in_words(chains),
                in_words(searched),
            ),
        };
        let remark = match &self.remarks[..] {
            [] => String::new(),
            remarks => format!(", if it held {}", list(remarks)),
        };
        format!("{reason}{how}{remark}.")
    }
}
