//! What the agent in a broker's JVM serves over HTTP: metrics, and with them when the process started
//! and what its clock shows.

use std::net::SocketAddr;
use std::time::{Duration, UNIX_EPOCH};

use reqwest::header::DATE;
use schism_lab::Node;

use super::PORTS;

/// Asks single questions, each on a connection of its own.
pub(super) fn http() -> reqwest::Client {
    reqwest::Client::builder()
        .retry(reqwest::retry::never())
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(0)
        .build()
        .expect("a client without TLS needs nothing that could be missing")
}

/// The metrics of a broker; `None` if it does not answer in time.
pub(super) async fn text(http: &reqwest::Client, node: &Node, within: Duration) -> Option<String> {
    let answer = http.get(url(node, "metrics")).timeout(within).send().await.ok()?;
    answer.error_for_status().ok()?.text().await.ok()
}

/// When the process started, as it says itself.
pub(super) fn started(text: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix("process_start_time_seconds "));
    line.map(|value| value.trim().to_owned())
}

/// The second that the JVM's clock shows, by the date of an answer, whatever the answer is.
pub(super) async fn date(http: &reqwest::Client, node: &Node, within: Duration) -> Option<i64> {
    let answer = http.get(url(node, "-/healthy")).timeout(within).send().await.ok()?;
    let date = httpdate::parse_http_date(answer.headers().get(DATE)?.to_str().ok()?).ok()?;
    match date.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).ok(),
        Err(before) => i64::try_from(before.duration().as_secs()).ok().map(|seconds| -seconds),
    }
}

fn url(node: &Node, path: &str) -> String {
    format!("http://{}/{path}", SocketAddr::new(node.address, PORTS.metrics))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_when_a_process_started() {
        let text =
            "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds 1.7E9\nx 1\n";
        assert_eq!(started(text).as_deref(), Some("1.7E9"));
        assert_eq!(started("process_open_fds 3\n"), None);
    }
}
