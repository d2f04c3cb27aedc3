//! Appends to one list of which no read shows the order.
//!
//! For serializability any order of them will do that the other dependencies allow. For snapshot
//! isolation it matters: two transactions that did not see each other's writes may both stand, but
//! not if both appended to one list. So an order must be found for every such pair, with which there
//! is still no circle of the class that the claim forbids.
//!
//! Only pairs within one strongly connected component matter, since all others can be ordered as the
//! components are. First a schedule of beginnings and ends is looked for in which none of them are
//! under way at once: it usually is there, and proves the claim. Otherwise an order that would close a circle is forbidden, which forces the other one; where
//! both are forbidden the claim is broken; where neither is, one is tried, and the other if that
//! fails. What is forced is usually everything; in general the question is NP-complete (Biswas and
//! Enea 2019), and the budget ends the search.

use std::collections::VecDeque;

use rustc_hash::FxHashSet;
use schism_history::Key;

use super::explanation::Story;
use super::schedule::scheduled;
use crate::transactional::{
    Class, EdgeKind, Graph, Kinds, Masked, NEVER, Order, Steps, components, name, tell_both,
};
use crate::{Anomaly, Budget};

/// Whether the appends have an order.
pub(crate) enum Settled {
    /// They do.
    Yes,
    /// They do not.
    No(Box<Anomaly>),
    /// The time ended before that was known.
    Late,
}

/// Two transactions that appended to one list.
#[derive(Clone, Copy, Debug)]
struct Pair {
    a: u32,
    b: u32,
    key: Key,
}

/// Looks for an order with which there is no circle of `class` or a worse one by edges up to those of
/// `order`; without these pairs there is none.
pub(crate) fn settle(
    story: &Story<'_, '_>,
    graph: &Graph,
    class: Class,
    order: Order,
    budget: &Budget,
) -> Settled {
    let everything = Masked { graph, kinds: Class::G2.kinds(order) };
    let mut places = vec![0; graph.len()];
    for members in components(&everything) {
        let inside = graph.within(&members, &mut places);
        let groups = groups(story, &members, &places);
        let kinds = class.kinds(order);
        let rank = |node: u32| {
            let one =
                members.get(node as usize).and_then(|it| story.transactions.all.get(*it as usize));
            one.map_or(NEVER, |one| one.completed)
        };
        if scheduled(&inside, Class::GNonadjacent.kinds(order), rank, &groups) {
            continue;
        }
        let pairs = pairs(&groups);
        let added = vec![Vec::new(); inside.len()];
        let mut search = Search { graph: &inside, class, kinds, pairs: &pairs, added, budget };
        match search.run() {
            Answer::Yes => {}
            Answer::Late => return Settled::Late,
            Answer::No(pair) => {
                let whole = |steps: Steps| -> Steps {
                    steps.into_iter().map(|(node, kind)| (members[node as usize], kind)).collect()
                };
                let both = [(pair.a, pair.b), (pair.b, pair.a)]
                    .map(|(a, b)| whole(search.way(b, a, a).unwrap_or_default()));
                let [a, b] = [pair.a, pair.b].map(|node| members[node as usize]);
                let anomaly = tell_both(&name(class, order), pair.key, (a, b), &both, story);
                return Settled::No(Box::new(anomaly));
            }
        }
    }
    Settled::Yes
}

/// Those of some transactions, by their places there, whose appends to a list no read shows.
fn groups(story: &Story<'_, '_>, members: &[u32], places: &[u32]) -> Vec<(Key, Vec<u32>)> {
    let inside = |transaction: u32| {
        let place = *places.get(transaction as usize)?;
        (members.get(place as usize) == Some(&transaction)).then_some(place)
    };
    let mut keys: FxHashSet<Key> = FxHashSet::default();
    let mut groups = Vec::new();
    let transactions = members.iter().filter_map(|it| story.transactions.all.get(*it as usize));
    for mop in transactions.flat_map(|one| one.mops) {
        if !keys.insert(mop.key) {
            continue;
        }
        let Some(list) = story.lists.get(mop.key) else { continue };
        let unseen = list.unseen(&story.lists.happened);
        let unseen: Vec<u32> =
            unseen.iter().filter_map(|touch| inside(touch.transaction)).collect();
        if unseen.len() > 1 {
            groups.push((mop.key, unseen));
        }
    }
    groups
}

fn pairs(groups: &[(Key, Vec<u32>)]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (key, unseen) in groups {
        for (number, &a) in unseen.iter().enumerate() {
            pairs.extend(unseen[number + 1..].iter().map(|&b| Pair { a, b, key: *key }));
        }
    }
    pairs
}

enum Answer {
    Yes,
    No(Pair),
    Late,
}

/// An order of a pair that was decided on.
struct Decision {
    pair: usize,
    /// Whether its `a` comes first.
    forward: bool,
    /// Whether there is no other way, given those before.
    forced: bool,
}

struct Search<'a> {
    graph: &'a Graph,
    class: Class,
    kinds: Kinds,
    pairs: &'a [Pair],
    /// The `ww` edges that were decided on.
    added: Vec<Vec<u32>>,
    budget: &'a Budget,
}

impl Search<'_> {
    fn run(&mut self) -> Answer {
        let mut decided: Vec<Decision> = Vec::new();
        loop {
            match self.propagate(&mut decided) {
                Err(None) => return Answer::Late,
                Ok(()) => {
                    let taken: FxHashSet<usize> = decided.iter().map(|it| it.pair).collect();
                    let open = (0..self.pairs.len()).find(|pair| !taken.contains(pair));
                    let Some(pair) = open else { return Answer::Yes };
                    self.decide(&mut decided, Decision { pair, forward: true, forced: false });
                }
                Err(Some(pair)) => {
                    // Back to the last decision that could have been another. If there is none, what
                    // was forced stays for the telling.
                    let Some(last) = decided.iter().rposition(|it| !it.forced) else {
                        return Answer::No(self.pairs[pair]);
                    };
                    while decided.len() > last + 1 {
                        self.undo(&mut decided);
                    }
                    if let Some(Decision { pair, forward, .. }) = self.undo(&mut decided) {
                        let other = Decision { pair, forward: !forward, forced: true };
                        self.decide(&mut decided, other);
                    }
                }
            }
        }
    }

    fn decide(&mut self, decided: &mut Vec<Decision>, decision: Decision) {
        let Pair { a, b, .. } = self.pairs[decision.pair];
        let (first, then) = if decision.forward { (a, b) } else { (b, a) };
        self.added[first as usize].push(then);
        decided.push(decision);
    }

    fn undo(&mut self, decided: &mut Vec<Decision>) -> Option<Decision> {
        let decision = decided.pop()?;
        let Pair { a, b, .. } = self.pairs[decision.pair];
        let first = if decision.forward { a } else { b };
        self.added[first as usize].pop();
        Some(decision)
    }

    /// Decides what is forced; the pair of which both orders are forbidden, or nothing if the time
    /// ended.
    fn propagate(&mut self, decided: &mut Vec<Decision>) -> Result<(), Option<usize>> {
        let mut taken = vec![false; self.pairs.len()];
        for decision in decided.iter() {
            taken[decision.pair] = true;
        }
        loop {
            let mut changed = false;
            for (pair, taken) in taken.iter_mut().enumerate().filter(|(_, taken)| !**taken) {
                if self.budget.expired() {
                    return Err(None);
                }
                let Pair { a, b, .. } = self.pairs[pair];
                let (back, forth) = (self.reaches(b, a), self.reaches(a, b));
                if back && forth {
                    return Err(Some(pair));
                }
                if back || forth {
                    self.decide(decided, Decision { pair, forward: forth, forced: true });
                    (*taken, changed) = (true, true);
                }
            }
            if !changed {
                return Ok(());
            }
        }
    }

    fn reaches(&self, from: u32, to: u32) -> bool {
        self.way(from, to, to).is_some()
    }

    /// A way that an edge from its end to its beginning makes a forbidden circle, headed by that edge
    /// out of `first`.
    fn way(&self, from: u32, to: u32, first: u32) -> Option<Steps> {
        const UNSEEN: (u32, EdgeKind) = (u32::MAX, EdgeKind::Through);
        // Whether an `rw` edge was taken: before, or as the last one, as the class wants it.
        let mut came = vec![UNSEEN; 2 * self.graph.len()];
        let mut queue = VecDeque::from([2 * from]);
        came[2 * from as usize] = (2 * from, EdgeKind::Through);
        while let Some(node) = queue.pop_front() {
            if node / 2 == to {
                return Some(self.walk(&came, 2 * from, node, first));
            }
            let (place, rw) = (node / 2, node % 2);
            let known = self.graph.successors(place);
            let added = self.added[place as usize].iter().map(|to| (*to, EdgeKind::WriteWrite));
            for (next, kind) in known.chain(added) {
                let layer = match kind {
                    EdgeKind::Through => rw,
                    EdgeKind::ReadWrite if rw == 1 => continue,
                    EdgeKind::ReadWrite => 1,
                    kind if !self.kinds.contain(kind) => continue,
                    _ if self.class == Class::GSingle => rw,
                    _ => 0,
                };
                let next = 2 * next + layer;
                if came[next as usize] == UNSEEN {
                    came[next as usize] = (node, kind);
                    queue.push_back(next);
                }
            }
        }
        None
    }

    fn walk(&self, came: &[(u32, EdgeKind)], start: u32, end: u32, first: u32) -> Steps {
        let mut steps = Vec::new();
        let mut node = end;
        while node != start {
            let (before, kind) = came[node as usize];
            if before / 2 < self.graph.transactions() {
                steps.push((before / 2, kind));
            }
            node = before;
        }
        steps.push((first, EdgeKind::WriteWrite));
        steps.reverse();
        steps
    }
}
