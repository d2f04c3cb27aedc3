//! Which classes of circles there are, completely, and the shortest of them.
//!
//! One pass finds the strongly connected components of the graph of all edges; every circle is
//! inside one. In each of them the classes are asked for from the worst on, first by data alone,
//! then with the order of sessions, then with that of real time, and an answer ends the questions
//! to which it is the answer, too: what is kept is not every class that there is but every one that
//! no other one that was found implies.

use super::class::{Class, Order, classify};
use super::components::components;
use super::graph::{Graph, Masked, Nonadjacent, View};
use super::path::{Paths, Steps};
use super::reach::closing;
use crate::Budget;

/// Starting points from which the shortest circle of a component is looked for.
const STARTS_MAX: usize = 200;
/// Once there is a proof, no more edges are looked at to make it shorter.
const LOOKED_MAX: u64 = 20_000_000;
/// Of so many `rw` edges that close a circle the shortest is looked for.
const CLOSING_MAX: usize = 64;

/// A circle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cycle {
    /// Its class.
    pub class: Class,
    /// The order that it needs.
    pub order: Order,
    /// Each transaction with the kind of the edge that leads to the next.
    pub steps: Steps,
}

/// What is known about the circles of a graph.
#[derive(Debug)]
pub(crate) struct Cycles {
    /// The shortest circles that were found, worst first, and earliest first in each class.
    pub found: Vec<Cycle>,
    /// Every transaction on any circle, in order.
    pub circular: Vec<u32>,
    /// Whether everything was looked at. If not, what was found is there all the same.
    pub whole: bool,
}

impl Cycles {
    /// Whether there is a circle of this class or a worse one, that needs at most this order.
    pub fn any(&self, class: Class, order: Order) -> bool {
        self.found.iter().any(|one| one.class <= class && one.order <= order)
    }
}

/// The worst classes of circles of each strongly connected component, at most `most` circles of each
/// class. Whether there is *any* circle of a class is decided exactly, unless the time ends.
///
/// `strongest` is the strongest order of which the graph holds edges.
pub(crate) fn cycles(graph: &Graph, strongest: Order, most: usize, budget: &Budget) -> Cycles {
    let mut all = Cycles { found: Vec::new(), circular: Vec::new(), whole: true };
    let everything = Masked { graph, kinds: Class::G2.kinds(strongest) };
    let found = components(&everything);
    let mut places = if found.is_empty() { Vec::new() } else { vec![0; graph.len()] };
    for members in found {
        let transactions = members.iter().filter(|it| **it < graph.transactions());
        all.circular.extend(transactions);
        if budget.expired() {
            all.whole = false;
            continue;
        }
        let inside = graph.within(&members, &mut places);
        let mut worst_so_far: Option<Class> = None;
        for order in Order::ALL.into_iter().filter(|order| *order <= strongest) {
            for class in
                Class::ALL.into_iter().take_while(|it| worst_so_far.is_none_or(|worst| *it < worst))
            {
                let enough = all.found.iter().filter(|it| (it.class, it.order) == (class, order));
                let tell = enough.count() < most;
                let steps = match search(&inside, class, order, tell, budget) {
                    Answer::None => continue,
                    Answer::Late => {
                        all.whole = false;
                        continue;
                    }
                    Answer::Some(steps) => steps,
                };
                worst_so_far = Some(class);
                if let Some(steps) = steps {
                    let steps = from_earliest(&steps, &members);
                    let kinds: Vec<_> = steps.iter().map(|(_, kind)| *kind).collect();
                    debug_assert!(!all.whole || classify(&kinds) == (class, order), "{steps:?}");
                    let (class, order) = classify(&kinds);
                    all.found.push(Cycle { class, order, steps });
                }
                break;
            }
        }
    }
    all.circular.sort_unstable();
    all.found.sort_by_key(|one| (one.class, one.order));
    all
}

enum Answer {
    /// There is none.
    None,
    /// The time ended before that was known.
    Late,
    /// There is one; a short one, if it was to be told.
    Some(Option<Steps>),
}

/// Whether there is a circle of a class, where there is none of a worse one.
fn search(graph: &Graph, class: Class, order: Order, tell: bool, budget: &Budget) -> Answer {
    let view = Masked { graph, kinds: class.kinds(order) };
    match class {
        Class::G0 | Class::G1c | Class::G2 => connected(graph, &view, tell, budget),
        Class::GNonadjacent => {
            let view = Nonadjacent { graph, kinds: class.kinds(order) };
            connected(graph, &view, tell, budget)
        }
        Class::GSingle => {
            let closing = closing(&view, budget);
            match closing.edges.first() {
                None if closing.whole => Answer::None,
                None => Answer::Late,
                Some(_) if !tell => Answer::Some(None),
                Some(_) => Answer::Some(shortest_closed(graph, &view, &closing.edges, budget)),
            }
        }
    }
}

/// A short circle of a view, if it has any.
fn connected(graph: &Graph, view: &impl View, tell: bool, budget: &Budget) -> Answer {
    let mut found = components(view);
    if found.is_empty() {
        return Answer::None;
    }
    if !tell {
        return Answer::Some(None);
    }
    // Small components have short circles.
    found.sort_by_key(Vec::len);
    let mut component_of = vec![0u32; view.len()];
    for (number, members) in (1u32..).zip(&found) {
        for &member in members {
            component_of[member as usize] = number;
        }
    }
    let mut paths = Paths::new(graph, view);
    let mut best: Option<Steps> = None;
    let mut starts = 0;
    for (number, members) in (1u32..).zip(&found) {
        let stride = members.len().div_ceil(STARTS_MAX);
        let transactions = members.iter().filter(|it| view.origin(**it) < graph.transactions());
        for &start in transactions.step_by(stride) {
            // The first start gives a proof; the others only make it shorter.
            let late = starts >= STARTS_MAX || paths.looked > LOOKED_MAX || budget.expired();
            let short = best.as_ref().is_some_and(|best| best.len() <= 2);
            if best.is_some() && (late || short) {
                return Answer::Some(best);
            }
            starts += 1;
            let limit = best.as_ref().map_or(usize::MAX, Vec::len);
            let here = |node: u32| component_of[node as usize] == number;
            best = paths.shortest(start, start, limit, here).or(best);
        }
    }
    Answer::Some(best)
}

/// The shortest circle that one of these edges closes.
fn shortest_closed(
    graph: &Graph,
    view: &Masked<'_>,
    closing: &[(u32, u32)],
    budget: &Budget,
) -> Option<Steps> {
    let mut paths = Paths::new(graph, view);
    let mut best: Option<Steps> = None;
    for &(from, to) in closing.iter().take(CLOSING_MAX) {
        if best.is_some() && (paths.looked > LOOKED_MAX || budget.expired()) {
            break;
        }
        let limit = best.as_ref().map_or(usize::MAX, |best| best.len() - 1);
        if let Some(back) = paths.shortest(to, from, limit, |_| true) {
            let mut steps = vec![(from, super::graph::EdgeKind::ReadWrite)];
            steps.extend(back);
            best = Some(steps);
        }
    }
    best
}

/// The circle in the nodes of the whole graph, from its earliest transaction on.
fn from_earliest(steps: &Steps, members: &[u32]) -> Steps {
    let mut steps: Steps =
        steps.iter().map(|(node, kind)| (members[*node as usize], *kind)).collect();
    let earliest = (0..steps.len()).min_by_key(|place| steps[*place].0).unwrap_or(0);
    steps.rotate_left(earliest);
    steps
}
