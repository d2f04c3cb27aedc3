//! A client of one reference node, and what its troubles prove.
//!
//! A verdict is worth what this file says of operations that were not answered. Until the first
//! byte of a request may have left, nothing can have happened: `Fail`. From then on the node may do
//! at any time what it was asked, whatever the client sees: `Info`. Only for operations that change
//! nothing is a lost answer a `Fail`, too, so that fewer processes are retired.

use std::net::SocketAddr;

use async_trait::async_trait;
use schism_history::{Call, Code, Op, Outcome, Reason};
use schism_lab::NodeId;
use tokio::time::Instant;

use super::wire;
use crate::Client;
use crate::stream::{Stream, Trouble};

/// An answer longer than this is taken for nonsense.
const REPLY_BYTES_MAX: usize = 64 << 20;

/// Speaks to one node, over a connection that is made when it is needed and given up after every
/// trouble. Nothing is ever asked twice.
pub(super) struct ReferenceClient {
    node: NodeId,
    address: SocketAddr,
    identity: String,
    seq: u64,
    connection: Option<Stream>,
    /// The request, then the reply.
    line: Vec<u8>,
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
        let mut stream = match self.connection.take().filter(Stream::is_quiet) {
            Some(stream) => stream,
            None => Stream::open(self.address, self.node.to_string(), deadline).await?,
        };
        self.seq += 1;
        wire::write_request(&mut self.line, &self.identity, self.seq, op);
        stream.send(&self.line, deadline).await?;
        self.receive(&mut stream, deadline).await?;
        let outcome = wire::read_reply(&self.line, self.seq, op).map_err(|problem| {
            Trouble::Unknown(Code::Protocol, format!("{}: {problem}", self.node))
        })?;
        self.connection = Some(stream);
        Ok(outcome)
    }

    /// Receives the reply, without its line's end.
    async fn receive(&mut self, stream: &mut Stream, deadline: Instant) -> Result<(), Trouble> {
        self.line.clear();
        loop {
            let known = self.line.len();
            stream.receive(&mut self.line, deadline).await?;
            let problem = match self.line[known..].iter().position(|&byte| byte == b'\n') {
                Some(end) if known + end + 1 == self.line.len() => {
                    self.line.pop();
                    return Ok(());
                }
                Some(_) => "more than one answer".to_owned(),
                None if self.line.len() > REPLY_BYTES_MAX => {
                    format!("an answer beyond {REPLY_BYTES_MAX} bytes")
                }
                None => continue,
            };
            return Err(stream.unknown(Code::Protocol, &problem));
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

#[cfg(test)]
mod tests;
