//! Scenarios as plans write them, played in thought.

use rand_chacha::rand_core::SeedableRng;
use schism_lab::{End, NodeId};
use serde_json::{Value, json};

use super::*;
use crate::View;

fn scenario(steps: Value) -> Scenario {
    Scenario::parse(&steps).expect("a scenario")
}

/// The seven links and the stopped leader of etcd-io/etcd#20418.
fn stale_read() -> Value {
    json!([
        {"roles": {"L": "leader", "F": "follower", "G": "other"}},
        {"hold": {"from": "L", "to": "F"}},
        {"until": {"operation": {"f": "read", "outcome": "begun", "at": "F"}, "within": "2s"}},
        {"wait": "100ms..450ms"},
        {"hold": {"between": ["L", "G"]}},
        {"release": {"from": "L", "to": "F"}},
        {"wait": "15ms"},
        {"hold": {"links": "L"}},
        {"pause": "L"},
        {"until": {"leader": {"not": "L"}}},
        {"resume": "L"},
        {"in-any-order": {"gap": "0ms..100ms", "steps": [
            {"release": {"from": "L", "to": "F"}},
            {"heal": {"between": ["L", "G"]}}
        ]}},
        {"heal": "all"}
    ])
}

#[test]
fn reads_every_kind_of_step() {
    let scenario = scenario(stale_read());
    assert_eq!(scenario.steps.len(), 13);
    assert_eq!(scenario.least(), Duration::from_millis(115));
    assert_eq!(scenario.faults(), ["hold", "pause"]);
    assert_eq!(scenario.fits(3, 0), Ok(()));
    assert_eq!(scenario.fits(2, 0), Err("step 1: no node is left for G".into()));
}

#[test]
fn says_at_which_step_it_is_wrong() {
    let check = |steps: Value, path: &str, problem: &str| {
        let error = Scenario::parse(&steps).expect_err("it is wrong");
        assert_eq!(error.path.join("."), path, "{steps}");
        assert!(error.problem.contains(problem), "{steps}: {}", error.problem);
    };
    check(json!("pause"), "", "a list of steps");
    check(json!([{"wait": "1s"}]), "", "breaks nothing");
    check(json!([{"pauze": "n1"}]), "0.pauze", "did you mean `pause`?");
    check(json!([{"pause": "n1", "wait": "1s"}]), "0", "a step is one word");
    check(json!([{"pause": "L"}]), "0.pause", "no step before this gives roles");
    let roles = json!({"roles": {"Leader": "leader"}});
    check(json!([roles, {"pause": "Leade"}]), "1.pause", "did you mean `Leader`?");
    check(json!([{"roles": {"L": "leadr"}}]), "0.roles.L", "did you mean `leader`?");
    check(json!([{"roles": {"n1": "leader"}}]), "0.roles.n1", "no name for a role");
    check(json!([{"hold": {"from": "n1"}}]), "0.hold", "links are");
    check(json!([{"hold": {"from": "n1", "too": "n2"}}]), "0.hold.too", "did you mean `to`?");
    check(json!([{"hold": {"from": "n1", "to": "n1"}}]), "0.hold.to", "not back to the same");
    check(json!([{"hold": {"between": ["n1", "x"]}}]), "0.hold.between.1", "no role `x`");
    check(json!([{"hold": {"links": "clients"}}]), "0.hold.links", "no role `clients`");
    check(json!([{"delay": {"from": "n1", "to": "n2"}}]), "0.delay", "`by` is missing");
    check(json!([{"wait": "5"}]), "0.wait", "duration");
    check(json!([{"wait": "20ms..10ms"}]), "0.wait", "runs backwards");
    check(json!([{"until": {"leader": {}, "wthin": "1s"}}]), "0.until.wthin", "`within`?");
    check(json!([{"until": {}}]), "0.until", "either `leader` or `operation`");
    let begun = json!([{"until": {"operation": {"outcome": "begn"}}}]);
    check(begun, "0.until.operation.outcome", "did you mean `begun`?");
    let nested = json!([{"in-any-order": {"steps": [{"pause": "n1"}, {"wait": "1s"}]}}]);
    check(nested, "0.in-any-order.steps.1.wait", "cannot stand here");
    check(json!([{"in-any-order": [{"pause": "n1"}]}]), "0.in-any-order", "two steps or more");
}

#[test]
fn refuses_steps_that_cannot_be_taken() {
    let check = |steps: Value, problem: &str| {
        let fits = scenario(steps.clone()).fits(3, 0);
        assert!(fits.as_ref().is_err_and(|fits| fits.contains(problem)), "{steps}: {fits:?}");
    };
    check(json!([{"pause": "n4"}]), "step 1: there is no node n4; the nodes are n1, n2, n3");
    check(json!([{"drop": {"from": "n1", "to": "n7"}}]), "there is no node n7");
    let held = json!({"hold": {"from": "n1", "to": "n2"}});
    check(json!([held, {"release": {"from": "n2", "to": "n1"}}]), "step 2: n2 → n1 is not held");
    let roles = json!({"roles": {"A": "leader", "B": "n1"}});
    check(json!([roles, {"hold": {"from": "A", "to": "B"}}]), "no such link");
}

#[test]
fn roles_of_one_step_never_share_a_node_and_others_are_the_rest() {
    let all: Vec<NodeId> = (1..=5).map(NodeId).collect();
    for seed in 0..40 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let leader = NodeId(1 + (seed % 5) as u16);
        let view = View {
            nodes: all.clone(),
            playing: [(LEADER, vec![leader])].into(),
            ..View::default()
        };
        let mut stage = Stage::new(all.clone(), Vec::new());
        let wanted =
            [("G", Who::Other), ("F", Who::Follower), ("L", Who::Plays(LEADER)), ("X", Who::One)]
                .map(|(name, who)| (name.to_owned(), who));
        let cast = stage.cast(&wanted, &view, &mut rng).expect("roles");
        let counts: Vec<usize> = cast.iter().map(|(_, nodes)| nodes.len()).collect();
        assert_eq!(counts, [2, 1, 1, 1]);
        assert_eq!(stage.nodes_at(&[Place::Role("L".into())]), [leader]);
        let every = ["G", "F", "L", "X"].map(|name| Place::Role(name.into()));
        assert_eq!(stage.nodes_at(&every), all);
    }
}

#[test]
fn rules_follow_the_steps() {
    let link = |from, to| (End::Node(NodeId(from)), End::Node(NodeId(to)));
    let mut stage = Stage::new((1..=3).map(NodeId).collect(), Vec::new());
    let between = Links::Between(vec![Place::Node(NodeId(1)), Place::Node(NodeId(2))]);
    assert_eq!(stage.links(&between), [link(1, 2), link(2, 1)]);
    let of = Links::Of(vec![Place::Node(NodeId(1))]);
    assert_eq!(stage.links(&of), [link(1, 2), link(1, 3), link(2, 1), link(3, 1)]);
    let clients = Links::Directed(vec![Place::Clients], vec![Place::Node(NodeId(3))]);
    assert_eq!(stage.links(&clients), [(End::Controller, End::Node(NodeId(3)))]);
    stage.change(Change::Hold, &[link(1, 2), link(2, 1)]).expect("they are there");
    let slow = Change::Delay(Duration::from_millis(5), Duration::ZERO);
    stage.change(slow, &[link(1, 2)]).expect("it is there");
    stage.change(Change::Release, &[link(1, 2), link(2, 1)]).expect("they are held");
    // Only the delay of one direction is left.
    assert_eq!(stage.links(&Links::All), [link(1, 2)]);
    assert!(stage.change(Change::Release, &[link(2, 1)]).is_err());
    stage.change(Change::Heal, &[link(1, 2)]).expect("anything can be healed");
    assert!(stage.rules().0.is_empty());
}

#[test]
fn draws_times_within_their_bounds_and_the_same_from_the_same_seed() {
    let spread = Spread { least: Duration::from_millis(5), most: Duration::from_millis(25) };
    let draws = |seed| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..200).map(|_| spread.draw(&mut rng)).collect::<Vec<_>>()
    };
    assert_eq!(draws(1), draws(1));
    assert_ne!(draws(1), draws(2));
    assert!(draws(1).iter().all(|drawn| (spread.least..=spread.most).contains(drawn)));
    let exact = Spread { least: spread.least, most: spread.least };
    assert_eq!(exact.draw(&mut ChaCha8Rng::seed_from_u64(1)), spread.least);
}

#[test]
fn other_faults_may_be_steps_and_say_what_they_need() {
    let steps = json!([
        {"roles": {"L": "leader", "C": "client"}},
        {"clock": {"of": "L", "offset": "2s"}},
        {"burn": ["L", "n2"]},
        {"power-loss": {"of": "n2", "torn": true}},
        {"end": ["clock", "burn"]},
        {"clock": {"of": "C", "offset": "-1s"}},
        {"damage": {"of": "n3", "files": "log", "flip": 1}}
    ]);
    let scenario = scenario(steps);
    assert_eq!(scenario.faults(), ["burn", "clock", "damage", "power-loss"]);
    assert_eq!(scenario.fits(3, 2), Ok(()));
    assert!(scenario.fits(3, 0).is_err(), "there is no client");
    // The layer that a loss of power needs is there from the beginning.
    assert_eq!(
        scenario.inner().find_map(|fault| fault.prepares()),
        Some(schism_lab::Effect::Layer)
    );
    let numbers = scenario.touches().filter_map(|touch| match touch {
        Touch::Inner(inner) => Some(inner.number),
        _ => None,
    });
    assert_eq!(numbers.collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
}

#[test]
fn says_what_is_wrong_with_a_fault_that_is_a_step() {
    let check = |step: Value, path: &str, problem: &str| {
        let error = Scenario::parse(&json!([step])).expect_err("it is wrong");
        assert_eq!(error.path.join("."), path, "{step}");
        assert!(error.problem.contains(problem), "{step}: {}", error.problem);
    };
    check(json!({"clock": {"offset": "2s"}}), "0.clock", "`of` is missing");
    check(json!({"clock": {"of": "L", "offset": "2s"}}), "0.clock.of", "no role `L`");
    check(json!({"clock": {"of": "n1", "offset": "5"}}), "0.clock.offset", "duration");
    check(json!({"disk": {"of": "c1", "full": true}}), "0.disk.of", "strikes nodes and no clients");
    check(json!({"end": "kill"}), "0.end", "nothing that ends");
    check(json!({"reshard": {}}), "0.reshard", "beside the scenario");
    check(json!({"partition": "halves"}), "0.partition", "write it as `drop`");
    let client = json!([{"damage": {"of": "C", "files": "log", "flip": 1}}]);
    let roles = json!({"roles": {"C": "client"}});
    let struck = Scenario::parse(&json!([roles, client[0]])).expect("it can be read").fits(3, 2);
    assert!(struck.is_err_and(|problem| problem.contains("strikes nodes and no clients")));
}
