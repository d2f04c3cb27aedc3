//! What of a history can be judged: all before the first event that the checker does not know, and
//! whether that is enough.

use rustc_hash::FxHashMap;
use schism_history::{History, Key, Operation};

use crate::phrase::count;
use crate::{Budget, Question, Verdict};

/// An index of no event.
pub(crate) const NEVER: u64 = u64::MAX;

/// An event that is none of the subject's.
#[derive(Clone, Debug)]
pub(crate) struct Alien {
    /// Its index.
    pub index: u64,
    /// What is wrong with it, as a clause that names the event.
    pub problem: String,
}

impl Alien {
    /// The invocation of `operation` is none of the subject's: it `does` something else.
    pub fn asked(operation: &Operation<'_>, does: &str) -> Self {
        Self::new(operation, operation.invoked, does)
    }

    /// The completion of `operation` is none of the subject's: it `does` something else.
    pub fn answered(operation: &Operation<'_>, does: &str) -> Self {
        Self::new(operation, operation.completed.unwrap_or(operation.invoked), does)
    }

    /// Why nothing can be said of a history of `subject`s that holds it.
    pub fn reason(&self, subject: &str) -> String {
        format!("The history is not one of {subject}: {}.", self.problem)
    }

    fn new(operation: &Operation<'_>, index: u64, does: &str) -> Self {
        Self { index, problem: format!("the {} of event {index} {does}", operation.op.f) }
    }
}

/// The first event that `parse` finds to be none of the subject's.
pub(crate) fn first_alien<'a, Parsed>(
    history: &'a History,
    parse: impl Fn(&Operation<'a>) -> Result<Parsed, Alien>,
) -> Option<Alien> {
    let aliens = history.operations().filter_map(|operation| parse(&operation).err());
    aliens.min_by_key(|alien| alien.index)
}

/// The operations before `alien`, since nobody knows what it did; those open there are taken as open
/// at the end. Where the order of events means nothing, that may be any of them.
pub(crate) fn operations_before<'a>(
    history: &'a History,
    alien: Option<&Alien>,
) -> impl Iterator<Item = Operation<'a>> + use<'a> {
    let cut = match alien {
        None => NEVER,
        Some(_) if !history.has_real_time() => 0,
        Some(alien) => alien.index,
    };
    history.operations().take_while(move |operation| operation.invoked < cut).map(
        move |mut operation| {
            if operation.completed.is_some_and(|completed| completed >= cut) {
                (operation.completed, operation.end, operation.outcome) = (None, None, None);
            }
            operation
        },
    )
}

/// Why nothing is upheld on the evidence of `found` operations, if they are too few: `nothing` says
/// what is missing where there are none, and `could` what one of them would have to be.
pub(crate) fn too_few(found: usize, least: usize, nothing: &str, could: &str) -> Option<String> {
    if least > 0 && found == 0 {
        return Some(nothing.to_owned());
    }
    (found < least).then(|| {
        let found = count(found, could);
        format!("There is too little evidence: {found}, and at least {least} are wanted.")
    })
}

/// The answer to every claim if the budget is used up: time, or memory for so many `bytes` for each
/// operation.
pub(crate) fn used_up(
    question: &Question,
    history: &History,
    budget: &Budget,
    bytes: usize,
) -> Option<Vec<Verdict>> {
    let wanted = history.len().saturating_mul(bytes);
    let reason = if wanted > budget.memory_bytes {
        format!(
            "{} take about {} MB to judge, and the check may have {} MB.",
            count(history.len(), "operation"),
            wanted >> 20,
            budget.memory_bytes >> 20
        )
    } else if budget.expired() {
        "Time ran out; more of it, or a shorter history, would help.".into()
    } else {
        return None;
    };
    let unknown = |&asked| Verdict::unknown(asked, 0, reason.clone());
    Some(question.claims.iter().map(unknown).collect())
}

/// Operations by the object that they are about.
#[derive(Debug)]
pub(crate) struct ByObject<T> {
    places: FxHashMap<Option<Key>, usize>,
    objects: Vec<(Option<Key>, T)>,
}

impl<T: Default> ByObject<T> {
    /// No object yet.
    pub fn new() -> Self {
        Self { places: FxHashMap::default(), objects: Vec::new() }
    }

    /// The object of this key.
    pub fn of(&mut self, key: Option<Key>) -> &mut T {
        let place = *self.places.entry(key).or_insert_with(|| {
            self.objects.push((key, T::default()));
            self.objects.len() - 1
        });
        &mut self.objects[place].1
    }

    /// The objects, in the order of their keys.
    pub fn sorted(mut self) -> Vec<(Option<Key>, T)> {
        self.objects.sort_by_key(|(key, _)| *key);
        self.objects
    }
}

/// How verdicts speak of an object: `Counter c`, or `The counter` where there is one without a key.
pub(crate) fn named(noun: &str, key: Option<Key>) -> String {
    let mut characters = noun.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    match key {
        Some(key) => format!("{}{} {key}", first.unwrap_or_default(), characters.as_str()),
        None => format!("The {noun}"),
    }
}
