//! The levels against their definitions, and against recorded histories' shapes.

use schism_history::{History, Value};

use super::decide::{Answer, Level, Rule, decide};
use super::random::{Dice, Shape, history};
use super::transactions::Transactions;
use super::{ENTRY, oracle};
use crate::{Asked, Budget, Claim, Question, Validity, Verdict};

/// How many random histories a test tries: `usual`, or as many more as the environment asks for in
/// place of the usual 20,000.
pub(crate) fn cases(usual: u64) -> u64 {
    let Ok(asked) = std::env::var("SCHISM_CASES") else { return usual };
    let asked: u64 = asked.parse().expect("SCHISM_CASES is a number");
    (usual * asked / 20_000).max(100)
}

const LEVELS: [(Claim, Level); 3] = [
    (Claim::ReadCommitted, Level::ReadCommitted),
    (Claim::ReadAtomic, Level::ReadAtomic),
    (Claim::Causal, Level::Causal),
];

fn verdicts(history: &History) -> Vec<Verdict> {
    let claims = LEVELS.iter().map(|(claim, _)| Asked::new(*claim)).collect();
    ENTRY.check(&Question::new("weak-isolation", claims), history, &Budget::default())
}

const SMALL: Shape =
    Shape { transactions: 5, micro: 4, keys: 2, processes: 3, lies: 12, faults: 8, stale: true };

fn agrees(shape: Shape, usual: u64) {
    let mut tally = [[0_u64; 2]; 3];
    for seed in 0..cases(usual) {
        let history = history(&mut Dice::new(seed), shape);
        let verdicts = verdicts(&history);
        for (place, (_, level)) in LEVELS.iter().enumerate() {
            let expected = oracle::holds(&history, Rule { level: *level, sessions: true });
            let verdict = &verdicts[place];
            tally[place][usize::from(expected)] += 1;
            let wanted = if expected { Validity::Valid } else { Validity::Invalid };
            let nothing = verdict.validity == Validity::Unknown && expected;
            assert!(
                verdict.validity == wanted
                    || (nothing && verdict.reason.starts_with("No transaction")),
                "{level:?} {expected}, seed {seed}: {}\n{}",
                verdict.reason,
                history.to_text()
            );
            for anomaly in &verdict.anomalies {
                assert!(!anomaly.explanation.contains("  "), "{}", anomaly.explanation);
                let known = |index: &u64| history.operations().any(|it| it.invoked == *index);
                assert!(anomaly.operations.iter().all(known), "{anomaly:?}");
                assert!(!anomaly.operations.is_empty());
            }
        }
    }
    for [invalid, valid] in tally {
        let enough = cases(usual) / 20;
        assert!(valid > enough && invalid > enough, "{tally:?} of valid and invalid");
    }
}

#[test]
fn levels_agree_with_the_definitions() {
    agrees(SMALL, 20_000);
}

#[test]
fn levels_agree_with_the_definitions_where_every_value_is_there() {
    let shape = Shape { lies: 3, faults: 0, keys: 3, ..SMALL };
    agrees(shape, 10_000);
}

#[test]
fn levels_imply_each_other() {
    let shape = Shape { transactions: 40, processes: 6, keys: 4, lies: 40, ..SMALL };
    for seed in 0..cases(2_000) {
        let history = history(&mut Dice::new(seed), shape);
        let verdicts = verdicts(&history);
        for pair in verdicts.windows(2) {
            assert!(
                pair[0].validity != Validity::Invalid || pair[1].validity == Validity::Invalid,
                "{}",
                history.to_text()
            );
        }
    }
}

/// The second procedure: that what was inferred has a circle exactly if Tarjan's components say so.
#[test]
fn circles_are_found_by_either_procedure() {
    let shape = Shape { transactions: 30, processes: 5, keys: 3, lies: 60, faults: 0, ..SMALL };
    let (mut circles, mut orders) = (0, 0);
    for seed in 0..cases(2_000) {
        let history = history(&mut Dice::new(seed), shape);
        let transactions =
            Transactions::new(&history, &Value::Nil, false, &Budget::default()).expect("it fits");
        let inferred = super::infer::read_atomic(&transactions, true);
        let found = super::order::Order::new(&transactions, true, &inferred.edges).find();
        let reached = closure(&transactions, &inferred.edges);
        let circular = (0..transactions.len()).any(|it| reached[it][it]);
        assert_eq!(found.is_err(), circular, "{}", history.to_text());
        match found {
            Ok(order) => {
                orders += 1;
                let place = |it: usize| order.iter().position(|at| *at == it as u32);
                for (after, row) in reached.iter().enumerate() {
                    for before in (0..row.len()).filter(|it| row[*it]) {
                        assert!(place(before) < place(after));
                    }
                }
            }
            Err(circle) => {
                circles += 1;
                for (place, from) in circle.iter().enumerate() {
                    let to = circle[(place + 1) % circle.len()];
                    assert!(reached[to as usize][*from as usize]);
                }
            }
        }
    }
    assert!(circles > 20 && orders > 20, "{circles} circles, {orders} orders");
}

/// Of each transaction who must come before it.
fn closure(transactions: &Transactions, edges: &[u64]) -> Vec<Vec<bool>> {
    let length = transactions.len();
    let mut reached = vec![vec![false; length]; length];
    for it in 0..length as u32 {
        let reads = transactions.reads(it).iter().map(|read| read.writer);
        for before in transactions.before(it).into_iter().chain(reads) {
            if (before as usize) < length {
                reached[it as usize][before as usize] = true;
            }
        }
    }
    for edge in edges {
        reached[(edge >> 32) as usize][(edge & 0xFFFF_FFFF) as usize] = true;
    }
    for middle in 0..length {
        for after in 0..length {
            if reached[after][middle] {
                let more = reached[middle].clone();
                for (own, more) in reached[after].iter_mut().zip(more) {
                    *own |= more;
                }
            }
        }
    }
    reached
}

fn one(claim: Claim, text: &str) -> Verdict {
    let history = History::from_text(text).expect("the text is a history");
    let question = Question::new("weak-isolation", vec![Asked::new(claim)]);
    ENTRY.check(&question, &history, &Budget::default()).remove(0)
}

#[test]
fn strange_operations_make_it_unknown_unless_what_came_before_is_wrong() {
    let right = "p0 invoke txn [w x 1]\np0 ok\np1 invoke txn [r x _]\np1 ok [r x 1]\n";
    let wrong = "p0 invoke txn [w x 1]\np0 ok\np1 invoke txn [r x _]\np1 ok [r x 2]\n";
    let strange = "p2 invoke read x\np2 ok 1\n";
    let verdict = one(Claim::Causal, &format!("{right}{strange}"));
    assert_eq!(verdict.validity, Validity::Unknown);
    assert!(verdict.reason.contains("event 4"), "{}", verdict.reason);
    let verdict = one(Claim::Causal, &format!("{wrong}{strange}"));
    assert_eq!(verdict.validity, Validity::Invalid, "{}", verdict.reason);
    let append = "p2 invoke txn [append x 1]\np2 ok\n";
    let verdict = one(Claim::Causal, &format!("{append}{right}"));
    assert_eq!(verdict.validity, Validity::Unknown, "{}", verdict.reason);
}

#[test]
fn a_value_written_twice_is_unknown_only_if_somebody_reads_it() {
    let twice = "p0 invoke txn [w x 1]\np0 ok\np1 invoke txn [w x 1]\np1 ok\n";
    let verdict = one(Claim::Causal, &format!("{twice}p2 invoke txn [r x _]\np2 ok [r x 1]\n"));
    assert_eq!(verdict.validity, Validity::Unknown);
    assert!(verdict.reason.contains("unique"), "{}", verdict.reason);
    let verdict = one(Claim::Causal, &format!("{twice}p2 invoke txn [r x _]\np2 ok [r x _]\n"));
    assert_eq!(verdict.validity, Validity::Valid, "{}", verdict.reason);
}

#[test]
fn nothing_is_upheld_where_nothing_was_read() {
    let verdict = one(Claim::ReadCommitted, "p0 invoke txn [w x 1]\np0 ok\n");
    assert_eq!(verdict.validity, Validity::Unknown);
    assert_eq!(one(Claim::ReadCommitted, "").validity, Validity::Unknown);
    let verdict = one(Claim::ReadCommitted, "p0 invoke txn []\np0 ok\n");
    assert_eq!(verdict.validity, Validity::Unknown);
}

#[test]
fn values_of_any_kind_are_told_apart() {
    let text = "p0 invoke txn [w x -1, w y \"a\", w z 5000000000]\np0 ok\n\
                p1 invoke txn [r x _, r y _, r z _]\np1 ok [r x -1, r y \"a\", r z 5000000000]\n";
    assert_eq!(one(Claim::Causal, text).validity, Validity::Valid);
    let other = text.replace("r y \"a\"", "r y \"b\"");
    assert_eq!(one(Claim::Causal, &other).validity, Validity::Invalid);
}

#[test]
fn without_room_nothing_is_decided() {
    let history = history(&mut Dice::new(1), Shape { transactions: 30, lies: 0, ..SMALL });
    let question = Question::new("weak-isolation", vec![Asked::new(Claim::Causal)]);
    let budget = Budget::new(std::time::Duration::from_mins(1), 100);
    let verdict = ENTRY.check(&question, &history, &budget).remove(0);
    assert_eq!(verdict.validity, Validity::Unknown);
    let transactions =
        Transactions::new(&history, &Value::Nil, false, &Budget::default()).expect("it fits");
    let rule = Rule { level: Level::Causal, sessions: true };
    assert!(matches!(decide(&transactions, rule, &budget), Answer::Stopped(_)));
}
