//! Demands on versions of unknown order: together they may contradict every order.

use rustc_hash::FxHashMap;

use super::guarantees::Demand;
use super::versions::Orders;

/// Demands that the known order of versions does not decide, by session and key.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    demands: Vec<(u32, u32, Demand)>,
}

impl Pending {
    /// Keeps a demand of `session` on `key`.
    pub fn push(&mut self, session: u32, key: u32, demand: Demand) {
        self.demands.push((session, key, demand));
    }

    /// The bytes that are held.
    pub fn bytes(&self) -> usize {
        self.demands.len() * size_of::<(u32, u32, Demand)>()
    }

    /// Circles among the demands of one session on one key, and the ranks of blocks that are known:
    /// no order of the versions fulfils them. At most `most`, each the demands in it.
    ///
    /// Two sessions that contradict each other prove nothing: where replicas agree on no order of
    /// versions, both may be right.
    pub fn circles(mut self, orders: &Orders, most: usize) -> Vec<Vec<Demand>> {
        self.demands.sort_by_key(|(session, key, demand)| (*session, *key, demand.read));
        let groups = self.demands.chunk_by(|one, other| (one.0, one.1) == (other.0, other.1));
        groups.filter_map(|group| circle(group, orders)).take(most).collect()
    }
}

/// An edge between blocks: to which, and the demand that makes it, if it is none of ranks.
type Edge = (usize, Option<usize>);

fn circle(group: &[(u32, u32, Demand)], orders: &Orders) -> Option<Vec<Demand>> {
    let mut places: FxHashMap<u32, usize> = FxHashMap::default();
    let mut edges: Vec<Vec<Edge>> = Vec::new();
    let mut ranked: Vec<(u64, usize)> = Vec::new();
    let mut place = |version: u32, edges: &mut Vec<Vec<Edge>>| {
        let (block, rank) = orders.block(version);
        *places.entry(block).or_insert_with(|| {
            edges.push(Vec::new());
            ranked.extend(rank.map(|rank| (rank, edges.len() - 1)));
            edges.len() - 1
        })
    };
    for (at, (_, _, demand)) in group.iter().enumerate() {
        let (from, to) = (place(demand.least, &mut edges), place(demand.found, &mut edges));
        edges[from].push((to, Some(at)));
    }
    ranked.sort_unstable();
    for pair in ranked.windows(2) {
        edges[pair[0].1].push((pair[1].1, None));
    }
    // Whatever leads nowhere is taken away; what is left leads into a circle.
    let mut leads: Vec<usize> = edges.iter().map(Vec::len).collect();
    let mut before: Vec<Vec<usize>> = vec![Vec::new(); edges.len()];
    for (from, edges) in edges.iter().enumerate() {
        for &(to, _) in edges {
            before[to].push(from);
        }
    }
    let mut gone: Vec<usize> = (0..edges.len()).filter(|&at| leads[at] == 0).collect();
    while let Some(at) = gone.pop() {
        for &from in &before[at] {
            leads[from] -= 1;
            if leads[from] == 0 {
                gone.push(from);
            }
        }
    }
    let mut at = leads.iter().position(|&count| count > 0)?;
    let mut walked: Vec<Option<usize>> = vec![None; edges.len()];
    let mut walk: Vec<Option<usize>> = Vec::new();
    loop {
        if let Some(start) = walked[at] {
            let demands = walk.split_off(start).into_iter().flatten();
            return Some(demands.map(|at| group[at].2).collect());
        }
        walked[at] = Some(walk.len());
        let &(to, demand) = edges[at].iter().find(|(to, _)| leads[*to] > 0)?;
        walk.push(demand);
        at = to;
    }
}
