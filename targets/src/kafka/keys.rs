//! Which partition of which topic a key means.
//!
//! A workload's keys are partitions, one to one, and topics come into being as keys are used: the key
//! `13` is partition 1 of `log-3` where a topic has four partitions. So no option of the target has to
//! know how many keys a workload has. A key that is no number (a preflight has some of its own) is
//! the one partition of a topic with its name.

use schism_history::Key;

/// What topics of numbered keys are called, before their number.
const PREFIX: &str = "log-";

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) topic: String,
    pub(crate) partition: i32,
}

/// How keys stand on topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// How many partitions a topic of numbered keys has.
    pub(crate) partitions: i32,
}

impl Layout {
    /// Where `key` stands.
    pub(crate) fn place(self, key: Key) -> Place {
        let text = key.to_string();
        match text.parse::<i32>() {
            Ok(number) if number >= 0 && number.to_string() == text => Place {
                topic: format!("{PREFIX}{}", number / self.partitions),
                partition: number % self.partitions,
            },
            _ => Place { topic: text, partition: 0 },
        }
    }

    /// The key that stands at a partition.
    pub(crate) fn key(self, topic: &str, partition: i32) -> Key {
        match number(topic) {
            Some(number) => Key::new(&(number * self.partitions + partition).to_string()),
            None => Key::new(topic),
        }
    }

    /// How many partitions `topic` has.
    pub(crate) fn partitions_of(self, topic: &str) -> i32 {
        if number(topic).is_some() { self.partitions } else { 1 }
    }
}

/// The number of a topic of numbered keys.
pub(super) fn number(topic: &str) -> Option<i32> {
    topic.strip_prefix(PREFIX).and_then(|number| number.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_partitions_are_one_to_one() {
        let layout = Layout { partitions: 4 };
        let check = |key: &str, topic: &str, partition| {
            let place = layout.place(Key::new(key));
            assert_eq!(place, Place { topic: topic.into(), partition }, "{key}");
            assert_eq!(layout.key(topic, partition).to_string(), key);
        };
        check("0", "log-0", 0);
        check("13", "log-3", 1);
        check("preflight-7", "preflight-7", 0);
        check("013", "013", 0);
        check("-1", "-1", 0);
        assert_eq!((layout.partitions_of("log-3"), layout.partitions_of("preflight-7")), (4, 1));
    }
}
