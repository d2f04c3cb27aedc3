//! The calls of a history as the search walks past them: who is open at each return.

use std::hash::Hash;

use rustc_hash::FxHashMap;

use super::operations::NEVER;
use super::search::Call;

/// No slot.
pub(crate) const NO_SLOT: u16 = u16::MAX;

/// A call that is open at a frontier and will return.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    /// The call.
    pub call: u32,
    /// Its slot: no other call that is open at the same time has it.
    pub slot: u16,
    /// The slot of the open call that does the same and returns next before it; or [`NO_SLOT`].
    pub same: u16,
}

/// Indeterminate calls that do the same: the first invoked is as good as any.
#[derive(Clone, Debug)]
pub(crate) struct Class<A> {
    /// What they do.
    pub action: A,
    /// The calls, in order of invocation.
    pub calls: Vec<u32>,
}

/// The returns of a history, and what is open at each of them: frontier f lies before return f.
pub(crate) struct Timeline<A> {
    /// The calls that return, in order of their returns.
    pub returns: Vec<u32>,
    /// The most calls that are open at once, or more if there was no memory to list them.
    pub width: usize,
    /// The indeterminate calls.
    pub classes: Vec<Class<A>>,
    /// The calls open at each frontier in order of their returns, and where each list begins.
    open: Vec<Open>,
    open_from: Vec<usize>,
}

impl<A: Copy + Eq + Hash> Timeline<A> {
    /// The timeline of `calls`; its lists take `bytes_max` bytes or a little more.
    pub fn new(calls: &[Call<A>], bytes_max: usize) -> Self {
        let places = 0..calls.len() as u32;
        let (mut returns, mut indeterminate): (Vec<u32>, Vec<u32>) =
            places.partition(|&at| calls[at as usize].returned != NEVER);
        returns.sort_unstable_by_key(|&at| calls[at as usize].returned);
        indeterminate.sort_unstable_by_key(|&at| calls[at as usize].invoked);
        let mut classes: Vec<Class<A>> = Vec::new();
        let mut places: FxHashMap<A, usize> = FxHashMap::default();
        for call in indeterminate {
            let action = calls[call as usize].action;
            let place = *places.entry(action).or_insert_with(|| {
                classes.push(Class { action, calls: Vec::new() });
                classes.len() - 1
            });
            classes[place].calls.push(call);
        }
        let (open, open_from) = (Vec::new(), vec![0]);
        let mut timeline = Self { returns, width: 0, classes, open, open_from };
        timeline.list_open(calls, bytes_max);
        timeline
    }

    /// The calls open at a frontier, that which returns there first.
    pub fn open(&self, frontier: u32) -> std::ops::Range<usize> {
        self.open_from[frontier as usize]..self.open_from[frontier as usize + 1]
    }

    /// A call of such a range.
    pub fn at(&self, place: usize) -> Open {
        self.open[place]
    }

    fn list_open(&mut self, calls: &[Call<A>], bytes_max: usize) {
        let mut waiting = self.returns.clone();
        waiting.sort_unstable_by_key(|&at| calls[at as usize].invoked);
        let mut waiting = waiting.into_iter().peekable();
        let mut open: Vec<Open> = Vec::new();
        let mut free: Vec<u16> = Vec::new();
        let mut last: FxHashMap<A, u16> = FxHashMap::default();
        let returned = |at: u32| calls[at as usize].returned;
        for &call in &self.returns {
            while let Some(at) = waiting.next_if(|&at| calls[at as usize].invoked < returned(call))
            {
                let slot = free.pop().unwrap_or(self.width.min(NO_SLOT.into()) as u16);
                let place = open.partition_point(|other| returned(other.call) < returned(at));
                open.insert(place, Open { call: at, slot, same: NO_SLOT });
                self.width = self.width.max(open.len());
            }
            if self.width >= NO_SLOT.into()
                || (self.open.len() + open.len()) * size_of::<Open>() > bytes_max
            {
                self.width = usize::MAX;
                return;
            }
            last.clear();
            for it in &mut open {
                let before = last.insert(calls[it.call as usize].action, it.slot);
                it.same = before.unwrap_or(NO_SLOT);
            }
            self.open.extend_from_slice(&open);
            self.open_from.push(self.open.len());
            // Lists are in order of returns.
            free.push(open.remove(0).slot);
        }
    }

    /// The bytes that the lists hold.
    pub fn bytes(&self) -> usize {
        self.open.capacity() * size_of::<Open>()
            + self.open_from.capacity() * size_of::<usize>()
            + self.returns.capacity() * size_of::<u32>()
    }
}
