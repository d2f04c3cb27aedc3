//! Queues, first in, first out; bags; and locks.

use rustc_hash::FxHashMap;

use super::model::{Model, States, Values};

/// What is done to a queue or a bag; values are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum QueueAction {
    /// Puts the value in.
    Enqueue(u32),
    /// Took the value out.
    Dequeue(u32),
    /// Found nothing.
    Empty,
    /// Took out whatever there was, if there was anything; nobody knows what.
    Take,
}

/// A queue: first in, first out.
#[derive(Debug, Default)]
pub(crate) struct FifoQueue<'a> {
    /// The values.
    pub values: Values<'a>,
    states: States,
    steps: FxHashMap<(u32, QueueAction), Option<u32>>,
}

impl Model for FifoQueue<'_> {
    type Action = QueueAction;

    fn initial(&mut self) -> u32 {
        self.states.number(Vec::new())
    }

    fn step(&mut self, state: u32, action: QueueAction) -> Option<u32> {
        if let Some(&known) = self.steps.get(&(state, action)) {
            return known;
        }
        let held = self.states.get(state);
        let next = match action {
            QueueAction::Enqueue(value) => Some([held, &[value]].concat()),
            QueueAction::Dequeue(value) => match held.split_first() {
                Some((&first, rest)) if first == value => Some(rest.to_vec()),
                _ => None,
            },
            QueueAction::Empty => held.is_empty().then(Vec::new),
            QueueAction::Take => None,
        };
        let next = next.map(|next| self.states.number(next));
        self.steps.insert((state, action), next);
        next
    }

    fn observes(&self, action: QueueAction) -> bool {
        action == QueueAction::Empty
    }

    fn choices(&mut self, state: u32, action: QueueAction, choices: &mut Vec<QueueAction>) {
        match action {
            QueueAction::Take => {
                choices.extend(self.states.get(state).first().copied().map(QueueAction::Dequeue));
            }
            known => choices.push(known),
        }
    }

    fn show(&self, state: u32) -> String {
        show(&self.values, self.states.get(state))
    }

    fn needs(&self, action: QueueAction) -> String {
        match action {
            QueueAction::Dequeue(value) => format!("{} at the head", self.values.show(value)),
            QueueAction::Empty => "nothing".into(),
            QueueAction::Enqueue(_) | QueueAction::Take => "anything".into(),
        }
    }

    fn bytes(&self) -> usize {
        self.states.bytes() + self.steps.capacity() * 32
    }
}

/// A bag, or queue without an order: what is in it can be taken out.
#[derive(Debug, Default)]
pub(crate) struct Bag<'a> {
    /// The values.
    pub values: Values<'a>,
    /// Whether somebody found it empty. If nobody did, more in the bag only makes more possible.
    pub found_empty: bool,
    states: States,
    steps: FxHashMap<(u32, QueueAction), Option<u32>>,
}

impl Model for Bag<'_> {
    type Action = QueueAction;

    fn initial(&mut self) -> u32 {
        self.states.number(Vec::new())
    }

    fn step(&mut self, state: u32, action: QueueAction) -> Option<u32> {
        if let Some(&known) = self.steps.get(&(state, action)) {
            return known;
        }
        let held = self.states.get(state);
        let next = match action {
            QueueAction::Enqueue(value) => {
                let mut next = held.to_vec();
                next.insert(next.partition_point(|&other| other <= value), value);
                Some(next)
            }
            QueueAction::Dequeue(value) => held.binary_search(&value).ok().map(|place| {
                let mut next = held.to_vec();
                next.remove(place);
                next
            }),
            QueueAction::Empty => held.is_empty().then(Vec::new),
            QueueAction::Take => None,
        };
        let next = next.map(|next| self.states.number(next));
        self.steps.insert((state, action), next);
        next
    }

    fn observes(&self, action: QueueAction) -> bool {
        action == QueueAction::Empty
    }

    fn is_eager(&self, action: QueueAction) -> bool {
        !self.found_empty && matches!(action, QueueAction::Enqueue(_))
    }

    fn is_lazy(&self, action: QueueAction) -> bool {
        !self.found_empty && matches!(action, QueueAction::Dequeue(_))
    }

    fn choices(&mut self, state: u32, action: QueueAction, choices: &mut Vec<QueueAction>) {
        match action {
            // Less in the bag helps only those who find it empty.
            QueueAction::Take if !self.found_empty => {}
            QueueAction::Take => {
                let mut held = self.states.get(state).to_vec();
                held.dedup();
                choices.extend(held.into_iter().map(QueueAction::Dequeue));
            }
            known => choices.push(known),
        }
    }

    fn show(&self, state: u32) -> String {
        show(&self.values, self.states.get(state))
    }

    fn needs(&self, action: QueueAction) -> String {
        match action {
            QueueAction::Dequeue(value) => format!("{} in it", self.values.show(value)),
            QueueAction::Empty => "nothing".into(),
            QueueAction::Enqueue(_) | QueueAction::Take => "anything".into(),
        }
    }

    fn bytes(&self) -> usize {
        self.states.bytes() + self.steps.capacity() * 32
    }
}

/// What a queue or a bag holds in words.
fn show(values: &Values<'_>, held: &[u32]) -> String {
    /// So many of the first values are named.
    const SHOWN_MAX: usize = 8;
    if held.is_empty() {
        return "nothing".into();
    }
    let shown: Vec<String> = held.iter().take(SHOWN_MAX).map(|&it| values.show(it)).collect();
    match held.len() - shown.len() {
        0 => format!("[{}]", shown.join(" ")),
        more => format!("[{} and {more} more]", shown.join(" ")),
    }
}

/// What is done to a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LockAction {
    /// Takes the lock, which is free.
    Acquire,
    /// Gives it back, which is held; whoever does.
    Release,
}

/// A lock that knows no owner.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mutex;

impl Mutex {
    const FREE: u32 = 0;
    const HELD: u32 = 1;
}

impl Model for Mutex {
    type Action = LockAction;

    fn initial(&mut self) -> u32 {
        Self::FREE
    }

    fn step(&mut self, state: u32, action: LockAction) -> Option<u32> {
        match action {
            LockAction::Acquire => (state == Self::FREE).then_some(Self::HELD),
            LockAction::Release => (state == Self::HELD).then_some(Self::FREE),
        }
    }

    fn observes(&self, _: LockAction) -> bool {
        false
    }

    fn show(&self, state: u32) -> String {
        if state == Self::FREE { "free".into() } else { "held".into() }
    }

    fn needs(&self, action: LockAction) -> String {
        match action {
            LockAction::Acquire => "a free lock".into(),
            LockAction::Release => "a held lock".into(),
        }
    }
}
