//! The steps of a history: which operations took effect, and whose writes were read.

use rustc_hash::FxHashMap;
use schism_history::{History, Key, Operation, Process, Value};

use super::parse::{Functions, Parsed};
use super::step::{Oddity, Session, Source, Step, Steps, Version};

/// An operation that may have taken effect.
struct Candidate {
    number: u32,
    process: Process,
    /// Whether it did.
    counts: bool,
    reads: Vec<u32>,
    writes: Vec<u32>,
}

struct Builder<'a> {
    steps: Steps<'a>,
    candidates: Vec<Candidate>,
    places: FxHashMap<Key, u32>,
    numbers: FxHashMap<(u32, &'a Value), u32>,
    initial: &'a Value,
}

impl<'a> Steps<'a> {
    /// Takes the steps out of `history`. O(n) but for the sorting of its processes.
    ///
    /// Failed operations are left out, and indeterminate ones count if somebody, whose operation
    /// counts, read what they alone may have written: nothing is lost by leaving the others out,
    /// since a serialization without an unread write explains what one with it does. From an event
    /// on that is none of a register's nothing is taken.
    pub fn of(history: &'a History, initial: &'a Value) -> Self {
        let functions = Functions::of(history);
        let alien = history.operations().filter(|it| !it.failed()).find_map(|operation| {
            let problem = functions.parse(&operation).err()?;
            let (index, f) = (operation.invoked, operation.op.f);
            let index =
                operation.completed.filter(|_| problem.starts_with("returned")).unwrap_or(index);
            Some((index, format!("the {f} of event {} {problem}", operation.invoked)))
        });
        let mut builder = Builder::new(history, initial);
        // An operation that an alien event cut off is indeterminate, and so is a failure after it.
        let until = alien.as_ref().map_or(u64::MAX, |&(index, _)| index);
        for operation in history.operations().take_while(|it| it.invoked < until) {
            let completed = operation.completed.is_some_and(|index| index < until);
            if operation.failed() && completed {
                builder.fail(&operation, &functions.failed(&operation));
                continue;
            }
            let cut = Operation { outcome: operation.outcome.filter(|_| completed), ..operation };
            if let Ok(parsed) = functions.parse(&cut) {
                builder.take(&cut, parsed);
            }
        }
        builder.choose();
        builder.finish(alien)
    }
}

impl<'a> Builder<'a> {
    fn new(history: &'a History, initial: &'a Value) -> Self {
        let steps = Steps {
            history,
            all: Vec::new(),
            read: Vec::new(),
            written: Vec::new(),
            sessions: Vec::new(),
            keys: Vec::new(),
            versions: Vec::new(),
            initial: Vec::new(),
            from_nowhere: Vec::new(),
            contradictions: Vec::new(),
            ambiguous: Vec::new(),
            alien: None,
        };
        Self {
            steps,
            candidates: Vec::with_capacity(history.len()),
            places: FxHashMap::default(),
            numbers: FxHashMap::default(),
            initial,
        }
    }

    fn version(&mut self, key: Key, value: &'a Value) -> u32 {
        let next = self.steps.keys.len() as u32;
        let place = *self.places.entry(key).or_insert(next);
        if place == next {
            self.steps.keys.push(key);
            let initial = self.intern(place, self.initial);
            self.steps.versions[initial as usize].source = Source::Initial;
            self.steps.initial.push(initial);
        }
        self.intern(place, value)
    }

    fn intern(&mut self, key: u32, value: &'a Value) -> u32 {
        let versions = &mut self.steps.versions;
        *self.numbers.entry((key, value)).or_insert_with(|| {
            let (source, writers) = (Source::Nobody, [None; 2]);
            versions.push(Version { key, value, source, failed: None, writers, number: None });
            versions.len() as u32 - 1
        })
    }

    fn fail(&mut self, operation: &Operation<'a>, writes: &[(Key, &'a Value)]) {
        for &(key, value) in writes {
            let version = self.version(key, value) as usize;
            self.steps.versions[version].failed.get_or_insert(operation.number as u32);
        }
    }

    fn take(&mut self, operation: &Operation<'a>, parsed: Parsed<'a>) {
        let number = operation.number as u32;
        let reads: Vec<u32> =
            parsed.reads.iter().map(|&(key, value)| self.version(key, value)).collect();
        let writes: Vec<u32> =
            parsed.writes.iter().map(|&(key, value)| self.version(key, value)).collect();
        for (key, value, own) in parsed.contradictions {
            let (version, instead) = (self.version(key, value), Some(self.version(key, own)));
            self.steps.contradictions.push(Oddity { number, version, instead });
        }
        for &version in &writes {
            let version = &mut self.steps.versions[version as usize];
            version.source = match version.source {
                Source::Nobody => Source::Step(self.candidates.len() as u32),
                _ => Source::Many,
            };
            if let Some(free) = version.writers.iter_mut().find(|it| it.is_none()) {
                *free = Some(number);
            }
        }
        self.number(operation, &reads, &writes);
        self.candidates.push(Candidate {
            number,
            process: operation.process,
            counts: operation.ok().is_some(),
            reads,
            writes,
        });
    }

    /// Keeps the system's own number of a version. What was there first may be told with any.
    fn number(&mut self, operation: &Operation<'a>, reads: &[u32], writes: &[u32]) {
        let Some(number) = operation.ok().and_then(|reply| reply.version) else { return };
        let ((_, &[told]) | (&[told], [])) = (reads, writes) else { return };
        let key = self.steps.versions[told as usize].key;
        if self.steps.initial[key as usize] != told {
            let known = &mut self.steps.versions[told as usize].number;
            // Two numbers of one version are none: nobody can say what the system means by them.
            *known = match *known {
                Some(other) if other != number => Some(u64::MAX),
                _ => Some(number),
            };
        }
    }

    /// Walks back from what was read to the indeterminate operations that must have happened.
    fn choose(&mut self) {
        let mut needed: Vec<u32> = Vec::new();
        for candidate in self.candidates.iter().filter(|it| it.counts) {
            needed.extend(&candidate.reads);
        }
        while let Some(version) = needed.pop() {
            let Source::Step(place) = self.steps.versions[version as usize].source else {
                continue;
            };
            let candidate = &mut self.candidates[place as usize];
            if !std::mem::replace(&mut candidate.counts, true) {
                needed.extend(&candidate.reads);
            }
        }
    }

    fn finish(mut self, alien: Option<(u64, String)>) -> Steps<'a> {
        let mut order: Vec<u32> = (0..self.candidates.len() as u32)
            .filter(|&place| self.candidates[place as usize].counts)
            .collect();
        // Candidates stand in the order of their invocations.
        order.sort_by_key(|&place| (self.candidates[place as usize].process, place));
        let steps = &mut self.steps;
        let mut moved = vec![u32::MAX; self.candidates.len()];
        for &place in &order {
            let candidate = &self.candidates[place as usize];
            let step = steps.all.len() as u32;
            moved[place as usize] = step;
            if steps.sessions.last().is_none_or(|last| last.process != candidate.process) {
                let process = candidate.process;
                steps.sessions.push(Session { process, from: step, to: step });
            }
            let session = steps.sessions.len() as u32 - 1;
            steps.sessions[session as usize].to = step + 1;
            let (read, written) = (steps.read.len() as u32, steps.written.len() as u32);
            for &version in &candidate.reads {
                let oddity = Oddity { number: candidate.number, version, instead: None };
                match steps.versions[version as usize].source {
                    Source::Nobody => steps.from_nowhere.push(oddity),
                    Source::Many => steps.ambiguous.push(oddity),
                    _ => steps.read.push(version),
                }
            }
            steps.written.extend(&candidate.writes);
            steps.all.push(Step {
                number: candidate.number,
                session,
                reads: (read, steps.read.len() as u32),
                writes: (written, steps.written.len() as u32),
            });
        }
        for version in &mut steps.versions {
            if let Source::Step(place) = version.source {
                let step = moved[place as usize];
                version.source = if step == u32::MAX { Source::Nobody } else { Source::Step(step) };
            }
        }
        if alien.is_some() {
            // Who knows what an operation writes that nobody understands.
            steps.from_nowhere.clear();
        }
        steps.alien = alien;
        self.steps
    }
}
