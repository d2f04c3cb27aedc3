//! The formats of history files.
//!
//! | name | what | recognised by |
//! |---|---|---|
//! | `jsonl` | our own ([`crate::jsonl`]) | the header, or our fields in our order |
//! | `edn` | Jepsen's `history.edn`: one vector of maps, or one map after another | `{:`, `[{:`, `(`, `;`, `#` |
//! | `json` | the same as JSON: an array, or one object after another | `{"`, `[{"` |
//! | `jepsen-log` | the operations that `jepsen.log` has among all else | `INFO` or `jepsen` in it |
//! | `plume` | `r(key,value,session,transaction)`, one a line: Plume, `PolySI`, AWDIT | `r(`, `w(` |
//! | `awdit` | AWDIT's tests: `w key value`, `-----` and `=====` | `r `, `w `, `---`, `===` |
//!
//! Jepsen's formats share their meaning, which `assembly.rs` tells: processes, missing values,
//! what follows an indeterminate operation. `keyed.rs` tells when a value holds a key.
//!
//! Every reader is a stream: besides the history itself it holds some megabytes and the longest
//! operation. Reading is linear in the size of the file. A file that ends inside an operation is
//! an error, but for our own format, whose writer may be killed while it writes.

mod assembly;
mod awdit;
mod edn_writer;
mod entry;
mod error;
mod form;
mod jepsen;
mod jepsen_log;
mod keyed;
mod keys;
mod lines;
mod mops;
mod pieces;
mod plume;
mod read;
mod recognise;
mod sessions;
#[cfg(test)]
mod tests;

pub use edn_writer::write_edn;
pub use error::ReadError;
pub(crate) use form::key_of;
pub use read::{Format, Reading, read};
