//! Damage of files on nodes that are made up.

use schism_lab::Wound;

use super::*;

/// What a look at the only file of a node sees.
pub(super) fn look(state: &State, command: &Command) -> Output {
    let words: Vec<&str> = command.argv.iter().map(String::as_str).collect();
    let length = state.log.len();
    let seen = match words[..] {
        ["schism", "look", "files", "log"] => {
            json!({ "files": [{ "file": "log", "length": length, "written": length }] })
        }
        ["schism", "look", "files", _] => json!({ "files": [], "others": ["log"] }),
        ["schism", "look", "bytes", wounds] => {
            let wounds: Vec<Wound> = serde_json::from_str(wounds).expect("wounds");
            let byte = |bit: &u64| state.log.get(*bit as usize / 8).copied();
            let seen = |wound: &Wound| json!({ "length": length, "bytes": wound.flip.iter().map(byte).collect::<Vec<_>>() });
            json!({ "files": wounds.iter().map(seen).collect::<Vec<_>>() })
        }
        _ => unreachable!("no program is run but a look: {words:?}"),
    };
    Output { code: 0, stdout: seen.to_string().into_bytes(), stderr: Vec::new() }
}

pub(super) fn hold(state: &mut State, effect: &Effect) {
    let Effect::Damage(wounds) = effect else { unreachable!("nothing else is held") };
    assert_eq!(state.process, None, "its files are not at rest");
    for bit in wounds.iter().flat_map(|wound| &wound.flip).filter(|_| !state.idle) {
        state.log[*bit as usize / 8] ^= 1 << (bit % 8);
    }
}

fn strike(idle: bool, dies: bool, files: &str) -> (Vec<(u128, String)>, Vec<String>) {
    let host = FakeHost::new(1, 0, dies);
    {
        let mut state = host.state.lock().expect("the state");
        (state.log, state.idle) = (vec![7; 64], idle);
    }
    let damage = json!({"damage": {"of": "n1", "files": files, "flip": 2}});
    carry_out(vec![host, FakeHost::new(2, 0, false)], &[(0, 700, damage)])
}

#[test]
fn a_node_that_comes_up_on_damaged_files_is_up() {
    let (recorded, notes) = strike(false, false, "log");
    let gone = "F1 gone true: what is damaged stays damaged; n1: answers as a new incarnation";
    let step = "F1 step 1: damage n1: log: 2 bits flipped (byte ";
    check(&recorded, &["F1 starts", step, "F1 bites true", "F1 stops", gone]);
    assert!(recorded[2].1.ends_with("log: all 2 bits differ from what was there"), "{recorded:?}");
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn a_node_that_refuses_damaged_files_stays_down_and_is_no_doubt() {
    let (recorded, notes) = strike(false, true, "log");
    let gone = "F1 gone true: what is damaged stays damaged; n1: refused to start";
    check(&recorded, &["F1 starts", "F1 step 1", "F1 bites true", "F1 stops", gone]);
    assert_eq!(notes, ["n1 refused to start on damaged files, and stays down."]);
}

#[test]
fn damage_that_is_only_said_to_be_done_is_not_proven() {
    let (recorded, _) = strike(true, false, "log");
    let bites = &recorded[2].1;
    assert!(
        bites.starts_with("F1 bites false") && bites.contains("not damaged as planned"),
        "{bites}"
    );
}

#[test]
fn names_the_files_that_are_there_where_none_matches() {
    let (recorded, notes) = strike(false, false, "*.wal");
    let why = "no file below its data folder matches `*.wal`; there are: log";
    check(&recorded, &["F1 starts", "F1 bites false", "F1 stops", "F1 gone true"]);
    assert!(recorded[1].1.contains(why) && notes[0].contains(why), "{recorded:?} {notes:?}");
}
