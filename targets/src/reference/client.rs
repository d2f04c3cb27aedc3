//! A client of one reference node, and what its troubles prove.
//!
//! A verdict is worth what this file says of operations that were not answered. Until the first
//! byte of a request may have left, nothing can have happened: `Fail`. From then on the node may do
//! at any time what it was asked, whatever the client sees: `Info`. Only for operations that change
//! nothing is a lost answer a `Fail`, too, so that fewer processes are retired.

use std::io::ErrorKind;
use std::net::SocketAddr;

use async_trait::async_trait;
use schism_history::{Call, Code, Op, Outcome, Reason};
use schism_lab::NodeId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::wire;
use crate::Client;

/// An answer longer than this is taken for nonsense.
const REPLY_BYTES_MAX: usize = 64 << 20;

/// Speaks to one node, over a connection that is made when it is needed and given up after every
/// trouble. Nothing is ever asked twice.
pub(super) struct ReferenceClient {
    node: NodeId,
    address: SocketAddr,
    identity: String,
    seq: u64,
    connection: Option<TcpStream>,
    /// The request, then the reply.
    line: Vec<u8>,
}

/// Why there is no answer.
enum Trouble {
    /// No byte of the request has left.
    Unsent(String),
    /// Nobody knows what becomes of the request.
    Unknown(Code, String),
}

impl ReferenceClient {
    /// A client of `node` at `address`, under an `identity` that no other client has.
    pub(super) fn new(node: NodeId, address: SocketAddr, identity: u64) -> Self {
        let (identity, line) = (identity.to_string(), Vec::new());
        Self { node, address, identity, seq: 0, connection: None, line }
    }

    async fn exchange(&mut self, op: &Op, deadline: Instant) -> Result<Outcome, Trouble> {
        // The connection is put back only after an answer: whatever else happens, this future's
        // being dropped included, it is closed, and no late answer can meet the next request.
        let mut stream = match self.connection.take().filter(is_quiet) {
            Some(stream) => stream,
            None => self.connect(deadline).await?,
        };
        self.seq += 1;
        wire::write_request(&mut self.line, &self.identity, self.seq, op);
        self.send(&mut stream, deadline).await?;
        self.receive(&mut stream, deadline).await?;
        let outcome = wire::read_reply(&self.line, self.seq, op).map_err(|problem| {
            Trouble::Unknown(Code::Protocol, format!("{}: {problem}", self.node))
        })?;
        self.connection = Some(stream);
        Ok(outcome)
    }

    async fn connect(&self, deadline: Instant) -> Result<TcpStream, Trouble> {
        let (node, address) = (self.node, self.address);
        match timeout_at(deadline, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Without this the kernel may hold small requests back; the answers are right in
                // either case, so a refusal is no trouble.
                let _ = stream.set_nodelay(true);
                Ok(stream)
            }
            Ok(Err(error)) => Err(Trouble::Unsent(format!("{node}: {address}: {error}"))),
            Err(_) => Err(Trouble::Unsent(format!("{node}: no connection to {address} in time"))),
        }
    }

    /// Sends the request. Each write either takes bytes or fails without having taken any.
    async fn send(&self, stream: &mut TcpStream, deadline: Instant) -> Result<(), Trouble> {
        let mut sent = 0;
        while sent < self.line.len() {
            let (code, problem) = match timeout_at(deadline, stream.write(&self.line[sent..])).await
            {
                Ok(Ok(count)) if count > 0 => {
                    sent += count;
                    continue;
                }
                Ok(Ok(_)) => (Code::Disconnected, "the connection takes no more".into()),
                Ok(Err(error)) => (Code::Disconnected, error.to_string()),
                Err(_) => (Code::Timeout, "the request could not be sent in time".into()),
            };
            let problem = format!("{}: {problem}", self.node);
            return Err(match sent {
                0 => Trouble::Unsent(problem),
                _ => Trouble::Unknown(code, problem),
            });
        }
        Ok(())
    }

    /// Receives the reply, without its line's end.
    async fn receive(&mut self, stream: &mut TcpStream, deadline: Instant) -> Result<(), Trouble> {
        self.line.clear();
        loop {
            let known = self.line.len();
            let (code, problem) = match timeout_at(deadline, stream.read_buf(&mut self.line)).await
            {
                Ok(Ok(0)) => (Code::Disconnected, "closed the connection unanswered".to_owned()),
                Ok(Ok(_)) => match self.line[known..].iter().position(|&byte| byte == b'\n') {
                    Some(end) if known + end + 1 == self.line.len() => {
                        self.line.pop();
                        return Ok(());
                    }
                    Some(_) => (Code::Protocol, "more than one answer".to_owned()),
                    None if self.line.len() > REPLY_BYTES_MAX => {
                        (Code::Protocol, format!("an answer beyond {REPLY_BYTES_MAX} bytes"))
                    }
                    None => continue,
                },
                Ok(Err(error)) => (Code::Disconnected, error.to_string()),
                Err(_) => (Code::Timeout, "no answer in time".to_owned()),
            };
            return Err(Trouble::Unknown(code, format!("{}: {problem}", self.node)));
        }
    }
}

#[async_trait]
impl Client for ReferenceClient {
    async fn invoke(&mut self, call: &Call<'_>) -> Outcome {
        let deadline = Instant::now() + call.timeout;
        let outcome = match self.exchange(call.op, deadline).await {
            Ok(outcome) => outcome,
            Err(Trouble::Unsent(problem)) => Outcome::Fail(Reason::new(Code::Refused, problem)),
            Err(Trouble::Unknown(code, problem)) => Outcome::Info(Reason::new(code, problem)),
        };
        match outcome {
            Outcome::Info(reason) if wire::only_reads(call.op) => Outcome::Fail(reason),
            outcome => outcome,
        }
    }
}

/// Whether an idle connection is still open and silent. A node that was killed has closed its side
/// in the meantime; to notice that before the request leaves makes it a plain `Fail`.
fn is_quiet(stream: &TcpStream) -> bool {
    matches!(stream.try_read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests;
