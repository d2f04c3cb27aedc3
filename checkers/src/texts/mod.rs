//! Texts that grow (`kv-append`): sequential consistency, PRAM, causal consistency in three strengths,
//! and what sessions are guaranteed.
//!
//! *Papers.* Those of `session`, whose definitions hold here with texts in place of registers:
//! Bouajjani, Enea, Guerraoui and Hamza 2017 (CC, CM, `CCv`; a put or append returns nothing), Lipton
//! and Sandberg 1988 (PRAM), Terry et al. 1994 and Viotti and Vukolić 2016 (the four guarantees),
//! Lamport 1979 (sequential).
//!
//! *What a get tells.* Where each piece is written once, a text shows exactly which put it begins
//! with, if any, which pieces were appended since, and in which order. So an update that a get has in
//! its past and does not show came before that put; and where the text begins with what was there
//! first, there is no such update.
//!
//! *Causal order* is sessions and who showed whose piece, closed. Each causal order that explains the
//! gets contains that one, since a piece that is shown is in the past. And that one explains them if
//! any does: take from the larger past's order what is not in the smaller past. All that is shown is
//! there, in the same order; what was hidden by the put still is; and nothing was added. For the same
//! reason indeterminate updates that nobody shows are left out.
//!
//! *How.* CC: `causal`; `CCv`: an order of all updates in which each text's pieces, and what is hidden
//! before its put, come in order. CM and PRAM: the same for the gets of one session, until nothing
//! is new (`views`). All of these edges are forced and together suffice, so that both verdicts are
//! proven.
//!
//! | claim | what must hold |
//! |---|---|
//! | `read-your-writes` | a session's get of a key has its own earlier updates of it in its past |
//! | `monotonic-reads` | and what its earlier gets of it showed |
//! | `monotonic-writes` | after a session was shown an update W of session S: what S did before W, and no text shows two updates of S in the other order |
//! | `writes-follow-reads` | what S was shown before W, and no text shows W before that |
//!
//! To have an update in its past, a get must show it, or begin with a put that comes after it. Nobody
//! knows the order of puts but from the session that alone writes the key; from texts; and, for a
//! session's own updates, from its order. A claim is violated if no order that agrees with what is
//! known fulfils what one session's gets demand, and upheld only if all such orders do (`orders`).
//! Without puts everything is known.
//!
//! *Sequential.* What a get returned tells which put or append came last, and, piece by piece from
//! its end, what that append had found: so an append that somebody saw is a compare-and-set from the
//! text before it to the text after it, which must come directly after what it extends, as on the
//! real text. An append that nobody saw is a write of something that nobody returned: as on the real
//! text it cannot stand between a text and its extension, and whatever it left behind is not seen. So
//! the checker of registers decides it. Of guarantees that let every session see an order of its own
//! that is not so: there one append may find two texts.
//!
//! *What it cannot see.* Where a text can have come about in more than one way (`ab` of `a` and `b`,
//! or of `ab`), nobody can tell what it shows: `Unknown`. Unique pieces help, and puts by one
//! session a key. A text that nobody can have made breaks the models, and leaves the four guarantees
//! unknown. Version numbers are not looked at.
//!
//! *A history that breaks it* (each claim here but read-your-writes): the second append was seen
//! without the first.
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
//! Cost, for n operations on k sessions, texts of t bytes and p pieces in all, and pieces of l
//! different lengths: O(t·l) to read the texts; CC and `CCv` O((n + p)·k); PRAM and CM that for each
//! session and round, of which there are few in practice; the guarantees O(p·k + n·k), more where an
//! order of puts is in doubt. Memory O(n·k + p).

mod causal;
mod checker;
mod dependencies;
mod explanation;
mod extract;
mod guarantees;
mod hidden;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod oracle;
mod orders;
mod pieces;
#[cfg(test)]
mod random;
mod registers;
#[cfg(test)]
mod tests;
mod views;

use schism_history::{History, Value};

pub(crate) use self::checker::{MODELS, SESSIONS};
pub(crate) use self::extract::{Parsed, parse};
pub(crate) use self::pieces::{Pieces, Reading};
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
