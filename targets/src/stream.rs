//! One TCP connection of a client, and what its troubles prove: a request of which no byte has left is
//! told from one that may be carried out at any time.

use std::io::ErrorKind;
use std::net::SocketAddr;

use schism_history::Code;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// No byte of the request has left.
    Unsent(String),
    /// Nobody knows what becomes of the request.
    Unknown(Code, String),
}

impl Trouble {
    /// What went wrong, in words.
    pub(crate) fn text(&self) -> &str {
        match self {
            Trouble::Unsent(text) | Trouble::Unknown(_, text) => text,
        }
    }
}

/// An open connection. After any trouble it is to be dropped: a late answer must not meet the next
/// request.
pub(crate) struct Stream {
    tcp: TcpStream,
    /// What troubles call the other end.
    name: String,
}

impl Stream {
    /// Connects to the node `name` at `address`.
    pub(crate) async fn open(
        address: SocketAddr,
        name: String,
        deadline: Instant,
    ) -> Result<Self, Trouble> {
        match timeout_at(deadline, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                // Without this the kernel may hold small requests back; the answers are right in
                // either case, so a refusal is no trouble.
                let _ = tcp.set_nodelay(true);
                Ok(Self { tcp, name })
            }
            Ok(Err(error)) => Err(Trouble::Unsent(format!("{name}: {address}: {error}"))),
            Err(_) => Err(Trouble::Unsent(format!("{name}: no connection to {address} in time"))),
        }
    }

    /// Whether it is still open and silent. A node that was killed has closed its side in the
    /// meantime; to notice that before the request leaves makes it a plain `Fail`.
    pub(crate) fn is_quiet(&self) -> bool {
        let read = self.tcp.try_read(&mut [0]);
        matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// Waits until the other end has sent or closed something.
    #[cfg(test)]
    pub(crate) async fn readable(&self) -> std::io::Result<()> {
        self.tcp.readable().await
    }

    /// Sends a request. Each write either takes bytes or fails without having taken any.
    pub(crate) async fn send(&mut self, request: &[u8], deadline: Instant) -> Result<(), Trouble> {
        let mut sent = 0;
        while sent < request.len() {
            let (code, problem) = match timeout_at(deadline, self.tcp.write(&request[sent..])).await
            {
                Ok(Ok(count)) if count > 0 => {
                    sent += count;
                    continue;
                }
                Ok(Ok(_)) => (Code::Disconnected, "the connection takes no more".into()),
                Ok(Err(error)) => (Code::Disconnected, error.to_string()),
                Err(_) => (Code::Timeout, "the request could not be sent in time".into()),
            };
            return Err(match sent {
                0 => Trouble::Unsent(format!("{}: {problem}", self.name)),
                _ => self.unknown(code, &problem),
            });
        }
        Ok(())
    }

    /// Appends what comes next to `received`.
    pub(crate) async fn receive(
        &mut self,
        received: &mut Vec<u8>,
        deadline: Instant,
    ) -> Result<(), Trouble> {
        match timeout_at(deadline, self.tcp.read_buf(received)).await {
            Ok(Ok(0)) => Err(self.unknown(Code::Disconnected, "closed the connection unanswered")),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.unknown(Code::Disconnected, &error.to_string())),
            Err(_) => Err(self.unknown(Code::Timeout, "no answer in time")),
        }
    }

    /// Something went wrong after the request may have left.
    pub(crate) fn unknown(&self, code: Code, problem: &str) -> Trouble {
        Trouble::Unknown(code, format!("{}: {problem}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn tells_what_never_left_from_what_may_have() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let soon = || Instant::now() + Duration::from_millis(200);
        let mut stream = Stream::open(address, "n1".into(), soon()).await.expect("it listens");
        let (peer, _) = listener.accept().await.expect("it came");
        assert!(stream.is_quiet());
        stream.send(b"x", soon()).await.expect("it is sent");
        let mut received = Vec::new();
        let trouble = stream.receive(&mut received, soon()).await.expect_err("nobody answers");
        assert!(
            matches!(&trouble, Trouble::Unknown(Code::Timeout, text) if text.starts_with("n1"))
        );
        drop(peer);
        let trouble = stream.receive(&mut received, soon()).await.expect_err("it is closed");
        assert!(matches!(trouble, Trouble::Unknown(Code::Disconnected, _)), "{trouble:?}");
        assert!(!stream.is_quiet());
        drop(listener);
        let refused = Stream::open(address, "n1".into(), soon()).await;
        assert!(matches!(refused, Err(Trouble::Unsent(_))));
    }
}
