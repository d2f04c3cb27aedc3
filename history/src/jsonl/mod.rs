//! `history.jsonl`: one event a line, with Jepsen's field names.
//!
//! ```text
//! {"schism":"history","version":1}
//! {"index":0,"time":1200,"process":3,"type":"invoke","f":"write","key":"x","value":7,"due":1000,"node":"n2"}
//! {"index":1,"time":5200,"process":3,"type":"ok","f":"write","key":"x","value":7,"version":12}
//! {"index":2,"time":9000,"process":"nemesis","type":"info","f":"fault-start","value":{"fault":1,…}}
//! ```
//!
//! `time` and `due` are nanoseconds since the load began, `error` is `[code, text]`. The function
//! and key of a completion are written for other tools; the reader takes them from the invocation.
//! Histories are appended to and flushed while a run goes on, so the last line may be torn: the
//! reader says so and keeps what stands before it.

mod line;
mod plain;
mod reader;
mod value;
mod writer;

pub use crate::ReadError;
pub(crate) use reader::read_from;
pub use reader::{Reader, Reading, read};
pub use writer::Writer;

/// The version of the format.
const VERSION: u32 = 1;
