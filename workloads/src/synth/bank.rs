//! Accounts between which money is moved.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use schism_history::{Code, Op, Outcome, Reason, Reply, Value};

use super::{Step, SynthEntry, System};

/// A bank: read, transfer.
pub(super) const BANK: SynthEntry = SynthEntry {
    name: "bank",
    violations: &[("wrong-total", "total-conserved"), ("negative", "no-negative-balances")],
    construct: |synth| Box::new(Bank { accounts: vec![100; synth.keys.max(2)] }),
};

struct Bank {
    accounts: Vec<i64>,
}

fn map(accounts: &[i64]) -> Value {
    let entry =
        |(account, balance): (usize, &i64)| (Value::Int(account as i64), Value::Int(*balance));
    Value::Map(accounts.iter().enumerate().map(entry).collect())
}

fn field(value: &Value, name: &str) -> i64 {
    let Value::Map(entries) = value else { return 0 };
    let mut entries = entries.iter();
    let found = entries.find(|(key, _)| matches!(key, Value::Text(text) if **text == *name));
    match found {
        Some((_, Value::Int(number))) => *number,
        _ => 0,
    }
}

impl System for Bank {
    fn ask(&mut self, _: usize, rng: &mut ChaCha8Rng) -> Op {
        if rng.random_ratio(1, 2) {
            return Op::new("read", None, Value::Nil);
        }
        let count = self.accounts.len();
        let from = rng.random_range(0..count);
        let to = (from + rng.random_range(1..count)) % count;
        let entry = |name: &str, number: i64| (Value::Text(name.into()), Value::Int(number));
        let amount = rng.random_range(1..=5);
        let entries = [entry("from", from as i64), entry("to", to as i64), entry("amount", amount)];
        Op::new("transfer", None, Value::Map(entries.into()))
    }

    fn apply(&mut self, _: usize, op: &Op, _: &mut ChaCha8Rng) -> Outcome {
        let ok = |value| Outcome::Ok(Reply { value, version: None });
        if op.value == Value::Nil {
            return ok(map(&self.accounts));
        }
        let (from, to) = (field(&op.value, "from") as usize, field(&op.value, "to") as usize);
        let amount = field(&op.value, "amount");
        if self.accounts[from] < amount {
            return Outcome::Fail(Reason::new(Code::Mismatch, "not enough"));
        }
        self.accounts[from] -= amount;
        self.accounts[to] += amount;
        ok(op.value.clone())
    }

    fn violate(&mut self, name: &str) -> Vec<Step> {
        let mut shown = self.accounts.clone();
        if name == "wrong-total" {
            shown[0] += 1;
        } else {
            shown[1] += shown[0] + 1;
            shown[0] = -1;
        }
        vec![Step::Invoke(0, Op::new("read", None, Value::Nil)), Step::Ok(0, map(&shown))]
    }

    fn finish(&mut self) -> Vec<Op> {
        vec![Op::new("read", None, Value::Nil)]
    }
}
