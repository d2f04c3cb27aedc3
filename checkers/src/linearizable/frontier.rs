//! The steps of the search from one frontier to the next.

use rustc_hash::FxHashSet;

use super::model::Model;
use super::operations::NEVER;
use super::search::Call;

/// No step: the parent of the first.
pub(crate) const NO_STEP: u32 = u32::MAX;

/// A configuration between two frontiers.
#[derive(Clone, Debug)]
pub(crate) struct Step<S> {
    /// The state.
    pub state: S,
    /// The operations placed that have not returned, sorted.
    pub placed: Vec<u32>,
    /// Of `placed`.
    pub hash: u64,
    parent: u32,
    /// The operations placed in this step, in order.
    calls: Vec<u32>,
    /// If the last one is indeterminate and not yet justified: the state before it.
    pub unjustified: Option<S>,
}

/// The returns of a history, and what is open at each of them: frontier f lies before return f.
pub(crate) struct Frontiers<'a, M: Model> {
    /// The object.
    pub model: &'a M,
    /// All calls.
    pub calls: &'a [Call<M::Action>],
    /// The calls that return, in order of their returns.
    pub returns: Vec<u32>,
    /// The calls open at each return, and where the list of each begins.
    open: Vec<u32>,
    open_from: Vec<usize>,
    /// The indeterminate calls in order of invocation.
    indeterminate: Vec<u32>,
}

impl<'a, M: Model> Frontiers<'a, M> {
    /// The frontiers of a history of `calls`; its lists take `bytes_max` bytes or a little more.
    pub fn new(model: &'a M, calls: &'a [Call<M::Action>], bytes_max: usize) -> Self {
        let places = 0..calls.len() as u32;
        let (mut returns, mut indeterminate): (Vec<u32>, Vec<u32>) =
            places.partition(|&at| calls[at as usize].returned != NEVER);
        returns.sort_unstable_by_key(|&at| calls[at as usize].returned);
        indeterminate.sort_unstable_by_key(|&at| calls[at as usize].invoked);
        let (open, open_from) = (Vec::new(), vec![0]);
        let mut frontiers = Self { model, calls, returns, open, open_from, indeterminate };
        frontiers.list_open(bytes_max);
        frontiers
    }

    /// Lists the calls that are open when each call returns. The lists stay within the memory
    /// allowed; if they do not, the search ends at its first look at the budget, before
    /// it uses them.
    fn list_open(&mut self, bytes_max: usize) {
        let mut waiting = self.returns.clone();
        waiting.sort_unstable_by_key(|&at| self.calls[at as usize].invoked);
        let mut waiting = waiting.into_iter().peekable();
        let mut open: Vec<u32> = Vec::new();
        for &call in &self.returns {
            let returned = self.calls[call as usize].returned;
            let invoked = |at: &u32| self.calls[*at as usize].invoked < returned;
            while let Some(at) = waiting.next_if(invoked) {
                open.push(at);
            }
            self.open.extend_from_slice(&open);
            self.open_from.push(self.open.len());
            open.retain(|&at| at != call);
            if self.open.len() * size_of::<u32>() > bytes_max {
                break;
            }
        }
    }

    /// The bytes that the lists hold.
    pub fn bytes(&self) -> usize {
        let words = self.open.capacity() + self.returns.capacity() + self.indeterminate.capacity();
        words * size_of::<u32>() + self.open_from.capacity() * size_of::<usize>()
    }

    /// The configurations that one more operation leads to.
    pub fn successors(
        &self,
        step: &Step<M::State>,
        from: u32,
        frontier: usize,
    ) -> Vec<Step<M::State>> {
        let mut successors = Vec::new();
        for &call in &self.open[self.open_from[frontier]..self.open_from[frontier + 1]] {
            let action = self.calls[call as usize].action;
            if self.model.observes(action) || step.placed.binary_search(&call).is_ok() {
                continue;
            }
            if let Some(state) = self.justified(step, action) {
                successors.push(self.place(step, from, frontier, call, state, None));
            }
        }
        let returned = self.calls[self.returns[frontier] as usize].returned;
        let mut tried: FxHashSet<M::Action> = FxHashSet::default();
        for &call in &self.indeterminate {
            let Call { action, invoked, .. } = self.calls[call as usize];
            if invoked > returned {
                break;
            }
            if step.placed.binary_search(&call).is_ok() || !tried.insert(action) {
                continue;
            }
            match self.justified(step, action) {
                Some(state) if state != step.state => {
                    let before = Some(step.state);
                    successors.push(self.place(step, from, frontier, call, state, before));
                }
                _ => {}
            }
        }
        successors
    }

    /// The state after `action`, if it can happen and if an indeterminate operation placed last was
    /// needed for it.
    fn justified(&self, step: &Step<M::State>, action: M::Action) -> Option<M::State> {
        let state = self.model.step(step.state, action)?;
        let without = step.unjustified.and_then(|before| self.model.step(before, action));
        (without != Some(state)).then_some(state)
    }

    fn place(
        &self,
        step: &Step<M::State>,
        from: u32,
        frontier: usize,
        call: u32,
        state: M::State,
        unjustified: Option<M::State>,
    ) -> Step<M::State> {
        let mut next = Step {
            state,
            placed: step.placed.clone(),
            hash: step.hash,
            parent: from,
            calls: Vec::new(),
            unjustified,
        };
        next.put(call);
        self.observe(&mut next, frontier);
        next
    }

    /// Places the observers that are open and possible.
    pub fn observe(&self, step: &mut Step<M::State>, frontier: usize) {
        for &call in &self.open[self.open_from[frontier]..self.open_from[frontier + 1]] {
            let action = self.calls[call as usize].action;
            if self.model.observes(action)
                && self.model.step(step.state, action).is_some()
                && step.placed.binary_search(&call).is_err()
            {
                step.put(call);
                // What could not be observed before justifies what came before.
                step.unjustified = None;
            }
        }
    }
}

impl<S: Copy> Step<S> {
    /// The first step from a frontier, where these calls are placed and open, sorted.
    pub fn new(state: S, placed: &[u32]) -> Self {
        let hash = placed.iter().fold(0, |hash, &call| hash ^ mix(call));
        let (placed, parent) = (placed.to_vec(), NO_STEP);
        Self { state, placed, hash, parent, calls: Vec::new(), unjustified: None }
    }

    /// Whether the call is placed; takes it out, since it returns.
    pub fn pass(&mut self, call: u32) -> bool {
        let Ok(place) = self.placed.binary_search(&call) else { return false };
        self.placed.remove(place);
        self.hash ^= mix(call);
        true
    }

    /// The bytes that it holds, with its share of the tables around it.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() * 2 + (self.placed.capacity() + self.calls.capacity()) * 4 + 64
    }

    fn put(&mut self, call: u32) {
        if let Err(place) = self.placed.binary_search(&call) {
            self.placed.insert(place, call);
            self.hash ^= mix(call);
            self.calls.push(call);
        }
    }
}

/// The calls placed from the first step to the one at `end`, in order.
pub(crate) fn path<S>(steps: &[Step<S>], end: usize) -> Vec<u32> {
    let mut parts = Vec::new();
    let mut at = end as u32;
    while at != NO_STEP {
        parts.push(&steps[at as usize].calls);
        at = steps[at as usize].parent;
    }
    parts.into_iter().rev().flatten().copied().collect()
}

/// A word in which every bit depends on every bit of `call` (`SplitMix64`; Steele, Lea, Flood 2014).
fn mix(call: u32) -> u64 {
    let mut mixed = u64::from(call).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
