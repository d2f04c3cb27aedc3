//! Which indeterminate calls a configuration has used: how many of each class.

use rustc_hash::FxHashMap;

/// The number of the empty collection.
pub(crate) const NOTHING: u32 = 0;

/// Collections of indeterminate calls, each stored once as the sorted list of their classes.
#[derive(Debug)]
pub(crate) struct Used {
    lists: Vec<Box<[u32]>>,
    numbers: FxHashMap<Box<[u32]>, u32>,
    more: FxHashMap<(u32, u32), u32>,
    bytes: usize,
}

impl Used {
    /// Only the empty collection.
    pub fn new() -> Self {
        let empty: Box<[u32]> = Box::default();
        let numbers = FxHashMap::from_iter([(empty.clone(), NOTHING)]);
        Self { lists: vec![empty], numbers, more: FxHashMap::default(), bytes: 0 }
    }

    /// How many calls the collection has.
    pub fn len(&self, used: u32) -> usize {
        self.lists[used as usize].len()
    }

    /// How many calls of a class the collection has.
    pub fn count(&self, used: u32, class: u32) -> usize {
        let list = &self.lists[used as usize];
        let from = list.partition_point(|&other| other < class);
        list[from..].iter().take_while(|&&other| other == class).count()
    }

    /// The collection with one more call of a class.
    pub fn with(&mut self, used: u32, class: u32) -> u32 {
        if let Some(&known) = self.more.get(&(used, class)) {
            return known;
        }
        let mut list = self.lists[used as usize].to_vec();
        list.insert(list.partition_point(|&other| other <= class), class);
        let next = self.lists.len() as u32;
        let number = if let Some(&known) = self.numbers.get(&list[..]) {
            known
        } else {
            let list: Box<[u32]> = list.into();
            self.bytes += size_of_val(&*list) * 2 + 96;
            self.lists.push(list.clone());
            self.numbers.insert(list, next);
            next
        };
        self.bytes += 24;
        self.more.insert((used, class), number);
        number
    }

    /// Whether all of `few` is in `many`.
    pub fn within(&self, few: u32, many: u32) -> bool {
        if few == many || few == NOTHING {
            return true;
        }
        let (few, many) = (&self.lists[few as usize], &self.lists[many as usize]);
        if few.len() > many.len() {
            return false;
        }
        let mut rest = many.iter();
        few.iter().all(|class| rest.by_ref().any(|other| other == class))
    }

    /// The bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
