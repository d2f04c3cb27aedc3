//! Fractured reads and circles of causality: reads past a version that was already behind them.
//!
//! Both are circles of the whole graph, so that only transactions on circles are looked at.
//!
//! A read is *fractured* (Bailis et al. 2014) if its transaction reads what another one wrote last to
//! one list, and of a second list a version that lacks what the other one wrote there.
//!
//! A *circle of causality* (Biswas and Enea 2019, axiom Causal): t2 comes before t3 by sessions and
//! `wr`, and t3 reads a list without what t2 appended to it. For each list the greatest version
//! among the causes of each transaction is handed on along a topological order.

use rustc_hash::FxHashMap;
use schism_history::{Key, MopKind};

use super::explanation::Story;
use super::lists::List;
use super::transactions::keys;
use crate::Budget;
use crate::transactional::{
    EdgeKind, Graph, Kinds, Masked, Paths, Steps, View, tell_as, topological,
};
use crate::{Anomaly, transactional};

/// A version that comes after every one that was read.
const UNSEEN: u32 = u32::MAX;

/// The fractured reads of these transactions, at most `most`.
pub(crate) fn fractured_reads(story: &Story<'_, '_>, among: &[u32], most: usize) -> Vec<Anomaly> {
    let told = |circle: Steps| tell_as("fractured-read", &circle, story);
    among.iter().filter_map(|reader| fractured(story, *reader)).take(most).map(told).collect()
}

/// A circle of the reader and the one of whom it saw a part.
fn fractured(story: &Story<'_, '_>, reader: u32) -> Option<Steps> {
    let (transactions, happened) = (story.transactions, &story.lists.happened);
    let lengths = lengths(story, reader);
    for &(list, length) in &lengths {
        let Some(last) = length.checked_sub(1) else { continue };
        let Some(writer) = list.effective_writer(last as usize, happened) else { continue };
        if writer == reader {
            continue;
        }
        let wrote = keys(transactions.at(writer).mops, MopKind::Append);
        for &(other, length) in lengths.iter().filter(|(list, _)| wrote.contains(&list.key)) {
            if version(story, other, writer).is_some_and(|version| version > length) {
                return Some(vec![(reader, EdgeKind::ReadWrite), (writer, EdgeKind::WriteRead)]);
            }
        }
    }
    None
}

/// The lists whose order is known that a committed transaction read, and the lengths that it saw.
fn lengths<'s, 'a>(story: &'s Story<'_, 'a>, reader: u32) -> Vec<(&'s List<'a>, u32)> {
    let transaction = story.transactions.at(reader);
    if transaction.fate != super::transactions::Fate::Committed {
        return Vec::new();
    }
    let mut lengths = Vec::new();
    for mop in transaction.mops.iter().filter(|mop| mop.kind == MopKind::Read) {
        let list = story.lists.get(mop.key).filter(|list| list.ordered());
        let elements = super::transactions::elements(&mop.value).unwrap_or_default();
        lengths.extend(list.map(|list| (list, elements.len() as u32)));
    }
    lengths
}

/// The length of the list after the last append of a transaction to it.
fn version(story: &Story<'_, '_>, list: &List<'_>, writer: u32) -> Option<u32> {
    let happened = &story.lists.happened;
    if list.unseen(happened).iter().any(|touch| touch.transaction == writer) {
        return Some(UNSEEN);
    }
    let own = list.versions(happened).filter(|(_, it)| *it == writer);
    own.map(|(place, _)| place as u32 + 1).max()
}

/// What the members of a component did to one list.
#[derive(Default)]
struct Uses {
    /// Who wrote it, with the version.
    writes: Vec<(u32, u32)>,
    /// Who read it, with the version.
    reads: Vec<(u32, u32)>,
}

/// The circles of causality among these transactions, one of each list, at most `most`; and whether
/// all of them were looked at.
pub(crate) fn causal_circles(
    story: &Story<'_, '_>,
    graph: &Graph,
    among: &[u32],
    most: usize,
    budget: &Budget,
) -> (Vec<Anomaly>, bool) {
    let inside = graph.within(among, &mut vec![0; graph.len()]);
    let causes = Kinds::of(&[EdgeKind::WriteRead, EdgeKind::Process]);
    let view = Masked { graph: &inside, kinds: causes };
    let order = topological(&view);
    let mut place = vec![u32::MAX; inside.len()];
    for (number, node) in (0u32..).zip(&order) {
        place[*node as usize] = number;
    }
    let mut paths = Paths::new(&inside, &view);
    let mut found = Vec::new();
    for uses in uses(story, among) {
        if budget.expired() {
            return (found, false);
        }
        let Some((reader, length)) = passed(&view, &order, &place, &uses) else { continue };
        let later = uses.writes.iter().filter(|(_, version)| *version > length);
        let ways =
            later.filter_map(|(writer, _)| paths.shortest(*writer, reader, usize::MAX, |_| true));
        if let Some(way) = ways.min_by_key(Vec::len) {
            let mut circle: Steps = vec![(among[reader as usize], EdgeKind::ReadWrite)];
            circle.extend(way.into_iter().map(|(node, kind)| (among[node as usize], kind)));
            let sessions = circle.iter().any(|(_, kind)| *kind == EdgeKind::Process);
            let name = if sessions { "causal-cycle-process" } else { "causal-cycle" };
            found.push(transactional::tell_as(name, &circle, story));
        }
        if found.len() >= most {
            break;
        }
    }
    (found, true)
}

/// What these transactions, by their places among them, did to each list that one of them read.
fn uses(story: &Story<'_, '_>, among: &[u32]) -> Vec<Uses> {
    let mut numbers: FxHashMap<Key, usize> = FxHashMap::default();
    let mut all: Vec<Uses> = Vec::new();
    for (node, &transaction) in (0u32..).zip(among) {
        for (list, length) in lengths(story, transaction) {
            let number = *numbers.entry(list.key).or_insert_with(|| {
                all.push(Uses::default());
                all.len() - 1
            });
            all[number].reads.push((node, length));
        }
    }
    for (node, &transaction) in (0u32..).zip(among) {
        for key in keys(story.transactions.at(transaction).mops, MopKind::Append) {
            let Some(&number) = numbers.get(&key) else { continue };
            let list = story.lists.get(key);
            let version = list.and_then(|list| version(story, list, transaction));
            all[number].writes.extend(version.map(|version| (node, version)));
        }
    }
    all
}

/// A read of a version before one that is among its causes.
fn passed(view: &Masked<'_>, order: &[u32], place: &[u32], uses: &Uses) -> Option<(u32, u32)> {
    let at = |node: u32| place[node as usize];
    let first = uses.writes.iter().map(|(node, _)| at(*node)).min()?;
    let last = uses.reads.iter().map(|(node, _)| at(*node)).filter(|it| *it != u32::MAX).max()?;
    if first >= last {
        return None;
    }
    let inside =
        |node: u32| (first..=last).contains(&at(node)).then(|| (at(node) - first) as usize);
    let mut written = vec![0u32; (last - first + 1) as usize];
    let mut caused = written.clone();
    for &(writer, version) in &uses.writes {
        if let Some(writer) = inside(writer) {
            written[writer] = written[writer].max(version);
        }
    }
    for number in 0..written.len() {
        let version = caused[number].max(written[number]);
        if version == 0 {
            continue;
        }
        let node = order[first as usize + number];
        for to in view.edges(node).filter_map(|edge| view.follow(node, edge)) {
            if let Some(to) = inside(to) {
                caused[to] = caused[to].max(version);
            }
        }
    }
    let passes = |(reader, length): &&(u32, u32)| {
        inside(*reader).is_some_and(|reader| caused[reader] > *length)
    };
    uses.reads.iter().find(passes).copied()
}
