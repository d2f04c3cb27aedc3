//! What an object is, as a sequential specification.

use std::fmt::Debug;
use std::hash::Hash;

use rustc_hash::FxHashMap;
use schism_history::Value;

use super::operations::{Action, INITIAL, show};

/// A sequential object: from a state, an action leads to one state or cannot happen.
///
/// An action says what was returned, too: a read of 3 cannot happen where 4 is held. States are
/// numbers; a model whose states are large keeps them in a table ([`States`]).
pub(crate) trait Model {
    /// What is done to it, and what that returned.
    type Action: Copy + Eq + Hash + Debug;

    /// Whether [`super::search::Answer::Linearizable`] is to tell the order that was found.
    const TELLS_ORDER: bool = false;

    /// The state before everything.
    fn initial(&mut self) -> u32;

    /// The state after `action` in `state`; `None` if it cannot happen there.
    fn step(&mut self, state: u32, action: Self::Action) -> Option<u32>;

    /// Whether `action` leaves every state as it is, or binds what was left open in it (and then
    /// stays possible). Such actions are placed as soon as they change nothing.
    fn observes(&self, action: Self::Action) -> bool;

    /// Whether `action` is possible in every state and can only make more possible: it is placed as
    /// soon as it is open.
    fn is_eager(&self, action: Self::Action) -> bool {
        let _ = action;
        false
    }

    /// Whether `action` can only make less possible: it is placed when it returns, not before.
    fn is_lazy(&self, action: Self::Action) -> bool {
        let _ = action;
        false
    }

    /// Whether `action` leads to one state from everywhere, and is not eager.
    fn is_blind(&self, action: Self::Action) -> bool {
        let _ = action;
        false
    }

    /// In which states `action` leads elsewhere than in others.
    fn wants(&self, action: Self::Action) -> Want {
        let _ = action;
        Want::Anything
    }

    /// How able `action` is: of two of one group, one that is `able` can take the place of the other
    /// wherever that is possible, and leads to the same state. `None`: it is a group by itself.
    fn ability(&self, action: Self::Action) -> Option<Ability> {
        let _ = action;
        None
    }

    /// What an action whose result nobody knows can have been in `state`: all the actions that
    /// lead to different states. One that says it all by itself is the only choice.
    fn choices(&mut self, state: u32, action: Self::Action, choices: &mut Vec<Self::Action>) {
        let _ = state;
        choices.push(action);
    }

    /// What a state is in words.
    fn show(&self, state: u32) -> String;

    /// What the object must hold for the action, in words.
    fn needs(&self, action: Self::Action) -> String;

    /// What is to be said of the linearization that was found.
    fn remark(&self, order: &[(Self::Action, u32)]) -> Option<String> {
        let _ = order;
        None
    }

    /// Bytes that the table of states holds.
    fn bytes(&self) -> usize {
        0
    }
}

/// What an action makes of the state it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// It is possible in one state only.
    Only(u32),
    /// It leads to one state from everywhere.
    Nothing,
    /// Who knows.
    Anything,
}

/// What an action can stand in for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ability {
    /// Where it leads.
    pub group: u32,
    /// Whether it leads there from every state.
    pub able: bool,
}

/// One value, replaced by writes and by compare-and-sets that find what they expect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RegisterModel;

impl Model for RegisterModel {
    type Action = Action;

    fn initial(&mut self) -> u32 {
        INITIAL
    }

    fn step(&mut self, state: u32, action: Action) -> Option<u32> {
        match action {
            Action::Read(value) => (value == state).then_some(state),
            Action::Write(value) => Some(value),
            Action::CompareAndSet(expected, new) => (expected == state).then_some(new),
        }
    }

    fn observes(&self, action: Action) -> bool {
        match action {
            Action::Read(_) => true,
            Action::Write(_) => false,
            Action::CompareAndSet(expected, new) => expected == new,
        }
    }

    fn is_blind(&self, action: Action) -> bool {
        matches!(action, Action::Write(_))
    }

    fn wants(&self, action: Action) -> Want {
        action.needs().map_or(Want::Nothing, Want::Only)
    }

    fn ability(&self, action: Action) -> Option<Ability> {
        let able = matches!(action, Action::Write(_));
        action.writes().map(|group| Ability { group, able })
    }

    /// Registers know their values; see [`super::operations::Register::show`].
    fn show(&self, state: u32) -> String {
        format!("value number {state}")
    }

    fn needs(&self, action: Action) -> String {
        action.needs().map_or_else(|| "anything".into(), |value| self.show(value))
    }
}

/// States that are sequences of numbers, each stored once, by its own number.
#[derive(Debug, Default)]
pub(crate) struct States {
    by_number: Vec<Box<[u32]>>,
    numbers: FxHashMap<Box<[u32]>, u32>,
    bytes: usize,
}

impl States {
    /// The number of a state, which is a new one if it was not seen before.
    pub fn number(&mut self, state: Vec<u32>) -> u32 {
        if let Some(&number) = self.numbers.get(&state[..]) {
            return number;
        }
        let number = self.by_number.len() as u32;
        let state: Box<[u32]> = state.into();
        // Twice the numbers, two fat pointers, and the share of the table with the room it keeps.
        self.bytes += size_of_val(&*state) * 2 + 96;
        self.by_number.push(state.clone());
        self.numbers.insert(state, number);
        number
    }

    /// The state of a number.
    pub fn get(&self, number: u32) -> &[u32] {
        &self.by_number[number as usize]
    }

    /// The bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Values by number.
#[derive(Debug, Default)]
pub(crate) struct Values<'a> {
    values: Vec<&'a Value>,
    numbers: FxHashMap<&'a Value, u32>,
}

impl<'a> Values<'a> {
    /// The number of a value, which is a new one if it was not seen before.
    pub fn number(&mut self, value: &'a Value) -> u32 {
        *self.numbers.entry(value).or_insert_with(|| {
            self.values.push(value);
            self.values.len() as u32 - 1
        })
    }

    /// The value in words.
    pub fn show(&self, number: u32) -> String {
        self.values.get(number as usize).map_or_else(String::new, |value| show(value))
    }
}
