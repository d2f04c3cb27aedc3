//! The definitions of the claims about sets, executed: every element against every read.

use schism_history::{History, Key, Operation, Value};

use crate::{Claim, Validity};

/// What the definition says of `claim`. Quadratic; it shares no code with the checker.
pub(crate) fn validity(history: &History, claim: Claim) -> Validity {
    let mut keys: Vec<Option<Key>> = history.operations().map(|it| it.op.key).collect();
    keys.sort();
    keys.dedup();
    let sets: Vec<Set<'_>> = keys.into_iter().map(|key| Set::of(history, key)).collect();
    if sets.iter().any(|set| set.breaks(claim)) {
        return Validity::Invalid;
    }
    let evidence: usize = sets.iter().map(|set| set.evidence(claim)).sum();
    let unread = claim == Claim::NoLostElements && sets.iter().any(Set::unread);
    if evidence == 0 || unread { Validity::Unknown } else { Validity::Valid }
}

struct Set<'a> {
    adds: Vec<Operation<'a>>,
    reads: Vec<Operation<'a>>,
    healed: Option<u64>,
}

impl<'a> Set<'a> {
    fn of(history: &'a History, key: Option<Key>) -> Self {
        let operations = || history.operations().filter(|it| it.op.key == key);
        let adds = operations().filter(|it| it.op.f.as_str() == "add").collect();
        let reads = operations().filter(|it| it.op.f.as_str() != "add" && it.ok().is_some());
        let healed = history.healed().map(|(index, _)| index);
        Self { adds, reads: reads.collect(), healed }
    }

    fn breaks(&self, claim: Claim) -> bool {
        let elements = self.elements();
        match claim {
            Claim::NoLostElements => elements.iter().any(|element| {
                let tests = self.tests(element);
                let mut tests = tests.iter().rev();
                match self.healed {
                    Some(_) => tests.len() > 0 && !tests.any(|read| shows(read, element)),
                    None => tests.next().is_some_and(|last| !shows(last, element)),
                }
            }),
            Claim::NoStaleReads => self.reads.iter().any(|read| {
                let missed = |element: &&Value| {
                    self.known_before(element, read.invoked) && !shows(read, element)
                };
                elements.iter().any(missed)
            }),
            Claim::NoDuplicates => self.reads.iter().any(|read| {
                let list = returned(read);
                (0..list.len()).any(|place| list[..place].contains(&list[place]))
            }),
            _ => self
                .reads
                .iter()
                .any(|read| returned(read).iter().any(|element| !self.may_hold(element, read))),
        }
    }

    fn evidence(&self, claim: Claim) -> usize {
        let elements = self.elements();
        match claim {
            Claim::NoLostElements => {
                elements.iter().filter(|element| !self.tests(element).is_empty()).count()
            }
            Claim::NoStaleReads => {
                let tested = |read: &&Operation<'_>| {
                    elements.iter().any(|element| self.known_before(element, read.invoked))
                };
                self.reads.iter().filter(tested).count()
            }
            _ => self.reads.iter().map(|read| returned(read).len()).sum(),
        }
    }

    /// Whether nothing is known of how its elements fared.
    fn unread(&self) -> bool {
        let elements = self.elements();
        let known: Vec<&Value> =
            elements.into_iter().filter(|element| self.known_before(element, u64::MAX)).collect();
        match (self.healed, self.reads.last()) {
            (Some(healed), _) => {
                !known.is_empty() && !self.reads.iter().any(|it| it.invoked > healed)
            }
            (None, None) => !known.is_empty(),
            (None, Some(last)) => {
                known.iter().all(|element| self.tests(element).is_empty())
                    && known.iter().any(|element| !shows(last, element))
            }
        }
    }

    /// The final reads begun after the element was known.
    fn tests(&self, element: &Value) -> Vec<&Operation<'a>> {
        let is_final = |read: &&Operation<'_>| match self.healed {
            Some(healed) => read.invoked > healed,
            None => Some(read.number) == self.reads.last().map(|last| last.number),
        };
        let known = |read: &&Operation<'_>| self.known_before(element, read.invoked);
        self.reads.iter().filter(is_final).filter(known).collect()
    }

    fn known_before(&self, element: &Value, index: u64) -> bool {
        let added = self.adds.iter().any(|add| {
            add.op.value == *element
                && add.ok().is_some()
                && add.completed.is_some_and(|completed| completed < index)
        });
        added
            || self.reads.iter().any(|read| {
                read.completed.is_some_and(|completed| completed < index)
                    && shows(read, element)
                    && self.may_hold(element, read)
            })
    }

    fn may_hold(&self, element: &Value, read: &Operation<'_>) -> bool {
        self.adds.iter().any(|add| {
            !add.failed() && add.op.value == *element && Some(add.invoked) < read.completed
        })
    }

    fn elements(&self) -> Vec<&'a Value> {
        let mut elements: Vec<&Value> = self.adds.iter().map(|add| &add.op.value).collect();
        elements.extend(self.reads.iter().flat_map(returned));
        elements
    }
}

fn returned<'a>(read: &Operation<'a>) -> &'a [Value] {
    match read.ok().map(|reply| &reply.value) {
        Some(Value::List(list)) => list,
        _ => &[],
    }
}

fn shows(read: &Operation<'_>, element: &Value) -> bool {
    returned(read).contains(element)
}
