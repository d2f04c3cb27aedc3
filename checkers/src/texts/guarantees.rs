//! Read-your-writes, monotonic reads, monotonic writes, writes-follow-reads: which updates a get must
//! show, or else begin with a put that comes after them.

use rustc_hash::FxHashMap;

use super::dependencies::{Dependencies, Wrong};
use super::extract::{Shown, Texts};
use super::hidden::Marks;
use super::orders::{Known, Pair, Pairs, Sessions};
use crate::session::Frame;
use crate::{Budget, Claim};

/// A get that does not show an update that it must have in its past.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demand {
    /// The get.
    pub read: u32,
    /// The update.
    pub missing: u32,
    /// The step that did the update, or had shown it.
    pub because: u32,
    /// For claims about writes: the later update of that session which the reader had seen, and the
    /// get by which it had.
    pub seen: Option<(u32, u32)>,
}

/// A proof.
#[derive(Debug)]
pub(super) enum Proof {
    /// The text begins with what was there first, so that nothing is hidden.
    Missing(Demand),
    /// The missing updates would have to come before puts that come before them: the demand, and the
    /// way from its put to what is missing.
    Circle(Demand, Vec<Pair>),
    /// A text, or two, show two updates in the wrong order.
    Swapped(Wrong),
}

/// What the gets of a history say about one guarantee.
#[derive(Default)]
pub(super) struct Judgement {
    pub proofs: Vec<Proof>,
    /// The first demand that depends on an order that nobody knows, with the put in question.
    pub doubt: Option<(Demand, u32)>,
    pub doubts: usize,
    pub demands: usize,
    pub cut_short: bool,
}

/// Proofs that are kept.
const KEPT_MAX: usize = 8;

/// What a session demands of the order of a key: pairs of a missing update and a put, each with its
/// demand.
type Demanded = FxHashMap<u32, FxHashMap<Pair, Demand>>;

struct Judge<'a> {
    claim: Claim,
    frame: &'a Frame<'a>,
    texts: &'a Texts<'a>,
    pairs: &'a Pairs,
    judgement: Judgement,
    marks: Marks,
    known: FxHashMap<u32, Known>,
}

/// Judges one of the four guarantees.
pub(super) fn judge(
    claim: Claim,
    frame: &Frame<'_>,
    texts: &Texts<'_>,
    pairs: &Pairs,
    budget: &Budget,
) -> Judgement {
    let mut judge = Judge {
        claim,
        frame,
        texts,
        pairs,
        judgement: Judgement::default(),
        marks: Marks::of(texts),
        known: FxHashMap::default(),
    };
    let mut dependencies = Dependencies::of(texts, claim);
    for session in 0..texts.steps.sessions.len() as u32 {
        judge.session(session, &mut dependencies, budget);
        if judge.judgement.cut_short || judge.judgement.proofs.len() >= KEPT_MAX {
            break;
        }
    }
    judge.judgement
}

impl Judge<'_> {
    fn session(&mut self, session: u32, dependencies: &mut Dependencies<'_>, budget: &Budget) {
        let steps = &self.texts.steps;
        let range = steps.sessions[session as usize];
        let mut demanded = Demanded::default();
        // By key, the last get of it.
        let mut last: FxHashMap<u32, u32> = FxHashMap::default();
        dependencies.begin();
        for step in range.from..range.to {
            if step % 64 == 0 && budget.expired() {
                self.judgement.cut_short = true;
                return;
            }
            let Some(shown) = &self.texts.shown[step as usize] else { continue };
            self.marks.set(step, shown);
            match self.claim {
                Claim::ReadYourWrites => {
                    let own = self.frame.writers.of_session(shown.key, session);
                    let before = &own[..own.partition_point(|&it| it < step)];
                    self.judgement.demands += usize::from(!before.is_empty());
                    if let Some(missing) = self.marks.last_hidden(step, before) {
                        let demand = Demand { read: step, missing, because: missing, seen: None };
                        self.demand(&mut demanded, shown, demand);
                    }
                }
                Claim::MonotonicReads => {
                    // What an earlier get showed and the last one did not is before the put with
                    // which that begins, by what was demanded of that.
                    if let Some(because) = last.insert(shown.key, step) {
                        self.judgement.demands += 1;
                        let before = self.texts.shown[because as usize].as_ref();
                        let before = before.map_or(&[][..], |it| &it.pieces);
                        let missing: Vec<u32> = before
                            .iter()
                            .copied()
                            .filter(|&it| !self.marks.has(step, it))
                            .collect();
                        for missing in missing {
                            let demand = Demand { read: step, missing, because, seen: None };
                            self.demand(&mut demanded, shown, demand);
                        }
                    }
                }
                _ => {
                    dependencies.see(step);
                    if let Some(wrong) = dependencies.swapped(step, shown, &self.marks) {
                        self.judgement.proofs.push(Proof::Swapped(wrong));
                    }
                    let (all, missing) = dependencies.missing(self.frame, step, shown, &self.marks);
                    self.judgement.demands += all;
                    for demand in missing {
                        self.demand(&mut demanded, shown, demand);
                    }
                }
            }
            if self.judgement.proofs.len() >= KEPT_MAX {
                return;
            }
        }
        self.resolve(session, demanded);
    }

    fn demand(&mut self, demanded: &mut Demanded, shown: &Shown, demand: Demand) {
        match shown.base() {
            None => self.judgement.proofs.push(Proof::Missing(demand)),
            Some(base) => {
                let of_key = demanded.entry(shown.key).or_default();
                of_key.entry((demand.missing, base)).or_insert(demand);
            }
        }
    }

    /// Whether an order of each key's updates fulfils what a session demands, and whether all do.
    fn resolve(&mut self, session: u32, demanded: Demanded) {
        let mut keys: Vec<(u32, FxHashMap<Pair, Demand>)> = demanded.into_iter().collect();
        keys.sort_unstable_by_key(|(key, _)| *key);
        for (key, demands) in keys {
            let sessions = match self.claim {
                Claim::ReadYourWrites => Sessions::One(session),
                Claim::MonotonicWrites => Sessions::All,
                _ => Sessions::None,
            };
            if sessions == Sessions::One(session) {
                self.known.remove(&key);
            }
            let (frame, pairs) = (self.frame, self.pairs);
            let known =
                self.known.entry(key).or_insert_with(|| Known::of(frame, pairs, key, sessions));
            let mut open: Vec<(Pair, Demand)> =
                demands.into_iter().filter(|(pair, _)| !known.implies(*pair)).collect();
            if open.is_empty() {
                continue;
            }
            open.sort_unstable_by_key(|(pair, demand)| (demand.read, *pair));
            let more: Vec<Pair> = open.iter().map(|(pair, _)| *pair).collect();
            if known.is_sound() && !known.allows(&more) {
                let circle = open.iter().find_map(|&((missing, base), demand)| {
                    Some(Proof::Circle(demand, known.path(base, missing, &more)?))
                });
                self.judgement.proofs.extend(circle);
            } else {
                self.judgement.doubts += open.len();
                let ((_, base), demand) = open[0];
                self.judgement.doubt.get_or_insert((demand, base));
            }
        }
    }
}
