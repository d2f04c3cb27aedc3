//! Histories as short text, for tests and docs.
//!
//! One event a line; order is the order of the lines. ` #` begins a comment.
//!
//! ```text
//! p0 invoke write x 1          # function, key, value
//! p0 ok                        # without a value: the argument again
//! p1 invoke read x @n2         # the node asked
//! p1 ok 1 v12                  # the value read, and the system's version of it
//! p2 invoke cas x [1 2]
//! p2 fail mismatch found 3     # code, and words
//! p3 invoke txn [append x 1, r y _]
//! p3 info timeout no answer
//! p4 invoke poll _ [poll "" _, send 0 7]
//! p4 ok [poll 0 [12 7 13 8], send 0 [14 7]]
//! p5 invoke transfer _ {"from" 1, "to" 2, "amount" 5}
//! nemesis start F1 partition n1,n2 isolate leader
//! nemesis bites F1 yes n1→n3 0 of 20 packets
//! nemesis stop F1
//! nemesis gone F1 yes all links pass
//! nemesis healed
//! ```
//!
//! Values are `_` (nil), integers, `true`, `false`, quoted texts, lists in brackets, maps in braces,
//! and lists of micro-operations. A line may begin with its time in seconds, `1.25s`, and an
//! invocation may end with `due=1.2s`; without one, event i happens at i milliseconds.
//!
//! Names, reasons and other words may be quoted too, with the escapes of JSON, and are written so
//! where they would be misread otherwise. `_` stands for a key that is not there. The indexes of
//! events and the injections of faults are not in the text.

mod parse;
mod word;
mod write;

pub(crate) use word::{Quoted, Word};

use parse::parse_line;
use word::without_comment;
use write::write_line;

use crate::{Event, History, Process, Value};

/// A text that is no history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct TextError {
    /// The line, from 1; 0 if the history as a whole is malformed.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
}

impl History {
    /// Reads a history from its short text.
    pub fn from_text(text: &str) -> Result<Self, TextError> {
        let mut events: Vec<Event> = Vec::new();
        let mut arguments: Vec<(Process, Value)> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = without_comment(line).trim();
            if line.is_empty() {
                continue;
            }
            let event = parse_line(line, events.len() as u64, &mut arguments)
                .map_err(|problem| TextError { line: number + 1, problem })?;
            events.push(event);
        }
        Self::from_events(events).map_err(|error| TextError { line: 0, problem: error.to_string() })
    }

    /// The short text of this history, with times.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for event in self.events() {
            write_line(&mut text, event);
            text.push('\n');
        }
        text
    }
}
