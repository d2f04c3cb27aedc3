//! Watches of a store whose changes are numbered by revisions (etcd, and in part `ZooKeeper`).
//!
//! *Source.* The guarantees of etcd's watch API (etcd documentation, "KV API guarantees") and what
//! its robustness tests make of them (`tests/robustness/validate/watch.go`).
//!
//! *Operations.* `put k v` (or `write`), `cas k [v w]`, `delete k` (its reply says whether anything
//! was deleted: a number or a truth value) and `txn [w k v, …]`: the reply's version is the
//! revision. `get` and `read` say nothing. `watch k r` watches key k from revision r on; without r
//! from then on. A key that ends in `*` stands for all keys that begin so, and no key for all. A
//! watch returns, when it ends, the list of the responses that it was sent: each a list of events
//! `[revision "put" key value]` and `[revision "delete" key]`, or a progress notification
//! `{"progress" revision}`.
//!
//! The true sequence of events is known in part: from the revisions of acknowledged writes, and
//! from all watches together; where a write and a watch differ, the write is right.
//!
//! | claim | broken by |
//! |---|---|
//! | `ordered` | unordered-event: an event after one of a later revision |
//! | `unique` | repeated-event: a key's change at a revision, twice in one watch |
//! | `reliable` | missing-event: a known event strictly between the first revision that came and the last that did not come, or of which another came in its place |
//! | `atomic` | split-revision: the known events of a revision that came did not first come in one response |
//! | `resumable` | incomplete-resume: a known event between the revision from which the watch was to begin and the first that came |
//! | `bookmarkable` | false-bookmark: an event up to a progress notification's revision that came later, or never |
//!
//! *What it proves.* Each violation is one watch against one event, and for those that did not come
//! the operation that vouches for it. A watch that lost its beginning or its end breaks nothing
//! unless a revision or a bookmark says where it begins or how far it came.
//!
//! *What it cannot see.* Events of writes without a version that no watch was sent. Whether an
//! event that only a watch tells of took place. Deletions inside transactions.
//!
//! *A history that breaks it:* the watch misses revision 3.
//!
//! ```text
//! p1 invoke put x 2
//! p1 ok v3
//! p0 invoke watch x
//! p0 ok [[[2 "put" "x" 1]] [[4 "put" "x" 3]]]
//! ```
//!
//! Cost: O(e log e) for e events in all, and for each watch what lies between its ends.

mod checker;
mod known;
mod lessons;
mod operations;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod random;
#[cfg(test)]
mod tests;
mod watches;

#[cfg(test)]
use checker::DECIDES;
pub(crate) use checker::ENTRY;
pub(crate) use lessons::LESSONS;
