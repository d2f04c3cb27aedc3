//! Which indeterminate calls a configuration has used: how many of each class.
//!
//! A collection is *within* another if each of its calls can be paired with one of the other that
//! can take its place, a different one for each. Then whoever has used only the former can do what
//! one can who has used the latter: where that one uses a call which is used up here, the call
//! paired with it, or the one paired with that, and so on, is still there, and able to do the same.

use rustc_hash::FxHashMap;

use super::model::Ability;

/// The number of the empty collection.
pub(crate) const NOTHING: u32 = 0;

/// Collections of indeterminate calls, each stored once as the sorted list of their classes' marks.
#[derive(Debug)]
pub(crate) struct Used {
    /// By class: where it stands in an order by group, in which the able ones stand first.
    marks: Vec<u32>,
    /// By mark: the group, and whether calls of the class are able.
    abilities: Vec<Ability>,
    lists: Vec<Box<[u32]>>,
    numbers: FxHashMap<Box<[u32]>, u32>,
    more: FxHashMap<(u32, u32), u32>,
    bytes: usize,
}

impl Used {
    /// Only the empty collection; `abilities`: those of the classes.
    pub fn new(abilities: Vec<Option<Ability>>) -> Self {
        // Groups of one come after all others.
        let alone = abilities.iter().flatten().map(|it| it.group + 1).max().unwrap_or(0);
        let ability = |(class, ability): (u32, Option<Ability>)| {
            ability.unwrap_or(Ability { group: alone + class, able: false })
        };
        let abilities: Vec<Ability> = (0..).zip(abilities).map(ability).collect();
        let mut order: Vec<u32> = (0..abilities.len() as u32).collect();
        order.sort_by_key(|&class| {
            let Ability { group, able } = abilities[class as usize];
            (group, !able, class)
        });
        let mut marks = vec![0; order.len()];
        for (mark, &class) in (0..).zip(&order) {
            marks[class as usize] = mark;
        }
        let abilities = order.iter().map(|&class| abilities[class as usize]).collect();
        let empty: Box<[u32]> = Box::default();
        let numbers = FxHashMap::from_iter([(empty.clone(), NOTHING)]);
        let (lists, more) = (vec![empty], FxHashMap::default());
        Self { marks, abilities, lists, numbers, more, bytes: 0 }
    }

    /// How many calls the collection has.
    pub fn len(&self, used: u32) -> usize {
        self.lists[used as usize].len()
    }

    /// How many calls of a class the collection has.
    pub fn count(&self, used: u32, class: u32) -> usize {
        let (list, mark) = (&self.lists[used as usize], self.marks[class as usize]);
        let from = list.partition_point(|&other| other < mark);
        list[from..].iter().take_while(|&&other| other == mark).count()
    }

    /// The collection with one more call of a class.
    pub fn with(&mut self, used: u32, class: u32) -> u32 {
        if let Some(&known) = self.more.get(&(used, class)) {
            return known;
        }
        let mut list = self.lists[used as usize].to_vec();
        let mark = self.marks[class as usize];
        list.insert(list.partition_point(|&other| other <= mark), mark);
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

    /// Whether each call of `few` can be paired with one of `many` that can take its place.
    pub fn within(&self, few: u32, many: u32) -> bool {
        if few == many || few == NOTHING {
            return true;
        }
        let (few, many) = (&self.lists[few as usize], &self.lists[many as usize]);
        if few.len() > many.len() {
            return false;
        }
        let mut at = 0;
        // Able calls of the group in `many` that are paired with none yet.
        let (mut group, mut spare) = (u32::MAX, 0_usize);
        for &mark in few {
            let ability = self.abilities[mark as usize];
            if ability.group != group {
                (group, spare) = (ability.group, 0);
            }
            while at < many.len() && many[at] < mark {
                let passed = self.abilities[many[at] as usize];
                spare += usize::from(passed.group == group && passed.able);
                at += 1;
            }
            if at < many.len() && many[at] == mark {
                at += 1;
            } else if spare > 0 && !ability.able {
                spare -= 1;
            } else {
                return false;
            }
        }
        true
    }

    /// The bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Class 0 is a compare-and-set to 5, class 1 another, class 2 a write of 5; class 3 a write
    /// of 7; class 4 is like no other.
    #[test]
    fn pairs_calls_with_such_as_can_take_their_place() {
        let ability = |group, able| Some(Ability { group, able });
        let classes = [(5, false), (5, false), (5, true), (7, true)];
        let mut abilities: Vec<_> = classes.map(|(group, able)| ability(group, able)).into();
        abilities.push(None);
        let mut used = Used::new(abilities);
        let mut check = |few: &[u32], many: &[u32], expected: bool| {
            let [few, many] = [few, many]
                .map(|list| list.iter().fold(NOTHING, |at, &class| used.with(at, class)));
            assert_eq!(used.within(few, many), expected, "{few:?} {many:?}");
        };
        check(&[], &[4], true);
        check(&[4], &[], false);
        check(&[0], &[2], true);
        check(&[2], &[0], false);
        check(&[0, 1], &[2], false);
        check(&[0, 1], &[2, 2], true);
        check(&[0, 1, 2], &[2, 2, 1], true);
        check(&[0, 0, 2], &[2, 2, 1], false);
        check(&[0], &[1], false);
        check(&[0], &[3], false);
        check(&[4, 0], &[2, 3, 4], true);
        check(&[0, 3], &[3, 2], true);
        check(&[0, 2], &[2, 0], true);
        check(&[0, 0], &[2, 0], true);
    }
}
