//! Which puts and appends a text shows.

use rustc_hash::FxHashMap;

/// The texts that may have been put, and the pieces that may have been appended, of one key; each
/// with the numbers of those who may have.
#[derive(Debug, Default)]
pub(crate) struct Pieces<'a> {
    puts: FxHashMap<&'a str, Vec<u32>>,
    appends: FxHashMap<&'a str, Vec<u32>>,
    put_lengths: Vec<usize>,
    lengths: Vec<usize>,
}

/// What a text shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// These, in this order; whether the first one was put. Otherwise the text begins with what was
    /// there first.
    Of(Vec<u32>, bool),
    /// It can have come about in more than one way.
    Several,
    /// It cannot have come about: somebody's piece would have to be there twice, or somewhere is
    /// nobody's.
    Nothing,
}

impl<'a> Pieces<'a> {
    /// Takes in that `by` may have put `text`.
    pub fn put(&mut self, text: &'a str, by: u32) {
        self.puts.entry(text).or_default().push(by);
        note(&mut self.put_lengths, text.len());
    }

    /// Takes in that `by` may have appended `piece`, which is not empty.
    pub fn append(&mut self, piece: &'a str, by: u32) {
        self.appends.entry(piece).or_default().push(by);
        note(&mut self.lengths, piece.len());
    }

    /// What `text` shows, where `initial` was there first. O(t·l) for t bytes and pieces of l
    /// different lengths.
    pub fn read(&self, text: &str, initial: &str) -> Reading {
        // By place in the text: in how many ways what is before it can have come about (2 stands for
        // more), from where, and by whom.
        let mut ways: Vec<(u8, usize, Option<u32>)> = vec![(0, 0, None); text.len() + 1];
        if text.starts_with(initial) {
            ways[initial.len()].0 = 1;
        }
        for &length in &self.put_lengths {
            let by = text.get(..length).and_then(|start| self.puts.get(start));
            if let Some(by) = by {
                let more = ways[length].0 as usize + by.len();
                ways[length] = (more.min(2) as u8, length, Some(by[0]));
            }
        }
        for at in 0..text.len() {
            if ways[at].0 == 0 {
                continue;
            }
            for &length in self.lengths.iter().take_while(|&&length| at + length <= text.len()) {
                let by = text.get(at..at + length).and_then(|piece| self.appends.get(piece));
                if let Some(by) = by {
                    let more = ways[at + length].0 as usize + ways[at].0 as usize * by.len();
                    ways[at + length] = (more.min(2) as u8, at, Some(by[0]));
                }
            }
        }
        match ways[text.len()].0 {
            0 => return Reading::Nothing,
            1 => {}
            _ => return Reading::Several,
        }
        let (mut shown, mut at, mut put) = (Vec::new(), text.len(), false);
        while let (_, from, Some(by)) = ways[at] {
            shown.push(by);
            put = from == at;
            if put {
                break;
            }
            at = from;
        }
        shown.reverse();
        let mut sorted = shown.clone();
        sorted.sort_unstable();
        if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
            return Reading::Nothing;
        }
        Reading::Of(shown, put)
    }
}

/// Keeps the lengths sorted, each once.
fn note(lengths: &mut Vec<usize>, length: usize) {
    if let Err(place) = lengths.binary_search(&length) {
        lengths.insert(place, length);
    }
}
