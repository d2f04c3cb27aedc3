//! The configurations that the search has seen.

use super::used::Used;

/// No node, or no state.
pub(crate) const NONE: u32 = u32::MAX;

/// A set of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slots<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Slots<WORDS> {
    /// No slot.
    pub const EMPTY: Self = Self([0; WORDS]);

    /// Whether the slot is in the set.
    pub fn has(&self, slot: u16) -> bool {
        self.0[usize::from(slot / 64)] >> (slot % 64) & 1 == 1
    }

    /// Puts the slot into the set.
    pub fn put(&mut self, slot: u16) {
        self.0[usize::from(slot / 64)] |= 1 << (slot % 64);
    }

    /// Takes the slot out of the set.
    pub fn take(&mut self, slot: u16) {
        self.0[usize::from(slot / 64)] &= !(1 << (slot % 64));
    }

    /// The slots of both sets.
    pub fn or(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] | other.0[word]))
    }

    /// Whether the slots of `other` are all in the set.
    pub fn holds(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(own, other)| other & !own == 0)
    }

    /// How many slots are in the set.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }
}

/// A configuration, and how it was reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<const WORDS: usize> {
    /// How many calls have returned.
    pub frontier: u32,
    /// What the object holds.
    pub state: u32,
    /// The slots of those open calls that are placed and are neither observers nor blind writes.
    pub placed: Slots<WORDS>,
    /// The slots of those open blind writes that are placed.
    pub spent: Slots<WORDS>,
    /// The slots of those open blind writes that are not placed, but may return as if they were.
    pub free: Slots<WORDS>,
    /// The slots of those open observers that are placed.
    pub seen: Slots<WORDS>,
    /// The indeterminate calls that are placed.
    pub used: u32,
    /// If a call was placed last that has yet to prove that it is needed: the state before it;
    /// otherwise [`NONE`].
    pub before: u32,
    /// The node from which it was reached.
    pub parent: u32,
    /// The call that was placed there.
    pub call: u32,
    /// The state that this call led to.
    pub led_to: u32,
    /// The next node that is alike.
    pub next: u32,
    /// Whether another is at least as good and took its place.
    pub superseded: bool,
}

impl<const WORDS: usize> Node<WORDS> {
    /// The configuration before everything.
    pub fn root(state: u32) -> Self {
        Self {
            frontier: 0,
            state,
            placed: Slots::EMPTY,
            spent: Slots::EMPTY,
            free: Slots::EMPTY,
            seen: Slots::EMPTY,
            used: super::used::NOTHING,
            before: NONE,
            parent: NONE,
            call: NONE,
            led_to: state,
            next: NONE,
            superseded: false,
        }
    }

    /// Whether the call of an open slot is placed.
    pub fn has(&self, slot: u16) -> bool {
        self.placed.has(slot) || self.seen.has(slot) || self.spent.has(slot)
    }

    /// How many calls are placed, or can have been, that have not returned.
    pub fn open(&self) -> usize {
        self.placed.len() + self.seen.len() + self.spent.len() + self.free.len()
    }

    /// Whether it can go on in every way in which `other` can, which is alike: it has placed the
    /// other's observers; what is free there is free here; what is placed there is placed or free
    /// here, and nothing else is placed; and it has used no more.
    fn surpasses(&self, other: &Self, used: &Used) -> bool {
        self.seen.holds(&other.seen)
            && self.free.holds(&other.free)
            && other.spent.holds(&self.spent)
            && self.spent.or(self.free).holds(&other.spent)
            && used.within(self.used, other.used)
    }

    fn hash(&self) -> u64 {
        let words = [u64::from(self.frontier) << 32 | u64::from(self.state), self.before.into()];
        let words = words.iter().chain(&self.placed.0);
        // SplitMix64 (Steele, Lea, Flood 2014) over the words.
        words.fold(0, |hash: u64, word| {
            let mut mixed = (hash ^ word).wrapping_add(0x9E37_79B9_7F4A_7C15);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            mixed ^ (mixed >> 31)
        })
    }

    fn alike(&self, other: &Self) -> bool {
        (self.frontier, self.state, self.before) == (other.frontier, other.state, other.before)
            && self.placed == other.placed
    }
}

/// The configurations seen, by an open table of their places.
#[derive(Debug)]
pub(crate) struct Memo<const WORDS: usize> {
    /// The configurations, in the order in which they were reached.
    pub nodes: Vec<Node<WORDS>>,
    table: Vec<u32>,
    filled: usize,
    /// How many comparisons of collections were made.
    pub compared: u64,
}

impl<const WORDS: usize> Memo<WORDS> {
    /// No configuration.
    pub fn new() -> Self {
        Self { nodes: Vec::new(), table: vec![NONE; 64], filled: 0, compared: 0 }
    }

    /// Stores a configuration, unless one is known that can go on in every way in which it can.
    pub fn remember(&mut self, mut node: Node<WORDS>, used: &Used) -> Option<u32> {
        if self.filled * 2 >= self.table.len() {
            self.grow();
        }
        let place = self.find(&node);
        let head = self.table[place];
        let mut link = NONE;
        let mut at = head;
        while at != NONE {
            self.compared += 1;
            let other = &self.nodes[at as usize];
            let next = other.next;
            if other.surpasses(&node, used) {
                return None;
            }
            if node.surpasses(other, used) {
                self.nodes[at as usize].superseded = true;
                match link {
                    NONE => self.table[place] = next,
                    link => self.nodes[link as usize].next = next,
                }
            } else {
                link = at;
            }
            at = next;
        }
        let new = self.nodes.len() as u32;
        node.next = self.table[place];
        self.filled += usize::from(head == NONE);
        self.table[place] = new;
        self.nodes.push(node);
        Some(new)
    }

    /// The bytes held.
    pub fn bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node<WORDS>>() + self.table.capacity() * 4
    }

    /// The place in the table of what is like `node`, or that where it belongs.
    fn find(&self, node: &Node<WORDS>) -> usize {
        let mask = self.table.len() - 1;
        let mut place = node.hash() as usize & mask;
        while self.table[place] != NONE && !self.nodes[self.table[place] as usize].alike(node) {
            place = (place + 1) & mask;
        }
        place
    }

    fn grow(&mut self) {
        let heads = std::mem::take(&mut self.table);
        self.table = vec![NONE; heads.len() * 2];
        for head in heads.into_iter().filter(|&head| head != NONE) {
            let place = self.find(&self.nodes[head as usize]);
            self.table[place] = head;
        }
    }
}
