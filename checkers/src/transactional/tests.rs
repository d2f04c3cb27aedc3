//! The classes of circles against their definitions, on small random graphs; the table of models.

use schism_history::Process;

use super::cycles::Cycle;
use super::random::{Random, cases};
use super::*;
use crate::{Budget, Claim};

const NODES: usize = 6;

/// A relation over the transactions.
#[derive(Clone, Copy, Default)]
struct Relation([[bool; NODES]; NODES]);

impl Relation {
    fn or(mut self, other: Self) -> Self {
        for (mine, its) in self.0.iter_mut().zip(other.0) {
            mine.iter_mut().zip(its).for_each(|(mine, its)| *mine |= its);
        }
        self
    }

    fn then(self, other: Self) -> Self {
        let mut all = Self::default();
        for from in 0..NODES {
            for to in 0..NODES {
                all.0[from][to] = (0..NODES).any(|by| self.0[from][by] && other.0[by][to]);
            }
        }
        all
    }

    fn closure(mut self) -> Self {
        for _ in 0..NODES {
            self = self.or(self.then(self));
        }
        self
    }

    fn circular(self) -> bool {
        let closure = self.closure();
        (0..NODES).any(|node| closure.0[node][node])
    }
}

/// Transactions at random times in two sessions.
fn lifetimes(random: &mut Random) -> Vec<Lifetime> {
    let mut clock = [0u64; 3];
    let mut all: Vec<Lifetime> = Vec::new();
    for _ in 0..NODES {
        let process = random.below(3);
        let invoked = clock[process] * 10 + random.below(40) as u64 * 10 + all.len() as u64;
        let completed = invoked + 1 + random.below(30) as u64 * 10;
        clock[process] = completed / 10 + 1;
        let completed = if random.below(6) == 0 { NEVER } else { completed };
        if completed == NEVER {
            clock[process] = 1_000_000 + all.len() as u64 * 1000;
        }
        let happened = random.below(8) > 0;
        all.push(Lifetime { process: Process(process as u32), invoked, completed, happened });
    }
    all.sort_by_key(|one| one.invoked);
    all
}

/// The sessions and real time as relations.
fn orders(lifetimes: &[Lifetime]) -> (Relation, Relation) {
    let (mut process, mut realtime) = (Relation::default(), Relation::default());
    for (from, a) in lifetimes.iter().enumerate().filter(|(_, a)| a.happened) {
        for (to, b) in lifetimes.iter().enumerate().filter(|(_, b)| b.happened) {
            realtime.0[from][to] = a.completed < b.invoked;
            process.0[from][to] = a.completed < b.invoked && a.process == b.process;
        }
    }
    (process, realtime)
}

/// Whether there is a circle of the class or a worse one, by the definition.
fn defined(class: Class, [ww, wr, rw]: [Relation; 3], time: Relation) -> bool {
    let writes = ww.or(time);
    let dependencies = writes.or(wr);
    match class {
        Class::G0 => writes.circular(),
        Class::G1c => dependencies.circular(),
        Class::GSingle => {
            let back = dependencies.closure();
            let closes = |(a, b): (usize, usize)| rw.0[a][b] && back.0[b][a];
            dependencies.circular()
                || (0..NODES).flat_map(|a| (0..NODES).map(move |b| (a, b))).any(closes)
        }
        Class::GNonadjacent => dependencies.or(dependencies.then(rw)).circular(),
        Class::G2 => dependencies.or(rw).circular(),
    }
}

/// Adds random edges of data, some of them by way of auxiliary nodes.
fn data(random: &mut Random, edges: &mut Edges) -> [Relation; 3] {
    let mut relations = [Relation::default(); 3];
    let kinds = [EdgeKind::WriteWrite, EdgeKind::WriteRead, EdgeKind::ReadWrite];
    let density = 2 + random.below(8);
    for _ in 0..density {
        let (from, to, kind) =
            (random.below(NODES), random.below(NODES), [0, 1, 2, 2, 2][random.below(5)]);
        if from == to {
            continue;
        }
        relations[kind].0[from][to] = true;
        if random.below(6) > 0 {
            edges.push(from as u32, to as u32, kinds[kind]);
            continue;
        }
        let by = edges.auxiliary();
        edges.push(from as u32, by, kinds[kind]);
        edges.push(by, to as u32, EdgeKind::Through);
        let other = random.below(NODES);
        if other != from {
            edges.push(by, other as u32, EdgeKind::Through);
            relations[kind].0[from][other] = true;
        }
    }
    relations
}

#[test]
fn finds_every_class_by_its_definition() {
    let cases = cases(20_000);
    let mut seen = [[0u64; 3]; 5];
    for case in 0..cases {
        let mut random = Random(case);
        let mut edges = Edges::within(NODES, &Budget::default());
        let relations = data(&mut random, &mut edges);
        let lifetimes = lifetimes(&mut random);
        let (process, realtime) = orders(&lifetimes);
        process_edges(lifetimes.iter().copied(), &mut edges);
        realtime_edges(lifetimes.iter().copied(), &mut edges);
        let graph = Graph::new(edges);
        let all = cycles(&graph, Order::Realtime, 8, &Budget::default());
        assert!(all.whole);
        for (place, class) in Class::ALL.into_iter().enumerate() {
            for (level, time) in [Relation::default(), process, realtime].into_iter().enumerate() {
                let order = Order::ALL[level];
                let expected = defined(class, relations, time);
                assert_eq!(
                    all.any(class, order),
                    expected,
                    "case {case}: {class:?} {order:?} {all:?}"
                );
                seen[place][level] +=
                    u64::from(all.found.iter().any(|one| (one.class, one.order) == (class, order)));
            }
        }
        for one in &all.found {
            check_steps(one, relations, process, realtime);
        }
    }
    assert!(cases < 20_000 || seen.iter().flatten().all(|count| *count > 0), "{seen:?}");
}

/// Each step is an edge, and the class that of the steps.
fn check_steps(one: &Cycle, [ww, wr, rw]: [Relation; 3], process: Relation, realtime: Relation) {
    let kinds: Vec<EdgeKind> = one.steps.iter().map(|(_, kind)| *kind).collect();
    assert_eq!(class::classify(&kinds), (one.class, one.order));
    for (place, &(from, kind)) in one.steps.iter().enumerate() {
        let to = one.steps[(place + 1) % one.steps.len()].0;
        let relation = match kind {
            EdgeKind::WriteWrite => ww,
            EdgeKind::WriteRead => wr,
            EdgeKind::ReadWrite => rw,
            EdgeKind::Process => process,
            _ => realtime,
        };
        assert!(relation.0[from as usize][to as usize], "{one:?}");
    }
}

#[test]
fn a_circle_through_a_large_component_is_found_whatever_its_size() {
    // A ring of 50,000 dependencies with one `rw` edge in it, and one that turns it into G-single.
    let count = 50_000;
    let mut edges = Edges::within(count as usize, &Budget::default());
    for node in 0..count - 1 {
        edges.push(node, node + 1, EdgeKind::WriteRead);
    }
    edges.push(count - 1, 0, EdgeKind::ReadWrite);
    let all = cycles(&Graph::new(edges), Order::Data, 8, &Budget::default());
    assert_eq!(all.found.len(), 1);
    assert_eq!((all.found[0].class, all.found[0].steps.len()), (Class::GSingle, count as usize));
}

#[test]
fn a_stronger_claim_is_broken_by_whatever_breaks_a_weaker_one() {
    use Claim::{
        Causal, ConsistentView, CursorStability, ReadAtomic, ReadCommitted, ReadUncommitted,
        RepeatableRead, Serializable, SnapshotIsolation, StrictSerializable,
        StrongSessionSerializable, StrongSessionSnapshotIsolation, StrongSnapshotIsolation,
    };
    let names = names();
    let drawn = [
        (ReadUncommitted, ReadCommitted),
        (ReadCommitted, CursorStability),
        (ReadCommitted, ReadAtomic),
        (CursorStability, ConsistentView),
        (CursorStability, RepeatableRead),
        (ConsistentView, SnapshotIsolation),
        (ReadAtomic, Causal),
        (Causal, StrongSessionSnapshotIsolation),
        (RepeatableRead, Serializable),
        (SnapshotIsolation, Serializable),
        (Serializable, StrongSessionSerializable),
        (StrongSessionSerializable, StrictSerializable),
        (SnapshotIsolation, StrongSessionSnapshotIsolation),
        (StrongSessionSnapshotIsolation, StrongSnapshotIsolation),
        (StrongSnapshotIsolation, StrictSerializable),
    ];
    for (weaker, stronger) in drawn {
        for name in &names {
            assert!(!breaks(name, weaker) || breaks(name, stronger), "{name}: {weaker} {stronger}");
        }
        let apart = names.iter().any(|name| breaks(name, stronger) && !breaks(name, weaker));
        assert!(apart, "nothing tells {stronger} from {weaker}");
    }
    // Without the order of sessions snapshot isolation includes causal consistency.
    for name in names.iter().filter(|name| !name.ends_with("-process")) {
        assert!(!breaks(name, Causal) || breaks(name, SnapshotIsolation), "{name}");
    }
    assert!(names.iter().all(|name| breaks(name, StrictSerializable)));
    assert!(claims().all(|claim| names.iter().any(|name| breaks(name, claim))));
}

fn names() -> Vec<String> {
    let others = [
        "G1a",
        "G1b",
        "internal",
        "future-read",
        "dirty-update",
        "duplicate-elements",
        "incompatible-order",
        "lost-update",
        "cyclic-versions",
        "fractured-read",
        "causal-cycle",
        "causal-cycle-process",
        "unexpected-element",
    ];
    let circles =
        Class::ALL.into_iter().flat_map(|class| Order::ALL.map(|order| class::name(class, order)));
    circles.chain(others.map(str::to_owned)).collect()
}

#[test]
fn the_table_says_what_the_definitions_do() {
    for (name, claim, expected) in [
        ("G0", Claim::ReadUncommitted, true),
        ("G1c", Claim::ReadUncommitted, false),
        ("G-single-item", Claim::ConsistentView, true),
        ("G-single-item", Claim::CursorStability, false),
        ("G-single-item", Claim::RepeatableRead, true),
        ("G-nonadjacent-item", Claim::ConsistentView, false),
        ("G-nonadjacent-item", Claim::SnapshotIsolation, true),
        ("G2-item", Claim::SnapshotIsolation, false),
        ("G2-item", Claim::RepeatableRead, true),
        ("G2-item-process", Claim::Serializable, false),
        ("G2-item-process", Claim::StrongSessionSerializable, true),
        ("G2-item-process", Claim::StrictSerializable, true),
        ("G-single-item-realtime", Claim::StrongSnapshotIsolation, true),
        ("G-single-item-realtime", Claim::StrongSessionSnapshotIsolation, false),
        ("lost-update", Claim::SnapshotIsolation, true),
        ("lost-update", Claim::ReadAtomic, false),
        ("future-read", Claim::ReadCommitted, true),
        ("internal", Claim::RepeatableRead, false),
        ("internal", Claim::Serializable, true),
        ("incompatible-order", Claim::ReadUncommitted, false),
        ("G0", Claim::Linearizable, false),
    ] {
        assert_eq!(breaks(name, claim), expected, "{name}, {claim}");
    }
    for class in Class::ALL {
        for order in Order::ALL {
            assert_eq!(models::circle(&class::name(class, order)), Some((class, order)));
        }
    }
    assert_eq!(order(Claim::Causal), Order::Process);
    assert_eq!(order(Claim::StrictSerializable), Order::Realtime);
    assert_eq!(order(Claim::SnapshotIsolation), Order::Data);
}
