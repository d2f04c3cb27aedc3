//! Dense indexes: the offsets of a log that hold a message, in order, without the gaps.

/// The offsets of one log that hold a message.
///
/// Gaps are legal and may be wide, so that nothing here is as long as the greatest offset. Where
/// the offsets are near each other a bit for each will do, with the count of bits before each word.
#[derive(Debug)]
pub(crate) enum Offsets {
    /// They are near each other.
    Near {
        /// The least.
        base: i64,
        /// A bit for each offset from `base` on.
        words: Vec<u64>,
        /// How many bits are set before each word.
        before: Vec<u32>,
    },
    /// They are far from each other: all of them, in order.
    Far(Vec<i64>),
}

/// With at most so many words of bits for each offset they are near each other.
const WORDS_MAX: u64 = 2;

impl Offsets {
    /// The offsets, of which any may come more than once; none is negative.
    pub fn new(offsets: impl Iterator<Item = i64> + Clone) -> Self {
        let (mut count, mut least, mut greatest) = (0_u64, i64::MAX, 0);
        for offset in offsets.clone() {
            (count, least, greatest) = (count + 1, least.min(offset), greatest.max(offset));
        }
        if count == 0 {
            return Self::Far(Vec::new());
        }
        let length = greatest.abs_diff(least) / 64 + 1;
        if length > count * WORDS_MAX {
            let mut all: Vec<i64> = offsets.collect();
            all.sort_unstable();
            all.dedup();
            return Self::Far(all);
        }
        let mut words = vec![0_u64; length as usize];
        for offset in offsets {
            let place = offset.abs_diff(least);
            words[(place / 64) as usize] |= 1 << (place % 64);
        }
        let mut sum = 0;
        let before = words.iter().map(|word| {
            sum += word.count_ones();
            sum - word.count_ones()
        });
        Self::Near { base: least, before: before.collect(), words }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Near { words, before, .. } => {
                let last = words.last().zip(before.last());
                last.map_or(0, |(word, before)| (before + word.count_ones()) as usize)
            }
            Self::Far(all) => all.len(),
        }
    }

    /// The dense index of an offset, if it holds a message.
    pub fn index(&self, offset: i64) -> Option<u32> {
        match self {
            Self::Near { base, words, before } => {
                let place = u64::try_from(offset.checked_sub(*base)?).ok()?;
                let (word, bit) = (usize::try_from(place / 64).ok()?, 1_u64 << (place % 64));
                let found = *words.get(word)?;
                (found & bit != 0).then(|| before[word] + (found & (bit - 1)).count_ones())
            }
            Self::Far(all) => all.binary_search(&offset).ok().map(|index| index as u32),
        }
    }

    /// The offset at a dense index.
    pub fn offset(&self, index: u32) -> Option<i64> {
        match self {
            Self::Near { base, words, before } => {
                let word = before.partition_point(|&count| count <= index).checked_sub(1)?;
                let mut rest = words[word];
                for _ in before[word]..index {
                    rest &= rest.wrapping_sub(1);
                }
                (rest != 0).then(|| base + word as i64 * 64 + i64::from(rest.trailing_zeros()))
            }
            Self::Far(all) => all.get(index as usize).copied(),
        }
    }
}
