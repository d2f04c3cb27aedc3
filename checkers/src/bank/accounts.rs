//! The operations on each bank of a history.

use rustc_hash::{FxHashMap, FxHashSet};
use schism_history::{History, Key, Operation, Value};

use crate::evidence::{Alien, ByObject, NEVER, first_alien, operations_before};

/// What an ok read returned: accounts with their balances.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read<'a> {
    /// The operation's number.
    pub number: usize,
    /// The index of its invocation.
    pub invoked: u64,
    /// The index of its completion.
    pub completed: u64,
    /// Each account once; a balance is a whole number or nil.
    pub balances: &'a [(Value, Value)],
}

impl Read<'_> {
    /// The sum of the balances that are there.
    pub fn total(&self) -> i128 {
        self.balances.iter().filter_map(|(_, balance)| amount(balance)).map(i128::from).sum()
    }

    /// Whether some account has no balance.
    pub fn has_nil(&self) -> bool {
        self.balances.iter().any(|(_, balance)| *balance == Value::Nil)
    }

    /// Whether it has the same accounts as `other`.
    pub fn same_accounts(&self, other: &Read<'_>) -> bool {
        let (ours, theirs) = (self.balances, other.balances);
        if ours.len() != theirs.len() {
            return false;
        }
        // Systems mostly return them in one order.
        if ours.iter().zip(theirs).all(|(one, other)| one.0 == other.0) {
            return true;
        }
        let theirs: FxHashSet<&Value> = theirs.iter().map(|(account, _)| account).collect();
        ours.iter().all(|(account, _)| theirs.contains(account))
    }
}

/// One bank's operations.
#[derive(Debug, Default)]
pub(crate) struct Bank<'a> {
    /// Ok reads, in order of invocation.
    pub reads: Vec<Read<'a>>,
    /// The accounts that transfers name, and whether one did that did not fail.
    pub named: FxHashMap<String, bool>,
    /// The first invocation of a transfer that did not fail.
    pub first_transfer: Option<u64>,
}

/// The balance, if there is one.
pub(crate) fn amount(balance: &Value) -> Option<i64> {
    match balance {
        Value::Int(amount) => Some(*amount),
        _ => None,
    }
}

/// The name of an account: in JSON what is a key of an object is a text, and 3 elsewhere.
pub(crate) fn account_name(account: &Value) -> String {
    match account {
        Value::Text(text) => text.to_string(),
        other => other.to_string(),
    }
}

/// The banks of a history; what follows the first event that is none of a bank's is left out.
pub(crate) fn by_bank(history: &History) -> (Vec<(Option<Key>, Bank<'_>)>, Option<Alien>) {
    let alien = first_alien(history, parse);
    let mut banks: ByObject<Bank<'_>> = ByObject::new();
    for operation in operations_before(history, alien.as_ref()) {
        let bank = banks.of(operation.op.key);
        match parse(&operation) {
            Ok(Parsed::Read(balances)) => bank.reads.push(Read {
                number: operation.number,
                invoked: operation.invoked,
                completed: operation.completed.unwrap_or(NEVER),
                balances,
            }),
            Ok(Parsed::Transfer([from, to])) => {
                for account in [from, to] {
                    let moved = bank.named.entry(account_name(account)).or_default();
                    *moved |= !operation.failed();
                }
                if !operation.failed() {
                    bank.first_transfer.get_or_insert(operation.invoked);
                }
            }
            _ => {}
        }
    }
    (banks.sorted(), alien)
}

enum Parsed<'a> {
    Read(&'a [(Value, Value)]),
    Transfer([&'a Value; 2]),
    Nothing,
}

fn parse<'a>(operation: &Operation<'a>) -> Result<Parsed<'a>, Alien> {
    match operation.op.f.as_str() {
        "transfer" => {
            let alien = || Alien::asked(operation, "is not {from, to, amount}");
            transfer(&operation.op.value).map(Parsed::Transfer).ok_or_else(alien)
        }
        "read" => match operation.ok().map(|reply| &reply.value) {
            None => Ok(Parsed::Nothing),
            Some(Value::Map(balances)) => {
                let number = |balance: &Value| matches!(balance, Value::Int(_) | Value::Nil);
                if !balances.iter().all(|(_, balance)| number(balance)) {
                    let alien = "returned a balance that is no whole number";
                    return Err(Alien::answered(operation, alien));
                }
                if repeats(balances) {
                    return Err(Alien::answered(operation, "returned one account twice"));
                }
                Ok(Parsed::Read(balances))
            }
            Some(Value::List(list)) if list.is_empty() => Ok(Parsed::Read(&[])),
            Some(_) => Err(Alien::answered(operation, "returned no accounts with balances")),
        },
        _ => Err(Alien::asked(operation, "is no operation of a bank (read, transfer)")),
    }
}

fn repeats(balances: &[(Value, Value)]) -> bool {
    const FEW: usize = 12;
    if balances.len() <= FEW {
        return (1..balances.len())
            .any(|at| balances[..at].iter().any(|(account, _)| *account == balances[at].0));
    }
    let accounts: FxHashSet<&Value> = balances.iter().map(|(account, _)| account).collect();
    accounts.len() < balances.len()
}

/// From which account to which.
fn transfer(value: &Value) -> Option<[&Value; 2]> {
    match value {
        Value::Map(entries) => {
            let of = |name: &str| {
                let named = |key: &Value| match key {
                    Value::Text(text) => text.trim_start_matches(':') == name,
                    _ => false,
                };
                entries.iter().find(|(key, _)| named(key)).map(|(_, value)| value)
            };
            amount(of("amount")?)?;
            Some([of("from")?, of("to")?])
        }
        Value::List(parts) => match &**parts {
            [from, to, Value::Int(_)] => Some([from, to]),
            _ => None,
        },
        _ => None,
    }
}
