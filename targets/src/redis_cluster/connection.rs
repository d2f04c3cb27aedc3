//! One connection to a node: commands out, as many replies in.

use std::net::SocketAddr;

use schism_history::Code;
use tokio::time::Instant;

use super::resp::{REPLY_BYTES_MAX, Reply, read_reply, write_command};
use crate::stream::Stream;
pub(crate) use crate::stream::Trouble;

/// An open connection. After any trouble it is to be dropped: a late answer must not meet the next
/// request.
pub(crate) struct Connection {
    stream: Stream,
    received: Vec<u8>,
}

impl Connection {
    /// Connects to the node `name` at `address`.
    pub(crate) async fn open(
        address: SocketAddr,
        name: String,
        deadline: Instant,
    ) -> Result<Self, Trouble> {
        let stream = Stream::open(address, name, deadline).await?;
        Ok(Self { stream, received: Vec::new() })
    }

    /// Whether it is still open and silent.
    pub(crate) fn is_quiet(&self) -> bool {
        self.stream.is_quiet()
    }

    /// Sends `request` and returns the `count` replies to it.
    pub(crate) async fn ask(
        &mut self,
        request: &[u8],
        count: usize,
        deadline: Instant,
    ) -> Result<Vec<Reply>, Trouble> {
        self.stream.send(request, deadline).await?;
        self.receive(count, deadline).await
    }

    /// Sends one command and returns its reply.
    pub(crate) async fn command(
        &mut self,
        words: &[&str],
        deadline: Instant,
    ) -> Result<Reply, Trouble> {
        let mut request = Vec::new();
        write_command(&mut request, words);
        let mut replies = self.ask(&request, 1, deadline).await?;
        Ok(replies.pop().expect("one reply was waited for"))
    }

    async fn receive(&mut self, count: usize, deadline: Instant) -> Result<Vec<Reply>, Trouble> {
        let mut replies = Vec::with_capacity(count);
        let mut at = 0;
        self.received.clear();
        let nonsense = |stream: &Stream, problem: &str| stream.unknown(Code::Protocol, problem);
        loop {
            while replies.len() < count {
                match read_reply(&self.received[at..]) {
                    Ok(Some((reply, length))) => {
                        replies.push(reply);
                        at += length;
                    }
                    Ok(None) => break,
                    Err(problem) => return Err(nonsense(&self.stream, &problem)),
                }
            }
            if replies.len() == count {
                return match self.received.len() - at {
                    0 => Ok(replies),
                    _ => Err(nonsense(&self.stream, "more answers than questions")),
                };
            }
            if self.received.len() > REPLY_BYTES_MAX {
                return Err(nonsense(&self.stream, "an answer without an end"));
            }
            self.stream.receive(&mut self.received, deadline).await?;
        }
    }
}
