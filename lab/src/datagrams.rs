//! Sockets that stand on a node, for probes of links.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::net::UdpSocket;

/// A UDP socket on a node, held from here.
#[async_trait]
pub trait Datagrams: Send + Sync {
    /// Where it stands, as others reach it.
    fn address(&self) -> SocketAddr;

    /// Sends one datagram. What cannot be sent does not arrive, and that is what is looked for.
    fn send(&self, datagram: &[u8], to: SocketAddr);

    /// The next datagram that came, and when this program knew it.
    async fn receive(&self) -> io::Result<(Vec<u8>, Instant)>;

    /// How much later this program knows what the socket has sent or heard, at the most.
    fn lag(&self) -> Duration {
        Duration::ZERO
    }
}

/// A probe is far shorter.
const LENGTH_MAX: usize = 2048;

#[async_trait]
impl Datagrams for UdpSocket {
    fn address(&self) -> SocketAddr {
        // A socket that was bound has an address; one that is not reaches nobody.
        self.local_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)))
    }

    fn send(&self, datagram: &[u8], to: SocketAddr) {
        let _ = self.try_send_to(datagram, to);
    }

    async fn receive(&self) -> io::Result<(Vec<u8>, Instant)> {
        let mut datagram = [0; LENGTH_MAX];
        let (length, _) = self.recv_from(&mut datagram).await?;
        Ok((datagram[..length].to_vec(), Instant::now()))
    }
}
