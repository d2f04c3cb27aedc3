//! What an object is, as a sequential specification.

use std::fmt::Debug;
use std::hash::Hash;

use super::operations::Action;

/// A sequential object: from a state, an action leads to one state or cannot happen.
///
/// An action says what was returned, too: a read of 3 cannot happen where 4 is held.
pub(crate) trait Model: Sync {
    /// What the object holds.
    type State: Copy + Eq + Hash + Debug;
    /// What is done to it, and what that returned.
    type Action: Copy + Eq + Hash + Debug;

    /// The state after `action` in `state`; `None` if it cannot happen there.
    fn step(&self, state: Self::State, action: Self::Action) -> Option<Self::State>;

    /// Whether `action` leaves every state as it is. Such actions are placed as early as possible.
    fn observes(&self, action: Self::Action) -> bool;
}

/// One value, replaced by writes and by compare-and-sets that find what they expect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RegisterModel;

impl Model for RegisterModel {
    type State = u32;
    type Action = Action;

    fn step(&self, state: u32, action: Action) -> Option<u32> {
        match action {
            Action::Read(value) => (value == state).then_some(state),
            Action::Write(value) => Some(value),
            Action::CompareAndSet(expected, new) => (expected == state).then_some(new),
        }
    }

    fn observes(&self, action: Action) -> bool {
        matches!(action, Action::Read(_))
    }
}
