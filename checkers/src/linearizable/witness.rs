//! The proof of a violation: the few operations that matter, and the configuration where they end.
//!
//! A part of a register's history may stand for the whole if leaving out the rest cannot turn a
//! linearizable history into one that is not. Leaving out a read can not. Neither can leaving out an
//! operation that writes a value which nothing left needs: in a linearization, what follows such an
//! operation is a plain write or nothing, once the operations that need the value are gone. So the
//! parts reported here hold, with every operation, all that wrote what it needs.

use std::fmt::Write as _;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use rustc_hash::FxHashSet;
use schism_history::History;

use super::chains::{Chains, NONE, Violation, Zone};
use super::explanation::Teller;
use super::model::RegisterModel;
use super::operations::{NEVER, Register};
use super::search::{Answer, Impossible, Limits, search_operations};
use super::shrink::shrink;
use crate::{Anomaly, Blocker, Budget, MustHold, Witness};

/// So many operations are reported at most.
pub(crate) const OPERATIONS_MAX: usize = 40;

/// A second search of few operations visits so many configurations at most.
const SECOND_LOOK: u64 = 200_000;

/// A violation of one register.
#[derive(Debug)]
pub(crate) struct Proof {
    /// The rank of the last event of the shortest failing prefix.
    pub prefix: u64,
    /// The proof as it is reported.
    pub anomaly: Anomaly,
}

/// The proof from chains that the prefix up to the rank `prefix` is not linearizable, where the one
/// without its last event is. `shown` is the rank that is reported: it is greater where operations
/// that fail only later are open at `prefix`.
pub(crate) fn of_chains(history: &History, register: &Register, prefix: u64, shown: u64) -> Proof {
    let chains = Chains::check(register, prefix);
    let (_, violation) = chains.worst().expect("the prefix was found to fail");
    let picked = chains.forcing(violation);
    let mut places = chains.with_writers(&picked);
    let whole = places.len() <= OPERATIONS_MAX;
    if !whole {
        places = picked;
        places.truncate(OPERATIONS_MAX);
    }
    let end = if whole { search_part(register, prefix, &places, SECOND_LOOK).0 } else { None };
    let impossible = match &end {
        Some((impossible, kept)) => Some(kept[impossible.call]),
        None => places.iter().copied().max_by_key(|&place| match chains.end(place) {
            NEVER => 0,
            end => end,
        }),
    };
    let impossible = impossible.expect("a violation has operations");
    let teller = Teller { history, register };
    let told = teller.tell(&chains, violation, impossible);
    let mut ending = Ending::new(&teller, end, &places, impossible);
    ending.blocked[0].why = match ending.holds.as_str() {
        "" => told.why,
        holds => format!("The register holds {holds}. {}", told.why),
    };
    let must_hold = match violation {
        Violation::Met { one, other } => {
            [one, other].map(|zone| must_hold(&teller, &chains, *zone)).into()
        }
        _ => Vec::new(),
    };
    ending.proof(&teller, shown, &places, told.what, must_hold, 0)
}

/// The proof that the operation at `place` found what nobody had written, and that nothing explains
/// it from the rank `prefix` on. An earlier prefix may fail for other reasons.
pub(crate) fn of_unwritten(
    history: &History,
    register: &Register,
    place: u32,
    prefix: u64,
) -> Proof {
    let teller = Teller { history, register };
    let (end, _) = search_part(register, prefix, &[place], SECOND_LOOK);
    let needs = teller.needs(place);
    let what = format!("{}, but nobody had written {needs} by then", teller.returned(place));
    let ending = Ending::new(&teller, end, &[place], place);
    ending.proof(&teller, prefix, &[place], what, Vec::new(), 0)
}

/// The proof from the general search.
pub(crate) fn of_search(
    history: &History,
    register: &Register,
    prefix: u64,
    found: Impossible,
    kept: &[u32],
) -> Proof {
    let configurations = found.configurations;
    let teller = Teller { history, register };
    let mut places: Vec<u32> = kept.to_vec();
    let mut end = (found, kept.to_vec());
    if let Some(smaller) = shrink(register, prefix, kept, configurations)
        && let (Some(again), _) = search_part(register, prefix, &smaller, SECOND_LOOK)
    {
        (end, places) = (again, smaller);
    }
    let impossible = end.1[end.0.call];
    let holds = register.show(end.0.holds);
    let mut what = teller.returned(impossible);
    let needs = teller.needs(impossible);
    let _ = write!(
        what,
        ", but no order of the operations before it leads to {needs}: the longest of them places \
         {} and leaves the register at {holds}",
        crate::phrase::count(end.0.order.len(), "operation"),
    );
    let ending = Ending::new(&teller, Some(end), &places, impossible);
    let mut reported = places;
    if reported.len() > OPERATIONS_MAX {
        reported.sort_by_key(|&place| register.entries[place as usize].end(prefix));
        reported.retain(|&place| place != impossible);
        let settled = reported.iter().filter(|&&at| register.entries[at as usize].is_ok(prefix));
        let settled = settled.count();
        // The latest that completed, since the end is there that the order does not reach.
        reported.drain(settled..);
        reported.drain(..settled.saturating_sub(OPERATIONS_MAX - 1));
        reported.push(impossible);
        reported.sort_unstable();
    }
    ending.proof(&teller, prefix, &reported, what, Vec::new(), configurations)
}

/// Searches the part `places` of a prefix, for a second look at few operations. Returns where every
/// order ends, with the places of the calls, if the search finds that; and how many configurations
/// it visited.
#[allow(clippy::type_complexity, reason = "an end with its places, and a count")]
pub(crate) fn search_part(
    register: &Register,
    prefix: u64,
    places: &[u32],
    configurations_max: u64,
) -> (Option<(Impossible, Vec<u32>)>, u64) {
    let budget = Budget::new(Duration::from_secs(2), 256 << 20);
    let held_bytes = AtomicUsize::new(0);
    let limits = Limits { budget: &budget, held_bytes: &held_bytes, configurations_max };
    let (calls, kept) = register.calls(prefix, Some(places), false);
    match search_operations(&mut RegisterModel, &calls, limits) {
        Answer::Impossible(found) => {
            let visited = found.configurations;
            (Some((found, kept)), visited)
        }
        Answer::Linearizable { configurations, .. } => (None, configurations),
        Answer::Exhausted(far) => (None, far.configurations),
    }
}

impl Chains<'_> {
    /// The operations that force the violation.
    fn forcing(&self, violation: &Violation) -> Vec<u32> {
        let mut picked = match violation {
            Violation::Unwritten { by } => vec![*by],
            Violation::Forked { one, other } => vec![*one, *other],
            Violation::Disordered { earlier, later } => vec![*earlier, *later],
            Violation::Circular { one } => vec![*one],
            Violation::Met { one, other } => {
                vec![one.first.1, one.last.1, other.first.1, other.last.1]
            }
        };
        picked.extend(picked.clone().into_iter().map(|place| self.settler(place)));
        picked.retain(|&place| place != NONE);
        picked.sort_unstable();
        picked.dedup();
        picked
    }

    /// `picked`, with all that wrote what they need, and what proves that these took effect.
    fn with_writers(&self, picked: &[u32]) -> Vec<u32> {
        let mut places: FxHashSet<u32> = FxHashSet::default();
        let mut stack = picked.to_vec();
        while let Some(place) = stack.pop() {
            if !places.insert(place) || places.len() > OPERATIONS_MAX {
                continue;
            }
            let needs = self.entry(place).action.needs();
            let writer = needs.map_or(NONE, |value| self.levels[value as usize].writer);
            stack.extend((writer != NONE).then_some(writer));
        }
        let mut places: Vec<u32> = places.into_iter().collect();
        places.sort_unstable();
        places
    }
}

/// Where the longest order ends.
struct Ending {
    impossible: u32,
    order: Vec<(u64, String)>,
    holds: String,
    blocked: Vec<Blocker>,
}

impl Ending {
    fn new(
        teller: &Teller<'_>,
        end: Option<(Impossible, Vec<u32>)>,
        places: &[u32],
        impossible: u32,
    ) -> Self {
        let index = |place: u32| teller.operation(place).invoked;
        let (order, holds) = match &end {
            Some((found, kept)) => (
                found.order.iter().map(|&(call, state)| (kept[call], state)).collect(),
                Some(found.holds),
            ),
            None => (Vec::new(), None),
        };
        let placed: FxHashSet<u32> = order.iter().map(|&(place, _)| place).collect();
        let rest = places.iter().copied().filter(|at| !placed.contains(at) && *at != impossible);
        // Without an order nothing is known of the others.
        let rest = rest.filter(|_| holds.is_some()).take(OPERATIONS_MAX);
        let blocked = std::iter::once(impossible).chain(rest);
        // Only the end of a long order is told: it says what was there at last.
        let told = order.len().saturating_sub(OPERATIONS_MAX);
        Self {
            impossible,
            blocked: blocked.map(|at| teller.blocker(at, holds, impossible)).collect(),
            order: order[told..]
                .iter()
                .map(|&(place, state)| (index(place), teller.register.show(state)))
                .collect(),
            holds: holds.map_or_else(String::new, |state| teller.register.show(state)),
        }
    }

    fn proof(
        self,
        teller: &Teller<'_>,
        prefix: u64,
        places: &[u32],
        what: String,
        must_hold: Vec<MustHold>,
        configurations: u64,
    ) -> Proof {
        let label = teller.register.label().capital();
        let key = teller.register.key.map(|key| key.to_string());
        let index = |place: u32| teller.operation(place).invoked;
        let others = places.iter().copied().filter(|&place| place != self.impossible);
        let operations = others.chain([self.impossible]).map(index).collect();
        let anomaly = Anomaly {
            name: "nonlinearizable".into(),
            explanation: format!("{label}: {what}."),
            key,
            operations,
            witness: Witness::Linearization {
                impossible: index(self.impossible),
                prefix: prefix - 1,
                order: self.order,
                holds: self.holds,
                needs: teller.needs(self.impossible),
                blocked: self.blocked,
                must_hold,
                configurations,
            },
        };
        Proof { prefix, anomaly }
    }
}

impl Teller<'_> {
    /// Why the operation of `place` cannot follow where the register holds `holds`.
    fn blocker(&self, place: u32, holds: Option<u32>, impossible: u32) -> Blocker {
        let action = self.register.entries[place as usize].action;
        let needs = self.needs(place);
        let finds = holds.map_or_else(String::new, |state| self.register.show(state));
        let fits = holds.is_some() && action.needs().is_none_or(|value| Some(value) == holds);
        let why = match action.writes() {
            Some(new) if fits => format!(
                "It could come next and leave {}, but {} could not be placed after it either.",
                self.register.show(new),
                self.name(impossible)
            ),
            _ => format!("It needs {needs}, and the register holds {finds}."),
        };
        Blocker { operation: self.operation(place).invoked, needs, finds, why }
    }
}

fn must_hold(teller: &Teller<'_>, chains: &Chains<'_>, zone: Zone) -> MustHold {
    let begin = teller.history.events().first().map_or(0, |event| event.index);
    let [first, last] = [zone.first.1, zone.last.1].map(|place| match place {
        // The initial state: forced by nothing but the operation at the other end.
        NONE => None,
        place => Some(teller.operation(place).invoked),
    });
    let [from, to] = [zone.first.0, zone.last.0].map(|rank| rank.checked_sub(1).unwrap_or(begin));
    let forced_by = [first.or(last).unwrap_or(begin), last.or(first).unwrap_or(begin)];
    MustHold { value: chains.label(zone.root), from, to, forced_by }
}
