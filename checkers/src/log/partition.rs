//! One log: where its messages stand, who sent them, and who polled them.

use rustc_hash::FxHashMap;

use super::offsets::Offsets;
use super::operations::Fate;
use super::records::{Partition, Polled, Sent, UNKNOWN};

/// Nothing: no row, no index.
pub(crate) const NONE: u32 = u32::MAX;

/// One message of a log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message {
    /// The row of the send, or [`NONE`]: nobody sent it.
    pub send: u32,
    /// The row of the first poll that returned it, or [`NONE`].
    pub poll: u32,
    /// The least dense index at which it stands, or [`NONE`].
    pub first: u32,
    /// The greatest; [`NONE`] if `first` is.
    pub last: u32,
    /// It was sent more than once, so that nobody can say by whom.
    pub repeated: bool,
}

impl Message {
    const NEW: Message =
        Message { send: NONE, poll: NONE, first: NONE, last: NONE, repeated: false };

    fn stands_at(&mut self, index: u32) {
        if self.first == NONE {
            (self.first, self.last) = (index, index);
        } else {
            (self.first, self.last) = (self.first.min(index), self.last.max(index));
        }
    }
}

/// One log, with its messages numbered.
pub(crate) struct Log<'a> {
    /// What was sent and polled.
    pub rows: &'a Partition,
    /// The offsets that hold a message.
    pub offsets: Offsets,
    /// The messages, in order of their first send, then of their first poll.
    pub messages: Vec<Message>,
    /// The message of each send.
    pub sent: Vec<u32>,
    /// The message of each poll.
    pub polled: Vec<u32>,
}

impl<'a> Log<'a> {
    /// Numbers the messages of a log.
    pub fn new(rows: &'a Partition) -> Self {
        // An offset that a failed operation was told does not count; it is never told one.
        let sends = rows.sends.iter().map(|row| row.offset);
        let polls = rows.polls.iter().map(|row| row.offset);
        let known = sends.chain(polls).filter(|&offset| offset != UNKNOWN);
        let offsets = Offsets::new(known);
        let mut numbers = Numbers::new(rows);
        let mut messages: Vec<Message> = Vec::with_capacity(rows.sends.len());
        let mut sent = Vec::with_capacity(rows.sends.len());
        for (row, send) in rows.sends.iter().enumerate() {
            let number = numbers.number(send.token, &mut messages);
            let message = &mut messages[number as usize];
            if message.send == NONE {
                message.send = row as u32;
            } else {
                message.repeated = true;
            }
            if let Some(index) = offsets.index(send.offset) {
                message.stands_at(index);
            }
            sent.push(number);
        }
        let mut polled = Vec::with_capacity(rows.polls.len());
        for (row, poll) in rows.polls.iter().enumerate() {
            let number = numbers.number(poll.token, &mut messages);
            let message = &mut messages[number as usize];
            if message.poll == NONE {
                message.poll = row as u32;
            }
            if let Some(index) = offsets.index(poll.offset) {
                message.stands_at(index);
            }
            polled.push(number);
        }
        Self { rows, offsets, messages, sent, polled }
    }

    /// The send of a message, if it was sent once.
    pub fn sender(&self, message: &Message) -> Option<&'a Sent> {
        let once = message.send != NONE && !message.repeated;
        once.then(|| &self.rows.sends[message.send as usize])
    }

    /// The send of a message that was sent once and acknowledged.
    pub fn acknowledged(&self, message: &Message) -> Option<&'a Sent> {
        self.sender(message).filter(|send| send.fate == Fate::Ok)
    }

    /// The first poll of a message.
    pub fn reader(&self, message: &Message) -> Option<&'a Polled> {
        self.rows.polls.get(message.poll as usize)
    }

    /// The least and the greatest dense index at which a message with this offset can stand.
    pub fn place(&self, offset: i64, message: u32) -> Option<(u32, u32)> {
        if let Some(index) = self.offsets.index(offset) {
            return Some((index, index));
        }
        let message = &self.messages[message as usize];
        (message.first != NONE && !message.repeated).then_some((message.first, message.last))
    }
}

/// Messages by their tokens.
enum Numbers {
    /// The tokens are near each other: one place for each from the least on.
    Near(u64, Vec<u32>),
    /// They are far from each other.
    Far(FxHashMap<u64, u32>),
}

/// With at most so many places for each message the tokens are near each other.
const PLACES_MAX: u64 = 4;

impl Numbers {
    fn new(rows: &Partition) -> Self {
        let sends = rows.sends.iter().map(|row| row.token);
        let tokens = sends.chain(rows.polls.iter().map(|row| row.token));
        let (mut least, mut greatest) = (u64::MAX, 0);
        for token in tokens {
            (least, greatest) = (least.min(token), greatest.max(token));
        }
        let messages = rows.sends.len().max(rows.polls.len()) as u64;
        let length = greatest.saturating_sub(least).saturating_add(1);
        if messages > 0 && length <= messages.saturating_mul(PLACES_MAX) {
            return Self::Near(least, vec![NONE; length as usize]);
        }
        Self::Far(FxHashMap::with_capacity_and_hasher(rows.sends.len(), rustc_hash::FxBuildHasher))
    }

    fn number(&mut self, token: u64, messages: &mut Vec<Message>) -> u32 {
        let place = match self {
            Self::Near(least, places) => &mut places[(token - *least) as usize],
            Self::Far(places) => places.entry(token).or_insert(NONE),
        };
        if *place == NONE {
            *place = messages.len() as u32;
            messages.push(Message::NEW);
        }
        *place
    }
}
