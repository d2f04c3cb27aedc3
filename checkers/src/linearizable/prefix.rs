//! Where the shortest failing prefix ends.
//!
//! A failed operation never took effect, and both procedures leave it out. But in a prefix that ends
//! before the failure is known, it could still have been the one that wrote what was read.

use super::chains::Chains;
use super::model::RegisterModel;
use super::operations::{Fate, INITIAL, NEVER, Register};
use super::search::{Answer, Limits, search_operations};

/// The first prefix in which the procedure finds a violation, as the rank of its last event, if
/// there is one up to the rank `until`. Values must be unique up to `until`.
///
/// A linearizable history has linearizable prefixes only, so that the prefixes can be bisected;
/// since a violation tells where it shows, three or four checks are usual. O(n log² n) at worst.
pub(crate) fn first_failing_prefix(register: &Register, until: u64) -> Option<u64> {
    const GUESSES_MAX: usize = 6;
    let fails_at = |prefix: u64| {
        let chains = Chains::check(register, prefix);
        chains.worst().map(|(rank, _)| rank)
    };
    let mut guess = fails_at(until)?;
    // What comes after the last event changes nothing.
    let ends = register.entries.iter().map(|entry| match entry.completed {
        NEVER => entry.invoked,
        completed => completed,
    });
    let mut failing = ends.max().unwrap_or(0).min(until);
    let mut holding = 0;
    let mut guesses = 0;
    while holding + 1 < failing {
        if guess <= holding || guess >= failing {
            guesses += 1;
            let near = guesses <= GUESSES_MAX;
            guess = if near { failing - 1 } else { holding + (failing - holding) / 2 };
        }
        match fails_at(guess) {
            Some(earlier) => (failing, guess) = (guess, earlier),
            None => holding = guess,
        }
    }
    Some(failing)
}

/// The rank of the last event of the shortest prefix that fails though what is open at its end may
/// have taken effect, if the prefix up to `prefix` is the shortest that fails otherwise.
///
/// `matters` tells of the values which of them can make a difference. At most as long as the prefix
/// up to `until`, where it fails whatever is open. A prefix that the search cannot decide within
/// `limits` is taken for one that holds.
pub(crate) fn past_open_failures(
    register: &Register,
    prefix: u64,
    until: u64,
    limits: Limits<'_>,
    matters: impl Fn(u32) -> bool,
) -> u64 {
    let open = |entry: &&super::operations::Entry| {
        entry.fate == Fate::Failed
            && entry.invoked <= prefix
            && entry.completed > prefix
            && entry.action.writes().is_some_and(&matters)
    };
    if !register.entries.iter().any(|entry| open(&entry)) {
        return prefix;
    }
    let fails = |prefix: u64| {
        let (calls, _) = register.calls(prefix, None, true);
        let answer = search_operations(&mut RegisterModel, &calls, limits);
        matches!(answer, Answer::Impossible(_))
    };
    // Only a completion can make a prefix fail.
    let ends = register.entries.iter().map(|entry| entry.completed);
    let mut ends: Vec<u64> =
        ends.filter(|&end| end != NEVER && end >= prefix && end <= until).collect();
    ends.sort_unstable();
    let first = first_failing_end(&ends, fails);
    first.unwrap_or(until.min(ends.last().copied().unwrap_or(prefix)))
}

/// The first of `ends`, in order, at which a prefix fails; prefixes that end later fail, too.
pub(crate) fn first_failing_end(ends: &[u64], mut fails: impl FnMut(u64) -> bool) -> Option<u64> {
    // The violation is usually near: step on in doubling steps, then bisect the last one.
    let (mut low, mut step) = (0, 1);
    while low < ends.len() && !fails(ends[low]) {
        low += step;
        step *= 2;
    }
    let holding = if step == 1 { 0 } else { low - step / 2 + 1 };
    let within = &ends[holding..low.min(ends.len())];
    let first = holding + within.partition_point(|&end| !fails(end));
    ends.get(first).copied()
}

/// For values that are unique but for failed operations: which values more than one operation would
/// have written, so that [`super::chains::Chains`] does not know the writer. The initial value is
/// among them.
pub(crate) fn ambiguous(register: &Register) -> impl Fn(u32) -> bool {
    let mut writers = vec![0_u8; register.values.len()];
    writers[INITIAL as usize] = 1;
    for value in register.entries.iter().filter_map(|entry| entry.action.writes()) {
        let count = &mut writers[value as usize];
        *count = count.saturating_add(1);
    }
    move |value| writers[value as usize] > 1
}
