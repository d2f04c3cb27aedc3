//! The steps of a history of texts: who put or appended what, and what each get showed.

use rustc_hash::{FxHashMap, FxHashSet};
use schism_history::{History, Key, Operation, Process, Value};

use super::pieces::{Pieces, Reading};
use crate::session::{Session, Source, Step, Steps, Version};

/// What one get showed.
#[derive(Debug)]
pub(super) struct Shown {
    /// The steps whose pieces the text is made of, in its order.
    pub pieces: Vec<u32>,
    /// Whether the first of them is a put. Otherwise the text begins with what was there first.
    pub put: bool,
    /// The key, as a place in [`Steps::keys`].
    pub key: u32,
}

impl Shown {
    /// The put that the text begins with.
    pub fn base(&self) -> Option<u32> {
        self.pieces.first().copied().filter(|_| self.put)
    }
}

/// What the sessions of a history of texts did.
pub(super) struct Texts<'a> {
    /// The steps: each update writes one version, its piece; each get reads those that it is the
    /// first of its session to show.
    pub steps: Steps<'a>,
    /// By step: what it showed, if it is a get of which that is known.
    pub shown: Vec<Option<Shown>>,
    /// The numbers of gets of what nobody can have made. They constrain nothing else.
    pub impossible: Vec<u32>,
    /// The numbers of gets of what can have come about in more than one way. Neither do they.
    pub ambiguous: Vec<u32>,
    /// How many gets there are of keys that somebody puts or appends to.
    pub evidence: usize,
}

/// An operation that may have taken effect.
struct Candidate<'a> {
    number: u32,
    process: Process,
    key: u32,
    counts: bool,
    does: Does<'a>,
}

enum Does<'a> {
    Get(&'a str),
    Put(&'a Value),
    Append(&'a Value),
}

/// What `operation` asks, and was answered, of a text. The error is a clause that follows its name.
pub(crate) fn parse<'a>(
    operation: &Operation<'a>,
    initial: &'a str,
) -> Result<Parsed<'a>, &'static str> {
    match (operation.op.f.as_str(), &operation.op.value) {
        ("get", _) => match operation.ok().map(|reply| &reply.value) {
            None => Ok(Parsed::Nothing),
            Some(Value::Text(text)) => Ok(Parsed::Get(text)),
            Some(Value::Nil) => Ok(Parsed::Get(initial)),
            Some(_) => Err("returned no text"),
        },
        ("append", Value::Text(piece)) if piece.is_empty() => Err("appends nothing"),
        ("put", value @ Value::Text(text)) => Ok(Parsed::Put(value, text)),
        ("append", value @ Value::Text(piece)) => Ok(Parsed::Append(value, piece)),
        _ => Err("is no get, put or append of a text"),
    }
}

/// What an operation does to a text.
pub(crate) enum Parsed<'a> {
    /// It was not answered, and changes nothing.
    Nothing,
    /// It returned this.
    Get(&'a str),
    /// It puts this.
    Put(&'a Value, &'a str),
    /// It appends this.
    Append(&'a Value, &'a str),
}

impl<'a> Texts<'a> {
    /// Takes the steps out of `history`. O(t·l + n log n), for texts of t bytes in all and pieces of
    /// l different lengths.
    ///
    /// Failed operations are left out. Indeterminate ones count if a get shows them: nothing is lost
    /// by leaving the others out, since nobody's session goes on after one, and an order with an
    /// update that no get shows explains what the same order without it does.
    ///
    /// # Errors
    ///
    /// Why nothing can be said: a whole sentence.
    pub fn of(history: &'a History, initial: &'a str) -> Result<Self, String> {
        let mut keys: Vec<Key> = Vec::new();
        let mut places: FxHashMap<Option<Key>, u32> = FxHashMap::default();
        let mut pieces: Vec<Pieces<'a>> = Vec::new();
        let mut candidates: Vec<Candidate<'a>> = Vec::new();
        for operation in history.operations().filter(|it| !it.failed()) {
            let parsed = parse(&operation, initial).map_err(|problem| {
                let (f, event) = (operation.op.f, operation.invoked);
                format!("The history cannot be judged as one of texts: the {f} of event {event} {problem}.")
            })?;
            let key = *places.entry(operation.op.key).or_insert_with(|| {
                keys.push(operation.op.key.unwrap_or_else(|| Key::new("_")));
                pieces.push(Pieces::default());
                keys.len() as u32 - 1
            });
            let place = candidates.len() as u32;
            let does = match parsed {
                Parsed::Nothing => continue,
                Parsed::Get(text) => Does::Get(text),
                Parsed::Put(value, text) => {
                    pieces[key as usize].put(text, place);
                    Does::Put(value)
                }
                Parsed::Append(value, piece) => {
                    pieces[key as usize].append(piece, place);
                    Does::Append(value)
                }
            };
            let (number, process) = (operation.number as u32, operation.process);
            let counts = operation.ok().is_some();
            candidates.push(Candidate { number, process, key, counts, does });
        }
        let mut readings: Vec<Option<Reading>> = Vec::with_capacity(candidates.len());
        for candidate in &candidates {
            readings.push(match candidate.does {
                Does::Get(text) => Some(pieces[candidate.key as usize].read(text, initial)),
                _ => None,
            });
        }
        for reading in readings.iter().flatten() {
            if let Reading::Of(shown, _) = reading {
                for &it in shown {
                    candidates[it as usize].counts = true;
                }
            }
        }
        Ok(build(history, keys, &candidates, readings))
    }
}

fn build<'a>(
    history: &'a History,
    keys: Vec<Key>,
    candidates: &[Candidate<'a>],
    mut readings: Vec<Option<Reading>>,
) -> Texts<'a> {
    let mut order: Vec<u32> =
        (0..candidates.len() as u32).filter(|&it| candidates[it as usize].counts).collect();
    // Candidates stand in the order of their invocations.
    order.sort_by_key(|&place| (candidates[place as usize].process, place));
    let mut moved = vec![u32::MAX; candidates.len()];
    for (step, &place) in (0..).zip(&order) {
        moved[place as usize] = step;
    }
    let mut written = vec![false; keys.len()];
    for &place in &order {
        let candidate = &candidates[place as usize];
        written[candidate.key as usize] |= !matches!(candidate.does, Does::Get(_));
    }
    let steps = Steps {
        history,
        all: Vec::with_capacity(order.len()),
        read: Vec::new(),
        written: Vec::new(),
        sessions: Vec::new(),
        keys,
        versions: Vec::new(),
        initial: Vec::new(),
        from_nowhere: Vec::new(),
        contradictions: Vec::new(),
        ambiguous: Vec::new(),
        alien: None,
    };
    let (impossible, ambiguous) = (Vec::new(), Vec::new());
    let mut texts = Texts { steps, shown: Vec::new(), impossible, ambiguous, evidence: 0 };
    // By step: the version that it writes.
    let mut versions = vec![u32::MAX; order.len()];
    for (step, &place) in (0..).zip(&order) {
        let candidate = &candidates[place as usize];
        if let Does::Put(value) | Does::Append(value) = candidate.does {
            versions[step as usize] = texts.steps.versions.len() as u32;
            let (key, source) = (candidate.key, Source::Step(step));
            let (failed, writers, number) = (None, [Some(candidate.number), None], None);
            texts.steps.versions.push(Version { key, value, source, failed, writers, number });
        }
    }
    let mut known: FxHashSet<u32> = FxHashSet::default();
    for (step, &place) in (0..).zip(&order) {
        let candidate = &candidates[place as usize];
        let steps = &mut texts.steps;
        if steps.sessions.last().is_none_or(|last| last.process != candidate.process) {
            let process = candidate.process;
            steps.sessions.push(Session { process, from: step, to: step });
            known.clear();
        }
        let session = steps.sessions.len() as u32 - 1;
        steps.sessions[session as usize].to = step + 1;
        let (read, wrote) = (steps.read.len() as u32, steps.written.len() as u32);
        let mut shown = None;
        match readings[place as usize].take() {
            None => steps.written.push(versions[step as usize]),
            Some(Reading::Nothing) => texts.impossible.push(candidate.number),
            Some(Reading::Several) => texts.ambiguous.push(candidate.number),
            Some(Reading::Of(mut pieces, put)) => {
                for it in &mut pieces {
                    *it = moved[*it as usize];
                }
                let new = pieces.iter().filter(|&&it| known.insert(it));
                steps.read.extend(new.map(|&it| versions[it as usize]));
                texts.evidence += usize::from(written[candidate.key as usize]);
                shown = Some(Shown { pieces, put, key: candidate.key });
            }
        }
        texts.shown.push(shown);
        steps.all.push(Step {
            number: candidate.number,
            session,
            reads: (read, steps.read.len() as u32),
            writes: (wrote, steps.written.len() as u32),
        });
    }
    texts
}
