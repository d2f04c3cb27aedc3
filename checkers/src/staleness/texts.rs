//! Texts that grow, with the times at which they were asked, and how far each get lags.
//!
//! A get misses an update if it must have come after the put with which the text begins, and is not
//! shown: it was invoked after that put was there (had completed, or been shown by a get that had), or
//! some text shows it after that put. Where the text begins with what was there first, every update
//! that is not shown is missed. The lag is the time since the first of them was acknowledged, as with
//! registers.

use std::time::Duration;

use rustc_hash::{FxHashMap, FxHashSet};
use schism_history::{History, Key, Value};

use super::lag::{Lag, Lags};
use super::registers::{NEVER, Register, Registers, place_of, read, write};
use crate::texts::{Parsed, Pieces, Reading, parse};

/// What is known of the texts of one key.
#[derive(Debug, Default)]
pub(super) struct Made<'a> {
    /// Each that somebody can have made, and whether it may show an indeterminate update.
    by_value: FxHashMap<&'a Value, bool>,
    /// Of each get what it shows, by the places of writes.
    readings: Vec<Reading>,
}

impl Made<'_> {
    /// Whether somebody can have made this.
    pub fn may_be(&self, value: &Value) -> bool {
        self.by_value.contains_key(value)
    }

    /// Whether it may show an indeterminate update.
    pub fn late(&self, value: &Value) -> bool {
        self.by_value.get(value).copied().unwrap_or(false)
    }
}

impl<'a> Registers<'a> {
    /// Takes the texts out of `history`, where `initial`, a text, was there first. O(t·l) for texts of
    /// t bytes and pieces of l different lengths.
    pub fn of_texts(history: &'a History, initial: &'a Value) -> Self {
        let first = match initial {
            Value::Text(text) => &**text,
            _ => "",
        };
        let mut places: FxHashMap<Key, usize> = FxHashMap::default();
        let mut registers: Vec<Register<'a>> = Vec::new();
        let mut pieces: Vec<Pieces<'a>> = Vec::new();
        let mut alien = None;
        for operation in history.operations().filter(|it| !it.failed()) {
            let parsed = match parse(&operation, first) {
                Ok(parsed) => parsed,
                Err(problem) => {
                    let (f, event) = (operation.op.f, operation.invoked);
                    alien = Some(format!("the {f} of event {event} {problem}"));
                    break;
                }
            };
            let key = operation.op.key.unwrap_or_else(|| Key::new("_"));
            let place = place_of(key, &mut places, &mut registers);
            pieces.resize_with(registers.len(), Pieces::default);
            let register = &mut registers[place];
            let by = register.writes.len() as u32;
            let value = match parsed {
                Parsed::Nothing => continue,
                Parsed::Get(_) => {
                    let returned = operation.ok().map(|reply| &reply.value);
                    let returned = returned.filter(|it| **it != Value::Nil).unwrap_or(initial);
                    register.reads.extend(read(&operation, returned, None, false));
                    continue;
                }
                Parsed::Put(value, text) => {
                    pieces[place].put(text, by);
                    value
                }
                Parsed::Append(value, piece) => {
                    pieces[place].append(piece, by);
                    value
                }
            };
            register.writes.push(write(&operation, value, None, None));
        }
        for (register, pieces) in registers.iter_mut().zip(&pieces) {
            register.made = Some(made(register, pieces, first));
        }
        registers.sort_by_key(|register| register.key);
        Self { registers, alien }
    }
}

fn made<'a>(register: &Register<'a>, pieces: &Pieces<'a>, initial: &str) -> Made<'a> {
    let lost = |&place: &u32| register.writes[place as usize].completed == NEVER;
    let any_lost = register.writes.iter().any(|write| write.completed == NEVER);
    let mut made = Made::default();
    for read in &register.reads {
        let text = match read.value {
            Value::Text(text) => &**text,
            _ => "",
        };
        let reading = pieces.read(text, initial);
        match &reading {
            Reading::Of(shown, _) if shown.is_empty() => {}
            Reading::Of(shown, _) => {
                made.by_value.insert(read.value, shown.iter().any(lost));
            }
            Reading::Several => {
                made.by_value.insert(read.value, any_lost);
            }
            Reading::Nothing => {}
        }
        made.readings.push(reading);
    }
    made
}

/// Judges the gets of one key. O(p + m + n log n) for pieces p in all texts, and m misses.
pub(super) fn lags(register: &Register<'_>, made: &Made<'_>) -> Lags {
    let writes = &register.writes;
    // When each put was there for certain, and what some text shows after it.
    let mut there: Vec<u64> = writes.iter().map(|write| write.completed).collect();
    let mut after: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
    let mut known: FxHashSet<(u32, u32)> = FxHashSet::default();
    for (read, reading) in register.reads.iter().zip(&made.readings) {
        let Reading::Of(shown, true) = reading else { continue };
        let Some((&base, rest)) = shown.split_first() else { continue };
        let there = &mut there[base as usize];
        *there = read.completed.min(*there);
        let new = rest.iter().copied().filter(|&it| known.insert((base, it)));
        after.entry(base).or_default().extend(new);
    }
    let mut acknowledged: Vec<u32> =
        (0..writes.len() as u32).filter(|&it| writes[it as usize].completed != NEVER).collect();
    acknowledged.sort_by_key(|&it| writes[it as usize].completed);
    let completed = |it: u32| writes[it as usize].completed;
    let mut lags = Lags::default();
    let mut marks = vec![u32::MAX; writes.len()];
    for (place, (read, reading)) in (0..).zip(register.reads.iter().zip(&made.readings)) {
        let mut lag =
            Lag { read: place, time: Duration::ZERO, versions: 0, newer: None, source: None };
        let (shown, put) = match reading {
            Reading::Nothing => {
                lags.nowhere.push(place);
                continue;
            }
            Reading::Several => {
                lags.least.push(lag);
                lags.most.push(Lag { time: Duration::MAX, versions: u64::MAX, ..lag });
                continue;
            }
            Reading::Of(shown, put) => (shown, *put),
        };
        if shown.iter().any(|&it| writes[it as usize].invoked > read.completed) {
            lags.nowhere.push(place);
            continue;
        }
        for &it in shown {
            marks[it as usize] = place;
        }
        let base = shown.first().copied().filter(|_| put);
        let since = base.map(|base| there[base as usize]);
        let from =
            since.map_or(0, |since| acknowledged.partition_point(|&it| completed(it) <= since));
        let later = acknowledged[from..].iter().copied();
        let later = later.take_while(|&it| completed(it) < read.invoked);
        let later =
            later.filter(|&it| since.is_none_or(|since| writes[it as usize].invoked > since));
        let told = base.and_then(|base| after.get(&base)).into_iter().flatten().copied();
        let told = told.filter(|&it| {
            completed(it) < read.invoked
                && since.is_some_and(|since| writes[it as usize].invoked <= since)
        });
        for missed in later.chain(told).filter(|&it| marks[it as usize] != place) {
            lag.versions += 1;
            if lag.newer.is_none_or(|other| completed(missed) < completed(other)) {
                lag.newer = Some(missed);
            }
        }
        lag.source = shown.last().copied();
        let newer = lag.newer.map(|it| writes[it as usize].end);
        lag.time = newer.map_or(Duration::ZERO, |end| read.start.since(end));
        lags.least.push(lag);
        lags.most.push(lag);
    }
    let first = acknowledged.first().map_or(NEVER, |&it| completed(it));
    lags.evidence = register.reads.iter().filter(|read| read.invoked > first).count();
    lags
}
