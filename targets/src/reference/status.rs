//! What a node says of itself over HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use schism_lab::NodeId;
use serde::Deserialize;
use tokio::task::JoinSet;

/// Asks nodes for their health and metrics, each time on a connection of its own: a node that is
/// paused, cut off or killed must not spoil the question after.
#[derive(Clone)]
pub(super) struct Status {
    http: reqwest::Client,
}

/// What `/health` answers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Health {
    /// `leader`, `follower`, `candidate` …
    pub(super) role: String,
    /// The latest term that the node has seen.
    pub(super) term: u64,
    /// Changes with every start of the process.
    #[serde(deserialize_with = "text_or_number")]
    pub(super) incarnation: String,
    /// What its real-time clock shows, in microseconds since 1970.
    pub(super) now_us: Option<i64>,
}

impl Status {
    pub(super) fn new() -> Self {
        let http = reqwest::Client::builder()
            // A question asked twice by the library would be a measurement of another moment.
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(0)
            // Nodes are reached directly, whatever the environment says.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client without TLS needs nothing that could be missing");
        Self { http }
    }

    /// The body of the answer to `GET /metrics`; `None` unless it comes `within`, and is one.
    pub(super) async fn metrics(&self, address: SocketAddr, within: Duration) -> Option<String> {
        let answer = self.get(address, "/metrics", within).await.ok()?;
        answer.error_for_status().ok()?.text().await.ok()
    }

    /// What a node says of its health; `None` unless it answers `within`, and to the point. A node
    /// that calls itself unhealthy (a status of 503, say) has answered all the same.
    pub(super) async fn health(&self, address: SocketAddr, within: Duration) -> Option<Health> {
        let answer = self.get(address, "/health", within).await.ok()?;
        serde_json::from_str(&answer.text().await.ok()?).ok()
    }

    /// Asks once; `within` covers the connection, the answer and its body.
    async fn get(
        &self,
        address: SocketAddr,
        path: &str,
        within: Duration,
    ) -> reqwest::Result<reqwest::Response> {
        self.http.get(format!("http://{address}{path}")).timeout(within).send().await
    }

    /// The health of several nodes, asked at once, in their order.
    pub(super) async fn healths(
        &self,
        nodes: Vec<(NodeId, SocketAddr)>,
        within: Duration,
    ) -> Vec<(NodeId, Option<Health>)> {
        let mut asked = JoinSet::new();
        for (id, address) in nodes {
            let status = self.clone();
            asked.spawn(async move { (id, status.health(address, within).await) });
        }
        let mut healths = asked.join_all().await;
        healths.sort_by_key(|(id, _)| *id);
        healths
    }
}

/// Those who say that they lead, with their terms.
pub(super) fn leaders(healths: &[(NodeId, Option<Health>)]) -> Vec<(u64, NodeId)> {
    let leader = |(id, health): &(NodeId, Option<Health>)| {
        health.as_ref().filter(|health| health.role == "leader").map(|health| (health.term, *id))
    };
    healths.iter().filter_map(leader).collect()
}

/// Whether one node leads in the latest term that any has seen.
pub(super) fn settled(healths: &[(NodeId, Option<Health>)]) -> bool {
    let terms = healths.iter().filter_map(|(_, health)| health.as_ref()).map(|health| health.term);
    let latest = terms.max();
    leaders(healths).iter().filter(|(term, _)| Some(*term) == latest).count() == 1
}

fn text_or_number<'de, D: serde::Deserializer<'de>>(value: D) -> Result<String, D::Error> {
    match serde_json::Value::deserialize(value)? {
        serde_json::Value::String(text) => Ok(text),
        serde_json::Value::Number(number) => Ok(number.to_string()),
        other => Err(serde::de::Error::custom(format!("{other} is no incarnation"))),
    }
}
