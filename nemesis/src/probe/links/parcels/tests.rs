//! What parcels may do, and what is made of what they did: without a network.

use schism_lab::{End, NodeId};

use super::*;

const LINK: Link = (End::Node(NodeId(1)), End::Node(NodeId(2)));
const OPEN: LinkRule =
    LinkRule { drop: false, hold: false, delay: Duration::ZERO, jitter: Duration::ZERO };
const HOLD: LinkRule = LinkRule { hold: true, ..OPEN };
const DROP: LinkRule = LinkRule { drop: true, ..OPEN };
const SLOW: LinkRule =
    LinkRule { delay: Duration::from_millis(50), jitter: Duration::from_millis(10), ..OPEN };

/// What may become of what was sent at 10 ms, under changes at these milliseconds: when it may come
/// at the earliest, and whether it must.
fn check(changes: &[(u64, LinkRule)], expected: (Option<u64>, bool)) {
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let moments: Vec<(Instant, LinkRule)> =
        changes.iter().map(|(ms, rule)| (at(*ms), *rule)).collect();
    let fate = fate(at(10), &moments);
    assert_eq!((fate.not_before, fate.comes), (expected.0.map(at), expected.1), "{changes:?}");
}

#[test]
fn what_is_held_comes_after_its_release() {
    check(&[(5, HOLD), (900, OPEN)], (Some(900), true));
    check(&[(5, HOLD), (900, OPEN), (915, HOLD)], (Some(900), false));
    check(&[(5, HOLD), (900, OPEN), (915, HOLD), (3000, OPEN)], (Some(900), true));
    check(&[(5, HOLD), (900, SLOW)], (Some(940), true));
    check(&[(5, HOLD)], (None, false));
    // Another hold of the same link changes nothing.
    check(&[(5, HOLD), (500, HOLD), (900, OPEN)], (Some(900), true));
}

#[test]
fn what_is_cut_never_comes() {
    check(&[(5, DROP), (900, OPEN)], (None, false));
    check(&[(5, HOLD), (700, DROP), (900, OPEN)], (None, false));
    // A switch that is behind may take it for one that was sent after the cut.
    check(&[(5, DROP), (20, OPEN)], (Some(20), false));
}

#[test]
fn what_is_slow_comes_late_unless_it_is_let_go() {
    check(&[(5, SLOW)], (Some(50), true));
    check(&[(5, SLOW), (30, OPEN)], (Some(30), true));
    check(&[(5, SLOW), (30, HOLD), (400, OPEN)], (Some(50), true));
    check(&[(5, SLOW), (30, DROP)], (Some(50), false));
    check(&[(5, SLOW), (3000, DROP)], (Some(50), true));
}

#[test]
fn what_is_open_comes_unless_it_is_cut_right_afterwards() {
    check(&[(5, OPEN)], (Some(10), true));
    check(&[(5, OPEN), (20, DROP)], (Some(10), false));
    check(&[(5, OPEN), (3000, DROP)], (Some(10), true));
}

/// Facts of parcels sent at 10, 11 … ms over a link that is held until 900 ms.
fn held(came: &[Option<u64>]) -> Evidence {
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let changes = [(at(5), HOLD), (at(900), OPEN)];
    let fact = |(place, came): (u64, &Option<u64>)| Fact {
        link: LINK,
        fate: fate(at(10 + place), &changes),
        at: at(10 + place),
        came: came.map(at),
    };
    judge(&(0..).zip(came).map(fact).collect::<Vec<_>>())
}

#[test]
fn proves_a_hold_by_what_came_after_it_and_in_order() {
    let evidence = held(&[Some(901), None, Some(903)]);
    let text = "of 3 datagrams over 1 links none came before it might; 2 came in order";
    assert!(evidence.seen && evidence.text.starts_with(text), "{evidence:?}");
}

#[test]
fn doubts_a_link_that_leaks_or_loses_or_swaps() {
    let check = |came: &[Option<u64>], expected: &str| {
        let evidence = held(came);
        assert!(!evidence.seen && evidence.text.contains(expected), "{evidence:?}");
    };
    check(&[Some(11), Some(901)], "n1 → n2 carried what they were to keep");
    check(&[Some(905), Some(902)], "delivered out of order");
    check(&[None, None], "never delivered");
    check(&[], "nothing could be sent");
}
