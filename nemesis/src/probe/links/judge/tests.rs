//! Looks that were made up, judged.

use schism_lab::{End, NodeId};

use super::*;

const DROP: LinkRule =
    LinkRule { drop: true, hold: false, delay: Duration::ZERO, jitter: Duration::ZERO };

fn link(number: u16) -> Link {
    (End::Controller, End::Node(NodeId(number)))
}

fn millis(tenths: u64) -> Duration {
    Duration::from_micros(tenths * 100)
}

fn delay(by: u64, jitter: u64) -> LinkRule {
    let (delay, jitter) = (Duration::from_millis(by), Duration::from_millis(jitter));
    LinkRule { delay, jitter, ..LinkRule::default() }
}

/// Times in tenths of milliseconds, of links from 1 on.
fn sights(all: &[&[u64]]) -> Sights {
    let sight =
        |times: &&[u64]| Sight { sent: 3, times: times.iter().copied().map(millis).collect() };
    (1..).map(link).zip(all.iter().map(sight)).collect()
}

fn before() -> BTreeMap<Link, Duration> {
    (1..9).map(|number| (link(number), millis(2))).collect()
}

/// Links 1 and 2 are broken by `own`, together with `others`; 3 is a control.
fn check(own: [LinkRule; 2], others: &[(u16, LinkRule)], seen: &[&[u64]], expected: (bool, &str)) {
    let rules = LinkRules((1..).map(link).zip(own).collect());
    let other = LinkRules(others.iter().map(|(number, rule)| (link(*number), *rule)).collect());
    let all = crate::injection::together([&rules, &other]);
    let observable = Observable::of(&rules, &all);
    let judged = match observable.nothing() {
        Some(nothing) => evidence(false, nothing),
        None => bites(&observable, &before(), &[link(3)], &sights(seen)),
    };
    assert_eq!(judged.seen, expected.0, "{seen:?}: {}", judged.text);
    assert!(judged.text.contains(expected.1), "{seen:?}: {}", judged.text);
}

#[test]
fn a_cut_is_seen_by_silence_while_others_work() {
    check([DROP; 2], &[], &[&[], &[], &[2, 2, 2]], (true, "2 of 2 cut links carried nothing"));
    check([DROP; 2], &[], &[&[], &[9], &[2, 2, 2]], (false, "1 of 2 cut links"));
    check([DROP; 2], &[], &[&[], &[], &[]], (false, "0 of 1 other links worked"));
}

#[test]
fn a_delay_is_seen_by_lateness_alone() {
    let slow = [delay(20, 0); 2];
    check(slow, &[], &[&[202, 203], &[205], &[2, 2, 2]], (true, "2 of 2 slowed links were late"));
    check(slow, &[], &[&[2, 3], &[205], &[2, 2, 2]], (false, "1 of 2 slowed links"));
    check(slow, &[], &[&[], &[205], &[2, 2, 2]], (false, "1 of 2 slowed links"));
    // Where the jitter is as long as the delay, a single link may be as fast as ever, all may not.
    let shaky = [delay(20, 20); 2];
    check(shaky, &[], &[&[2, 2, 2], &[3, 3, 3], &[2, 2, 2]], (false, "0.2 ms on average"));
    check(shaky, &[], &[&[2, 90, 150], &[300, 310], &[2, 2, 2]], (true, "2 of 2"));
    // A busy machine is late on all links.
    check([delay(4, 4); 2], &[], &[&[40], &[40], &[40, 40]], (false, "4.0 ms without the delay"));
}

#[test]
fn a_delay_is_not_looked_for_where_another_fault_cuts() {
    let slow = [delay(20, 0); 2];
    let seen: [&[u64]; 3] = [&[], &[202, 203], &[2, 2, 2]];
    check(slow, &[(1, DROP)], &seen, (true, "1 more are cut by another fault"));
    check(slow, &[(1, DROP), (2, DROP)], &seen, (false, "nothing of it can be seen"));
    // A cut is one, even if the link is slow as well.
    check([DROP; 2], &[(1, delay(20, 0))], &[&[], &[], &[2]], (true, "2 of 2 cut links"));
}

#[test]
fn each_of_two_delays_must_bite() {
    let slow = [delay(20, 0); 2];
    let others = [(1, delay(30, 0)), (2, delay(30, 0))];
    check(slow, &others, &[&[502], &[503], &[2]], (true, "2 of 2"));
    check(slow, &others, &[&[302], &[303], &[2]], (false, "0 of 2"));
}

#[test]
fn a_link_that_is_still_slow_is_not_healed() {
    let check = |rule: LinkRule, seen: &[&[u64]], expected: bool| {
        let slowed = [1, 2].map(|number| (link(number), margin(&rule))).into();
        let patience = Duration::from_millis(80);
        let judged = fast(&slowed, &before(), &[link(3)], &sights(seen), patience);
        assert_eq!(judged.is_ok(), expected, "{rule:?} {seen:?}: {judged:?}");
    };
    check(delay(20, 0), &[&[2, 2, 2], &[3, 2, 2], &[2, 2, 2]], true);
    check(delay(20, 0), &[&[202, 203, 203], &[204, 203, 203], &[2, 2, 2]], false);
    check(delay(20, 20), &[&[2, 150, 180], &[20, 280, 280], &[2, 2, 2]], false);
    check(delay(4, 0), &[&[42, 42, 42], &[41, 43, 42], &[2, 2, 2]], false);
    check(delay(4, 0), &[&[12, 12, 12], &[11, 13, 12], &[9, 11, 12]], true);
    // What does not come is not fast.
    check(delay(20, 0), &[&[2], &[3, 2, 2], &[2, 2, 2]], false);
}
