//! One request to one node's JSON gateway.

use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use schism_history::Code;
use schism_lab::{Node, NodeId};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use super::PORTS;
use super::trouble::{Trouble, refused, unanswered};
use super::wire::Refusal;

/// A connection is given up this much before its request is: only then it is known that nothing was
/// sent.
const BEFORE: Duration = Duration::from_millis(10);

/// Speaks to one node, over connections of its own, and asks nothing twice.
#[derive(Clone)]
pub(super) struct Gateway {
    node: NodeId,
    address: IpAddr,
    http: reqwest::Client,
}

/// An HTTP client that does what it is told, once.
fn http() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        // A request that the library sends again on its own might take effect twice.
        .retry(reqwest::retry::never())
        .tcp_nodelay(true)
        // Nodes are reached directly, whatever the environment says.
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
}

fn built(builder: reqwest::ClientBuilder) -> reqwest::Client {
    builder.build().expect("a client without TLS needs nothing that could be missing")
}

impl Gateway {
    /// For a client of the load, whose requests may each take `timeout`. Its connection is kept
    /// from one request to the next.
    pub(super) fn kept(node: &Node, timeout: Duration) -> Self {
        // A connection may take as long as the request, less what tells the two apart.
        let connect = timeout.saturating_sub(BEFORE).max(timeout / 2);
        let http = built(http().connect_timeout(connect));
        Self { node: node.id, address: node.address, http }
    }

    /// For single questions: each on a connection of its own, since a node that is paused, cut off
    /// or killed must not spoil the question after.
    pub(super) fn fresh(node: &Node, http: &reqwest::Client) -> Self {
        Self { node: node.id, address: node.address, http: http.clone() }
    }

    /// The HTTP client of [`Gateway::fresh`].
    pub(super) fn without_pool() -> reqwest::Client {
        built(http().pool_max_idle_per_host(0))
    }

    /// The node.
    pub(super) fn node(&self) -> NodeId {
        self.node
    }

    /// Sends one request that may change something, and reads its answer.
    pub(super) async fn tell<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
        deadline: Instant,
    ) -> Result<T, Trouble> {
        self.exchange(path, body, deadline).await.map_err(|trouble| trouble.of(&self.node))
    }

    /// Sends one request that changes nothing, so that whatever goes wrong proves that nothing was
    /// changed.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
        deadline: Instant,
    ) -> Result<T, Trouble> {
        self.tell(path, body, deadline).await.map_err(Trouble::harmless)
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
        deadline: Instant,
    ) -> Result<T, Trouble> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Trouble::Never(Code::Timeout, "there was no time left to ask".into()));
        }
        let sent =
            self.http.post(url(self.address, PORTS.clients, path)).timeout(left).json(body).send();
        let answer = sent.await.map_err(|error| unanswered(&error))?;
        let status = answer.status();
        // An answer that broke off has begun after the request had arrived.
        let body = answer.bytes().await.map_err(|error| unanswered(&error))?;
        if !status.is_success() {
            return Err(refused(&Refusal::parse(&body, status.as_u16())));
        }
        serde_json::from_slice(&body).map_err(|error| {
            // It did something, but nobody can say what.
            Trouble::Unknown(
                Code::Protocol,
                format!("{path} answered what cannot be read: {error}"),
            )
        })
    }

    /// Sends one request whose answer goes on, and returns once it has begun.
    pub(super) async fn stream(
        &self,
        path: &str,
        body: String,
        deadline: Instant,
    ) -> Result<reqwest::Response, Trouble> {
        let sent = self.http.post(url(self.address, PORTS.clients, path)).body(body).send();
        let Ok(answer) = tokio::time::timeout_at(deadline, sent).await else {
            let problem = format!("{}: no answer in time", self.node);
            return Err(Trouble::Unknown(Code::Timeout, problem));
        };
        let answer = answer.map_err(|error| unanswered(&error).of(&self.node))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = tokio::time::timeout_at(deadline, answer.bytes()).await;
        let body = body.ok().and_then(Result::ok).unwrap_or_default();
        Err(refused(&Refusal::parse(&body, status.as_u16())).of(&self.node))
    }

    /// The second that the node's clock shows, by the `Date` of its answer to a plain question: Go
    /// asks its clock for each.
    pub(super) async fn date(&self, within: Duration) -> Option<i64> {
        let url = url(self.address, PORTS.clients, "/version");
        let answer = self.http.get(url).timeout(within).send().await.ok()?;
        let date = answer.headers().get(reqwest::header::DATE)?.to_str().ok()?;
        let since = httpdate::parse_http_date(date).ok()?.duration_since(UNIX_EPOCH).ok()?;
        i64::try_from(since.as_secs()).ok()
    }

    /// The node's Prometheus text; `None` unless it comes `within`, and is good.
    pub(super) async fn metrics(&self, within: Duration) -> Option<String> {
        let url = url(self.address, PORTS.metrics, "/metrics");
        let answer = self.http.get(url).timeout(within).send().await.ok()?;
        answer.error_for_status().ok()?.text().await.ok()
    }
}

fn url(address: IpAddr, port: u16, path: &str) -> String {
    format!("http://{}{path}", std::net::SocketAddr::new(address, port))
}
