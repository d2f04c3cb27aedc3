//! Circles of register transactions in words.

use std::collections::VecDeque;
use std::fmt::Write as _;

use rustc_hash::FxHashMap;
use schism_history::{History, Key};

use super::events::{Arc, Events, Older, Successors};
use super::facts::Facts;
use super::saturate::Saturated;
use super::search::Contradiction;
use crate::phrase::list;
use crate::transactional::{
    Cycle, EdgeKind, Edges, Graph, Lifetime, NEVER, Order, Step, Teller, breaks, cycles,
    process_edges, realtime_edges, tell,
};
use crate::weak::{Case, INIT};
use crate::{Anomaly, Budget, Claim, Witness};

/// Circles of a class that are told.
const TOLD_MAX: usize = 2;
/// Transactions that are named between two.
const BETWEEN_MAX: usize = 6;

/// Tells what follows from one contradiction.
struct Story<'a> {
    case: &'a Case<'a>,
    history: &'a History,
    events: &'a Events<'a>,
    /// The transactions in order of invocation; their places are the nodes of the graph.
    by_invocation: Vec<u32>,
    saturated: &'a Saturated,
    /// Of each pair of transactions of which one left an older version: the place of the first pair.
    older: FxHashMap<(u32, u32), usize>,
}

/// The proofs that a claim is broken; none if no circle was found in time.
pub(crate) fn proofs(
    case: &Case<'_>,
    history: &History,
    events: &Events<'_>,
    claim: Claim,
    contradictions: &[Contradiction],
    cases: usize,
    budget: &Budget,
) -> Vec<Anomaly> {
    let stories: Vec<Vec<(Cycle, Anomaly)>> = contradictions
        .iter()
        .map(|one| Story::new(case, history, events, &one.saturated).circles(claim, budget))
        .collect();
    let mut stories = stories.into_iter();
    let Some(first) = stories.next().filter(|story| !story.is_empty()) else { return Vec::new() };
    if cases == 1 {
        return first.into_iter().map(|(_, anomaly)| anomaly).collect();
    }
    let mut told: Vec<(Cycle, Anomaly)> = first.into_iter().take(1).collect();
    told.extend(stories.filter_map(|story| story.into_iter().next()));
    let facts = events.facts;
    // No case is certain, so that the weakest evidence among them is what is proved.
    let Some(weakest) = told.iter().max_by_key(|(cycle, _)| (cycle.class, cycle.order)) else {
        return Vec::new();
    };
    let name = weakest.1.name.clone();
    let mut explanation = String::from(
        "It is not known in which order some versions were installed, but whatever it was, some \
         transactions would each have to come before the next.",
    );
    for (one, (_, anomaly)) in contradictions.iter().zip(&told) {
        let assumed: Vec<String> = one
            .assumed
            .iter()
            .map(|(older, newer)| {
                let key = facts.keys[*older as usize];
                let written =
                    |version: u32| case.teller.written(facts.writers[version as usize], key);
                format!("{} is older than {}", written(*older), written(*newer))
            })
            .collect();
        let _ = write!(explanation, " If {}: {}", list(&assumed), anomaly.explanation);
    }
    if cases > told.len() {
        let _ = write!(explanation, " The same holds in all {cases} cases.");
    }
    let mut operations: Vec<u64> =
        told.iter().flat_map(|(_, anomaly)| anomaly.operations.iter().copied()).collect();
    operations.sort_unstable();
    operations.dedup();
    let key = told.iter().find_map(|(_, anomaly)| anomaly.key.clone());
    vec![Anomaly { name, key, operations, explanation, witness: Witness::Operations }]
}

impl<'a> Story<'a> {
    fn new(
        case: &'a Case<'a>,
        history: &'a History,
        events: &'a Events<'a>,
        saturated: &'a Saturated,
    ) -> Self {
        let facts = events.facts;
        let mut by_invocation: Vec<u32> = (0..facts.transactions.len() as u32).collect();
        by_invocation.sort_unstable_by_key(|it| facts.invoked[*it as usize]);
        let mut older = FxHashMap::default();
        for (place, (old, new)) in saturated.older.iter().enumerate() {
            let pair = (facts.writers[*old as usize], facts.writers[*new as usize]);
            older.entry(pair).or_insert(place);
        }
        Self { case, history, events, by_invocation, saturated, older }
    }

    fn facts(&self) -> &'a Facts<'a> {
        self.events.facts
    }

    /// The circles that break a claim, told.
    fn circles(&self, claim: Claim, budget: &Budget) -> Vec<(Cycle, Anomaly)> {
        let facts = self.facts();
        let length = facts.transactions.len();
        let mut nodes = vec![0_u32; length];
        for (node, it) in (0_u32..).zip(&self.by_invocation) {
            nodes[*it as usize] = node;
        }
        let mut edges = Edges::within(length, budget);
        let order = self.events.model.order;
        let lifetimes = || (0..length as u32).map(|node| self.lifetime(node));
        if order >= Order::Process {
            process_edges(lifetimes(), &mut edges);
        }
        if order == Order::Realtime {
            realtime_edges(lifetimes(), &mut edges);
        }
        let mut push = |from: u32, to: u32, kind| {
            edges.push(nodes[from as usize], nodes[to as usize], kind);
        };
        for version in 0..facts.versions_len() as u32 {
            let writer = facts.writers[version as usize];
            let readers = facts.readers(version);
            if writer != INIT {
                for &reader in readers {
                    push(writer, reader, EdgeKind::WriteRead);
                }
                continue;
            }
            for newer in facts.versions_of(facts.keys[version as usize]) {
                let newer = facts.writers[*newer as usize];
                for &reader in readers {
                    push(reader, newer, EdgeKind::ReadWrite);
                }
            }
        }
        for &(older, newer) in &self.saturated.older {
            let (before, after) = (facts.writers[older as usize], facts.writers[newer as usize]);
            push(before, after, EdgeKind::WriteWrite);
            facts.readers(older).iter().for_each(|&it| push(it, after, EdgeKind::ReadWrite));
        }
        let graph = Graph::new(edges);
        let found = cycles(&graph, order, TOLD_MAX, budget).found;
        let told = found.into_iter().map(|cycle| {
            let told = tell(&cycle, self);
            (cycle, told)
        });
        told.filter(|(_, anomaly)| breaks(&anomaly.name, claim)).collect()
    }

    fn key(&self, key: u32) -> Key {
        self.facts().transactions.names[key as usize]
    }

    /// Why the version of `from` is older than that of `to`.
    fn older(&self, step: &Step<'_>, from: u32, to: u32) -> (Option<Key>, String) {
        let facts = self.facts();
        let (a, b) = (step.from_name, step.to_name);
        let Some(&place) = self.older.get(&(from, to)) else { return (None, String::new()) };
        let (older, newer) = self.saturated.older[place];
        let key = facts.keys[older as usize];
        let name = self.key(key);
        let teller = &self.case.teller;
        let wrote = format!(
            "{a} wrote {} and {b} wrote {}",
            teller.written(from, key),
            teller.written(to, key)
        );
        let Some(&reader) = self.saturated.reasons.get(&(older, newer)) else {
            let (start, end) = (self.events.start(from), self.events.commit(to));
            let Some(way) = self.way(place, start, end) else {
                return (Some(name), format!("{wrote}, which is taken to be later."));
            };
            let between = self.between(&way, from, to);
            return (
                Some(name),
                format!("{wrote}, which is later, since {a} came first{between}."),
            );
        };
        let way = self.way(place, self.events.commit(from), self.events.start(reader));
        let between = self.between(&way.unwrap_or_default(), from, reader);
        let who = if reader == to { b.to_owned() } else { self.called(reader) };
        let read = teller.read(reader, key, to);
        let says = format!(
            "{wrote}. {a} came before {who}{between}, and {who} still read {read}, so that the write \
             of {a} is the older one."
        );
        (Some(name), says)
    }

    /// What a transaction outside the circle is called.
    fn called(&self, transaction: u32) -> String {
        format!("the transaction of event {}", self.facts().invoked[transaction as usize])
    }

    /// `, by way of …`.
    fn between(&self, way: &[u32], from: u32, to: u32) -> String {
        let facts = self.facts();
        let mut told: Vec<u32> = Vec::new();
        for it in way.iter().filter_map(|node| self.events.transaction(*node)) {
            if it != from && it != to && told.last() != Some(&it) {
                told.push(it);
            }
        }
        if told.is_empty() {
            let read = facts.transactions.reads(to).iter().any(|read| read.writer == from);
            let session = facts.transactions.before(to) == Some(from);
            let time = facts.completed[from as usize] < facts.invoked[to as usize];
            return match (read, session, time) {
                (true, _, _) => " (the later one read from it)",
                (_, true, _) => " (in one session)",
                (_, _, true) if self.events.model.order == Order::Realtime => {
                    " (it had completed before the other was invoked)"
                }
                _ => "",
            }
            .into();
        }
        let names: Vec<String> = told
            .iter()
            .take(BETWEEN_MAX)
            .map(|it| format!("event {}", facts.invoked[*it as usize]))
            .collect();
        let more = if told.len() > BETWEEN_MAX { " and others" } else { "" };
        format!(", by way of the transactions of {}{more}", list(&names))
    }

    /// The events between two, as known before the pair at `place` was found.
    fn way(&self, place: usize, from: u32, to: u32) -> Option<Vec<u32>> {
        let mut arcs: Vec<Arc> = Vec::new();
        for &pair in &self.saturated.older[..place] {
            self.events.add_older(pair, &mut arcs);
        }
        let length = self.events.len();
        let successors = Successors::new(length, &[&self.events.certain, &arcs]);
        let mut came = vec![u32::MAX; length];
        let mut queue = VecDeque::from([from]);
        came[from as usize] = from;
        while let Some(node) = queue.pop_front() {
            if node == to {
                let mut way = Vec::new();
                let mut at = to;
                while came[at as usize] != from && at != from {
                    at = came[at as usize];
                    way.push(at);
                }
                way.reverse();
                return Some(way);
            }
            for &next in successors.of(node) {
                if came[next as usize] == u32::MAX {
                    came[next as usize] = node;
                    queue.push_back(next);
                }
            }
        }
        None
    }

    /// The version that `from` read and `to` overwrote.
    fn overwritten(&self, from: u32, to: u32) -> Option<u32> {
        let facts = self.facts();
        let newer = |version: u32| -> bool {
            let writer = facts.writers[version as usize];
            let key = facts.keys[version as usize];
            if writer == INIT {
                return facts.transactions.wrote(to, key);
            }
            facts.version(to, key).is_some_and(|left| self.knows((version, left)))
        };
        facts.versions_read(from).iter().copied().find(|version| newer(*version))
    }

    fn knows(&self, pair: Older) -> bool {
        self.saturated.older.contains(&pair)
    }
}

impl Teller for Story<'_> {
    fn lifetime(&self, node: u32) -> Lifetime {
        let it = self.by_invocation[node as usize];
        let operation = self.facts().transactions.operation(self.history, it);
        let completed = operation.ok().and(operation.completed).unwrap_or(NEVER);
        Lifetime {
            process: operation.process,
            invoked: operation.invoked,
            completed,
            happened: true,
        }
    }

    fn says(&self, step: &Step<'_>) -> (Option<Key>, String) {
        let facts = self.facts();
        let (from, to) =
            (self.by_invocation[step.from as usize], self.by_invocation[step.to as usize]);
        let (a, b) = (step.from_name, step.to_name);
        let teller = &self.case.teller;
        match step.kind {
            EdgeKind::WriteRead => {
                let read = facts.transactions.reads(to).iter().find(|read| read.writer == from);
                let Some(read) = read else { return (None, String::new()) };
                let says =
                    format!("{b} read {}, which {a} wrote.", teller.read(to, read.key, from));
                (Some(self.key(read.key)), says)
            }
            EdgeKind::ReadWrite => {
                let Some(version) = self.overwritten(from, to) else {
                    return (None, String::new());
                };
                let (key, writer) = (facts.keys[version as usize], facts.writers[version as usize]);
                let read = teller.read(from, key, writer);
                let wrote = teller.written(to, key);
                let says = if writer == INIT {
                    format!("{a} read {read}, as it was initially, before {b} wrote {wrote}.")
                } else {
                    format!("{a} read {read}, before {b} overwrote it with {wrote}.")
                };
                (Some(self.key(key)), says)
            }
            _ => self.older(step, from, to),
        }
    }
}
