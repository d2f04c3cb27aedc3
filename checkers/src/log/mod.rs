//! Partitioned logs (Kafka and its kin): messages sent to logs, each at an offset, and polled in
//! that order.
//!
//! *Source.* The definitions of Jepsen's analyses of Redpanda (Kingsbury 2022) and of
//! `jepsen.tests.kafka`; G1a and G1c after Adya 1999, §4.2.
//!
//! *Operations.* `send`, `poll` and `txn` carry micro-operations: `send k v`, answered by
//! `[offset v]` (the offset nil, or `v` alone, where it is unknown), and `poll k`, answered by the
//! flat list `[offset v offset v …]`, one for each log that returned something. `send` and `poll`
//! may name one log as their key instead. `assign` and `subscribe` name the logs that a process
//! reads from then on: by its own choice, or as the system distributes them. `crash` and
//! `debug-topic-partitions` say nothing. Messages are numbers, texts or truth values, and each is
//! sent to a log once; of what is sent again only the order and the offsets are judged.
//!
//! The *dense index* of an offset is its place among the offsets of its log that hold a message, by
//! any acknowledgement or any poll: gaps (control records, aborted transactions, compaction) are
//! legal, however wide.
//!
//! | claim | broken by |
//! |---|---|
//! | `consistent-offsets` | inconsistent-offsets: two messages at one offset |
//! | `no-duplicates` | duplicate: a message at two offsets |
//! | `no-aborted-reads` | G1a: a poll of a message whose send failed |
//! | `no-precommitted-reads` | precommitted-read: a poll of what the same operation sends |
//! | `no-lost-writes` | lost-write: an acknowledged message that nobody polled, all places of which are at or before the furthest that anybody polled who is no subscriber (of a message at several offsets, the first counts) |
//! | `no-unseen-writes` | unseen: an acknowledged message never polled that is lost, or stands in a log whose end was found |
//! | `no-group-skips` | group-skip: an acknowledged message that a group of subscribers went beyond and returned to no member; `group.rs` says it with symbols |
//! | `poll-order` | int-poll-skip, int-nonmonotonic-poll, poll-skip, nonmonotonic-poll: from one polled message to the next the dense index rises by more than one, or by less; inside an operation, or from one of a process to its next |
//! | `send-order` | int-nonmonotonic-send, nonmonotonic-send: the dense index falls from one message of a process to its next |
//! | `no-circular-reads` | G1c: operations that poll each other's messages in a circle |
//!
//! *Final polls.* The end of a log is found when its last three polls, all of them invoked after
//! the mark `healed` and after the acknowledgement in question, returned nothing at all; polls count
//! that name the log, or whose process had it assigned, and none of subscribers. One that returned messages of other logs may not
//! have looked at this one. Without that a message not polled is unknown: a reader may be slow. Three,
//! since a consumer's first poll is often empty.
//!
//! Allowed, and told of in the reasons: gaps between the sends of one operation (int-send-skip);
//! circles that need the order of a process (G1c-process), real time (G1c-realtime), or the order in
//! which messages stand, which no transaction isolates (G0, and G1c with it).
//!
//! *Subscribers* begin where their group is. One that polled beyond a message, or found nothing, proves
//! nothing of it: another may have polled it, died before it told, and left its place behind. What only
//! subscribers went beyond is unknown until somebody else comes so far, or finds the end of the log.
//!
//! *What it cannot see.* Rebalances: polls of subscribers are left out of `poll-order`. Seeks: a
//! process that still has a log assigned is taken to go on where it was. Offsets of indeterminate
//! sends, but by polls. Where a message stands more than once and its operation does not say where,
//! only what holds of all its places is judged. Messages removed by compaction count as lost.
//!
//! *A history that breaks it:* message 1 is lost.
//!
//! ```text
//! p0 invoke txn [send x 1, send x 2]
//! p0 ok [send x [0 1], send x [1 2]]
//! p1 invoke poll x
//! p1 ok [1 2]
//! ```
//!
//! Cost: O(n) for n messages whose offsets and numbers are near each other, otherwise O(n log n);
//! logs are judged in parallel.

#[cfg(test)]
mod agreement;
mod checker;
mod cycles;
mod ending;
mod excerpt;
mod findings;
mod group;
#[cfg(test)]
mod group_tests;
mod group_words;
mod lag;
mod lessons;
mod messages;
mod offsets;
mod operations;
#[cfg(test)]
mod oracle;
mod order;
mod partition;
#[cfg(test)]
mod random;
mod records;
mod teller;
#[cfg(test)]
mod tests;
mod view;
mod waiting;
mod wider;
mod words;

#[cfg(test)]
use checker::DECIDES;
pub(crate) use checker::ENTRY;
pub use excerpt::LogPlace;
pub(crate) use lessons::LESSONS;
pub use view::{LogLags, LogView, PollLag};
