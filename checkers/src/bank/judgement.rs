//! What the reads of one bank find, against what they should.

use std::fmt::Write as _;

use rustc_hash::FxHashSet;
use schism_history::{History, Key, Value};

use super::accounts::{Bank, Read, account_name, amount};
use crate::evidence::named;
use crate::phrase::{count, list, who};
use crate::refutation::Proofs;
use crate::{Anomaly, Parameters, Witness};

/// What was found, over all banks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// Reads that were ok.
    pub reads: usize,
    /// Reads that could have found another total.
    pub total_tested: usize,
    /// Reads that could have found a balance below zero.
    pub balances_tested: usize,
    /// Reads that found no account, from before any was known to be there.
    pub early: usize,
    /// The total of each bank.
    pub totals: Vec<i128>,
    /// Reads with a wrong total, an account without a balance, or one that should not be there.
    pub not_conserved: Proofs,
    /// Reads with a balance below zero.
    pub negative: Proofs,
    /// Reads with another total than the first, of the same accounts.
    pub torn: Proofs,
}

impl Found {
    /// Adds what the reads of one bank find.
    pub fn add(
        &mut self,
        history: &History,
        (key, bank): (Option<Key>, &Bank<'_>),
        parameters: &Parameters,
    ) {
        self.reads += bank.reads.len();
        let Some(judge) = Judge::new(history, key, bank, parameters) else {
            self.early += bank.reads.len();
            return;
        };
        self.totals.push(judge.total);
        let tested = bank.reads.iter().filter(|read| judge.tests_the_total(read)).count();
        let others = bank.reads.iter().any(|read| !judge.tests_the_total(read));
        // Where nothing else tells the total, one of them must.
        self.total_tested += tested.saturating_sub(usize::from(!judge.declared && !others));
        for read in &bank.reads {
            self.judge(&judge, read);
        }
    }

    fn judge(&mut self, judge: &Judge<'_>, read: &Read<'_>) {
        if read.balances.is_empty() && judge.may_be_early(read) {
            self.early += 1;
            return;
        }
        let tested = judge.follows_a_transfer(read) && !read.balances.is_empty();
        self.balances_tested += usize::from(tested);
        let total = read.total();
        let same_accounts = read.same_accounts(&judge.first);
        let unexpected = if same_accounts { Vec::new() } else { judge.unexpected(read) };
        if !unexpected.is_empty() {
            self.not_conserved.add(|| judge.tell_unexpected(read, &unexpected));
        } else if read.has_nil() {
            self.not_conserved.add(|| judge.tell_nil(read));
        } else if total != judge.total {
            self.not_conserved.add(|| judge.tell_total(read, judge.declared));
        }
        let whole = same_accounts && judge.first_is_whole && !read.has_nil();
        if whole && total != judge.first.total() {
            self.torn.add(|| judge.tell_total(read, false));
        }
        let below = |(_, balance): &&(Value, Value)| amount(balance).is_some_and(|it| it < 0);
        if let Some((account, balance)) = read.balances.iter().find(below) {
            self.negative.add(|| judge.tell_negative(read, account, balance));
        }
    }
}

struct Judge<'a> {
    history: &'a History,
    key: Option<Key>,
    /// The first ok read that found accounts; if one found no nil balance, the first of those.
    first: Read<'a>,
    /// Whether it found a balance in every account that transfers may have changed.
    first_is_whole: bool,
    accounts: FxHashSet<&'a Value>,
    bank: &'a Bank<'a>,
    total: i128,
    declared: bool,
}

impl<'a> Judge<'a> {
    /// `None` if nothing tells which total is right.
    fn new(
        history: &'a History,
        key: Option<Key>,
        bank: &'a Bank<'a>,
        parameters: &Parameters,
    ) -> Option<Self> {
        let mut found = bank.reads.iter().filter(|read| !read.balances.is_empty());
        let complete = found.clone().find(|read| !read.has_nil());
        let first = *complete
            .or_else(|| found.next())
            .or_else(|| parameters.total.and(bank.reads.first()))?;
        let accounts: FxHashSet<&Value> =
            first.balances.iter().map(|(account, _)| account).collect();
        let names: FxHashSet<String> = accounts.iter().map(|it| account_name(it)).collect();
        let mut moved = bank.named.iter().filter(|(_, moved)| **moved);
        let first_is_whole = !first.has_nil() && moved.all(|(name, _)| names.contains(name));
        let total = parameters.total.map_or_else(|| first.total(), i128::from);
        let declared = parameters.total.is_some();
        Some(Self { history, key, first, first_is_whole, accounts, bank, total, declared })
    }

    /// Whether it found nothing because the accounts may not have been opened yet.
    fn may_be_early(&self, read: &Read<'_>) -> bool {
        !self.declared && (!self.history.has_real_time() || read.invoked < self.first.completed)
    }

    /// Whether a transfer may have come before it.
    fn follows_a_transfer(&self, read: &Read<'_>) -> bool {
        let before = |first: u64| first < read.completed || !self.history.has_real_time();
        self.bank.first_transfer.is_some_and(before)
    }

    fn tests_the_total(&self, read: &Read<'_>) -> bool {
        self.follows_a_transfer(read) && !(read.balances.is_empty() && self.may_be_early(read))
    }

    fn unexpected<'b>(&self, read: &Read<'b>) -> Vec<&'b Value> {
        let accounts = read.balances.iter().map(|(account, _)| account);
        let expected = |account: &Value| {
            self.accounts.contains(account) || self.bank.named.contains_key(&account_name(account))
        };
        // Where no read found an account, nothing tells which there are.
        let none = self.accounts.is_empty();
        accounts.filter(|account| !none && !expected(account)).collect()
    }

    fn read(&self, read: &Read<'_>) -> String {
        let operation = self.history.operation(read.number);
        format!("the read of event {} ({})", operation.invoked, who(&operation))
    }

    fn anomaly(&self, name: &str, operations: &[&Read<'_>], what: &str) -> Anomaly {
        let mut operations: Vec<u64> = operations.iter().map(|read| read.invoked).collect();
        operations.dedup();
        Anomaly {
            name: name.into(),
            key: self.key.map(|key| key.to_string()),
            operations,
            explanation: format!("{}: {what}", named("bank", self.key)),
            witness: Witness::Operations,
        }
    }

    fn tell_total(&self, read: &Read<'_>, declared: bool) -> Anomaly {
        let mut what = format!(
            "{} finds {} in {}",
            self.read(read),
            read.total(),
            count(read.balances.len(), "account")
        );
        if declared || read.number == self.first.number {
            let _ = write!(what, ", where the total is {} by declaration.", self.total);
            return self.anomaly("wrong-total", &[read], &what);
        }
        let changed: Vec<String> = read
            .balances
            .iter()
            .filter(|entry| !self.first.balances.contains(entry))
            .map(|(account, balance)| format!("{account} holds {balance}"))
            .collect();
        let _ = write!(
            what,
            ", and {} found {}. Transfers move money and make none, so that no two snapshots may \
             differ in total.",
            self.read(&self.first),
            self.first.total()
        );
        if !changed.is_empty() {
            let _ = write!(what, " What differs between them: {}.", list(&changed));
        }
        self.anomaly("wrong-total", &[&self.first, read], &what)
    }

    fn tell_nil(&self, read: &Read<'_>) -> Anomaly {
        let nil = read.balances.iter().filter(|(_, balance)| *balance == Value::Nil);
        let nil: Vec<String> = nil.map(|(account, _)| account.to_string()).collect();
        let what = format!("{} finds no balance in account {}.", self.read(read), list(&nil));
        self.anomaly("nil-balance", &[read], &what)
    }

    fn tell_unexpected(&self, read: &Read<'_>, unexpected: &[&Value]) -> Anomaly {
        let names: Vec<String> = unexpected.iter().map(ToString::to_string).collect();
        let what = format!(
            "{} finds account {}, which {} had not found and no transfer names.",
            self.read(read),
            list(&names),
            self.read(&self.first)
        );
        self.anomaly("unexpected-key", &[&self.first, read], &what)
    }

    fn tell_negative(&self, read: &Read<'_>, account: &Value, balance: &Value) -> Anomaly {
        let what = format!(
            "{} finds {balance} in account {account}, and no transfer may take what is not there.",
            self.read(read)
        );
        self.anomaly("negative-value", &[read], &what)
    }
}
