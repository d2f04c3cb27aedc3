//! A lease that is kept alive, in the background, for as long as its client lives.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use schism_lab::Node;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::gateway::Gateway;
use super::trouble::Trouble;
use super::wire::KeepAlive;

/// So many beats are sent in the time of a lease, as etcd's own client does.
const BEATS: u32 = 3;

/// A lease with its heart. Dropped, the heart stops, and the lease runs out by itself, as that of a
/// client does that has died.
pub(super) struct Session {
    lease: String,
    ttl: Duration,
    known: Arc<Mutex<Known>>,
    heart: JoinHandle<()>,
}

/// What the client knows of its lease.
struct Known {
    /// When the last beat was sent that was answered: the lease lasts at least its time from then.
    sent: Instant,
    /// Whether etcd has said that there is no such lease.
    gone: bool,
}

impl Session {
    /// Keeps `lease` alive, which lasts `ttl` and was asked for at `asked`.
    pub(super) fn start(node: &Node, lease: String, ttl: Duration, asked: Instant) -> Self {
        let known = Arc::new(Mutex::new(Known { sent: asked, gone: false }));
        let gateway = Gateway::fresh(node, &Gateway::without_pool());
        let heart = tokio::spawn(beat(gateway, lease.clone(), ttl, known.clone()));
        Self { lease, ttl, known, heart }
    }

    /// The lease's number.
    pub(super) fn lease(&self) -> &str {
        &self.lease
    }

    /// Whether etcd has said that there is no such lease.
    pub(super) fn is_gone(&self) -> bool {
        self.known.lock().expect("no code panics while it holds this lock").gone
    }

    /// Whether the lease may have run out by now, by the client's own clock.
    pub(super) fn may_have_expired(&self) -> bool {
        let known = self.known.lock().expect("no code panics while it holds this lock");
        known.gone || known.sent.elapsed() >= self.ttl
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.heart.abort();
    }
}

async fn beat(gateway: Gateway, lease: String, ttl: Duration, known: Arc<Mutex<Known>>) {
    let every = ttl / BEATS;
    let body = json!({ "ID": lease });
    loop {
        tokio::time::sleep(every).await;
        let sent = Instant::now();
        let answer: Result<KeepAlive, Trouble> =
            gateway.tell("/v3/lease/keepalive", &body, sent + every).await;
        // A beat that is not answered is no reason to stop: the next one may be in time.
        let Ok(KeepAlive { result }) = answer else { continue };
        let mut known = known.lock().expect("no code panics while it holds this lock");
        if result.ttl_s == 0 {
            known.gone = true;
            return;
        }
        known.sent = sent;
    }
}
