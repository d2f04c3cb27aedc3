//! Placing, against inference, on histories that are too long for the definitions.

use schism_history::{History, Value};

use super::ENTRY;
use super::events::Events;
use super::facts::{Facts, Isolation, Model};
use super::place::place;
use super::search::{Answer, search};
use crate::transactional::Order;
use crate::weak::{Dice, Shape, Transactions, cases, random_history};
use crate::{Asked, Budget, Claim, Question, Validity};

const LONG: Shape =
    Shape { transactions: 300, micro: 4, keys: 4, processes: 8, lies: 0, faults: 30, stale: false };

fn strict(history: &History) -> Validity {
    let question = Question::new("rw-register", vec![Asked::new(Claim::StrictSerializable)]);
    ENTRY.check(&question, history, &Budget::default()).remove(0).validity
}

/// Whoever takes one transaction after the other is not blamed, and the order is found at once.
#[test]
fn every_order_of_a_correct_store_is_found() {
    for seed in 0..cases(1_000) {
        let mut dice = Dice::new(seed);
        let processes = 2 + dice.below(20);
        let shape = Shape { processes, keys: 1 + dice.below(4), ..LONG };
        let history = random_history(&mut dice, shape);
        let nil = Value::Nil;
        let budget = Budget::default();
        let read = Transactions::new(&history, &nil, true, &budget).expect("it is read");
        let facts = Facts::new(&history, &read);
        for order in Order::ALL {
            assert!(
                order != Order::Realtime || place(&facts, order, &[], &budget).is_ok(),
                "{order:?}, seed {seed}:\n{}",
                history.to_text()
            );
        }
        assert_ne!(strict(&history), Validity::Invalid, "seed {seed}:\n{}", history.to_text());
    }
}

/// A circle without a choice is as good as a proof: where placing says that there is no order,
/// inference finds none either; and what is found is never refuted.
#[test]
fn placing_and_inference_agree_where_some_reads_lie() {
    let (mut holds, mut broken) = (0_u64, 0_u64);
    for seed in 0..cases(1_000) {
        let mut dice = Dice::new(seed);
        let transactions = 10 + dice.below(60);
        let shape = Shape { transactions, lies: 60, processes: 2 + dice.below(6), ..LONG };
        let history = random_history(&mut dice, shape);
        let nil = Value::Nil;
        let budget = Budget::default();
        let read = Transactions::new(&history, &nil, true, &budget).expect("it is read");
        let facts = Facts::new(&history, &read);
        for order in Order::ALL {
            let placed = place(&facts, order, &[], &budget);
            let model = Model { isolation: Isolation::Serial, order };
            let time = Budget::new(std::time::Duration::from_millis(200), 1 << 30);
            match search(&Events::new(&facts, model), &time) {
                Answer::Holds => {
                    holds += 1;
                    assert!(placed.is_ok(), "{order:?}, seed {seed}:\n{}", history.to_text());
                }
                Answer::Broken(..) => {
                    broken += 1;
                    assert!(placed.is_err(), "{order:?}, seed {seed}:\n{}", history.to_text());
                }
                Answer::Stopped(..) => {}
            }
        }
    }
    assert!(holds > cases(1_000) / 4 && broken > cases(1_000) / 4, "{holds} hold, {broken} do not");
}
