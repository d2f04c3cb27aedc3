//! The part of a log around an anomaly: offset by offset, who sent what stands there and who polled it.

use std::collections::BTreeSet;

use super::group::returned;
use super::messages::{Holders, furthest_read};
use super::operations::Fate;
use super::partition::{Log, NONE};
use super::records::Records;
use super::view::LogView;
use crate::{Anomaly, phrase::who};

/// So many neighbours are shown on each side of what matters …
const AROUND: u32 = 2;
/// … and so many offsets in all.
const PLACES_MAX: usize = 20;
/// So many polls of one offset are named.
const POLLS_MAX: usize = 4;

/// One offset of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPlace {
    /// The offset; `None` of a message that nobody knows the offset of.
    pub offset: Option<i64>,
    /// How many offsets that hold messages are left out before this one.
    pub skipped: u32,
    /// The messages that were seen there: one, unless the log contradicts itself.
    pub messages: Vec<String>,
    /// Who sent them, and what became of that.
    pub sent: Vec<String>,
    /// Who polled them there, those of the anomaly first; the others are counted.
    pub polled: Vec<String>,
    /// What is wrong with it, in a word or two; empty where nothing is.
    pub wrong: Vec<&'static str>,
    /// Whether an operation of the anomaly touched it.
    pub concerned: bool,
}

/// What is wrong with a message at one of its places.
struct Wrongs {
    holders: Holders,
    /// The greatest dense index that anybody polled first who is no member of a group.
    furthest: Option<u32>,
    /// The messages that members of a group polled; empty unless it is asked what they passed over.
    returned: Vec<bool>,
}

impl Wrongs {
    fn of(log: &Log<'_>, records: &Records<'_>, by_group: bool) -> Self {
        let furthest = furthest_read(log, records).map(|it| it.index);
        let returned = if by_group { returned(log, records) } else { Vec::new() };
        Self { holders: Holders::of(log), furthest, returned }
    }

    fn words(&self, log: &Log<'_>, index: u32) -> Vec<&'static str> {
        let mut words = Vec::new();
        if self.holders.contested[index as usize] {
            words.push("two messages");
        }
        let number = self.holders.first[index as usize] as usize;
        let Some(message) = log.messages.get(number) else { return words };
        if message.first != message.last && !message.repeated {
            words.push("stands twice");
        }
        let fate = log.sender(message).map(|send| send.fate);
        match (fate, message.poll) {
            (Some(Fate::Ok), NONE) if self.furthest.is_some_and(|it| message.last <= it) => {
                words.push("lost");
            }
            (Some(Fate::Ok), NONE) => words.push("never polled"),
            (Some(Fate::Fail), poll) if poll != NONE => words.push("its send had failed"),
            (Some(Fate::Ok), _) if self.returned.get(number) == Some(&false) => {
                words.push("passed over");
            }
            _ => {}
        }
        words
    }
}

impl LogView<'_> {
    /// The log around an anomaly: the offsets that its operations touch and at which something is
    /// wrong, or, of an order, those between which it breaks, with their neighbours. Empty where the
    /// anomaly is about no log, or none of its messages has a known offset.
    pub fn around(&self, anomaly: &Anomaly) -> Vec<LogPlace> {
        let partition = anomaly.key.as_deref().and_then(|key| self.partition(key));
        let Some(partition) = partition else { return Vec::new() };
        let log = Log::new(partition);
        let wrongs = Wrongs::of(&log, &self.records, anomaly.name == "group-skip");
        let operations = self.numbers(anomaly);
        let touched = touched(&log, &operations);
        let by_order = anomaly.name.ends_with("poll-skip")
            || anomaly.name.ends_with("nonmonotonic-poll")
            || anomaly.name.ends_with("nonmonotonic-send");
        let focus = if by_order {
            self.broken(&log, &operations, anomaly.name.ends_with("send"))
        } else {
            let is_wrong = |it: &u32| !wrongs.words(&log, *it).is_empty();
            // A message that did not come is one that was sent; who went beyond it may have polled much.
            let sent = sent(&log, &operations).into_iter().filter(is_wrong);
            let missing = ["lost-write", "unseen", "group-skip"].contains(&anomaly.name.as_str());
            if missing { sent.collect() } else { touched.into_iter().filter(is_wrong).collect() }
        };
        let last = log.offsets.len().saturating_sub(1) as u32;
        let shown: BTreeSet<u32> = focus
            .iter()
            .flat_map(|&index| index.saturating_sub(AROUND)..=(index + AROUND).min(last))
            .collect();
        let mut places: Vec<LogPlace> = Vec::new();
        let mut next = shown.first().copied().unwrap_or(0);
        for index in shown.into_iter().take(PLACES_MAX) {
            let mut place = self.place(&log, &wrongs, index, &operations);
            (place.skipped, place.concerned) = (index - next, focus.contains(&index));
            next = index + 1;
            places.push(place);
        }
        places
    }

    fn numbers(&self, anomaly: &Anomaly) -> BTreeSet<u32> {
        let wanted: BTreeSet<u64> = anomaly.operations.iter().copied().collect();
        let all = self.history.operations().filter(|it| wanted.contains(&it.invoked));
        all.map(|operation| operation.number as u32).collect()
    }

    /// The dense indexes between which an order breaks: the messages that the last operation, and the
    /// one of its process before it, name one after the other.
    fn broken(&self, log: &Log<'_>, operations: &BTreeSet<u32>, sends: bool) -> BTreeSet<u32> {
        let Some(last) = operations.last() else { return BTreeSet::new() };
        let process = self.records.processes[*last as usize];
        let own = |operation: u32| {
            operations.contains(&operation) && self.records.processes[operation as usize] == process
        };
        let row =
            |offset: i64, operation: u32| log.offsets.index(offset).filter(|_| own(operation));
        let order: Vec<u32> = if sends {
            log.rows.sends.iter().filter_map(|it| row(it.offset, it.operation)).collect()
        } else {
            log.rows.polls.iter().filter_map(|it| row(it.offset, it.operation)).collect()
        };
        let breaks = |pair: &&[u32]| pair[1] <= pair[0] || !sends && pair[1] > pair[0] + 1;
        let first = order.windows(2).find(breaks);
        // What was skipped is shown, too, as far as there is room.
        first.map_or_else(BTreeSet::new, |pair| {
            let (low, high) = (pair[0].min(pair[1]), pair[0].max(pair[1]));
            let near = low..=high.min(low + PLACES_MAX as u32 / 2);
            near.chain([high]).collect()
        })
    }

    fn place(
        &self,
        log: &Log<'_>,
        wrongs: &Wrongs,
        index: u32,
        operations: &BTreeSet<u32>,
    ) -> LogPlace {
        let offset = log.offsets.offset(index);
        let here = |of: i64| Some(of) == offset;
        let mut numbers: Vec<u32> = Vec::new();
        let sends = log.rows.sends.iter().zip(&log.sent).filter(|(row, _)| here(row.offset));
        numbers.extend(sends.map(|(_, message)| *message));
        let polls = log.rows.polls.iter().zip(&log.polled).filter(|(row, _)| here(row.offset));
        let (mut named, mut others): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
        for (row, message) in polls {
            numbers.push(*message);
            if operations.contains(&row.operation) { &mut named } else { &mut others }
                .push(row.operation);
        }
        numbers.sort_unstable();
        numbers.dedup();
        let name = |&message: &u32| self.name(log, message);
        let mut polled: Vec<String> =
            named.iter().chain(&others).take(POLLS_MAX).map(|&it| self.who(it)).collect();
        let more = (named.len() + others.len()).saturating_sub(POLLS_MAX);
        if more > 0 {
            polled.push(format!("{more} more"));
        }
        LogPlace {
            offset,
            skipped: 0,
            messages: numbers.iter().map(name).collect(),
            sent: numbers.iter().map(|&message| self.sender(log, message)).collect(),
            polled,
            wrong: wrongs.words(log, index),
            concerned: false,
        }
    }

    fn name(&self, log: &Log<'_>, message: u32) -> String {
        let message = &log.messages[message as usize];
        let send = log.rows.sends.get(message.send as usize).map(|row| row.token);
        let token = send.or_else(|| log.reader(message).map(|row| row.token));
        token.map_or_else(String::new, |token| self.records.names.text(token))
    }

    fn sender(&self, log: &Log<'_>, message: u32) -> String {
        let message = &log.messages[message as usize];
        let Some(send) = log.rows.sends.get(message.send as usize) else {
            return "nobody".to_owned();
        };
        let fate = match send.fate {
            Fate::Ok => "ok",
            Fate::Info => "info",
            Fate::Fail => "fail",
        };
        format!("{} {fate}", self.who(send.operation))
    }

    /// `p3 on n1, event 9`.
    fn who(&self, number: u32) -> String {
        let operation = self.history.operation(number as usize);
        format!("{}, event {}", who(&operation), operation.invoked)
    }
}

/// The dense indexes at which the messages that these operations send stand.
fn sent(log: &Log<'_>, operations: &BTreeSet<u32>) -> BTreeSet<u32> {
    let sends = log.rows.sends.iter().zip(&log.sent);
    let own = sends.filter(|(send, _)| operations.contains(&send.operation));
    let messages = own.map(|(_, &message)| &log.messages[message as usize]);
    messages.filter(|it| it.first != NONE).flat_map(|it| [it.first, it.last]).collect()
}

/// The dense indexes that these operations name, or at which their messages stand.
fn touched(log: &Log<'_>, operations: &BTreeSet<u32>) -> BTreeSet<u32> {
    let mut touched = BTreeSet::new();
    let sends = log.rows.sends.iter().map(|row| row.operation).zip(&log.sent);
    let polls = log.rows.polls.iter().map(|row| row.operation).zip(&log.polled);
    for (_, &message) in sends.chain(polls).filter(|(operation, _)| operations.contains(operation))
    {
        let message = &log.messages[message as usize];
        if message.first != NONE {
            touched.extend([message.first, message.last]);
        }
    }
    for row in log.rows.polls.iter().filter(|row| operations.contains(&row.operation)) {
        touched.extend(log.offsets.index(row.offset));
    }
    touched
}

#[cfg(test)]
mod tests {
    use schism_history::History;

    use crate::{Asked, Budget, CHECKERS, Claim, LogView, Question};

    /// The offsets around the first anomaly of a claim, each with what is wrong; `!` marks those that
    /// it shows at.
    fn check(text: &str, claim: Claim, expected: &[&str]) {
        let history = History::from_text(text).expect("a history");
        let question = Question::new("log", vec![Asked::new(claim)]);
        let verdicts =
            CHECKERS.iter().flat_map(|it| it.check(&question, &history, &Budget::default()));
        let anomaly = verdicts.flat_map(|it| it.anomalies).next().expect("it is violated");
        let view = LogView::new(&history, &Budget::default()).expect("it is small");
        let places: Vec<String> = view
            .around(&anomaly)
            .iter()
            .map(|place| {
                let mark = if place.concerned { "!" } else { "" };
                let (offset, wrong) = (place.offset.unwrap_or(-1), place.wrong.join(", "));
                format!("{mark}{offset} {}: {wrong}", place.messages.join("/"))
            })
            .collect();
        assert_eq!(places, expected);
    }

    #[test]
    fn shows_a_lost_message_between_its_neighbours() {
        let text = "p0 invoke txn [send x 1, send x 2, send x 3]
            p0 ok [send x [0 1], send x [4 2], send x [5 3]]
            p1 invoke poll x
            p1 ok [0 1 5 3]";
        check(text, Claim::NoLostWrites, &["0 1: ", "!4 2: lost", "5 3: "]);
        check(text, Claim::PollOrder, &["!0 1: ", "!4 2: lost", "!5 3: "]);
    }

    #[test]
    fn shows_both_places_of_a_duplicate_and_both_messages_of_one_place() {
        let text = "p1 invoke poll x \n p1 ok [0 1 1 2 2 1]";
        check(text, Claim::NoDuplicates, &["!0 1: stands twice", "1 2: ", "!2 1: stands twice"]);
        let text = "p1 invoke poll x \n p1 ok [0 1 1 2] \n p2 invoke poll x \n p2 ok [0 1 1 3]";
        check(text, Claim::ConsistentOffsets, &["0 1: ", "!1 2/3: two messages"]);
    }

    #[test]
    fn shows_a_message_whose_send_had_failed() {
        let text = "p0 invoke send x 1 \n p0 fail other \n p1 invoke poll x \n p1 ok [0 1]";
        check(text, Claim::NoAbortedReads, &["!0 1: its send had failed"]);
    }

    #[test]
    fn shows_a_message_that_a_group_passed_over() {
        let text = "p1 invoke subscribe _ [\"x\"] \n p1 ok
            p0 invoke txn [send x 1, send x 2, send x 3]
            p0 ok [send x [0 1], send x [1 2], send x [2 3]]
            p1 invoke poll x \n p1 ok [0 1 2 3]
            p2 invoke assign _ [\"x\"] \n p2 ok
            p2 invoke poll x \n p2 ok [0 1 1 2 2 3]";
        check(text, Claim::NoGroupSkips, &["0 1: ", "!1 2: passed over", "2 3: "]);
    }
}
