//! A history of texts as one of registers.

use rustc_hash::{FxHashMap, FxHashSet};
use schism_history::{Event, F, History, Key, Kind, Outcome, Reply, Value};

use super::pieces::{Pieces, Reading};

/// What put a piece of text where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    /// It replaced what was there.
    Put,
    /// It was added to what was there.
    Append,
}

/// The pieces that were put or appended to one key, and the texts seen of it.
#[derive(Default)]
struct Texts<'a> {
    /// By number in `updates`: who put or appended what, failures too, since what they would have
    /// written may be seen.
    pieces: Pieces<'a>,
    updates: Vec<&'a str>,
    puts: FxHashSet<&'a str>,
    appends: FxHashSet<&'a str>,
    /// What was returned.
    seen: FxHashSet<&'a str>,
    /// By piece: the text that its append found.
    found: FxHashMap<&'a str, &'a str>,
}

/// The history of registers that is explained by the same orders.
///
/// # Errors
///
/// Why there is none: an event that is none of a text's, a piece appended twice, or a text that can
/// have come about in more than one way. A whole sentence.
pub(super) fn as_registers(history: &History, initial: &str) -> Result<History, String> {
    let mut keys: FxHashMap<Option<Key>, Texts<'_>> = FxHashMap::default();
    for operation in history.operations() {
        let (f, invoked) = (operation.op.f.as_str(), operation.invoked);
        let alien = |what: &str| {
            Err(format!(
                "The history cannot be judged as one of texts: the {f} of event {invoked} {what}."
            ))
        };
        let texts = keys.entry(operation.op.key).or_default();
        match (f, &operation.op.value) {
            ("get", _) => match operation.ok().map(|reply| &reply.value) {
                Some(Value::Text(text)) => drop(texts.seen.insert(text)),
                Some(Value::Nil) | None => {}
                Some(_) => return alien("returned no text"),
            },
            ("put", Value::Text(text)) => {
                // Two puts of one text are as good as one: registers tell no more of them.
                if texts.puts.insert(text) {
                    texts.pieces.put(text, texts.updates.len() as u32);
                    texts.updates.push(text);
                }
            }
            ("append", Value::Text(piece)) if piece.is_empty() => return alien("appends nothing"),
            ("append", Value::Text(piece)) => {
                if !texts.appends.insert(piece) {
                    return alien(&format!(
                        "appends {piece:?} again, so that nobody can tell which of the two a text shows"
                    ));
                }
                texts.pieces.append(piece, texts.updates.len() as u32);
                texts.updates.push(piece);
            }
            _ => return alien("is no get, put or append of a text"),
        }
    }
    for texts in keys.values_mut() {
        texts.derive(initial)?;
    }
    translate(history, &keys, initial)
}

impl<'a> Texts<'a> {
    /// Finds out what each append that was seen had found.
    fn derive(&mut self, initial: &str) -> Result<(), String> {
        let mut seen: Vec<&'a str> = self.seen.iter().copied().collect();
        // Deterministic, whatever the order of the table.
        seen.sort_unstable();
        for text in seen {
            match self.pieces.read(text, initial) {
                // A text that nobody can have made stands for itself; the checker says so.
                Reading::Nothing => {}
                Reading::Several => {
                    return Err(format!(
                        "The text {} can have come about in more than one way, so that nobody can \
                         tell which append found what; pieces that are written once, and made of no \
                         others, would help.",
                        shown(text)
                    ));
                }
                Reading::Of(pieces, put) => {
                    let mut end = text.len();
                    for &piece in pieces[usize::from(put)..].iter().rev() {
                        let piece = self.updates[piece as usize];
                        end -= piece.len();
                        // One append cannot have found two texts: as a compare-and-set it can only
                        // explain one of them, and nobody made the other.
                        self.found.entry(piece).or_insert(&text[..end]);
                    }
                }
            }
        }
        Ok(())
    }
}

fn shown(text: &str) -> String {
    const SHOWN_MAX: usize = 40;
    if text.chars().count() <= SHOWN_MAX {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(SHOWN_MAX).collect();
    format!("{start:?}…")
}

fn translate(
    history: &History,
    keys: &FxHashMap<Option<Key>, Texts<'_>>,
    initial: &str,
) -> Result<History, String> {
    let [read, write, cas] = ["read", "write", "cas"].map(F::new);
    let mut events: Vec<Event> = Vec::with_capacity(history.events().len());
    // By process: what its open operation answers with when it is ok; `None`: what it returned.
    let mut open: FxHashMap<schism_history::Process, Option<Value>> = FxHashMap::default();
    let mut unseen: u64 = 0;
    for event in history.events() {
        let mut event = event.clone();
        match &mut event.kind {
            Kind::Invoke { op, .. } => {
                let piece = match op.f.as_str() {
                    "put" => Some(Piece::Put),
                    "append" => Some(Piece::Append),
                    _ => None,
                };
                let text = match &op.value {
                    Value::Text(text) => text.clone(),
                    _ => "".into(),
                };
                (op.f, op.value) = match piece {
                    None => (read, Value::Nil),
                    Some(Piece::Put) => (write, Value::Text(text)),
                    Some(Piece::Append) => {
                        if let Some(found) = keys[&op.key].found.get(&*text) {
                            let after = Value::Text(format!("{found}{text}").into());
                            (cas, Value::List([Value::Text((*found).into()), after].into()))
                        } else {
                            // No text holds this character twice at its beginning, as far as
                            // anybody has seen.
                            unseen += 1;
                            (write, Value::Text(format!("\u{0}\u{0}unseen {unseen}").into()))
                        }
                    }
                };
                open.insert(event.process, piece.map(|_| op.value.clone()));
            }
            Kind::Complete(outcome) => {
                if let (Outcome::Ok(Reply { value, .. }), Some(answer)) =
                    (outcome, open.remove(&event.process))
                {
                    match answer {
                        Some(answer) => *value = answer,
                        None if *value == Value::Nil => *value = Value::Text(initial.into()),
                        None => {}
                    }
                }
            }
            Kind::Fault(_) => {}
        }
        events.push(event);
    }
    let registers = History::from_events(events).map_err(|error| format!("{error}."))?;
    Ok(if history.has_real_time() { registers } else { registers.without_real_time() })
}
