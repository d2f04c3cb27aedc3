//! The steps of the search from one configuration to the next.
//!
//! *Blind writes.* An action that leads to one state from everywhere (a write) is *hidden* where
//! another such action follows it directly: nobody needs what it left. All the blind writes that are
//! open when one is placed can have stood hidden just before it, and all that leave the state which
//! is there can have stood there. Such a call is *free*: it may return as it is, or be placed later
//! where its value is needed. So the search need not choose which writes to hide, and where: it
//! places a blind write only where the next operation needs it, as with indeterminate calls; or
//! where it leaves the state as it is, and makes others free; or when it returns. Every
//! linearization is found so: follow it, leave out what is hidden in it and does not return just
//! then, and place the others; the write which hides those left out makes them free. Of two that
//! are alike the first to return is placed first, as elsewhere, unless it is free and the other is
//! not: then either may be needed.

use std::ops::Range;

use super::memo::{NONE, Node};
use super::model::{Model, Want};
use super::search::Call;
use super::timeline::{NO_SLOT, Open, Timeline};
use super::used::Used;

/// What happens on the way, for those who tell it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Told {
    /// The call is placed, and leads to the state.
    Placed(u32, u32),
    /// The call can have stood here, hidden, without any effect.
    Freed(Open),
    /// The call is open no more.
    Returned(Open),
}

/// The object, the calls on it, and which of them can come next.
pub(crate) struct Steps<'a, M: Model> {
    /// The object.
    pub model: &'a mut M,
    /// The calls.
    pub calls: &'a [Call<M::Action>],
    /// Who is open when.
    pub timeline: Timeline<M::Action>,
    /// Collections of indeterminate calls.
    pub used: Used,
    choices: Vec<M::Action>,
    wanted: Vec<u32>,
    /// Classes that have a call which is not used, with the first such call.
    unused: Vec<(u32, u32)>,
}

impl<'a, M: Model> Steps<'a, M> {
    /// The steps of a search.
    pub fn new(
        model: &'a mut M,
        calls: &'a [Call<M::Action>],
        timeline: Timeline<M::Action>,
    ) -> Self {
        let abilities = timeline.classes.iter().map(|class| model.ability(class.action)).collect();
        let (choices, wanted, unused) = (Vec::new(), Vec::new(), Vec::new());
        Self { model, calls, timeline, used: Used::new(abilities), choices, wanted, unused }
    }

    /// The configuration from which all others are reached.
    pub fn root<const WORDS: usize>(&mut self) -> Node<WORDS> {
        let mut root = Node::root(self.model.initial());
        self.settle(&mut root, &mut |_| ());
        root
    }

    /// The configurations to which one more call leads, those first that are likely to go on.
    pub fn successors<const WORDS: usize>(
        &mut self,
        at: u32,
        node: &Node<WORDS>,
        successors: &mut Vec<Node<WORDS>>,
    ) {
        let range = self.timeline.open(node.frontier);
        self.find_unused(node);
        let everything = self.find_wanted(node, range.clone());
        for place in range.clone() {
            let open = self.timeline.at(place);
            let action = self.calls[open.call as usize].action;
            let blind = self.model.is_blind(action);
            let early = place > range.start;
            if node.has(open.slot)
                || early && self.model.is_lazy(action)
                || self.another_first(node, range.clone(), open, blind)
            {
                continue;
            }
            let Some(state) = self.justified(node, action) else { continue };
            let helps = if state == node.state {
                self.frees(node, open.call)
            } else {
                self.is_wanted(everything, state)
            };
            if early && blind && !helps {
                continue;
            }
            let mut new = Node { parent: at, call: open.call, led_to: state, ..*node };
            self.place(&mut new, Some(open), &mut |_| ());
            self.settle(&mut new, &mut |_| ());
            successors.push(new);
        }
        successors.extend(self.passed(at, node));
        self.indeterminate_successors(at, node, everything, successors);
    }

    fn indeterminate_successors<const WORDS: usize>(
        &mut self,
        at: u32,
        node: &Node<WORDS>,
        everything: bool,
        successors: &mut Vec<Node<WORDS>>,
    ) {
        for place in 0..self.unused.len() {
            let (class, call) = self.unused[place];
            let mut choices = std::mem::take(&mut self.choices);
            choices.clear();
            let action = self.timeline.classes[class as usize].action;
            self.model.choices(node.state, action, &mut choices);
            for &action in &choices {
                let Some(state) = self.justified(node, action) else { continue };
                let helps = if state == node.state {
                    self.model.is_blind(action) && self.frees(node, call)
                } else {
                    self.is_wanted(everything, state)
                };
                if !helps || self.waits_for_open(node, action) {
                    continue;
                }
                let used = self.used.with(node.used, class);
                let mut new = Node { parent: at, call, led_to: state, used, ..*node };
                self.place(&mut new, None, &mut |_| ());
                self.settle(&mut new, &mut |_| ());
                successors.push(new);
            }
            self.choices = choices;
        }
    }

    /// Finds the states that an open call needs, or an indeterminate one that leads to such a
    /// state; says whether any state may be needed.
    fn find_wanted<const WORDS: usize>(&mut self, node: &Node<WORDS>, range: Range<usize>) -> bool {
        self.wanted.clear();
        for place in range {
            let open = self.timeline.at(place);
            if node.has(open.slot) {
                continue;
            }
            match self.model.wants(self.calls[open.call as usize].action) {
                Want::Only(state) => self.wanted.push(state),
                Want::Nothing => {}
                Want::Anything => return true,
            }
        }
        let mut known = usize::MAX;
        while known != self.wanted.len() {
            known = self.wanted.len();
            for &(class, _) in &self.unused {
                let action = self.timeline.classes[class as usize].action;
                let state = match self.model.wants(action) {
                    Want::Only(state) if self.wanted.contains(&state) => continue,
                    Want::Only(state) => state,
                    Want::Nothing => continue,
                    Want::Anything => return true,
                };
                let next = self.model.step(state, action);
                if next.is_some_and(|next| self.wanted.contains(&next)) {
                    self.wanted.push(state);
                }
            }
        }
        false
    }

    fn is_wanted(&self, everything: bool, state: u32) -> bool {
        everything || self.wanted.contains(&state)
    }

    /// The state after `action`, if it can happen, and if the call placed last was needed for it
    /// where that has to be.
    fn justified<const WORDS: usize>(
        &mut self,
        node: &Node<WORDS>,
        action: M::Action,
    ) -> Option<u32> {
        let state = self.model.step(node.state, action)?;
        let without = match node.before {
            NONE => None,
            before => self.model.step(before, action),
        };
        (without != Some(state)).then_some(state)
    }

    /// Whether another open call, which does the same, is to be placed before this one.
    fn another_first<const WORDS: usize>(
        &self,
        node: &Node<WORDS>,
        range: Range<usize>,
        open: Open,
        blind: bool,
    ) -> bool {
        if !blind {
            return open.same != NO_SLOT && !node.has(open.same);
        }
        let free = node.free.has(open.slot);
        let action = self.calls[open.call as usize].action;
        // In order of their returns: those before this one.
        let before = range.map(|place| self.timeline.at(place));
        let mut before = before.take_while(|other| other.call != open.call);
        before.any(|other| {
            self.calls[other.call as usize].action == action
                && !node.has(other.slot)
                && (free || !node.free.has(other.slot))
        })
    }

    /// Whether a blind write, if it is placed, makes another call free.
    fn frees<const WORDS: usize>(&self, node: &Node<WORDS>, call: u32) -> bool {
        self.timeline.open(node.frontier).any(|place| {
            let other = self.timeline.at(place);
            other.call != call
                && self.model.is_blind(self.calls[other.call as usize].action)
                && !node.has(other.slot)
                && !node.free.has(other.slot)
        })
    }

    /// Lists the first unused call of each class, if it is invoked by then.
    fn find_unused<const WORDS: usize>(&mut self, node: &Node<WORDS>) {
        self.unused.clear();
        let returns = self.timeline.returns[node.frontier as usize];
        let returned = self.calls[returns as usize].returned;
        let invoked = |call: u32| self.calls[call as usize].invoked < returned;
        // Classes come in the order of their first calls.
        for (class, members) in (0..).zip(&self.timeline.classes) {
            if !invoked(members.calls[0]) {
                break;
            }
            let next = members.calls.get(self.used.count(node.used, class));
            self.unused.extend(next.filter(|&&call| invoked(call)).map(|&call| (class, call)));
        }
    }

    /// Whether an open call does the same, which is to be placed first.
    fn waits_for_open<const WORDS: usize>(&self, node: &Node<WORDS>, action: M::Action) -> bool {
        self.timeline.open(node.frontier).any(|place| {
            let open = self.timeline.at(place);
            self.calls[open.call as usize].action == action && !node.has(open.slot)
        })
    }

    /// Places the call of `node`, which leads to `led_to`; `open`: where it is open.
    fn place<const WORDS: usize>(
        &mut self,
        node: &mut Node<WORDS>,
        open: Option<Open>,
        tell: &mut impl FnMut(Told),
    ) {
        let action = self.calls[node.call as usize].action;
        let blind = self.model.is_blind(action);
        let range = self.timeline.open(node.frontier);
        let returns = self.timeline.at(range.start);
        let needed = open.is_some_and(|open| !blind || open.call == returns.call);
        // One that changes nothing is placed only where it makes others free.
        let needed = needed || blind && node.led_to == node.state;
        node.before = if needed { NONE } else { node.state };
        if let Some(open) = open {
            node.free.take(open.slot);
            match blind {
                true => node.spent.put(open.slot),
                false if self.model.observes(action) => node.seen.put(open.slot),
                false => node.placed.put(open.slot),
            }
        }
        if blind {
            for place in range {
                self.set_free(node, place, tell);
            }
        }
        node.state = node.led_to;
        tell(Told::Placed(node.call, node.led_to));
    }

    /// Makes a call free, if it is a blind write that is open and not placed.
    fn set_free<const WORDS: usize>(
        &self,
        node: &mut Node<WORDS>,
        place: usize,
        tell: &mut impl FnMut(Told),
    ) {
        let other = self.timeline.at(place);
        let blind = self.model.is_blind(self.calls[other.call as usize].action);
        if blind && !node.has(other.slot) && !node.free.has(other.slot) {
            node.free.put(other.slot);
            tell(Told::Freed(other));
        }
    }

    /// Places the observers that are open and possible, and goes past the calls that return and
    /// are placed, as far as that leads.
    fn settle<const WORDS: usize>(&mut self, node: &mut Node<WORDS>, tell: &mut impl FnMut(Told)) {
        while (node.frontier as usize) < self.timeline.returns.len() {
            let range = self.timeline.open(node.frontier);
            for place in range.clone() {
                let open = self.timeline.at(place);
                let action = self.calls[open.call as usize].action;
                let eager = self.model.is_eager(action);
                let blind = self.model.is_blind(action);
                if node.has(open.slot) || !(eager || blind || self.model.observes(action)) {
                    continue;
                }
                match self.model.step(node.state, action) {
                    Some(state) if blind && state == node.state => self.set_free(node, place, tell),
                    Some(state) if !blind && (eager || state == node.state) => {
                        if eager { &mut node.placed } else { &mut node.seen }.put(open.slot);
                        node.state = state;
                        // What could not be observed before justifies what came before.
                        node.before = NONE;
                        tell(Told::Placed(open.call, state));
                    }
                    _ => {}
                }
            }
            if !node.has(self.timeline.at(range.start).slot) || node.before != NONE {
                return;
            }
            self.pass(node, tell);
        }
    }

    /// Goes past the next return.
    fn pass<const WORDS: usize>(&self, node: &mut Node<WORDS>, tell: &mut impl FnMut(Told)) {
        let returns = self.timeline.at(self.timeline.open(node.frontier).start);
        tell(Told::Returned(returns));
        for slots in [&mut node.placed, &mut node.seen, &mut node.spent, &mut node.free] {
            slots.take(returns.slot);
        }
        node.frontier += 1;
    }

    /// The configuration in which the call that returns next, and is free, returns as it is; none
    /// if it leaves the state as it is: then it is as well placed.
    fn passed<const WORDS: usize>(&mut self, at: u32, node: &Node<WORDS>) -> Option<Node<WORDS>> {
        let returns = self.timeline.at(self.timeline.open(node.frontier).start);
        if !node.free.has(returns.slot) || node.before != NONE {
            return None;
        }
        let action = self.calls[returns.call as usize].action;
        if self.model.step(node.state, action) == Some(node.state) {
            return None;
        }
        let mut new = Node { parent: at, call: NONE, ..*node };
        self.pass(&mut new, &mut |_| ());
        self.settle(&mut new, &mut |_| ());
        Some(new)
    }

    /// The calls placed on a way from the root, found by taking each step again; `way`: the nodes,
    /// the root first.
    pub fn order<const WORDS: usize>(&mut self, way: &[Node<WORDS>]) -> Vec<(usize, u32)> {
        let mut order: Vec<(usize, u32)> = Vec::new();
        // By slot: before which of them the call is hidden that is free.
        let mut hidden: Vec<Option<(usize, u32)>> = vec![None; self.timeline.width];
        let mut hidden_before: Vec<(usize, u32)> = Vec::new();
        let mut tell = |told: Told| match told {
            Told::Placed(call, state) => order.push((call as usize, state)),
            Told::Freed(open) => hidden[usize::from(open.slot)] = Some((order.len(), open.call)),
            Told::Returned(open) => {
                let free = hidden[usize::from(open.slot)].take();
                hidden_before.extend(free.filter(|&(_, call)| call == open.call));
            }
        };
        let mut configuration: Node<WORDS> = Node::root(self.model.initial());
        for node in way {
            if node.call != NONE {
                (configuration.call, configuration.led_to) = (node.call, node.led_to);
                let range = self.timeline.open(configuration.frontier);
                let open = range.map(|place| self.timeline.at(place));
                let open = open.clone().find(|open| open.call == node.call);
                self.place(&mut configuration, open, &mut tell);
            } else if node.parent != NONE {
                self.pass(&mut configuration, &mut tell);
            }
            self.settle(&mut configuration, &mut tell);
        }
        let placed: rustc_hash::FxHashSet<usize> = order.iter().map(|&(call, _)| call).collect();
        hidden_before.extend(hidden.into_iter().flatten());
        hidden_before.retain(|&(_, call)| !placed.contains(&(call as usize)));
        hidden_before.sort_unstable();
        let mut whole = Vec::with_capacity(order.len() + hidden_before.len());
        let mut hidden = hidden_before.into_iter().peekable();
        for place in 0..=order.len() {
            while let Some((_, call)) = hidden.next_if(|&(before, _)| before == place) {
                // It leads to the same state from everywhere.
                let action = self.calls[call as usize].action;
                let state = self.model.initial();
                whole.extend(self.model.step(state, action).map(|state| (call as usize, state)));
            }
            whole.extend(order.get(place));
        }
        whole
    }
}
