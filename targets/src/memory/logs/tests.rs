//! Logs in memory against written histories.

use std::collections::BTreeMap;

use schism_history::{History, Process};

use super::*;

/// Runs a history's invocations one after another, each process with a reader of its own; the
/// replies must be those of the history.
fn check(text: &str) {
    let logs = Arc::new(Logs::default());
    let mut readers: BTreeMap<Process, Reader> = BTreeMap::new();
    let history = History::from_text(text).expect("the test's text is a history");
    for operation in history.operations() {
        assert!(logs.concerns(operation.op), "{:?}", operation.op);
        let reader = readers.entry(operation.process);
        let reader = reader.or_insert_with(|| Reader::new(Arc::clone(&logs)));
        match (reader.invoke(operation.op), operation.outcome.expect("all complete")) {
            // A history holds messages with their offsets in a form of its own, which says the same.
            (Outcome::Ok(found), Outcome::Ok(wanted)) => {
                assert_eq!(found.value.to_string(), wanted.value.to_string());
            }
            (found, wanted) => {
                let kinds = (std::mem::discriminant(&found), std::mem::discriminant(wanted));
                assert_eq!(kinds.0, kinds.1, "{found:?}");
            }
        }
    }
}

#[test]
fn polls_return_what_was_sent_in_order_and_go_on_from_there() {
    check(
        "p0 invoke send _ [send x 1, send y 2, send x 3]
         p0 ok [send x [0 1], send y [0 2], send x [1 3]]
         p1 invoke assign _ [\"x\"]
         p1 ok [\"x\"]
         p1 invoke poll _ [poll \"\" _]
         p1 ok [poll x [0 1 1 3]]
         p1 invoke poll _ [poll \"\" _]
         p1 ok [poll \"\" _]
         p1 invoke assign _ [\"x\" \"y\"]
         p1 ok [\"x\" \"y\"]
         p1 invoke poll _ [poll \"\" _]
         p1 ok [poll y [0 2]]",
    );
}

#[test]
fn a_log_that_was_given_up_begins_anew() {
    check(
        "p0 invoke send _ [send x 1]
         p0 ok [send x [0 1]]
         p0 invoke assign _ [\"x\"]
         p0 ok [\"x\"]
         p0 invoke poll _ [poll \"\" _]
         p0 ok [poll x [0 1]]
         p0 invoke assign _ [\"y\"]
         p0 ok [\"y\"]
         p0 invoke assign _ [\"x\"]
         p0 ok [\"x\"]
         p0 invoke poll _ [poll \"\" _]
         p0 ok [poll x [0 1]]",
    );
}

#[test]
fn a_transaction_does_not_poll_what_it_sends() {
    check(
        "p0 invoke assign _ [\"x\"]
         p0 ok [\"x\"]
         p0 invoke txn [send x 1, poll \"\" _]
         p0 ok [poll \"\" _, send x [0 1]]
         p0 invoke txn [poll \"\" _, send x 2]
         p0 ok [poll x [0 1], send x [1 2]]",
    );
}

#[test]
fn the_group_gives_each_log_to_one_member_and_goes_on_where_the_last_was() {
    check(
        "p0 invoke subscribe _ [\"x\"]
         p0 ok [\"x\"]
         p1 invoke subscribe _ [\"x\"]
         p1 ok [\"x\"]
         p2 invoke send _ [send x 1]
         p2 ok [send x [0 1]]
         p1 invoke poll _ [poll \"\" _]
         p1 ok [poll \"\" _]
         p0 invoke poll _ [poll \"\" _]
         p0 ok [poll x [0 1]]
         p2 invoke send _ [send x 2]
         p2 ok [send x [1 2]]
         p0 invoke crash _
         p0 info disconnected
         p1 invoke poll _ [poll \"\" _]
         p1 ok [poll x [1 2]]",
    );
}

#[test]
fn refuses_what_is_no_operation_of_logs() {
    check(
        "p0 invoke send _ [poll \"\" _]
         p0 fail other
         p0 invoke poll _ [send x 1]
         p0 fail other
         p0 invoke send x 1
         p0 fail other",
    );
}
