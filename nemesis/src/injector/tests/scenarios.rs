//! Scenarios and holds on nodes that are made up.

use super::*;

/// Carries out one scenario on three nodes; its marks must begin with these words.
fn check_scenario(stop_ms: u64, steps: Value, expected: &[&str]) -> Vec<(u128, String)> {
    let hosts = (1..=3).map(|number| FakeHost::new(number, 0, false)).collect();
    let (recorded, notes) = carry_out(hosts, &[(0, stop_ms, json!({"scenario": steps}))]);
    check(&recorded, expected);
    assert!(notes.is_empty(), "{notes:?}");
    recorded
}

#[test]
fn a_scenario_leaves_a_mark_for_every_step_and_is_proven_by_what_it_did() {
    let steps = json!([
        {"roles": {"L": "leader", "F": "follower", "G": "other"}},
        {"pause": "L"},
        {"until": {"leader": {"not": "L"}, "within": "3s"}},
        {"wait": "500ms"},
        {"resume": "L"},
        {"kill": "n3"},
        {"wait": "700ms..701ms"}
    ]);
    let bites = "F1 bites true: every step was taken; n2 leads after";
    let expected = [
        "F1 starts",
        "F1 step 1: L = n1, F = n",
        "F1 step 2: pause n1",
        "F1 step 3: until n2 leads after",
        "F1 step 4: wait 500.0 ms",
        "F1 step 5: resume n1",
        "F1 step 6: kill n3",
        "F1 step 7: wait 70",
        "F1 stops",
        bites,
        "F1 gone true: n1: answers as before",
    ];
    let recorded = check_scenario(9_000, steps, &expected);
    // It ends with its last step, not with its time.
    assert!(recorded[8].0 < 5_000 && recorded[5].0 - recorded[3].0 >= 500, "{recorded:?}");
    let (bites, gone) = (&recorded[9].1, &recorded[10].1);
    assert!(bites.contains("n1: raft (process 100) stopped, no processor time used"), "{bites}");
    assert!(bites.contains("n3: raft (process 100) gone, and it answers no more"), "{bites}");
    assert!(gone.contains("n3: answers as a new incarnation"), "{gone}");
}

#[test]
fn a_condition_that_is_not_met_ends_a_scenario_and_heals_it() {
    let nobody = json!({"leader": {"not": ["n1", "n2", "n3"]}, "within": "200ms"});
    let steps = json!([{"pause": "n1"}, {"until": nobody}, {"wait": "20s"}]);
    let why = "F1 bites false: broken off at step 2: no node but n1, n2, n3 said that it leads \
               within 200ms";
    let gone = "F1 gone true: n1: answers as before";
    check_scenario(30_000, steps, &["F1 starts", "F1 step 1: pause n1", "F1 stops", why, gone]);
}

#[test]
fn a_scenario_casts_and_waits_for_roles_of_the_system() {
    let steps = json!([
        {"roles": {"C": "controller", "F": "follower"}},
        {"pause": "C"},
        {"until": {"controller": {"not": "C"}, "within": "3s"}},
        {"wait": "300ms"}
    ]);
    let expected = [
        "F1 starts",
        "F1 step 1: C = n3, F = n",
        "F1 step 2: pause n3",
        "F1 step 3: until n2 is the controller after",
        "F1 step 4: wait",
        "F1 stops",
        "F1 bites true: every step was taken; n2 is the controller after",
        "F1 gone true: n3: answers as before",
    ];
    check_scenario(9_000, steps, &expected);
}

#[test]
fn an_operation_that_never_comes_ends_a_scenario_with_its_time() {
    let write = json!({"operation": {"f": "write", "at": "n2"}, "within": "9s"});
    let steps = json!([{"kill": "n1"}, {"until": write}]);
    let why = "F1 bites false: broken off at step 2: the time of the scenario was over";
    let gone = "F1 gone true: n1: answers as a new incarnation";
    check_scenario(400, steps, &["F1 starts", "F1 step 1: kill n1", "F1 stops", why, gone]);
}

#[test]
fn a_switch_that_heeds_no_rule_proves_no_scenario() {
    let steps = json!([
        {"hold": {"from": "n1", "to": "n2"}},
        {"wait": "20ms"},
        {"release": {"from": "n1", "to": "n2"}},
        {"wait": "5ms"}
    ]);
    let expected = [
        "F1 starts",
        "F1 step 1: hold n1 → n2",
        "F1 step 2: wait 20.0 ms",
        "F1 step 3: release n1 → n2",
        "F1 step 4: wait 5.0 ms",
        "F1 stops",
        "F1 bites false: every step was taken; n1 → n2 carried what they were to keep",
        "F1 gone true: 1 links work again",
    ];
    let recorded = check_scenario(2_000, steps, &expected);
    assert!(recorded[3].0 - recorded[1].0 >= 20, "{recorded:?}");
}

#[test]
fn a_hold_that_a_switch_does_not_heed_is_not_proven_and_delivers_too_early() {
    let hosts = (1..=2).map(|number| FakeHost::new(number, 0, false)).collect();
    let hold = json!({"hold": {"from": "n1", "to": "n2"}});
    let (recorded, _) = carry_out(hosts, &[(0, 900, hold)]);
    let gone = "F1 gone false: n1 → n2 carried what they were to keep; 1 links work again";
    check(&recorded, &["F1 starts", "F1 bites false", "F1 stops", gone]);
}

#[test]
fn a_scenario_leaves_nodes_to_the_fault_that_holds_them() {
    let hosts = (1..=2).map(|number| FakeHost::new(number, 0, false)).collect();
    let scenario = json!({"scenario": [{"pause": "n2"}, {"wait": "100ms"}, {"pause": "n1"}]});
    let faults = [(0, 1_500, json!({"kill": "n1"})), (600, 1_400, scenario)];
    let (recorded, notes) = carry_out(hosts, &faults);
    let why = "broken off at step 3: n1 is held down by F1 already";
    let said = |part: &str| recorded.iter().any(|(_, words)| words.contains(part));
    assert!(said(why) && said("F2 gone true: n2: answers as before"), "{recorded:?}");
    assert!(said("F1 gone true: n1: answers as a new") && notes.is_empty(), "{recorded:?}");
}
