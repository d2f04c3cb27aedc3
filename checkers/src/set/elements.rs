//! What the operations on one set say about each element.

use rustc_hash::FxHashMap;
use schism_history::{Key, Value};

use super::operations::{NEVER, Operations, Read};

/// Violations of one kind of which the operations are kept; the others are counted.
pub(crate) const KEPT_MAX: usize = 5;

/// One element of one set.
#[derive(Clone, Copy, Debug)]
struct Element {
    value: i64,
    /// The first invocation of an add that did not fail, and the number of that operation.
    added: (u64, usize),
    /// An add that failed.
    failed: Option<usize>,
    /// The first completion that vouches for it, and the number of that operation.
    known: (u64, usize),
    /// The last invocation of a read that returned it, and the number of that operation.
    present: Option<(u64, usize)>,
    /// The same of final reads.
    present_last: Option<u64>,
    /// The last read looked at that returned it.
    stamp: usize,
}

/// An element against a read, by the numbers of the operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Against {
    /// The element.
    pub element: i64,
    /// The operation that adds it, where there is one: for an unexpected element one that failed, or
    /// was invoked later.
    pub add: Option<usize>,
    /// The operation that vouched for it first.
    pub known: Option<usize>,
    /// The last read that returned it.
    pub present: Option<usize>,
    /// The read that should (or should not) have returned it.
    pub read: usize,
    /// How many elements are wrong with that read in the same way.
    pub alike: usize,
}

/// How many violations of a kind there are, and the first of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Violations {
    /// All of them.
    pub count: usize,
    /// The first.
    pub kept: Vec<Against>,
}

impl Violations {
    fn add(&mut self, against: Against) {
        self.count += 1;
        if self.kept.len() < KEPT_MAX {
            self.kept.push(against);
        }
    }
}

/// What is known of one set.
#[derive(Clone, Debug)]
pub(crate) struct Analysis {
    /// Which set.
    pub key: Key,
    /// How many adds and reads are ok.
    pub ok: usize,
    /// How many reads are ok.
    pub reads: usize,
    /// How many final reads are ok.
    pub final_reads: usize,
    /// How many reads began after some element was known.
    pub tested_reads: usize,
    /// How many elements all reads returned together.
    pub returned: usize,
    /// How many elements are known.
    pub known: usize,
    /// How many known elements a final read begun later could have shown.
    pub tested: usize,
    /// Elements that are lost.
    pub lost: Violations,
    /// Reads that are stale.
    pub stale: Violations,
    /// Elements that stand in a read more than once.
    pub duplicated: Violations,
    /// Elements that nobody can have added, once for each read that returned them.
    pub unexpected: Violations,
}

/// Analyses one set; reads invoked after `healed` are final.
pub(crate) fn analyse(set: &Operations<'_>, healed: Option<u64>) -> Analysis {
    let mut table = Table::new(set, healed);
    table.read_all(set);
    table.find_stale(set);
    table.find_lost(set);
    table.analysis
}

struct Table {
    analysis: Analysis,
    places: FxHashMap<i64, usize>,
    elements: Vec<Element>,
    healed: Option<u64>,
}

/// No read has this place.
const NO_READ: usize = usize::MAX;

impl Table {
    fn new(set: &Operations<'_>, healed: Option<u64>) -> Self {
        let analysis = Analysis {
            key: set.key,
            ok: set.reads.len(),
            reads: set.reads.len(),
            final_reads: 0,
            tested_reads: 0,
            returned: 0,
            known: 0,
            tested: 0,
            lost: Violations::default(),
            stale: Violations::default(),
            duplicated: Violations::default(),
            unexpected: Violations::default(),
        };
        let (places, elements) = (FxHashMap::default(), Vec::new());
        let mut table = Self { analysis, places, elements, healed };
        for (value, add) in &set.adds {
            let place = table.place(*value);
            let element = &mut table.elements[place];
            if add.failed() {
                element.failed = Some(add.number);
                continue;
            }
            element.added = element.added.min((add.invoked, add.number));
            if let (Some(_), Some(completed)) = (add.ok(), add.completed) {
                element.known = element.known.min((completed, add.number));
                table.analysis.ok += 1;
            }
        }
        table
    }

    fn place(&mut self, value: i64) -> usize {
        *self.places.entry(value).or_insert_with(|| {
            self.elements.push(Element {
                value,
                added: (NEVER, 0),
                failed: None,
                known: (NEVER, 0),
                present: None,
                present_last: None,
                stamp: NO_READ,
            });
            self.elements.len() - 1
        })
    }

    fn is_final(&self, read: &Read<'_>) -> bool {
        self.healed.is_some_and(|healed| read.invoked > healed)
    }

    /// Goes through all reads: what they vouch for, what they return twice, what they return that
    /// cannot be there.
    fn read_all(&mut self, set: &Operations<'_>) {
        for (stamp, read) in set.reads.iter().enumerate() {
            let is_final = self.is_final(read);
            self.analysis.final_reads += usize::from(is_final);
            self.analysis.returned += read.elements.len();
            let before = (self.analysis.duplicated.kept.len(), self.analysis.unexpected.kept.len());
            let (mut twice, mut strange) = (0, 0);
            for value in integers(read.elements) {
                let place = self.place(value);
                let element = &mut self.elements[place];
                if std::mem::replace(&mut element.stamp, stamp) == stamp {
                    twice += 1;
                    self.analysis.duplicated.add(against(element, read, 0));
                    continue;
                }
                if element.added.0 > read.completed {
                    strange += 1;
                    self.analysis.unexpected.add(against(element, read, 0));
                    continue;
                }
                element.known = element.known.min((read.completed, read.number));
                // Reads come in order of invocation, so that the last is the latest.
                element.present = Some((read.invoked, read.number));
                if is_final {
                    element.present_last = Some(read.invoked);
                }
            }
            let Analysis { duplicated, unexpected, .. } = &mut self.analysis;
            duplicated.kept[before.0..].iter_mut().for_each(|it| it.alike = twice);
            unexpected.kept[before.1..].iter_mut().for_each(|it| it.alike = strange);
        }
        self.analysis.known = self.elements.iter().filter(|it| it.known.0 != NEVER).count();
    }

    /// A read is stale if it returns fewer of the elements known before it began than there were.
    fn find_stale(&mut self, set: &Operations<'_>) {
        let known = self.elements.iter().map(|element| element.known.0);
        let mut known: Vec<u64> = known.filter(|&index| index != NEVER).collect();
        known.sort_unstable();
        for element in &mut self.elements {
            element.stamp = NO_READ;
        }
        for (stamp, read) in set.reads.iter().enumerate() {
            let wanted = known.partition_point(|&index| index < read.invoked);
            self.analysis.tested_reads += usize::from(wanted > 0);
            let mut returned = 0;
            for value in integers(read.elements) {
                let element = &mut self.elements[self.places[&value]];
                let first = std::mem::replace(&mut element.stamp, stamp) != stamp;
                returned += usize::from(first && element.known.0 < read.invoked);
            }
            if returned == wanted {
                continue;
            }
            if self.analysis.stale.kept.len() == KEPT_MAX {
                self.analysis.stale.count += 1;
                continue;
            }
            // The one that was known for longest is the hardest to explain away.
            let missing = self.elements.iter().filter(|element| element.stamp != stamp);
            if let Some(longest) = missing.min_by_key(|element| element.known) {
                self.analysis.stale.add(against(longest, read, wanted - returned));
            }
        }
    }

    /// An element is lost if no final read begun after it was known returns it, and there is one.
    fn find_lost(&mut self, set: &Operations<'_>) {
        let Some(last) = set.reads.iter().rev().find(|read| self.is_final(read)) else { return };
        let tested = |element: &&Element| element.known.0 < last.invoked;
        let mut lost: Vec<&Element> = Vec::new();
        for element in self.elements.iter().filter(tested) {
            self.analysis.tested += 1;
            if element.present_last.is_none_or(|present| present < element.known.0) {
                lost.push(element);
            }
        }
        lost.sort_by_key(|element| element.known);
        for element in &lost {
            self.analysis.lost.add(against(element, last, lost.len()));
        }
    }
}

fn against(element: &Element, read: &Read<'_>, alike: usize) -> Against {
    let operation = |(index, number): (u64, usize)| (index != NEVER).then_some(number);
    Against {
        element: element.value,
        add: operation(element.added).or(element.failed),
        known: operation(element.known),
        present: element.present.map(|(_, number)| number),
        read: read.number,
        alike,
    }
}

fn integers(values: &[Value]) -> impl Iterator<Item = i64> + '_ {
    values.iter().filter_map(|value| match value {
        Value::Int(number) => Some(*number),
        _ => None,
    })
}
