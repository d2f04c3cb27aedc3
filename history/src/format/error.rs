//! Why a file could not be read.

use std::io;

use crate::Malformed;

/// Why a file could not be read as a history.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The operating system refused.
    #[error("{file}: cannot be read")]
    Io {
        /// The file.
        file: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// What stands here is no part of a history.
    #[error("{file}:{line}:{column}: {problem}")]
    Line {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// The column in bytes, from 1; 1 if the line as a whole is wrong.
        column: usize,
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// The events are no history.
    #[error("{file}: {problem}")]
    Malformed {
        /// The file.
        file: String,
        /// What is wrong. It is no source of its own, since it is said with the file.
        problem: Malformed,
    },
}
