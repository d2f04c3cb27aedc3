//! Banks against their definitions, and against serial executions of them.

use schism_history::{History, Op, Operation, Value};

use super::ENTRY;
use crate::Validity::{self, Invalid, Unknown, Valid};
use crate::chance::{Chance, Shape, cases, compare, fail, history, info, ok, simulate, verdicts};
use crate::{Asked, Budget, Parameters, Question, Verdict};

const TRANSFER: &str = "p0 invoke transfer _ {\"from\" 0, \"to\" 1, \"amount\" 5}";

fn judge(text: &str, parameters: Parameters) -> Vec<Verdict> {
    let history = History::from_text(text).expect("the text is a history");
    let claims = ENTRY.decides.iter().copied().map(Asked::new).collect();
    let question = Question { parameters, ..Question::new("bank", claims) };
    ENTRY.check(&question, &history, &Budget::default())
}

fn check(text: &str, expected: [Validity; 2], part: &str) {
    let verdicts = judge(text, Parameters::DEFAULT);
    let found = [verdicts[0].validity, verdicts[1].validity];
    let said: Vec<&str> = verdicts[..2]
        .iter()
        .map(|it| it.anomalies.first().map_or(&*it.reason, |anomaly| &anomaly.explanation))
        .collect();
    assert_eq!(found, expected, "{said:?}");
    assert!(said.iter().any(|it| it.contains(part)), "{part} is not in: {said:?}");
}

fn reads(balances: &[&str]) -> String {
    let read = |it: &&str| format!("p1 invoke read _ \n p1 ok {it}");
    balances.iter().map(read).collect::<Vec<_>>().join("\n")
}

#[test]
fn finds_half_a_transfer() {
    let text = format!("{TRANSFER} \n {}", reads(&["{0 10, 1 0}", "{0 5, 1 0}"]));
    check(
        &text,
        [Invalid, Valid],
        "The bank: the read of event 3 (p1) finds 5 in 2 accounts, and the read of event 1 (p1) found \
         10. Transfers move money and make none, so that no two snapshots may differ in total. What \
         differs between them: 0 holds 5.",
    );
    let verdicts = judge(&text, Parameters::DEFAULT);
    assert!(verdicts[2..].iter().all(|verdict| verdict.validity == Invalid));
    assert!(
        verdicts[5].reason.contains("a torn read or a lost update; serializable allows neither")
    );
    assert_eq!(verdicts[0].anomalies[0].operations, [1, 3]);
}

#[test]
fn refutes_models_only_where_the_accounts_are_the_same() {
    for balances in ["{0 5}", "{0 10, 1 0, 2 5}", "{0 10, 1 _}", "{0 -5, 1 15}", "{}"] {
        let text = format!("{TRANSFER} \n {}", reads(&["{0 10, 1 0}", balances]));
        let verdicts = judge(&text, Parameters::DEFAULT);
        assert!(verdicts[..2].iter().any(|verdict| verdict.validity == Invalid), "{balances}");
        assert!(verdicts[2..].iter().all(|verdict| verdict.validity == Unknown), "{balances}");
        assert!(verdicts[2].reason.starts_with("Some reads find what a bank should not hold"));
    }
    // What is missing in both reads may be in an account that neither found.
    let opened = "p0 invoke transfer _ {\"from\" 0, \"to\" 7, \"amount\" 5}";
    let text = format!("{opened} \n {}", reads(&["{0 10, 1 0}", "{0 5, 1 0}"]));
    let verdicts = judge(&text, Parameters::DEFAULT);
    assert_eq!([verdicts[0].validity, verdicts[3].validity], [Invalid, Unknown]);
    let held = format!("{TRANSFER} \n {}", reads(&["{0 10, 1 0}", "{1 5, 0 5}"]));
    let verdicts = judge(&held, Parameters::DEFAULT);
    assert_eq!(
        verdicts[5].reason,
        "No two reads differ in total, but this workload can only refute serializable, not prove it."
    );
}

#[test]
fn knows_the_total_by_declaration() {
    let text = format!("{TRANSFER} \n {}", reads(&["{0 10, 1 0}", "{0 5, 1 5}"]));
    let declared = |total| Parameters { total: Some(total), ..Parameters::DEFAULT };
    assert_eq!(judge(&text, declared(10))[0].validity, Valid);
    let verdicts = judge(&text, declared(11));
    assert_eq!(verdicts[0].reason, "2 of 2 reads do not conserve the total.");
    assert!(verdicts[0].anomalies[0].explanation.contains("the total is 11 by declaration"));
    assert_eq!(verdicts[2].validity, Unknown);
    let empty = format!("{TRANSFER} \n {}", reads(&["{}"]));
    assert_eq!(judge(&empty, declared(11))[0].validity, Invalid);
}

#[test]
fn finds_a_balance_below_zero_unless_overdrafts_are_declared() {
    let text = format!("{TRANSFER} \n {}", reads(&["{0 10, 1 0}", "{0 -5, 1 15}"]));
    check(
        &text,
        [Valid, Invalid],
        "finds -5 in account 0, and no transfer may take what is not there",
    );
    let overdrafts = Parameters { negative_balances: true, ..Parameters::DEFAULT };
    assert_eq!(judge(&text, overdrafts)[1].validity, Unknown);
}

#[test]
fn accounts_may_be_opened_after_the_first_reads() {
    let opened = format!("{} \n {TRANSFER} \n {}", reads(&["{}"]), reads(&["{0 10}", "{0 10}"]));
    check(&opened, [Valid, Valid], "1 read found no accounts yet.");
    let closed = format!("{opened} \n {}", reads(&["{}"]));
    check(&closed, [Invalid, Valid], "finds 0 in 0 accounts");
}

#[test]
fn upholds_nothing_without_evidence() {
    check("", [Unknown; 2], "No read was ok");
    check(TRANSFER, [Unknown; 2], "No read was ok");
    check(&reads(&["{0 10}", "{0 10}"]), [Unknown; 2], "after a transfer had begun");
    check(&format!("{TRANSFER} \n {}", reads(&["{0 10}"])), [Unknown, Valid], "another total");
    check(
        &format!("{TRANSFER} \n {}", reads(&["{}", "{}"])),
        [Unknown; 2],
        "No read found an account",
    );
    check(
        "p0 invoke deposit _ 5",
        [Unknown; 2],
        "the deposit of event 0 is no operation of a bank",
    );
    check("p0 invoke transfer _ 5", [Unknown; 2], "is not {from, to, amount}");
    check(&reads(&["3"]), [Unknown; 2], "returned no accounts with balances");
    check(&reads(&["{0 true}"]), [Unknown; 2], "returned a balance that is no whole number");
    check(&reads(&["{0 1, 0 1}"]), [Unknown; 2], "returned one account twice");
}

/// The definitions, read by read and pair by pair. Accounts are those of the first read.
fn expected(history: &History) -> Validity {
    let balances = |it: &Operation<'_>| match it.ok().map(|reply| reply.value.clone()) {
        Some(Value::Map(balances)) if it.op.f.as_str() == "read" => Some(balances.into_vec()),
        _ => None,
    };
    let transfer = history.operations().find(|it| it.op.f.as_str() == "transfer" && !it.failed());
    let found: Vec<_> = history
        .operations()
        .filter_map(|it| balances(&it).map(|list| (it.completed, list)))
        .collect();
    let total = |list: &[(Value, Value)]| -> i64 {
        list.iter().map(|(_, it)| if let Value::Int(it) = it { *it } else { 0 }).sum()
    };
    let whole = |list: &[(Value, Value)]| list.iter().all(|(_, it)| *it != Value::Nil);
    let known = |account: &Value| (0..3).any(|it| *account == Value::Int(it));
    let wrong = found.iter().any(|(_, list)| {
        !whole(list)
            || !list.iter().all(|(account, _)| known(account))
            || found.iter().any(|(_, other)| whole(other) && total(list) != total(other))
    });
    let tested =
        found.iter().filter(|it| transfer.is_some_and(|transfer| Some(transfer.invoked) < it.0));
    match (wrong, tested.count(), found.len()) {
        // A lone read is the measure of all others.
        (true, ..) => Invalid,
        (_, tested, reads) if tested == 0 || reads < 2 => Unknown,
        _ => Valid,
    }
}

/// A bank of three accounts that lies now and then: one in `lies` reads, and loses updates.
fn random(chance: &mut Chance, lies: usize, lost_updates: bool) -> History {
    let mut accounts = [6_i64, 0, 0];
    let shape = Shape { clients: 3, operations: 3 + chance.below(8), open: 4 };
    let invent = |chance: &mut Chance| {
        if chance.one_in(2) {
            return Op::new("read", None, Value::Nil);
        }
        let part = |name: &str, it: usize| (Value::Text(name.into()), Value::Int(it as i64));
        let (from, to) = (chance.below(3), chance.below(3));
        let parts = [part("from", from), part("to", to), part("amount", chance.below(4))];
        Op::new("transfer", None, Value::Map(parts.into()))
    };
    let effect = |chance: &mut Chance, op: &Op| {
        let lie = lies > 0 && chance.one_in(lies);
        let Value::Map(parts) = &op.value else {
            let mut found: Vec<(Value, Value)> =
                (0..3).map(|it| (Value::Int(it), Value::Int(accounts[it as usize]))).collect();
            match chance.below(4) {
                _ if !lie => {}
                0 => found[1].1 = Value::Nil,
                1 => found[chance.below(3)].0 = Value::Int(7),
                2 => found[0].1 = Value::Int(accounts[0] + 1),
                _ => drop(found.remove(2)),
            }
            if chance.one_in(2) {
                found.reverse();
            }
            return if chance.one_in(9) { info() } else { ok(Value::Map(found.into())) };
        };
        let part = |place: usize| if let Value::Int(it) = parts[place].1 { it } else { 0 };
        let (from, to, amount) = (part(0) as usize, part(1) as usize, part(2));
        if accounts[from] < amount || chance.one_in(8) {
            return fail();
        }
        if chance.one_in(8) {
            return info();
        }
        accounts[from] -= amount;
        accounts[to] += if lost_updates && chance.one_in(4) { 0 } else { amount };
        if chance.one_in(6) { info() } else { ok(op.value.clone()) }
    };
    history(simulate(chance, &shape, invent, effect))
}

#[test]
fn agrees_with_the_definition() {
    // The first read must find what is there: the checker takes its accounts as given.
    let honest_first = |history: &History| {
        let first = history.operations().find(|it| it.op.f.as_str() == "read" && it.ok().is_some());
        let Some(reply) = first.and_then(|it| it.ok().cloned()) else { return true };
        let text = reply.value.to_string();
        text.matches(',').count() == 2 && !text.contains('_') && !text.contains("7 ")
    };
    let make = |chance: &mut Chance| loop {
        let lies = [0, 6][chance.below(2)];
        let history = random(chance, lies, false);
        if honest_first(&history) {
            return history;
        }
    };
    compare(&ENTRY, 20_000, make, expected);
}

/// Serial executions refute nothing, and lost updates are found out.
#[test]
fn refutes_no_model_of_a_serial_bank() {
    let mut refuted = 0;
    let cases = cases(10_000);
    for seed in 0..cases {
        let serial = verdicts(&ENTRY, &random(&mut Chance::new(seed), 0, false));
        assert!(serial.iter().all(|verdict| verdict.validity != Invalid), "seed {seed}");
        assert!(serial[2..].iter().all(|verdict| verdict.validity == Unknown), "seed {seed}");
        let lossy = verdicts(&ENTRY, &random(&mut Chance::new(seed), 0, true));
        refuted += u64::from(lossy[5].validity == Invalid);
        assert_eq!(lossy[0].validity == Invalid, lossy[5].validity == Invalid, "seed {seed}");
    }
    assert!(refuted > cases / 20, "only {refuted} of {cases} lossy banks were found out");
}

/// Every state between the transfers, if they commit in the order `transfers`; `None` if one takes
/// what is not there.
fn states(transfers: &[Operation<'_>]) -> Option<Vec<[i64; 3]>> {
    let mut states = vec![[6_i64, 0, 0]];
    for transfer in transfers {
        let Value::Map(parts) = &transfer.op.value else { return None };
        let part = |place: usize| if let Value::Int(it) = parts[place].1 { it } else { 0 };
        let mut accounts = *states.last()?;
        accounts[part(0) as usize] -= part(2);
        if accounts[part(0) as usize] < 0 {
            return None;
        }
        accounts[part(1) as usize] += part(2);
        states.push(accounts);
    }
    Some(states)
}

/// Whether each read finds a state between whole transfers, for some order of commits: every subset
/// of the indeterminate ones in every order is tried. Transfers read all that they write, so that
/// snapshot isolation allows no more than that, and serializability no less.
fn explained(history: &History) -> bool {
    let found = |it: &Operation<'_>| match it.ok().map(|reply| reply.value.clone()) {
        Some(Value::Map(list)) if it.op.f.as_str() == "read" => Some(list.into_vec()),
        _ => None,
    };
    let reads: Vec<_> = history.operations().filter_map(|it| found(&it)).collect();
    let transfers: Vec<Operation<'_>> =
        history.operations().filter(|it| it.op.f.as_str() == "transfer" && !it.failed()).collect();
    let mut orders: Vec<Vec<Operation<'_>>> = vec![Vec::new()];
    while let Some(order) = orders.pop() {
        let left =
            transfers.iter().filter(|it| order.iter().all(|other| other.number != it.number));
        let complete = left.clone().all(Operation::indeterminate);
        let longer = left.map(|next| order.iter().copied().chain([*next]).collect());
        let Some(states) = states(&order) else { continue };
        let shown = |read: &Vec<(Value, Value)>| {
            states.iter().any(|state| {
                let held = |at: &Value, balance: &Value| {
                    (0..3)
                        .any(|it| *at == Value::Int(it as i64) && *balance == Value::Int(state[it]))
                };
                read.iter().all(|(account, balance)| held(account, balance))
            })
        };
        if complete && reads.iter().all(shown) {
            return true;
        }
        orders.extend(longer);
    }
    false
}

#[test]
fn refutes_models_only_where_no_order_of_transfers_explains_the_reads() {
    let (cases, mut refuted) = (cases(4_000), 0);
    for seed in 0..cases {
        let chance = &mut Chance::new(seed);
        let (lies, lossy) = [(0, false), (4, false), (0, true)][(seed % 3) as usize];
        let history = random(chance, lies, lossy);
        let transfers = history.operations().filter(|it| it.op.f.as_str() == "transfer");
        if transfers.count() > 5 {
            continue;
        }
        let verdict = &verdicts(&ENTRY, &history)[3];
        if verdict.validity == Invalid {
            refuted += 1;
            assert!(!explained(&history), "seed {seed}\n{}", history.to_text());
        } else if seed % 3 == 0 {
            assert!(explained(&history), "seed {seed}: the simulation is no serial one");
        }
    }
    assert!(refuted > cases / 40, "only {refuted} of {cases} were refuted");
}
