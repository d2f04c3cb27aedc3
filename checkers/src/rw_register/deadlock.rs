//! What a placed transaction waits for, and what follows where all wait.
//!
//! Each that is not placed waits for another that is not, so that in a deadlock some wait in a
//! circle. Most of it is certain: it would be so in every order. What is not is that one waits for
//! the readers of a version only because the writer of the version was placed before it. So at least
//! one of those choices was wrong. The last of them is taken back, and turned round as long as the
//! others stand: what conflict-driven search does (Marques-Silva and Sakallah 1999). Where one
//! placement was the last choice for several that wait, one of them must come before it, and which is
//! guessed: a choice like others, of which the next is tried once it has led to a deadlock itself. A
//! circle without any choice says that there is no order.

use rustc_hash::FxHashMap;

use super::place::Placing;
use crate::transactional::Order;
use crate::weak::INIT;

/// Transactions that are taken back, for each that there is, before another procedure may try.
const UNDONE_MAX: usize = 30;
/// And so many beside.
const UNDONE_FREE: usize = 1_000_000;
/// Where time binds nobody a deadlock can be far from its reason, and each costs more: a part of that.
const UNDONE_PART: usize = 10;

/// Transactions of a circle that are told of.
const CIRCLE_MAX: usize = 50;

/// Transactions around which no serial order was found; none if nothing is known.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    /// The transactions.
    pub around: Vec<u32>,
}

/// What may have been wrong, in order of time: twice the place at which it was chosen, and one more
/// for a placement, so that guesses for a place come before it; and a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Choice {
    moment: u64,
    /// Of a placement who was not placed before it; of a guess the lesson.
    number: u32,
    /// Of a placement who was placed.
    placed: Option<u32>,
}

/// Why one waits.
#[derive(Clone, Copy, Debug)]
enum Why {
    /// In every order.
    Certain,
    /// Since this one was placed before it.
    Choice(u32),
    /// By something learned.
    Learned(u32),
}

/// That one waits for another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    /// For whom.
    pub on: u32,
    why: Why,
}

/// That one of some comes before another, as long as some choices stand.
struct Lesson {
    /// Those of which one comes before; the last is taken for it.
    firsts: Vec<u32>,
    then: u32,
    /// The choices, the last one first.
    choices: Vec<Choice>,
    /// If more than one may be it, how many were placed when this was guessed.
    guessed: Option<u32>,
}

/// What deadlocks have taught.
pub(super) struct Learned {
    /// Of each transaction whether anything was learned that it waits for.
    any: Vec<bool>,
    lessons: Vec<Lesson>,
    /// The lessons about each that waits.
    about: FxHashMap<u32, Vec<u32>>,
    /// The lessons that are void once a transaction is taken back, or a guess.
    until_placed: FxHashMap<u32, Vec<u32>>,
    until_guessed: FxHashMap<u32, Vec<u32>>,
    /// The guesses that stand.
    guesses: Vec<u32>,
    seen: Vec<u32>,
    stamp: u32,
}

impl Learned {
    pub fn new(length: usize) -> Self {
        Self {
            any: vec![false; length],
            lessons: Vec::new(),
            about: FxHashMap::default(),
            until_placed: FxHashMap::default(),
            until_guessed: FxHashMap::default(),
            guesses: Vec::new(),
            seen: vec![0; length],
            stamp: 0,
        }
    }

    /// `placed`: how many are placed.
    fn add(&mut self, then: u32, firsts: Vec<u32>, choices: Vec<Choice>, placed: u32) {
        let number = self.lessons.len() as u32;
        self.any[then as usize] = true;
        self.about.entry(then).or_default().push(number);
        let guessed = (firsts.len() > 1).then_some(placed);
        if guessed.is_some() {
            self.guesses.push(number);
        } else if let Some(last) = choices.first() {
            let until = match last.placed {
                Some(writer) => self.until_placed.entry(writer),
                None => self.until_guessed.entry(last.number),
            };
            until.or_default().push(number);
        }
        self.lessons.push(Lesson { firsts, then, choices, guessed });
    }

    /// Drops what is void since a transaction was taken back, so that fewer than before are placed;
    /// returns those for whom somebody waited.
    pub fn forget(&mut self, it: u32, placed: u32) -> Vec<u32> {
        let mut firsts = Vec::new();
        if !self.until_placed.is_empty() {
            for number in self.until_placed.remove(&it).unwrap_or_default() {
                firsts.push(self.drop_lesson(number));
            }
        }
        while let Some(&last) = self.guesses.last() {
            if self.lessons[last as usize].guessed.is_none_or(|place| place <= placed) {
                break;
            }
            self.drop_guess(&mut firsts);
        }
        firsts
    }

    /// Drops the last guess, and what was learned as long as it stood.
    fn drop_guess(&mut self, firsts: &mut Vec<u32>) {
        let Some(guess) = self.guesses.pop() else { return };
        firsts.push(self.drop_lesson(guess));
        for number in self.until_guessed.remove(&guess).unwrap_or_default() {
            firsts.push(self.drop_lesson(number));
        }
    }

    fn drop_lesson(&mut self, number: u32) -> u32 {
        let lesson = &self.lessons[number as usize];
        if let Some(about) = self.about.get_mut(&lesson.then) {
            about.retain(|other| *other != number);
        }
        lesson.first()
    }
}

impl Lesson {
    fn first(&self) -> u32 {
        self.firsts[self.firsts.len() - 1]
    }
}

impl Placing<'_> {
    /// Somebody that comes before `it`, and is not placed; best somebody that always does.
    pub fn wait(&mut self, it: u32) -> Option<Wait> {
        let facts = self.facts;
        let certain = |on| Some(Wait { on, why: Why::Certain });
        for &version in facts.versions_read(it) {
            let writer = facts.writers[version as usize];
            if writer != INIT && !self.is_placed(writer) {
                return certain(writer);
            }
        }
        if let Some(&on) = self.before.of(it).iter().find(|on| !self.is_placed(**on)) {
            return certain(on);
        }
        match self.order {
            Order::Realtime => {
                let due = self.first_due();
                if facts.due[due as usize] < facts.invoked[it as usize] {
                    return certain(due);
                }
                for version in facts.versions_left(it) {
                    if let Some(on) = self.zone(version) {
                        return certain(on);
                    }
                }
            }
            Order::Process => {
                if let Some(on) = facts.transactions.before(it).filter(|on| !self.is_placed(*on)) {
                    return certain(on);
                }
            }
            Order::Data => {}
        }
        let mut choice = None;
        for version in facts.versions_left(it) {
            let held = self.held[facts.keys[version as usize] as usize];
            let own = facts.versions_read(it).binary_search(&held).is_ok();
            if self.unread[held as usize] <= u32::from(own) {
                continue;
            }
            let Some(on) = self.unplaced_reader(held, it) else { continue };
            let writer = facts.writers[held as usize];
            let timely = self.order == Order::Realtime
                && writer != INIT
                && facts.due[writer as usize] < facts.invoked[it as usize];
            if own || timely || writer == INIT {
                return certain(on);
            }
            choice = Some(Wait { on, why: Why::Choice(writer) });
        }
        if self.learned.any[it as usize] {
            for &number in self.learned.about.get(&it).map_or(&[][..], Vec::as_slice) {
                let lesson = &self.learned.lessons[number as usize];
                if !self.is_placed(lesson.first()) {
                    let wait = Wait { on: lesson.first(), why: Why::Learned(number) };
                    if choice.is_none() || lesson.choices.is_empty() && lesson.guessed.is_none() {
                        return Some(wait);
                    }
                }
            }
        }
        choice
    }

    /// A reader of a version that is not placed, and is not `it`.
    fn unplaced_reader(&mut self, version: u32, it: u32) -> Option<u32> {
        let readers = self.facts.readers(version);
        let mut place = self.reader[version as usize] as usize;
        while place < readers.len() && self.is_placed(readers[place]) {
            place += 1;
        }
        self.reader[version as usize] = place as u32;
        readers[place..].iter().copied().find(|reader| *reader != it && !self.is_placed(*reader))
    }

    /// Takes back the last choice of those that led to a deadlock.
    pub fn resolve(&mut self) -> Result<(), Trouble> {
        let Some(circle) = self.circle() else { return Ok(()) };
        let mut choices: Vec<Choice> = Vec::new();
        for &(node, wait) in &circle {
            match wait.why {
                Why::Certain => {}
                Why::Choice(writer) => {
                    let moment = u64::from(self.places[writer as usize]) * 2 + 1;
                    choices.push(Choice { moment, number: node, placed: Some(writer) });
                }
                Why::Learned(number) => {
                    let lesson = &self.learned.lessons[number as usize];
                    match lesson.guessed {
                        Some(place) => {
                            let moment = u64::from(place) * 2;
                            choices.push(Choice { moment, number, placed: None });
                        }
                        None => choices.extend_from_slice(&lesson.choices),
                    }
                }
            }
        }
        choices.sort_unstable_by(|one, other| other.cmp(one));
        choices.dedup();
        let most = UNDONE_FREE + UNDONE_MAX * self.places.len();
        let timeless = self.order != Order::Realtime;
        let enough = self.undone > if timeless { most / UNDONE_PART } else { most };
        let Some(&last) = choices.first().filter(|_| !enough) else {
            return Err(self.trouble(circle.iter().map(|step| step.0)));
        };
        let (then, firsts) = if let Some(writer) = last.placed {
            let same = choices.partition_point(|choice| choice.moment == last.moment);
            let firsts = choices.drain(..same).map(|choice| choice.number).collect();
            self.take_back(self.places[writer as usize]);
            (writer, firsts)
        } else {
            let lesson = &mut self.learned.lessons[last.number as usize];
            let (then, place) = (lesson.then, lesson.guessed.unwrap_or(0));
            let first = lesson.first();
            let mut firsts = lesson.firsts.clone();
            firsts.pop();
            choices.remove(0);
            choices.extend_from_slice(&lesson.choices);
            choices.sort_unstable_by(|one, other| other.cmp(one));
            choices.dedup();
            self.take_back(place);
            let mut woken = vec![first];
            while self.learned.guesses.last().is_some_and(|guess| *guess >= last.number) {
                self.learned.drop_guess(&mut woken);
            }
            for it in woken {
                self.wake(it);
            }
            (then, firsts)
        };
        let placed = self.placed();
        self.learned.add(then, firsts, choices, placed);
        Ok(())
    }

    /// Some that wait in a circle, where all wait; nothing if one of them need not wait after all.
    fn circle(&mut self) -> Option<Vec<(u32, Wait)>> {
        self.learned.stamp += 1;
        let mut steps = Vec::new();
        let mut at = self.first_due();
        while self.learned.seen[at as usize] != self.learned.stamp {
            self.learned.seen[at as usize] = self.learned.stamp;
            let Some(wait) = self.wait(at) else {
                self.push(at);
                return None;
            };
            steps.push((at, wait));
            at = wait.on;
        }
        let begin = steps.iter().position(|step| step.0 == at)?;
        Some(steps.split_off(begin))
    }

    /// Those that wait in a circle, and those that can be the reason: whom they read from, and of who
    /// reads from them the one that was invoked last, and the one that is due first.
    fn trouble(&self, circle: impl Iterator<Item = u32>) -> Trouble {
        let facts = self.facts;
        let mut around = Vec::new();
        for it in circle.take(CIRCLE_MAX) {
            around.push(it);
            let writers = facts.versions_read(it).iter().map(|it| facts.writers[*it as usize]);
            around.extend(writers.filter(|writer| *writer != INIT));
            for version in facts.versions_left(it) {
                let readers = || facts.readers(version).iter().copied();
                around.extend(readers().max_by_key(|it| facts.invoked[*it as usize]));
                around.extend(readers().min_by_key(|it| facts.due[*it as usize]));
            }
        }
        around.sort_unstable();
        around.dedup();
        Trouble { around }
    }
}
