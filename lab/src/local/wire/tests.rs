//! The switch's decisions, one frame at a time.

use super::*;

const PORTS: usize = 3;

fn rules(link: (usize, usize), rule: LinkRule) -> Vec<LinkRule> {
    let mut rules = vec![LinkRule::default(); PORTS * PORTS];
    rules[link.0 * PORTS + link.1] = rule;
    rules
}

fn send(wire: &mut Wire, number: u8, now: Instant) -> Decision {
    wire.decide(1, 2, now, || vec![number].into())
}

fn numbers(frames: impl IntoIterator<Item = Frame>) -> Vec<u8> {
    frames.into_iter().map(|frame| frame.bytes[0]).collect()
}

#[test]
fn drops_one_direction_only() {
    let mut wire = Wire::new(PORTS, 1);
    let now = Instant::now();
    wire.set(rules((1, 2), LinkRule { drop: true, ..LinkRule::default() }), now);
    assert_eq!(send(&mut wire, 0, now), Decision::Taken);
    assert_eq!(wire.next(), None);
    assert_eq!(wire.decide(2, 1, now, || vec![].into()), Decision::Forward);
}

#[test]
fn releases_what_was_held_in_order_and_whole() {
    let mut wire = Wire::new(PORTS, 1);
    let now = Instant::now();
    wire.set(rules((1, 2), LinkRule { hold: true, ..LinkRule::default() }), now);
    for number in 0..100 {
        assert_eq!(send(&mut wire, number, now), Decision::Taken);
    }
    let released = wire.set(rules((1, 2), LinkRule::default()), now);
    assert_eq!(numbers(released), (0..100).collect::<Vec<u8>>());
}

#[test]
fn holds_one_direction_only_and_whatever_becomes_of_other_links() {
    let mut wire = Wire::new(PORTS, 1);
    let now = Instant::now();
    let hold = LinkRule { hold: true, ..LinkRule::default() };
    wire.set(rules((1, 2), hold), now);
    send(&mut wire, 0, now);
    assert_eq!(wire.decide(2, 1, now, || vec![9].into()), Decision::Forward);
    // The other direction is held, too, and let go again, and another link is cut.
    let mut both = rules((1, 2), hold);
    both[2 * PORTS + 1] = hold;
    assert!(wire.set(both, now).is_empty());
    assert_eq!(wire.decide(2, 1, now, || vec![8].into()), Decision::Taken);
    send(&mut wire, 1, now);
    let mut one = rules((1, 2), hold);
    one[1] = LinkRule { drop: true, ..LinkRule::default() };
    assert_eq!(numbers(wire.set(one, now)), [8]);
    send(&mut wire, 2, now);
    assert_eq!(numbers(wire.set(rules((0, 1), LinkRule::default()), now)), [0, 1, 2]);
}

#[test]
fn keeps_no_more_of_a_held_link_than_its_bound_and_its_first_frames() {
    let mut wire = Wire::new(PORTS, 1);
    let now = Instant::now();
    wire.set(rules((1, 2), LinkRule { hold: true, ..LinkRule::default() }), now);
    for number in 0..=HELD_BYTES >> 20 {
        wire.decide(1, 2, now, || vec![number as u8; 1 << 20].into());
    }
    let released = wire.set(rules((1, 2), LinkRule::default()), now);
    assert_eq!(numbers(released), (0..(HELD_BYTES >> 20) as u8).collect::<Vec<u8>>());
}

#[test]
fn delays_within_the_jitter_and_keeps_the_order() {
    let mut wire = Wire::new(PORTS, 7);
    let now = Instant::now();
    let (delay, jitter) = (Duration::from_millis(50), Duration::from_millis(10));
    wire.set(rules((1, 2), LinkRule { delay, jitter, ..LinkRule::default() }), now);
    for number in 0..50 {
        send(&mut wire, number, now);
    }
    assert!(wire.due(now + Duration::from_millis(39)).is_none());
    let end = now + Duration::from_millis(60);
    let out = std::iter::from_fn(|| wire.due(end));
    assert_eq!(numbers(out), (0..50).collect::<Vec<u8>>());
}

const SLOW: LinkRule =
    LinkRule { drop: false, hold: false, delay: Duration::from_millis(50), jitter: Duration::ZERO };

#[test]
fn lets_delayed_frames_go_at_once_when_their_rule_goes() {
    let mut wire = Wire::new(PORTS, 7);
    let now = Instant::now();
    wire.set(rules((1, 2), SLOW), now);
    send(&mut wire, 0, now);
    send(&mut wire, 1, now);
    // A rule for another link leaves the frames where they are.
    let mut others = rules((1, 2), SLOW);
    others[0] = LinkRule { drop: true, ..LinkRule::default() };
    assert!(wire.set(others, now).is_empty());
    assert_eq!(numbers(wire.set(rules((1, 2), LinkRule::default()), now)), [0, 1]);
    assert_eq!(send(&mut wire, 2, now), Decision::Forward);
    assert_eq!(wire.next(), None);
}

#[test]
fn keeps_the_order_from_a_delay_through_a_hold_to_the_release() {
    let mut wire = Wire::new(PORTS, 7);
    let now = Instant::now();
    wire.set(rules((1, 2), SLOW), now);
    send(&mut wire, 0, now);
    wire.set(rules((1, 2), LinkRule { hold: true, ..LinkRule::default() }), now);
    send(&mut wire, 1, now);
    // What a link holds does not go out because its time has come.
    assert!(wire.due(now + Duration::from_secs(1)).is_none());
    assert!(wire.set(rules((1, 2), SLOW), now).is_empty());
    send(&mut wire, 2, now);
    let end = now + Duration::from_millis(50);
    assert_eq!(numbers(std::iter::from_fn(|| wire.due(end))), [0, 1, 2]);
}

#[test]
fn forgets_the_delay_of_a_link_that_was_cut_meanwhile() {
    let mut wire = Wire::new(PORTS, 7);
    let now = Instant::now();
    wire.set(rules((1, 2), LinkRule { delay: Duration::from_secs(9), ..SLOW }), now);
    send(&mut wire, 0, now);
    wire.set(rules((1, 2), LinkRule { drop: true, ..LinkRule::default() }), now);
    wire.set(rules((1, 2), SLOW), now);
    send(&mut wire, 1, now);
    assert_eq!(wire.next(), Some(now + Duration::from_millis(50)));
}

#[test]
fn keeps_no_more_of_a_slow_link_than_its_bound() {
    let mut wire = Wire::new(PORTS, 7);
    let now = Instant::now();
    wire.set(rules((1, 2), SLOW), now);
    let frames = DELAYED_BYTES / (1 << 20) + 5;
    for _ in 0..frames {
        wire.decide(1, 2, now, || vec![0; 1 << 20].into());
    }
    let out = std::iter::from_fn(|| wire.due(now + Duration::from_secs(1)));
    assert_eq!(out.count(), DELAYED_BYTES >> 20);
    // The queue has room again when frames have left it.
    wire.decide(1, 2, now, || vec![7].into());
    assert_eq!(numbers(wire.due(now + Duration::from_secs(1))), [7]);
}

#[test]
fn drops_delayed_frames_of_a_link_that_is_cut_meanwhile() {
    let mut wire = Wire::new(PORTS, 7);
    let now = Instant::now();
    let rule = LinkRule { delay: Duration::from_millis(50), ..LinkRule::default() };
    wire.set(rules((1, 2), rule), now);
    send(&mut wire, 0, now);
    wire.set(rules((1, 2), LinkRule { drop: true, ..LinkRule::default() }), now);
    assert!(wire.due(now + Duration::from_secs(1)).is_none());
}

#[test]
fn draws_the_same_delays_from_the_same_seed() {
    let delays = |seed| {
        let mut wire = Wire::new(PORTS, seed);
        let now = Instant::now();
        let rule = LinkRule { jitter: Duration::from_millis(10), ..LinkRule::default() };
        wire.set(rules((1, 2), rule), now);
        send(&mut wire, 0, now);
        wire.next().map(|at| at - now)
    };
    assert_eq!(delays(1), delays(1));
    assert_ne!(delays(1), delays(2));
}
