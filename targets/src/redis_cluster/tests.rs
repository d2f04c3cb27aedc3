//! The target against hosts and nodes that are made up.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fake_hosts::FakeHosts;

use super::*;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(500);

/// The target on three made-up nodes.
struct Made {
    place: FakeHosts,
    target: RedisCluster,
}

async fn make(code: i32) -> Made {
    let place = FakeHosts::three(code).await;
    let options = json!({ "replicas": 0, "save": "off" });
    let mut target = RedisCluster::from_options(&options).expect("options are right");
    target.port = place.port;
    Made { place, target }
}

/// The members as the node in the place `own` sees them, each with its epoch.
fn members(port: u16, own: usize, epochs: [u64; 3]) -> String {
    let line = |place: usize| {
        let flags = if place == own { "myself,master" } else { "master" };
        let (number, epoch) = (place + 1, epochs[place]);
        let slots = ["0-5460", "5461-10921", "10922-16383"][place];
        format!("id{number} 127.0.0.{number}:{port}@1 {flags} - 0 0 {epoch} connected {slots}\n")
    };
    (0..3).map(line).collect()
}

impl Made {
    /// Lets the nodes tell of these epochs; one of 0 does not answer.
    fn answer(&mut self, epochs: [u64; 3], state: &'static str) {
        for (place, listener) in self.place.listeners.drain(..).enumerate() {
            let nodes = members(self.target.port, place, epochs);
            let info = format!("role:master\r\nrun_id:run{place}\r\nredis_version:7.0.15\r\n");
            let texts = [nodes, format!("cluster_state:{state}\r\n"), info];
            let silent = epochs[place] == 0;
            tokio::spawn(async move {
                let mut open = Vec::new();
                while let Ok((mut stream, _)) = listener.accept().await {
                    if !silent {
                        let mut request = [0; 1024];
                        let _ = stream.read(&mut request).await;
                        for text in &texts {
                            let bulk = format!("${}\r\n{text}\r\n", text.len());
                            let _ = stream.write_all(bulk.as_bytes()).await;
                        }
                    }
                    open.push(stream);
                }
            });
        }
    }

    fn asked(&self, host: usize) -> Vec<String> {
        self.place.hosts[host].asked.lock().expect("no panic").clone()
    }
}

#[tokio::test]
async fn starts_nodes_with_all_that_they_need() {
    let made = make(0).await;
    made.target.start(&made.place.cluster, made.place.hosts[1].node()).await.expect("it starts");
    let port = made.target.port;
    let expected = format!(
        "redis: redis-server --port {port} --bind 127.0.0.2 --protected-mode no --daemonize no \
         --dir /data/redis --cluster-enabled yes --cluster-config-file nodes.conf \
         --cluster-announce-ip 127.0.0.2 --repl-diskless-sync-delay 0 --cluster-node-timeout 2000 \
         --appendonly no --appendfsync everysec --min-replicas-to-write 0 --min-replicas-max-lag 10 \
         --save "
    );
    assert_eq!(made.asked(1), [expected]);
}

#[tokio::test]
async fn whoever_took_over_last_is_the_first_primary() {
    let mut made = make(0).await;
    made.answer([4, 9, 2], "ok");
    let primaries = made.target.primaries(&made.place.cluster, LONG).await.expect("it asks");
    assert_eq!(primaries, [NodeId(2), NodeId(1), NodeId(3)]);
    assert_eq!(made.target.members(&made.place.cluster).await.expect("it asks").len(), 3);
    made.target.ready(&made.place.cluster, LONG).await.expect("all is well");
}

#[tokio::test]
async fn leaves_out_nodes_that_do_not_answer_in_time() {
    let mut made = make(0).await;
    made.answer([4, 0, 2], "ok");
    let primaries = made.target.primaries(&made.place.cluster, SHORT).await.expect("it asks");
    assert_eq!(primaries, [NodeId(1), NodeId(3)]);
    let incarnation = |host: usize| {
        made.target.incarnation(&made.place.cluster, made.place.hosts[host].node(), SHORT)
    };
    assert_eq!(incarnation(0).await.expect("it asks").as_deref(), Some("run0"));
    assert_eq!(incarnation(1).await.expect("it asks"), None);
    let metrics = |host: usize| {
        made.target.metrics(&made.place.cluster, made.place.hosts[host].node(), SHORT)
    };
    let text = metrics(0).await.expect("it asks").expect("it answers");
    assert!(text.contains("redis_is_leader 1") && text.contains("redis_config_term 4"), "{text}");
    assert_eq!(metrics(1).await.expect("it asks"), None);
}

#[tokio::test]
async fn is_not_ready_where_a_node_is_not_well_and_shows_its_log() {
    let mut made = make(0).await;
    let log = made.place.hosts[0].node.logs.join("redis.log");
    std::fs::write(log, "# Cluster state changed: fail\n").expect("it is written");
    made.answer([1, 2, 3], "fail");
    let error = made.target.ready(&made.place.cluster, SHORT).await.expect_err("the state is fail");
    assert_eq!(
        error.to_string(),
        "n1: was in the cluster state `fail`, and was not well within 500ms; its last log lines:\n  \
         # Cluster state changed: fail"
    );
}

#[tokio::test]
async fn refuses_a_cluster_that_could_not_fail_over() {
    let mut made = make(0).await;
    made.target = RedisCluster::from_options(&json!({ "replicas": 1 })).expect("options");
    let error =
        made.target.form(&made.place.cluster).await.expect_err("three nodes make one primary");
    assert!(error.to_string().contains("use 6 nodes"), "{error}");
}

#[tokio::test]
async fn wipes_the_data_and_says_when_it_could_not() {
    let made = make(0).await;
    made.target.wipe(&made.place.cluster, made.place.hosts[0].node()).await.expect("it wipes");
    assert_eq!(made.asked(0), ["rm -rf -- /data/redis", "mkdir -p -- /data/redis"]);
    let made = make(1).await;
    let error = made
        .target
        .wipe(&made.place.cluster, made.place.hosts[0].node())
        .await
        .expect_err("it can't");
    assert_eq!(error.to_string(), "n1: rm /data/redis: no such luck");
    let error = made.target.install(&made.place.cluster, made.place.hosts[0].node()).await;
    let error = error.expect_err("there is no Redis").to_string();
    assert!(
        error.contains("redis-server, which redis_cluster needs, does not run here"),
        "{error}"
    );
}

#[tokio::test]
async fn tells_what_was_set_and_the_version_once_it_is_known() {
    let made = make(0).await;
    let words = "0 replica(s) a primary, node timeout 2s";
    assert_eq!(made.target.describe(), format!("redis_cluster, {words}"));
    made.target.version.set("7.0.15".into()).expect("it was not known");
    assert_eq!(made.target.describe(), format!("redis_cluster 7.0.15, {words}"));
}
