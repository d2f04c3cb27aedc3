//! What a node says of itself, as Prometheus text.

use std::fmt::Write as _;

use super::nodes::View;

/// Fields of `INFO` that are whole numbers: the field, its name in Prometheus, its type.
const FIELDS: &[(&str, &str, &str)] = &[
    ("uptime_in_seconds", "redis_uptime_seconds", "gauge"),
    ("connected_clients", "redis_connected_clients", "gauge"),
    ("blocked_clients", "redis_blocked_clients", "gauge"),
    ("used_memory", "redis_memory_used_bytes", "gauge"),
    ("total_commands_processed", "redis_commands_processed_total", "counter"),
    ("instantaneous_ops_per_sec", "redis_commands_per_second", "gauge"),
    ("rejected_connections", "redis_rejected_connections_total", "counter"),
    ("connected_slaves", "redis_connected_replicas", "gauge"),
    ("master_repl_offset", "redis_replication_offset", "gauge"),
    ("slave_repl_offset", "redis_replica_offset", "gauge"),
    ("sync_full", "redis_full_syncs_total", "counter"),
    ("sync_partial_ok", "redis_partial_syncs_total", "counter"),
    ("aof_delayed_fsync", "redis_aof_delayed_fsyncs_total", "counter"),
];

/// The metrics of the node that said `view`.
pub(crate) fn text(view: &View) -> String {
    let mut text = String::new();
    let mut line = |name: &str, kind: &str, value: i64| {
        writeln!(text, "# TYPE {name} {kind}\n{name} {value}").expect("memory takes every write");
    };
    // `is_leader` and `term` are what the report knows primaries and their epochs by.
    line("redis_is_leader", "gauge", i64::from(view.leads().is_some()));
    if let Some(own) = view.own() {
        line("redis_config_term", "gauge", own.epoch as i64);
    }
    let is = |field, word| i64::from(view.field(field) == Some(word));
    line("redis_cluster_ok", "gauge", is("cluster_state", "ok"));
    if view.field("role") == Some("slave") {
        line("redis_primary_link_up", "gauge", is("master_link_status", "up"));
    }
    for (field, name, kind) in FIELDS {
        if let Some(value) = view.field(field).and_then(|value| value.parse().ok()) {
            line(name, kind, value);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis_cluster::nodes::tests::{NODES, TEXTS, view_of};

    #[test]
    fn tells_what_is_known_and_nothing_else() {
        let texts = format!("{TEXTS}used_memory:1024\r\nconnected_clients:many\r\n");
        let text = text(&view_of(NODES, &texts));
        for line in ["redis_is_leader 1", "redis_config_term 1", "redis_cluster_ok 1"] {
            assert!(text.lines().any(|other| other == line), "{line} is missing in:\n{text}");
        }
        assert!(
            text.contains("# TYPE redis_memory_used_bytes gauge\nredis_memory_used_bytes 1024")
        );
        assert!(!text.contains("connected_clients") && !text.contains("link_up"), "{text}");
    }
}
