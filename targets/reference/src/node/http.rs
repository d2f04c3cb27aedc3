//! `/health` and `/metrics`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::serve::ListenerExt;
use serde::Serialize;
use tokio::net::TcpListener;

use super::connection;
use super::driver::role_name;
use super::metrics::Metrics;
use crate::raft::{Machine, NodeId};

/// What `/health` says.
pub(super) struct Health(Mutex<Status>);

#[derive(Clone, Serialize)]
struct Status {
    node: String,
    /// Another with every start of the process.
    incarnation: String,
    role: &'static str,
    term: u64,
    leader: Option<String>,
    commit: u64,
    applied: u64,
    /// What the real-time clock of this very process shows when it is asked, in microseconds since
    /// 1970. The `Date` of the answer will not do: it is kept for a second, and does not go back.
    now_us: i64,
}

impl Health {
    pub(super) fn new(id: NodeId) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // The pid alone is the same after every restart in a pid namespace of its own.
        let incarnation = format!("{}-{}", std::process::id(), since.as_nanos());
        Self(Mutex::new(Status {
            node: id.to_string(),
            incarnation,
            role: "follower",
            term: 0,
            leader: None,
            commit: 0,
            applied: 0,
            now_us: 0,
        }))
    }

    /// Takes the machine's figures over.
    pub(super) fn update(&self, machine: &Machine) {
        let mut status = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        status.role = role_name(machine.role());
        status.term = machine.state().term;
        status.leader = machine.leader().map(|leader| leader.to_string());
        status.commit = machine.commit();
        status.applied = machine.applied();
    }
}

/// Serves until the process ends.
pub(super) async fn serve(listener: TcpListener, health: Arc<Health>, metrics: Arc<Metrics>) {
    let router = Router::new()
        .route("/health", get(answer_health).with_state(health))
        .route("/metrics", get(answer_metrics).with_state(metrics));
    let listener = listener.tap_io(|stream| {
        // A connection without it serves as well, only for too long.
        let _ = connection::give_up_when_dead(stream);
    });
    let _ = axum::serve(listener, router).await;
}

async fn answer_health(State(health): State<Arc<Health>>) -> impl IntoResponse {
    let mut status = health.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    status.now_us = now.as_micros() as i64;
    axum::Json(status)
}

async fn answer_metrics(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, kind)], metrics.text())
}
