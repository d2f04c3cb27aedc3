//! Which place each element has in the table of its set.

use rustc_hash::FxHashMap;
use schism_history::Value;

/// Places by value, from 0 in the order of their coming.
///
/// Whole numbers that lie close together are looked up in an array. Others are hashed, unless they
/// follow the value that they followed the last time: systems return a set in much the same order
/// each time, and a comparison with the value that is expected costs less than a look into a table.
#[derive(Debug)]
pub(crate) struct Places<'a> {
    low: i64,
    dense: Vec<u32>,
    sparse: FxHashMap<&'a Value, u32>,
    values: Vec<&'a Value>,
    /// For each place the one looked up after it the last time.
    followers: Vec<u32>,
    before: usize,
}

/// A number in the range of the array that has no place yet.
const NONE: u32 = u32::MAX;

impl<'a> Places<'a> {
    /// No place yet; the array will serve the numbers among `expected` if they lie close enough.
    pub fn new(expected: impl Iterator<Item = &'a Value> + Clone) -> Self {
        let numbers = expected.clone().filter_map(|value| match value {
            Value::Int(number) => Some(*number),
            _ => None,
        });
        let (low, high) = (numbers.clone().min(), numbers.clone().max());
        let low = low.unwrap_or(0);
        let span = high.unwrap_or(low).abs_diff(low);
        let close = 4 * numbers.count() as u64 + 64;
        let dense = if span < close { vec![NONE; span as usize + 1] } else { Vec::new() };
        let (values, followers) = (Vec::new(), Vec::new());
        Self { low, dense, sparse: FxHashMap::default(), values, followers, before: 0 }
    }

    /// The place of `value`, and whether it is new.
    #[inline]
    pub fn of(&mut self, value: &'a Value) -> (usize, bool) {
        if let Value::Int(number) = value {
            // A number below the range wraps around, and lies beyond it.
            let offset = usize::try_from(number.wrapping_sub(self.low) as u64).ok();
            if let Some(place) = offset.and_then(|offset| self.dense.get_mut(offset)) {
                let new = *place == NONE;
                if new {
                    *place = self.values.len() as u32;
                    self.values.push(value);
                    self.followers.push(NONE);
                }
                return (*place as usize, new);
            }
        }
        let expected = self.followers.get(self.before).map_or(NONE, |&follower| follower) as usize;
        if self.values.get(expected).is_some_and(|&it| it == value) {
            self.before = expected;
            return (expected, false);
        }
        self.hashed(value)
    }

    fn hashed(&mut self, value: &'a Value) -> (usize, bool) {
        let next = self.values.len();
        let place = *self.sparse.entry(value).or_insert(next as u32) as usize;
        if place == next {
            self.values.push(value);
            self.followers.push(NONE);
        }
        self.followers[self.before] = place as u32;
        self.before = place;
        (place, place == next)
    }

    /// The value that has this place.
    pub fn value(&self, place: usize) -> &'a Value {
        self.values[place]
    }

    /// Bytes held, about.
    pub fn bytes(&self) -> usize {
        let array = self.dense.capacity() + self.followers.capacity();
        array * size_of::<u32>() + self.sparse.capacity() * 24 + self.values.capacity() * 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[Value], expected: &[usize]) {
        let mut places = Places::new(values[..values.len() / 2].iter());
        let found: Vec<usize> = values.iter().map(|value| places.of(value).0).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn numbers_have_one_place_each_near_and_far() {
        let numbers = |numbers: &[i64]| numbers.iter().copied().map(Value::Int).collect::<Vec<_>>();
        check(&numbers(&[5, 7, 5, 6, 7, 5]), &[0, 1, 0, 2, 1, 0]);
        check(&numbers(&[i64::MIN, i64::MAX, i64::MAX, i64::MIN]), &[0, 1, 1, 0]);
        check(&numbers(&[5, -1, 4, i64::MIN, 5, 4]), &[0, 1, 2, 3, 0, 2]);
        check(&numbers(&[1 << 40, 3, 1 << 50, 3, 1 << 40, 1 << 50, 3]), &[0, 1, 2, 1, 0, 2, 1]);
        check(&[], &[]);
    }

    #[test]
    fn texts_and_numbers_are_kept_apart() {
        let text = Value::Text("5".into());
        check(&[text.clone(), Value::Int(5), text, Value::Int(5)], &[0, 1, 0, 1]);
    }
}
