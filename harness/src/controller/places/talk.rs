//! What is said between the controller and one client's process.

use std::io;
use std::time::Duration;

use schism_history::{Call, Op, Outcome, Process};
use schism_lab::Running;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::client::lines::{self, Answered};

/// An answer longer than this is taken for nonsense.
const LINE_MAX: usize = 64 << 20;
/// Read at once.
const PIECE: usize = 1 << 13;
/// How long the kernel may take to tell how a process ended.
const END_WITHIN: Duration = Duration::from_secs(1);

/// The pipes of a process. Whatever is dropped in the middle, no byte is lost: what is to be sent
/// and what has come stand here until they are complete.
pub(super) struct Talk {
    running: Running,
    input: Box<dyn AsyncWrite + Send + Unpin>,
    output: Box<dyn AsyncRead + Send + Unpin>,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
    /// The number of the last call.
    last: u64,
    /// Whether the last call was not answered yet.
    owes: bool,
    /// How far the client's clock was ahead of ours when its last answer came, in seconds.
    ahead_s: Option<f64>,
}

/// Why a call has no answer.
#[derive(Debug)]
pub(super) enum Lost {
    /// No byte of it has left.
    Unsent(String),
    /// It may have been read, and done.
    Sent(String),
}

impl Talk {
    /// `None` if a stream of the program is missing.
    pub(super) fn new(mut running: Running) -> Option<Self> {
        let (input, output) = (running.stdin.take()?, running.stdout.take()?);
        let (outgoing, incoming) = (Vec::new(), Vec::new());
        Some(Self {
            running,
            input,
            output,
            outgoing,
            incoming,
            last: 0,
            owes: false,
            ahead_s: None,
        })
    }

    /// Whether a call that was given up may still be answered, or not even have been read.
    pub(super) fn owes(&self) -> bool {
        self.owes || !self.outgoing.is_empty()
    }

    /// How far the client's clock was ahead of ours by its last answer, if it said so.
    pub(super) fn ahead_s(&self) -> Option<f64> {
        self.ahead_s
    }

    /// Has the process do one operation. May be dropped at any time: then the answer is still owed,
    /// and will be known by its number when it comes.
    pub(super) async fn ask(&mut self, process: Process, call: &Call<'_>) -> Result<Outcome, Lost> {
        self.last += 1;
        let number = self.last;
        let before = self.outgoing.len();
        self.outgoing.extend(lines::call_line(number, process, call));
        let whole = self.outgoing.len() - before;
        self.owes = true;
        if let Err(error) = self.flush().await {
            let problem = format!("it takes no more: {error}");
            // A pipe that refuses has taken nothing of what it refuses.
            let unsent = self.outgoing.len() >= whole;
            return Err(if unsent { Lost::Unsent(problem) } else { Lost::Sent(problem) });
        }
        loop {
            let (answered, outcome) = self.answer(call.op).await.map_err(Lost::Sent)?;
            // What came late answers nobody.
            if answered == number {
                self.owes = false;
                return Ok(outcome);
            }
        }
    }

    /// Waits until everything that was given up has been answered, and forgets the answers.
    pub(super) async fn settle(&mut self) -> Result<(), String> {
        self.flush().await.map_err(|error| format!("it takes no more: {error}"))?;
        while self.owes {
            let nothing = Op::new("settle", None, schism_history::Value::Nil);
            let (answered, _) = self.answer(&nothing).await?;
            self.owes = answered != self.last;
        }
        Ok(())
    }

    /// The next answer, whichever call it is to.
    async fn answer(&mut self, op: &Op) -> Result<(u64, Outcome), String> {
        let line = self.hear().await?;
        let Answered { number: answered, outcome, clock_us } = lines::read_answer(&line, op)?;
        let clocks = clock_us.zip(lines::own_clock_us());
        self.ahead_s = clocks.map(|(its, ours)| (its as f64 - ours as f64) / 1e6);
        if answered == 0 || answered > self.last {
            return Err(format!("answered call {answered}, which was never made"));
        }
        Ok((answered, outcome))
    }

    /// Sends a line of another kind.
    pub(super) async fn say(&mut self, line: Vec<u8>) -> io::Result<()> {
        self.outgoing.extend(line);
        self.flush().await
    }

    async fn flush(&mut self) -> io::Result<()> {
        while !self.outgoing.is_empty() {
            let sent = self.input.write(&self.outgoing).await?;
            if sent == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.outgoing.drain(..sent);
        }
        Ok(())
    }

    /// The next line.
    pub(super) async fn hear(&mut self) -> Result<Vec<u8>, String> {
        let mut known = 0;
        loop {
            if let Some(end) = self.incoming[known..].iter().position(|byte| *byte == b'\n') {
                return Ok(self.incoming.drain(..=known + end).collect());
            }
            known = self.incoming.len();
            if known > LINE_MAX {
                return Err(format!("its answer is longer than {LINE_MAX} bytes"));
            }
            self.incoming.reserve(PIECE);
            match self.output.read_buf(&mut self.incoming).await {
                Ok(0) => return Err("it is gone".into()),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// Makes sure that the process is dead: how it ended, in words.
    pub(super) async fn end(mut self) -> String {
        // Whoever closes its output is asked to go; who does not go is killed.
        drop(self.input);
        let ended = tokio::time::timeout(END_WITHIN, self.running.wait()).await;
        match ended {
            Ok(Ok(status)) => match status.code() {
                // The program that entered the place tells a signal in its code.
                Some(code) if code > 128 => format!("killed by signal {}", code - 128),
                Some(code) => format!("exit code {code}"),
                None => status.to_string(),
            },
            Ok(Err(error)) => error.to_string(),
            Err(_) => {
                let _ = self.running.start_kill();
                "it had to be killed".into()
            }
        }
    }
}

#[cfg(test)]
mod tests;
