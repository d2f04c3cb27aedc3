//! What nodes keep on their disks is lost, or damaged, while they are down.

use std::io::Write as _;

use super::{Place, reasons};

const POWER: &str = "
name: power
seed: 1
lab: { local: { nodes: 3 } }
target: { reference: { protocol: raft, bug: BUG } }
workload: { set: { keys: 2, operations_per_key: 500 } }
load: { clients: 5, duration: 7s, rate: 100/s }
faults:
  - { at: 3s, for: 1s, power-loss: all }
claims:
  - no-lost-elements
  - acknowledged-writes-survive
";

/// Whether this user may put a disk layer over a folder.
fn may_layer(test: &str) -> bool {
    let opened = std::fs::OpenOptions::new().read(true).write(true).open("/dev/fuse");
    if let Err(error) = &opened {
        let _ = writeln!(std::io::stderr(), "skipped: {test}: /dev/fuse: {error}");
    }
    opened.is_ok()
}

#[test]
fn a_loss_of_power_finds_who_does_not_sync_and_nobody_else() {
    let test = "a_loss_of_power_finds_who_does_not_sync_and_nobody_else";
    if !may_layer(test) {
        return;
    }
    let Some(place) = Place::new(test) else { return };
    let (code, verdict, said) = place.run(&POWER.replace("BUG", "no-fsync"), &[]);
    assert_eq!(code, 1, "{said}");
    for claim in ["no-lost-elements", "acknowledged-writes-survive"] {
        assert!(reasons(&verdict).contains(&format!("{claim:?}: \"violated\"")), "{said}");
    }
    let (code, _, said) = place.run(&POWER.replace("BUG", "none"), &[]);
    assert_eq!(code, 0, "{said}");
    // What was held over the data folders went with the run, and so did they.
    assert!(!place.latest().join("data").exists());
}

#[test]
fn a_run_that_was_given_up_before_its_load_leaves_no_data_below_a_disk_layer() {
    let test = "a_run_that_was_given_up_before_its_load";
    if !may_layer(test) {
        return;
    }
    let Some(place) = Place::new(test) else { return };
    let plan = POWER.replace("BUG", "none");
    let (code, _, said) = place.run(&plan, &["--sabotage", "dead-client"]);
    assert_eq!(code, 2, "{said}");
    assert!(!place.latest().join("data").exists(), "{said}");
}

const DAMAGE: &str = "
name: damage
seed: 1
lab: { local: { nodes: 3 } }
target: { reference: { protocol: raft, bug: BUG } }
workload: { set: { keys: 2, operations_per_key: 500 } }
load: { clients: 6, duration: 9s, rate: 60/s }
faults:
  - { at: 3s, for: 2s, damage: { of: WHOM, files: log, flip: 4 } }
claims:
  - no-lost-elements
  - no-unexpected-elements
";

#[test]
fn damage_of_files_finds_who_believes_them_and_is_survived_by_who_refuses_them() {
    let Some(place) = Place::new("damage_of_files") else { return };
    let plan = |bug, whom| DAMAGE.replace("BUG", bug).replace("WHOM", whom);
    // By chance most nodes may be damaged so that even they notice; not again and again.
    let found = |seed: u32| {
        let seed = seed.to_string();
        place.run(&plan("no-checksum", "all"), &["--seed", &seed]).0 == 1
    };
    assert!((1..=4).any(found), "nothing was ever lost");
    // A node that refuses to start on its files is no doubt of the run.
    let (code, _, said) = place.run(&plan("none", "n2"), &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("n2 refused to start on damaged files, and stays down"), "{said}");
    let history = std::fs::read_to_string(place.latest().join("history.jsonl")).expect("a history");
    assert!(history.contains("damage n2: raft/log: 4 bits flipped (byte "));
}
