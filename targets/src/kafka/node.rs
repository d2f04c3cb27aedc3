//! One broker on its node: what is put there, how it is formatted and started.

use std::path::PathBuf;
use std::time::Duration;

use schism_lab::{Command, Host, HostError, Node};

use super::distribution::{self, quietly};
use super::settings::Settings;
use super::{NAME, PORTS, properties};
use crate::program::run;
use crate::{Cluster, TargetError};

/// How long a JVM may take to say its version, and to format a node, on a machine that is busy.
const FORMAT_WITHIN: Duration = Duration::from_mins(1);
/// The oldest Java on which Kafka 4 runs.
const JAVA: u32 = 17;

/// How brokers log: to standard output, which the lab keeps. 4.x reads the first, 3.9 the second.
const LOGGING: [(&str, &str); 2] = [
    ("log4j2.xml", include_str!("../../kafka-build/config/log4j2.xml")),
    ("log4j.properties", include_str!("../../kafka-build/config/log4j.properties")),
];
/// Of what the metrics are made.
const METRICS: (&str, &str) = ("metrics.yaml", include_str!("../../kafka-build/metrics.yaml"));
const AGENT: &str = "metrics.jar";
const PROPERTIES: &str = "server.properties";

/// Where a node keeps what must survive a crash.
pub(super) fn data(node: &Node) -> PathBuf {
    node.data.join(NAME)
}

/// Where a node has what we start brokers with.
fn place(node: &Node, file: &str) -> String {
    node.data.join("programs").join("kafka-broker").join(file).display().to_string()
}

/// Puts onto a node what a broker is started with.
pub(super) async fn install(
    settings: &Settings,
    cluster: &Cluster,
    host: &dyn Host,
) -> Result<(), TargetError> {
    let node = host.node();
    java(settings, host).await?;
    settings.distribution.bring(host).await?;
    let agent = distribution::agent();
    let agent = agent.map_err(|problem| HostError { node: node.id, problem, source: None })?;
    run(host, &["mkdir", "-p", "--", &place(node, "")]).await?;
    host.upload(&agent, place(node, AGENT).as_ref()).await?;
    let properties = properties::text(&properties::of(settings, cluster, node));
    let files = LOGGING.into_iter().chain([METRICS, (PROPERTIES, &*properties)]);
    // What is installed outlives a loss of power, which takes whatever was not synced.
    let script = r#"cd "$1" && shift && while [ $# -gt 0 ]; do
        printf %s "$2" >"$1" && sync -- "$1" || exit; shift 2; done && sync -- metrics.jar . .. ../.."#;
    let folder = place(node, "");
    let mut argv = vec!["sh", "-c", script, "sh", &folder];
    argv.extend(files.flat_map(|(name, text)| [name, text]));
    let output = quietly(host, &argv).await?;
    if output.code != 0 {
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let problem = format!("what brokers are started with cannot be written: {words}");
        return Err(HostError { node: node.id, problem, source: None }.into());
    }
    Ok(())
}

/// Makes a node without data one of the cluster's. One that is formatted already is left as it is.
pub(super) async fn format(
    settings: &Settings,
    cluster: &Cluster,
    host: &dyn Host,
) -> Result<(), TargetError> {
    let node = host.node();
    let mut command = jvm(settings, node, false);
    let id = properties::cluster_id(cluster);
    let properties = place(node, PROPERTIES);
    let words =
        ["kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", &id, "-c", &properties];
    command.argv.extend(words.map(str::to_owned));
    for (feature, level) in &settings.features {
        command.argv.extend(["--feature".to_owned(), format!("{feature}={level}")]);
    }
    let output = host.run(&command, FORMAT_WITHIN).await?;
    if output.code == 0 {
        return keep(host).await;
    }
    let said = [output.stderr, output.stdout].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).take(5).collect();
    let problem =
        format!("kafka-storage could not format {}: {}", data(node).display(), lines.join("\n  "));
    Err(HostError { node: node.id, problem, source: None }.into())
}

/// Syncs what a node was formatted with. `kafka-storage` does not sync `bootstrap.checkpoint`, without
/// which a broker never starts again: whoever loses power soon after formatting would lose the node,
/// and every other finding with it.
async fn keep(host: &dyn Host) -> Result<(), TargetError> {
    let data = data(host.node()).display().to_string();
    let above = host.node().data.display().to_string();
    run(host, &["find", &data, "-exec", "sync", "--", "{}", "+"]).await?;
    run(host, &["sync", "--", &above]).await
}

/// How a broker is started on a formatted node.
pub(super) fn command(settings: &Settings, node: &Node) -> Command {
    let mut command = jvm(settings, node, true);
    command.argv.extend(["kafka.Kafka".to_owned(), place(node, PROPERTIES)]);
    command
}

/// The flags of every broker's JVM, besides its paths.
pub(super) fn flags(settings: &Settings) -> Vec<String> {
    let Settings { heap, jvm, .. } = settings;
    // Heaps are small and processors few: the serial collector and the first compiler start soonest
    // and leave the others the most. Whoever measures throughput says otherwise with `jvm`.
    let mut flags =
        vec!["-Xms64m".to_owned(), format!("-Xmx{heap}"), "-XX:TieredStopAtLevel=1".into()];
    // The JVM takes the last word of every flag but this: two collectors are an error.
    if !jvm.iter().any(|flag| flag.starts_with("-XX:+Use") && flag.ends_with("GC")) {
        flags.push("-XX:+UseSerialGC".into());
    }
    flags.into_iter().chain(jvm.iter().cloned()).collect()
}

fn jvm(settings: &Settings, node: &Node, serves_metrics: bool) -> Command {
    let mut argv = vec![settings.java.clone()];
    argv.extend(flags(settings));
    // A file in /tmp, mapped and named by the process' number, which nodes of one machine that see
    // numbers of their own would share.
    argv.push("-XX:-UsePerfData".into());
    if let Some(classes) = settings.distribution.classes(node.id) {
        // An archive that another JVM made is passed over without a word.
        argv.push(format!("-XX:SharedArchiveFile={}", classes.display()));
        argv.push("-Xshare:auto".into());
        argv.push("-Xlog:cds=off".into());
    }
    argv.push(format!("-Dlog4j2.configurationFile={}", place(node, LOGGING[0].0)));
    argv.push(format!("-Dlog4j.configuration=file:{}", place(node, LOGGING[1].0)));
    if serves_metrics {
        let (agent, rules) = (place(node, AGENT), place(node, METRICS.0));
        argv.push(format!("-javaagent:{agent}={}:{}:{rules}", bracketed(node), PORTS.metrics));
    }
    let libs = settings.distribution.on(node.id).join("libs/*");
    argv.extend(["-cp".to_owned(), libs.display().to_string()]);
    Command::new(argv)
}

/// A node's address before a port.
fn bracketed(node: &Node) -> String {
    match node.address {
        std::net::IpAddr::V4(address) => address.to_string(),
        std::net::IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// Whether the node has a Java that Kafka runs on.
async fn java(settings: &Settings, host: &dyn Host) -> Result<(), TargetError> {
    let failed = |problem: String| HostError { node: host.node().id, problem, source: None };
    let java = &settings.java;
    let remedy = format!(
        "Kafka runs on Java {JAVA} or later: install it (apt-get install default-jre-headless), or name \
         it with `java`"
    );
    let output = host.run(&Command::new([&**java, "-version"]), FORMAT_WITHIN).await;
    let output = output.map_err(|error| failed(format!("{}; {remedy}", error.problem)))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match major(&said) {
        Some(version) if version >= JAVA => Ok(()),
        Some(version) => Err(failed(format!("{java} is Java {version}; {remedy}")).into()),
        None => {
            let words = said.lines().next().unwrap_or("it said nothing").trim().to_owned();
            Err(failed(format!("{java} does not say its version ({words}); {remedy}")).into())
        }
    }
}

/// The number in `openjdk version "17.0.15" 2025-04-15`; 8 and older call themselves 1.8.
fn major(said: &str) -> Option<u32> {
    let (_, rest) = said.split_once("version \"")?;
    let mut numbers = rest.split(['.', '"', '-', '_', '+']).map(str::parse);
    match (numbers.next()?.ok()?, numbers.next()) {
        (1, Some(Ok(old))) => Some(old),
        (number, _) => Some(number),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fake_hosts::FakeHosts;

    #[test]
    fn reads_what_a_java_says() {
        let check = |said: &str, expected| assert_eq!(major(said), expected, "{said}");
        check("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime Environment", Some(17));
        check("java version \"1.8.0_402\"", Some(8));
        check("openjdk version \"21\" 2023-09-19", Some(21));
        check("openjdk version \"24-ea\" 2025-03-18", Some(24));
        check("sh: java: not found", None);
    }

    #[tokio::test]
    async fn a_node_without_java_is_named_with_the_remedy() {
        let place = FakeHosts::three(127).await;
        let settings = Settings::read(&json!({ "java": "/opt/java" })).expect("right");
        let error =
            install(&settings, &place.cluster, &*place.hosts[1]).await.expect_err("no java");
        let error = error.to_string();
        assert!(
            error.starts_with("n2: /opt/java does not say its version (no such luck)"),
            "{error}"
        );
        assert!(error.contains("apt-get install default-jre-headless"), "{error}");
    }

    #[tokio::test]
    async fn a_broker_is_started_with_what_the_plan_says_last() {
        let place = FakeHosts::three(0).await;
        let given = json!({ "directory": "/opt/kafka", "heap": "1g", "jvm": "-XX:+UseG1GC -Dx=y" });
        let settings = Settings::read(&given).expect("right");
        let argv = command(&settings, &place.hosts[0].node).argv.join(" ");
        let begin = "java -Xms64m -Xmx1g -XX:TieredStopAtLevel=1 -XX:+UseG1GC -Dx=y -XX:-UsePerfData -Dlog4j2";
        assert!(argv.starts_with(begin), "{argv}");
        let end = "-javaagent:/data/programs/kafka-broker/metrics.jar=127.0.0.1:9094:\
                   /data/programs/kafka-broker/metrics.yaml -cp /opt/kafka/libs/* kafka.Kafka \
                   /data/programs/kafka-broker/server.properties";
        assert!(argv.ends_with(end), "{argv}");
    }
}
