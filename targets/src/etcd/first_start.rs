//! First starts go one after the other, each as soon as the one before answers its peers.
//!
//! An etcd that has no data asks every other member whether the cluster stands already, one after the
//! other, and gives each of them a second. Members that start at once have all bound their ports and
//! answer nobody yet, so that each waits for all: a second for each, four where there are five.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use schism_lab::NodeId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// How long the next waits for one that does not answer; usually it does within a tenth of a second.
const TURN: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(10);

/// Whose turn it is.
#[derive(Default)]
pub(super) struct Turns {
    begun: Mutex<BTreeSet<NodeId>>,
    turn: tokio::sync::Mutex<()>,
}

impl Turns {
    /// Starts a node. If it has no data yet, it waits for its turn, which lasts until the node answers
    /// at `peers`.
    pub(super) async fn start<E>(
        &self,
        node: NodeId,
        peers: SocketAddr,
        start: impl Future<Output = Result<(), E>>,
    ) -> Result<(), E> {
        if !self.begun().insert(node) {
            return start.await;
        }
        let _turn = self.turn.lock().await;
        start.await?;
        // Nothing depends on it but how soon the cluster is formed.
        let _ = timeout(TURN, answers(peers)).await;
        Ok(())
    }

    /// The node has no data any more.
    pub(super) fn wiped(&self, node: NodeId) {
        self.begun().remove(&node);
    }

    fn begun(&self) -> std::sync::MutexGuard<'_, BTreeSet<NodeId>> {
        self.begun.lock().expect("no code panics while it holds this lock")
    }
}

/// Returns when somebody answers there.
async fn answers(peers: SocketAddr) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(peers).await
            && stream.write_all(b"GET /version HTTP/1.0\r\n\r\n").await.is_ok()
            && matches!(stream.read(&mut [0; 16]).await, Ok(1..))
        {
            return;
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tokio::time::Instant;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_node_without_data_waits_until_the_one_before_answers() {
        let (silent, answering) =
            (TcpListener::bind("127.0.0.1:0").await, TcpListener::bind("127.0.0.1:0").await);
        let (silent, answering) = (silent.expect("a port"), answering.expect("a port"));
        let at = [&silent, &answering].map(|one| one.local_addr().expect("an address"));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = answering.accept().await {
                let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await;
            }
        });
        let turns = Turns::default();
        let nothing = || async { Ok::<(), String>(()) };
        assert!(timeout(LONG, answers(at[1])).await.is_ok(), "it answers");
        turns.start(NodeId(1), at[1], nothing()).await.expect("started");
        let begun = Instant::now();
        turns.start(NodeId(2), at[0], nothing()).await.expect("started");
        assert!(begun.elapsed() >= TURN, "it was waited for");
        let somebody = turns.turn.lock().await;
        let again = timeout(LONG, turns.start(NodeId(2), at[0], nothing())).await;
        assert_eq!(again, Ok(Ok(())), "who has data waits for nobody's turn");
        drop(somebody);
        turns.wiped(NodeId(2));
        let refused = turns.start(NodeId(2), at[0], async { Err("no") }).await;
        assert_eq!(refused, Err("no"));
    }
}
