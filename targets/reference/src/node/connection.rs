//! How long a connection is believed in.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

const QUIET: Duration = Duration::from_secs(2);
const PROBES: u32 = 3;
/// What was sent and is not confirmed for so long never will be.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(8);

/// Asks now and then whether the other side still is there, so that a connection that a partition
/// has cut ends, and its descriptor with it, although nothing is sent on it.
pub(super) fn give_up_when_dead(stream: &TcpStream) -> std::io::Result<()> {
    let alive = TcpKeepalive::new().with_time(QUIET).with_interval(QUIET).with_retries(PROBES);
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&alive)?;
    socket.set_tcp_user_timeout(Some(CONFIRMED_WITHIN))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn has_keep_alive_and_a_user_timeout() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port of loopback");
        let address = listener.local_addr().expect("a bound listener");
        let stream = TcpStream::connect(address).await.expect("a listener");
        give_up_when_dead(&stream).expect("options that Linux has");
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().expect("an option"));
        assert_eq!(socket.tcp_user_timeout().expect("an option"), Some(CONFIRMED_WITHIN));
    }
}
