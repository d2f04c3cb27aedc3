//! What became of an operation.

use std::fmt;

use crate::Value;

/// What became of an operation, as far as its client can know.
///
/// The choice between `Fail` and `Info` decides what a verdict is worth. When in doubt: `Info`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect, once, between invocation and completion.
    Ok(Reply),
    /// It has not taken effect and never will.
    Fail(Reason),
    /// It may take effect at any time after its invocation, or never.
    Info(Reason),
}

/// What an ok operation returned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The result; for operations without one, the argument again.
    pub value: Value,
    /// The system's own version number of what was read or written, where it has one.
    pub version: Option<u64>,
}

/// Why an operation did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The class of the error.
    pub code: Code,
    /// What the client saw, in words.
    pub text: Box<str>,
}

impl Reason {
    /// A reason of class `code`, said as `text`.
    pub fn new(code: Code, text: impl Into<Box<str>>) -> Self {
        Self { code, text: text.into() }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code.as_str(), self.text)
    }
}

/// The classes of errors that a client can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The system answered, correctly, that the precondition did not hold (a compare-and-set that
    /// found another value). It counts as an answer where availability is judged.
    Mismatch,
    /// No connection: the request never left.
    Refused,
    /// The system answered that it will not do this now.
    Unavailable,
    /// No answer within the operation's time.
    Timeout,
    /// The connection broke after the request had left.
    Disconnected,
    /// The load generator had no client free, and its queue was full: never sent.
    Shed,
    /// The answer could not be understood.
    Protocol,
    /// The client's own library has given the client up, and refuses everything from now on: another
    /// one takes its place.
    Fatal,
    /// Anything else; the text says what.
    Other,
}

impl Code {
    /// Every class, in the order of the declaration.
    pub const ALL: [Code; 9] = [
        Code::Mismatch,
        Code::Refused,
        Code::Unavailable,
        Code::Timeout,
        Code::Disconnected,
        Code::Shed,
        Code::Protocol,
        Code::Fatal,
        Code::Other,
    ];

    /// The word for the class in files and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::Mismatch => "mismatch",
            Code::Refused => "refused",
            Code::Unavailable => "unavailable",
            Code::Timeout => "timeout",
            Code::Disconnected => "disconnected",
            Code::Shed => "shed",
            Code::Protocol => "protocol",
            Code::Fatal => "fatal",
            Code::Other => "other",
        }
    }
}
