//! Rolling restarts of nodes that are made up.

use super::*;

#[test]
fn nodes_are_restarted_one_after_the_other_and_each_is_seen_as_another() {
    let hosts = (1..=3).map(|number| FakeHost::new(number, 0, false)).collect();
    let restart = json!({"restart": {"rolling": "all", "pause": "50ms"}});
    let (recorded, notes) = carry_out(hosts, &[(0, 30_000, restart)]);
    check(
        &recorded,
        &[
            "F1 starts: restart all, one after the other, by SIGTERM: n1, n2, n3",
            "F1 step 1: stop n1",
            "F1 step 1: n1 does its part again after",
            "F1 step 2: stop n2",
            "F1 step 2: n2 does its part again after",
            "F1 step 3: stop n3",
            "F1 step 3: n3 does its part again after",
            "F1 bites true: n1: raft (process 100) gone",
            "F1 stops",
            "F1 gone true: n1: answers as a new incarnation",
        ],
    );
    // It ends with its last node, not with its time.
    assert!(recorded[8].0 < 20_000 && notes.is_empty(), "{recorded:?} {notes:?}");
    assert!(recorded[3].0 - recorded[2].0 >= 50, "{recorded:?}");
    assert!(recorded[7].1.contains("after SIGTERM; started anew"), "{recorded:?}");
}

#[test]
fn the_others_wait_for_a_node_that_does_not_come_back() {
    let hosts = vec![FakeHost::new(1, 0, true), FakeHost::new(2, 0, false)];
    let restart = json!({"restart": {"rolling": "all", "graceful": false}});
    let (recorded, notes) = carry_out(hosts, &[(0, 30_000, restart)]);
    let why = "F1 bites false: n1: n1: nothing runs there after its start";
    let expected =
        ["F1 starts", "F1 step 1: stop n1", why, "F1 stops", "F1 gone false: never healed"];
    check(&recorded, &expected);
    assert!(notes.iter().all(|note| note.contains("n1: nothing runs there")), "{notes:?}");
}

#[test]
fn a_node_that_another_fault_holds_down_is_waited_for() {
    let hosts = (1..=2).map(|number| FakeHost::new(number, 0, false)).collect();
    let restart = json!({"restart": {"rolling": "n2"}});
    let faults = [(0, 1_500, json!({"pause": "n2"})), (500, 30_000, restart)];
    let (recorded, notes) = carry_out(hosts, &faults);
    let of = |words: &str| {
        let found = recorded.iter().position(|(_, mark)| mark.starts_with(words));
        found.unwrap_or_else(|| panic!("{words} is not in {recorded:?}"))
    };
    assert!(of("F1 stops") < of("F2 step 1: stop n2"), "{recorded:?}");
    assert!(of("F2 bites true") < of("F2 gone true") && notes.is_empty(), "{notes:?}");
}
