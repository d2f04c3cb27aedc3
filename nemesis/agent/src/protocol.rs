//! What the controller and the agent say to each other, one JSON object a line.
//!
//! `{"id":7,"do":{"run":{"program":{"argv":["true"]},"limit_ms":1000}}}` is answered by
//! `{"id":7,"answer":{"ended":{"code":0,"stdout":"","stderr":""}}}`. What goes on for longer (a
//! program with streams, a socket for probes) gives more than one answer with the number of the
//! request that began it. The agent's first line has the number 0 and says who it is.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::effects::Effect;

/// Rises with every change that an older side would misread.
pub const VERSION: u32 = 3;

/// What may be written to a program's stream before the reader has said that it took it, in bytes.
pub const WINDOW: usize = 256 << 10;

/// Bytes, written as a text of which each character is one byte: text stays readable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text: String = self.0.iter().map(|&byte| char::from(byte)).collect();
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes: Result<Vec<u8>, _> = text.chars().map(|c| u8::try_from(u32::from(c))).collect();
        bytes.map(Self).map_err(|_| serde::de::Error::custom("a character that is no byte"))
    }
}

/// One line from the controller.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the controller, never twice; answers carry it.
    pub id: u64,
    /// What is to be done.
    #[serde(rename = "do")]
    pub deed: Deed,
}

/// A program and how to run it, without any shell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Variables added to a small, fixed environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<(String, String)>,
    /// The working folder; without one, the node's data folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
}

/// Addresses to which packets go late.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slow {
    /// The addresses.
    pub to: Vec<IpAddr>,
    /// By how much, in microseconds …
    pub delay_us: u64,
    /// … plus or minus up to so much.
    pub jitter_us: u64,
}

/// What can be asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// Nothing: how fast is the channel? `done`.
    Echo,
    /// Run a program to its end, at most for so long; then it is killed and refused. `ended`.
    Run {
        /// The program.
        program: Program,
        /// How long it may run.
        limit_ms: u64,
    },
    /// Run a program with its streams on this channel. `started`, `output` …, `ended`.
    Spawn {
        /// The program.
        program: Program,
    },
    /// Bytes for the standard input of a spawned program. `done` when it has taken them.
    Input {
        /// The request that spawned it.
        of: u64,
        /// The bytes.
        bytes: Bytes,
    },
    /// The standard input of a spawned program ends. No answer.
    CloseInput {
        /// The request that spawned it.
        of: u64,
    },
    /// The controller has taken so many bytes of a stream. No answer.
    Took {
        /// The request that spawned the program.
        of: u64,
        /// Which stream.
        stream: Stream,
        /// How many bytes.
        bytes: usize,
    },
    /// Kill a spawned program and its children. No answer but its `ended`.
    Kill {
        /// The request that spawned it.
        of: u64,
    },
    /// Start a long-lived program in a session of its own, its output appended to a file. `started`.
    Start {
        /// The program.
        program: Program,
        /// The file, whose folder is made if need be.
        log: String,
    },
    /// Kill every process that this agent started, and theirs, until none is left. `done`.
    KillAll,
    /// SIGTERM to each of them once; those that are left after so long are killed. `stopped`.
    StopAll {
        /// How long they may take to end.
        within_ms: u64,
    },
    /// SIGSTOP to all of them until none runs. `done`.
    PauseAll,
    /// SIGCONT to all of them until none is stopped. `done`.
    ResumeAll,
    /// All of them, read from /proc. `processes`.
    Processes,
    /// Packets from and to these addresses vanish, others come late, and no more. Replaces what was set before. The
    /// SSH connection to this agent is never among them. `done`.
    Links {
        /// What comes from here vanishes.
        from: Vec<IpAddr>,
        /// What goes there vanishes.
        to: Vec<IpAddr>,
        /// What goes there comes late.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        slow: Vec<Slow>,
    },
    /// Whether this kernel can slow links down. `done`.
    TryNetem,
    /// Begin an effect, which is held until it is released. `done`.
    Hold {
        /// Under which name; nothing else is held under it.
        name: String,
        /// What.
        effect: Effect,
    },
    /// End an effect. One that is not held is released already. `done`.
    Release {
        /// Its name.
        name: String,
    },
    /// Open a UDP socket for probes at this address. `opened`, then `datagram` …
    Datagrams {
        /// The address; the port is the agent's choice.
        address: IpAddr,
    },
    /// Send a datagram from a socket for probes. No answer: what cannot be sent does not arrive.
    Send {
        /// The request that opened the socket.
        of: u64,
        /// Where to.
        to: SocketAddr,
        /// What.
        bytes: Bytes,
    },
    /// A piece of a file. `piece`; a file that is not there has none.
    Read {
        /// The file.
        path: String,
        /// From which byte.
        offset: u64,
        /// At most so many.
        bytes_max: usize,
    },
    /// The files of a folder. `files`; a folder that is not there has none.
    List {
        /// The folder.
        folder: String,
    },
    /// The end: everything is undone, the data folder removed. `undone`, then the agent ends.
    Bye,
}

/// Which output of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line from the agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Response {
    /// The request that this answers.
    pub id: u64,
    /// The answer.
    pub answer: Answer,
}

/// What is answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It is done.
    Done,
    /// It was not done; why, and the remedy where there is one.
    Refused(String),
    /// None of the processes is left.
    Stopped {
        /// Whether all ended by themselves, and none was killed.
        by_themselves: bool,
    },
    /// Who the agent is and where it stands: its first line.
    Hello(Hello),
    /// A program runs.
    Started {
        /// Its number on the node.
        pid: i32,
    },
    /// A program has ended. What a spawned program wrote may come after.
    Ended {
        /// Its exit code; 128 + n for signal n.
        code: i32,
        /// Its standard output, at most 1 MiB; empty for a spawned program.
        stdout: Bytes,
        /// Its standard error, likewise.
        stderr: Bytes,
    },
    /// A spawned program wrote something; nothing: it wrote its last.
    Output {
        /// Where.
        stream: Stream,
        /// What.
        bytes: Bytes,
    },
    /// The processes.
    Processes(Vec<Process>),
    /// A socket for probes is open.
    Opened {
        /// Where.
        address: SocketAddr,
    },
    /// A datagram came to a socket for probes.
    Datagram {
        /// What.
        bytes: Bytes,
    },
    /// A piece of a file.
    Piece {
        /// The bytes.
        bytes: Bytes,
    },
    /// Names and sizes of files.
    Files(Vec<(String, u64)>),
    /// Everything was undone but this.
    Undone {
        /// What is left, each with the command that cleans it.
        dirty: Vec<String>,
    },
}

/// Who the agent is and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`].
    pub version: u32,
    /// As in `std::env::consts::OS`.
    pub os: String,
    /// As in `std::env::consts::ARCH`.
    pub arch: String,
    /// Whether it may do what root may.
    pub root: bool,
    /// Whether there is an `nft` to cut links with.
    pub nft: bool,
    /// The node's addresses, loopback and link-local ones left out.
    pub addresses: Vec<IpAddr>,
    /// What an earlier agent had left, and this one has undone.
    #[serde(default)]
    pub cleaned: Vec<String>,
    /// What it had left and this one could not undo, each with the command that cleans it.
    #[serde(default)]
    pub dirty: Vec<String>,
}

/// A process, as /proc tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number on the node.
    pub pid: i32,
    /// Its command name.
    pub name: String,
    /// The state letter of /proc/PID/stat.
    pub state: char,
    /// Processor time that it has used, in nanoseconds.
    pub cpu_ns: u64,
    /// When it started, in clock ticks since boot.
    pub started: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_its_line() {
        let bytes = Bytes((0..=255).collect());
        let line = serde_json::to_string(&bytes).expect("a line");
        assert!(!line.contains('\n'), "{line}");
        assert_eq!(serde_json::from_str::<Bytes>(&line).expect("the bytes"), bytes);
        assert!(serde_json::from_str::<Bytes>("\"\u{20ac}\"").is_err());
    }

    #[test]
    fn lines_look_as_documented() {
        let check = |line: &str| {
            let request: Request = serde_json::from_str(line).expect(line);
            assert_eq!(serde_json::to_string(&request).expect("a line"), line);
        };
        check(r#"{"id":7,"do":{"run":{"program":{"argv":["true"]},"limit_ms":1000}}}"#);
        check(r#"{"id":8,"do":"kill-all"}"#);
        check(r#"{"id":9,"do":{"links":{"from":["10.77.0.1","fd00::1"],"to":[]}}}"#);
    }
}
