//! `clock`: the processes see a wrong time, those that begin later, too.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;

use serde_json::{Value, json};

use super::{Holding, Place};
use crate::clock::{self, Hold, Skew};

/// What a hold is found by: its number, in each process whose clock it set.
const NUMBER: &str = "number";

/// Clocks of processes that are held wrong.
pub(super) struct Clock {
    skew: Skew,
    hold: Option<Hold>,
    /// Processes whose clocks could not be set; each is said once.
    refused: BTreeSet<i32>,
}

impl Clock {
    pub(super) fn new(skew: Skew) -> Self {
        Self { skew, hold: None, refused: BTreeSet::new() }
    }
}

impl Holding for Clock {
    fn begin(&mut self, place: &mut Place) -> Result<(), String> {
        let number = fresh_number().map_err(|error| format!("a random number: {error}"))?;
        let hold = Hold::new(number, &self.skew)?;
        let noted = place.entry.note(json!({ NUMBER: number }));
        noted.map_err(|error| format!("ledger: {error}"))?;
        if let Err(problem) = hold.set(&pids(place)?) {
            // What was set is as wrong as it can be said to be: all or nothing.
            hold.undo().map_err(|left| format!("{problem}; {left}"))?;
            return Err(problem);
        }
        self.hold = Some(hold);
        Ok(())
    }

    fn tend(&mut self, place: &mut Place) -> Result<(), String> {
        let Some(hold) = &self.hold else { return Ok(()) };
        let mut problems = Vec::new();
        for pid in pids(place)? {
            if self.refused.contains(&pid) {
                continue;
            }
            if let Err(problem) = hold.set_at_once(pid) {
                self.refused.insert(pid);
                problems.push(problem);
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
    }

    fn end(&mut self, _: &mut Place) -> Result<(), String> {
        self.hold.as_ref().map_or(Ok(()), Hold::undo)
    }
}

/// Makes every clock right that a dead holder had set.
pub(super) fn clean(facts: &Value) -> Result<(), String> {
    match facts.get(NUMBER).and_then(Value::as_u64) {
        Some(number) => clock::undo(number),
        // It died before it had touched anything.
        None => Ok(()),
    }
}

fn pids(place: &Place) -> Result<Vec<i32>, String> {
    let members = place.members.list().map_err(|error| format!("/proc: {error}"))?;
    Ok(members.into_iter().map(|process| process.pid).collect())
}

/// A number that no other hold on this machine has.
fn fresh_number() -> std::io::Result<u64> {
    let mut bytes = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}
