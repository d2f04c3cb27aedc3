//! One connection to a node: commands out, as many replies in.

use std::io::ErrorKind;
use std::net::SocketAddr;

use schism_history::Code;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::resp::{REPLY_BYTES_MAX, Reply, read_reply, write_command};

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// No byte of the request has left.
    Unsent(String),
    /// Nobody knows what becomes of the request.
    Unknown(Code, String),
}

impl Trouble {
    /// What went wrong, in words.
    pub(super) fn text(&self) -> &str {
        match self {
            Trouble::Unsent(text) | Trouble::Unknown(_, text) => text,
        }
    }
}

/// An open connection. After any trouble it is to be dropped: a late answer must not meet the next
/// request.
pub(super) struct Connection {
    stream: TcpStream,
    /// What troubles call the other end.
    name: String,
    received: Vec<u8>,
}

impl Connection {
    /// Connects to the node `name` at `address`.
    pub(super) async fn open(
        address: SocketAddr,
        name: String,
        deadline: Instant,
    ) -> Result<Self, Trouble> {
        let stream = match timeout_at(deadline, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(Trouble::Unsent(format!("{name}: {address}: {error}"))),
            Err(_) => {
                return Err(Trouble::Unsent(format!("{name}: no connection to {address} in time")));
            }
        };
        // Without this the kernel may hold small requests back; the answers are right in either
        // case, so a refusal is no trouble.
        let _ = stream.set_nodelay(true);
        Ok(Self { stream, name, received: Vec::new() })
    }

    /// Whether it is still open and silent. A node that was killed has closed its side in the
    /// meantime; to notice that before the request leaves makes it a plain `Fail`.
    pub(super) fn is_quiet(&self) -> bool {
        let read = self.stream.try_read(&mut [0]);
        matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// Sends `request` and returns the `count` replies to it.
    pub(super) async fn ask(
        &mut self,
        request: &[u8],
        count: usize,
        deadline: Instant,
    ) -> Result<Vec<Reply>, Trouble> {
        self.send(request, deadline).await?;
        self.receive(count, deadline).await
    }

    /// Sends one command and returns its reply.
    pub(super) async fn command(
        &mut self,
        words: &[&str],
        deadline: Instant,
    ) -> Result<Reply, Trouble> {
        let mut request = Vec::new();
        write_command(&mut request, words);
        let mut replies = self.ask(&request, 1, deadline).await?;
        Ok(replies.pop().expect("one reply was waited for"))
    }

    /// Each write either takes bytes or fails without having taken any.
    async fn send(&mut self, request: &[u8], deadline: Instant) -> Result<(), Trouble> {
        let mut sent = 0;
        while sent < request.len() {
            let (code, problem) =
                match timeout_at(deadline, self.stream.write(&request[sent..])).await {
                    Ok(Ok(count)) if count > 0 => {
                        sent += count;
                        continue;
                    }
                    Ok(Ok(_)) => (Code::Disconnected, "the connection takes no more".into()),
                    Ok(Err(error)) => (Code::Disconnected, error.to_string()),
                    Err(_) => (Code::Timeout, "the request could not be sent in time".into()),
                };
            let problem = format!("{}: {problem}", self.name);
            return Err(match sent {
                0 => Trouble::Unsent(problem),
                _ => Trouble::Unknown(code, problem),
            });
        }
        Ok(())
    }

    async fn receive(&mut self, count: usize, deadline: Instant) -> Result<Vec<Reply>, Trouble> {
        let mut replies = Vec::with_capacity(count);
        let mut at = 0;
        self.received.clear();
        loop {
            while replies.len() < count {
                match read_reply(&self.received[at..]) {
                    Ok(Some((reply, length))) => {
                        replies.push(reply);
                        at += length;
                    }
                    Ok(None) => break,
                    Err(problem) => return Err(self.unknown(Code::Protocol, &problem)),
                }
            }
            if replies.len() == count {
                return match self.received.len() - at {
                    0 => Ok(replies),
                    _ => Err(self.unknown(Code::Protocol, "more answers than questions")),
                };
            }
            if self.received.len() > REPLY_BYTES_MAX {
                return Err(self.unknown(Code::Protocol, "an answer without an end"));
            }
            match timeout_at(deadline, self.stream.read_buf(&mut self.received)).await {
                Ok(Ok(0)) => {
                    let problem = "closed the connection unanswered";
                    return Err(self.unknown(Code::Disconnected, problem));
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(self.unknown(Code::Disconnected, &error.to_string())),
                Err(_) => return Err(self.unknown(Code::Timeout, "no answer in time")),
            }
        }
    }

    fn unknown(&self, code: Code, problem: &str) -> Trouble {
        Trouble::Unknown(code, format!("{}: {problem}", self.name))
    }
}
