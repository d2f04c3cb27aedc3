//! Violations in whole sentences.

use std::fmt::Write as _;

use schism_history::{History, Operation};

use super::chains::{Chains, NONE, Violation, Zone};
use super::operations::{Action, INITIAL, NEVER, Register};
use crate::phrase::{count, span, who};

/// Speaks of the operations of one register.
#[derive(Clone, Copy)]
pub(crate) struct Teller<'a> {
    pub history: &'a History,
    pub register: &'a Register<'a>,
}

/// A violation in words.
pub(crate) struct Told {
    /// What happened, without the key.
    pub what: String,
    /// Why the impossible operation cannot come next.
    pub why: String,
}

impl<'a> Teller<'a> {
    /// The operation of an entry.
    pub fn operation(&self, place: u32) -> Operation<'a> {
        self.history.operation(self.register.entries[place as usize].number as usize)
    }

    /// `the read of event 7`, `write 4`, `compare-and-set 4 → 5`.
    pub fn name(&self, place: u32) -> String {
        let show = |value| self.register.show(value);
        match self.register.entries[place as usize].action {
            Action::Read(_) => format!("the read of event {}", self.operation(place).invoked),
            Action::Write(value) => format!("write {}", show(value)),
            Action::CompareAndSet(expected, new) => {
                format!("compare-and-set {} → {}", show(expected), show(new))
            }
        }
    }

    /// The name, with who asked whom, and the event where the name does not have it.
    pub fn full(&self, place: u32) -> String {
        let operation = self.operation(place);
        let (name, who) = (self.name(place), who(&operation));
        match self.register.entries[place as usize].action {
            Action::Read(_) => format!("{name} ({who})"),
            _ => format!("{name} (event {}, {who})", operation.invoked),
        }
    }

    /// A clause: what the operation returned.
    pub fn returned(&self, place: u32) -> String {
        let full = self.full(place);
        match self.register.entries[place as usize].action {
            Action::Read(value) => format!("{full} returned {}", self.register.show(value)),
            Action::Write(_) => format!("{full} completed"),
            Action::CompareAndSet(..) => format!("{full} took effect"),
        }
    }

    /// A clause in the past perfect: what the operation had done by its completion.
    fn had_returned(&self, place: u32) -> String {
        let full = self.full(place);
        match self.register.entries[place as usize].action {
            Action::Read(value) => format!("{full} had returned {}", self.register.show(value)),
            Action::Write(_) => format!("{full} had completed"),
            Action::CompareAndSet(..) => format!("{full} had succeeded"),
        }
    }

    /// `295 ms before write 4 was invoked`, seen from the completion of `done`.
    fn before(&self, done: u32, later: u32, later_name: &str) -> String {
        let (done, later) = (self.operation(done), self.operation(later));
        let gap = later.start.since(done.end.unwrap_or(done.start));
        format!("{} before {later_name} was invoked", span(gap))
    }

    /// What the register must hold for the operation, as text.
    pub fn needs(&self, place: u32) -> String {
        let needs = self.register.entries[place as usize].action.needs();
        needs.map_or_else(|| "anything".into(), |value| self.register.show(value))
    }

    /// Tells a violation of chains; `impossible` is the operation whose completion shows it.
    pub fn tell(&self, chains: &Chains<'_>, violation: &Violation, impossible: u32) -> Told {
        match violation {
            Violation::Unwritten { by } => self.tell_unwritten(*by, impossible),
            Violation::Forked { one, other } => self.tell_forked(*one, *other),
            Violation::Disordered { earlier, later } => self.tell_disordered(*earlier, *later),
            Violation::Circular { .. } => Told {
                what: format!(
                    "{}, but the value that it needs was written only by compare-and-sets that \
                     need, one through the other, what it wrote itself",
                    self.returned(impossible)
                ),
                why: "Each of the compare-and-sets waits for another; none can be the first."
                    .into(),
            },
            Violation::Met { one, other } => self.tell_met(chains, *one, *other, impossible),
        }
    }

    fn tell_unwritten(&self, by: u32, impossible: u32) -> Told {
        let value = self.register.entries[by as usize].action.needs().unwrap_or(INITIAL);
        let show = self.register.show(value);
        let writes =
            |&place: &u32| self.register.entries[place as usize].action.writes() == Some(value);
        let mut what = self.returned(impossible);
        if by != impossible {
            let _ = write!(
                what,
                ", which only {} can have written, and that needs {show}",
                self.full(by)
            );
        }
        let failed = |&place: &u32| self.register.entries[place as usize].is_failed(NEVER);
        let mut writers = (0..self.register.entries.len() as u32).filter(writes);
        let writer = writers.clone().find(|place| !failed(place)).or_else(|| writers.next());
        let why = match writer {
            None => {
                let _ = write!(what, ", but nobody ever wrote {show}");
                format!("No operation of the history writes {show}.")
            }
            Some(writer) if failed(&writer) => {
                let operation = self.operation(writer);
                let end = operation.completed.unwrap_or(operation.invoked);
                let _ = write!(
                    what,
                    ", but {} had failed (event {end}), which means that it never took effect",
                    self.full(writer)
                );
                format!("Only {} writes {show}, and it failed.", self.name(writer))
            }
            Some(writer) => {
                let name = self.full(writer);
                let _ = write!(what, ", {}", self.before(impossible, writer, &name));
                format!("{} is invoked only later.", self.name(writer))
            }
        };
        Told { what, why }
    }

    fn tell_forked(&self, one: u32, other: u32) -> Told {
        let value = self.register.entries[one as usize].action.needs().unwrap_or(INITIAL);
        let show = self.register.show(value);
        Told {
            what: format!(
                "both {} and {} found {show}, but whichever came first replaced it, and nothing \
                 wrote {show} again",
                self.full(one),
                self.full(other)
            ),
            why: format!("{show} was written once, and replaced once already."),
        }
    }

    fn tell_disordered(&self, earlier: u32, later: u32) -> Told {
        let entry = |place: u32| self.register.entries[place as usize].action;
        let written = entry(earlier).writes();
        if written.is_some() && written == entry(later).needs() {
            let gap = self.before(later, earlier, &self.full(earlier));
            let what = format!("{} {gap}: it saw what was not yet written", self.returned(later));
            return Told { what, why: format!("{} had not begun.", self.name(earlier)) };
        }
        let subject = if written.is_some() { "it" } else { "that read" };
        let gap = self.before(later, earlier, subject);
        let held = self.register.show(written.or(entry(earlier).needs()).unwrap_or(INITIAL));
        Told {
            what: format!(
                "{}, but {} {gap}, and that can only come after {held} had been replaced; nothing \
                 wrote {held} again",
                self.returned(earlier),
                self.had_returned(later),
            ),
            why: format!(
                "{held} was written once, and replaced before {} completed.",
                self.name(later)
            ),
        }
    }

    fn tell_met(&self, chains: &Chains<'_>, one: Zone, other: Zone, impossible: u32) -> Told {
        let here = chains.root_of(impossible) == Some(other.root);
        let (own, foreign) = if here { (other, one) } else { (one, other) };
        let writer = |zone: Zone| chains.levels[zone.root as usize].writer;
        // A plain write says more than a read, where it proves the same.
        let again = own.last.1;
        let between = match writer(foreign) {
            root if root != NONE && chains.end(root) < own.last.0 => root,
            _ => foreign.first.1,
        };
        let begun = if between != NONE && chains.begin(between) > own.first.0 {
            between
        } else {
            foreign.last.1
        };
        let before = match writer(own) {
            root if root != NONE && chains.end(root) < chains.begin(begun) => root,
            _ => own.first.1,
        };
        self.word_met(chains, [own, foreign], [before, begun, between, again], impossible)
    }

    /// `before` completed before `begun` was invoked, and `between` before `again` was: the first
    /// and last of them are of the chain `own`, the other two of `foreign`.
    fn word_met(
        &self,
        chains: &Chains<'_>,
        [own, foreign]: [Zone; 2],
        [before, begun, between, again]: [u32; 4],
        impossible: u32,
    ) -> Told {
        let (held, meanwhile) = (chains.label(own.root), chains.label(foreign.root));
        let root = self.register.show(own.root);
        let again_name = match self.register.entries[again as usize].action {
            Action::Read(_) if again == impossible => "that read".into(),
            _ if again == impossible => "it".into(),
            _ => self.full(again),
        };
        let mut what = self.returned(impossible);
        if between == NONE {
            // The foreign chain is the initial state, held until its last read was invoked.
            let _ = write!(
                what,
                ", but the initial value {} was still there later",
                self.register.show(INITIAL)
            );
        } else {
            let gap = self.before(between, again, &again_name);
            let _ = write!(what, ", but {} {gap}", self.had_returned(between));
        }
        match own.root {
            INITIAL => what += ", and nothing brings the initial value back",
            _ => {
                let _ = write!(what, ", and nothing wrote {root} again");
            }
        }
        if before != NONE && begun != NONE && begun != impossible {
            let begun_name = if begun == between { self.name(begun) } else { self.full(begun) };
            let gap = self.before(before, begun, &begun_name);
            let _ = write!(
                what,
                ": {} {gap}, so the register would have to hold {held} before {meanwhile} and \
                 after it",
                self.had_returned(before)
            );
        }
        let why = if own.root == INITIAL {
            format!("The initial value was replaced by {meanwhile}, and nothing brings it back.")
        } else {
            format!(
                "{root} was written once, and {meanwhile} came after it; nothing brings it back."
            )
        };
        Told { what, why }
    }
}

impl Chains<'_> {
    /// The value with which the chain of an operation begins; none if it hangs on no root.
    pub fn root_of(&self, place: u32) -> Option<u32> {
        let action = self.entry(place).action;
        let mut value = action.writes().or(action.needs())?;
        for _ in 0..=self.levels.len() {
            let writer = self.levels[value as usize].writer;
            if value == INITIAL || writer == NONE {
                return (value == INITIAL).then_some(value);
            }
            match self.entry(writer).action.needs() {
                Some(expected) => value = expected,
                None => return Some(value),
            }
        }
        None
    }

    /// The values of a chain from its root on, in order.
    pub fn values(&self, root: u32) -> Vec<u32> {
        let mut values = vec![root];
        let mut at = root;
        while values.len() <= self.levels.len() {
            let next = self.levels[at as usize].next;
            let Some(new) = (next != NONE).then(|| self.entry(next).action.writes()).flatten()
            else {
                break;
            };
            values.push(new);
            at = new;
        }
        values
    }

    /// A chain in short: `412 → 418`, or its ends and its length.
    pub fn label(&self, root: u32) -> String {
        const SHOWN_MAX: usize = 4;
        let shown: Vec<String> =
            self.values(root).into_iter().map(|value| self.register.show(value)).collect();
        match &shown[..] {
            [first, .., last] if shown.len() > SHOWN_MAX => {
                format!("{first} → … → {last} ({})", count(shown.len(), "value"))
            }
            _ => shown.join(" → "),
        }
    }
}
