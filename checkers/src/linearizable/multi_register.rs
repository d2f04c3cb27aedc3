//! Several registers as one object: a transaction reads and writes some of them at one instant.
//!
//! What the registers hold before the first write is often not said (Knossos' own histories begin
//! with x = 0 and y = 0). Unless the question says it, each register's initial value is open until
//! a read finds it: a history is accepted if *some* initial values explain it, and the verdict names
//! those that are not nil.

use rustc_hash::FxHashMap;

use super::model::{Model, States, Values};

/// The initial value of a register that nobody has read yet.
const OPEN: u32 = u32::MAX;

/// A transaction, as others see it; registers and values are numbers, in order of the registers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Effect {
    /// What it found in registers before it wrote them itself.
    pub reads: Vec<(u32, u32)>,
    /// What it left in registers.
    pub writes: Vec<(u32, u32)>,
    /// Whether it read something else than it had itself read or written just before.
    pub contradicts_itself: bool,
}

/// The registers of one group: those that transactions join.
#[derive(Debug, Default)]
pub(crate) struct MultiRegister<'a> {
    /// The values.
    pub values: Values<'a>,
    /// The names of the registers.
    pub names: Vec<&'static str>,
    /// What each register holds before everything, if that is known.
    pub initial: Vec<Option<u32>>,
    effects: Vec<Effect>,
    numbers: FxHashMap<Effect, u32>,
    states: States,
    steps: FxHashMap<(u32, u32), Option<u32>>,
}

impl MultiRegister<'_> {
    /// The number of an effect, which is the action of those that have it.
    pub fn effect(&mut self, effect: Effect) -> u32 {
        if let Some(&known) = self.numbers.get(&effect) {
            return known;
        }
        let number = self.effects.len() as u32;
        self.effects.push(effect.clone());
        self.numbers.insert(effect, number);
        number
    }

    fn list(&self, held: impl Iterator<Item = (u32, u32)>) -> String {
        let show = |(register, value): (u32, u32)| {
            format!("{} = {}", self.names[register as usize], self.values.show(value))
        };
        let shown: Vec<String> =
            held.filter(|&(_, value)| value != OPEN).map(show).take(8).collect();
        if shown.is_empty() { "what it held at first".into() } else { shown.join(", ") }
    }
}

impl Model for MultiRegister<'_> {
    type Action = u32;

    const TELLS_ORDER: bool = true;

    fn initial(&mut self) -> u32 {
        let initial = self.initial.iter().map(|known| known.unwrap_or(OPEN)).collect();
        self.states.number(initial)
    }

    fn step(&mut self, state: u32, action: u32) -> Option<u32> {
        if let Some(&known) = self.steps.get(&(state, action)) {
            return known;
        }
        let effect = &self.effects[action as usize];
        let mut held = self.states.get(state).to_vec();
        let mut possible = !effect.contradicts_itself;
        for &(register, value) in &effect.reads {
            let found = &mut held[register as usize];
            possible &= *found == value || *found == OPEN;
            *found = value;
        }
        for &(register, value) in &effect.writes {
            held[register as usize] = value;
        }
        let next = possible.then(|| self.states.number(held));
        self.steps.insert((state, action), next);
        next
    }

    fn observes(&self, action: u32) -> bool {
        self.effects[action as usize].writes.is_empty()
    }

    fn show(&self, state: u32) -> String {
        self.list((0..).zip(self.states.get(state).iter().copied()))
    }

    fn needs(&self, action: u32) -> String {
        let effect = &self.effects[action as usize];
        match effect {
            Effect { contradicts_itself: true, .. } => "what it contradicts itself".into(),
            Effect { reads, .. } if reads.is_empty() => "anything".into(),
            Effect { reads, .. } => self.list(reads.iter().copied()),
        }
    }

    /// The initial values that were found.
    fn remark(&self, order: &[(u32, u32)]) -> Option<String> {
        let mut written: Vec<bool> = self.initial.iter().map(Option::is_some).collect();
        let mut found = Vec::new();
        for &(action, _) in order {
            let effect = &self.effects[action as usize];
            for &(register, value) in &effect.reads {
                if !std::mem::replace(&mut written[register as usize], true) {
                    found.push((register, value));
                }
            }
            for &(register, _) in &effect.writes {
                written[register as usize] = true;
            }
        }
        found.retain(|&(_, value)| self.values.show(value) != "nil");
        found.sort_unstable();
        (!found.is_empty()).then(|| format!("{} at first", self.list(found.into_iter())))
    }

    fn bytes(&self) -> usize {
        self.states.bytes() + self.steps.capacity() * 24
    }
}
