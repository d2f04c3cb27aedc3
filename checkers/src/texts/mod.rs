//! Texts that grow, judged as registers: sequential consistency of `kv-append`.
//!
//! *Why it is right.* What a get returned tells which put or append came last, and, piece by piece
//! from its end, what that append had found: so an append that somebody saw is a compare-and-set from
//! the text before it to the text after it, which must come directly after what it extends, as on the
//! real text. An append that nobody saw is a write of something that nobody returned: as on the real
//! text it cannot stand between a text and its extension, and whatever it left behind is not seen.
//! So a history of texts is explained by one order exactly if the history of registers is, and the
//! checker of `sequential` (Lamport 1979) decides it. Of guarantees that let every session see an
//! order of its own (PRAM, causal) that is not so: there one append may find two texts.
//!
//! *What it cannot see.* Where a text can have come about in more than one way (`ab` of `a` and `b`,
//! or of `ab`), nobody can tell which append found what: `Unknown`. Unique pieces help.
//!
//! *A history that breaks it:* the second append was seen without the first.
//!
//! ```text
//! p0 invoke append x "1;"
//! p0 ok
//! p0 invoke append x "2;"
//! p0 ok
//! p1 invoke get x
//! p1 ok "2;"
//! ```
//!
//! Cost: O(t·l) for texts of t bytes in all, and pieces of l different lengths, and that of the
//! checker behind it.

mod registers;
#[cfg(test)]
mod tests;

use schism_history::{History, Value};

use self::registers::as_registers;
use crate::{Asked, Budget, CheckerEntry, Question, Verdict, sequential};

/// Sequential consistency.
pub(crate) const ENTRY: CheckerEntry = CheckerEntry {
    name: "texts",
    summary: "sequential consistency of texts that grow, judged as registers",
    subjects: &["kv-append"],
    check,
    ..sequential::ENTRY
};

fn check(question: &Question, history: &History, budget: &Budget) -> Vec<Verdict> {
    let initial = match &question.initial {
        Value::Text(text) => text.to_string(),
        _ => String::new(),
    };
    match as_registers(history, &initial) {
        Ok(registers) => {
            let initial = Value::Text(initial.into());
            let question = Question { workload: "register".into(), initial, ..question.clone() };
            (sequential::ENTRY.check)(&question, &registers, budget)
        }
        Err(reason) => {
            let unknown = |asked: &Asked| Verdict::unknown(*asked, 0, reason.clone());
            question.claims.iter().map(unknown).collect()
        }
    }
}
