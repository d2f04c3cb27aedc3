//! Which Kafka is started: a release in this machine's cache, one out of Apache's archives, or a folder
//! that every node has. The first two are brought to nodes that do not share this machine's files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command as OwnCommand;
use std::sync::Mutex;
use std::time::Duration;

use schism_history::{OptionError, Options};
use schism_lab::{Command, Host, HostError, NodeId, Output};
use serde_json::Value;

use super::NAME;
use crate::TargetError;
use crate::archive::{self, Archive, CONTENT};

/// The release that is started where a plan names none.
pub(super) const DEFAULT: &str = "4.1.0";
/// What the class archive of a distribution is called; it is good where it was made, and there alone.
const CLASSES: &str = "classes.jsa";
/// How long a question to a node may take, and unpacking.
const ASK_WITHIN: Duration = Duration::from_secs(10);
const PACK_WITHIN: Duration = Duration::from_mins(2);

/// Where Kafka comes from.
#[derive(Debug)]
enum Source {
    /// The cache of this machine, where `make kafka` put this release.
    Release(String),
    /// Out of an archive.
    Archive(Archive),
    /// On every node already.
    Nodes,
}

/// The Kafka that a plan names.
#[derive(Debug)]
pub(super) struct Distribution {
    source: Source,
    /// Its folder on this machine, or, if nodes have their own, there.
    folder: PathBuf,
    /// Its folder on each node that has got it.
    places: Mutex<BTreeMap<NodeId, PathBuf>>,
    /// The version that the first node told.
    told: Mutex<Option<String>>,
    /// Held by whoever packs it for nodes.
    packing: tokio::sync::Mutex<()>,
}

impl Distribution {
    /// The one that the options `version`, `directory` or `archive` name.
    pub(super) fn read(options: &Options<'_>, given: &Value) -> Result<Self, OptionError> {
        let version = text(options, given, "version")?;
        let directory = text(options, given, "directory")?;
        let archive = Archive::read_whole(options, given, "libs")?;
        let (source, folder) = match (version, directory, archive) {
            (None, Some(folder), None) => (Source::Nodes, PathBuf::from(folder)),
            (None, None, Some(archive)) => {
                let folder = archive.kept().to_owned();
                (Source::Archive(archive), folder)
            }
            (version, None, None) => {
                let version = version.unwrap_or_else(|| DEFAULT.into());
                let folder = cached(options, &version)?;
                (Source::Release(version), folder)
            }
            (_, Some(_), _) => {
                let problem = "`directory` says which Kafka: leave `version` and `archive` out";
                return Err(options.error("directory", problem));
            }
            (_, None, Some(_)) => {
                return Err(
                    options.error("archive", "`archive` says which Kafka: leave `version` out")
                );
            }
        };
        if !folder.is_absolute() {
            let problem =
                format!("`directory` is {}; it must be an absolute path", folder.display());
            return Err(options.error("directory", problem));
        }
        let (places, told) = (Mutex::default(), Mutex::default());
        Ok(Self { source, folder, places, told, packing: tokio::sync::Mutex::default() })
    }

    /// Which Kafka it is, in words: its version, where that is known yet.
    pub(super) fn words(&self) -> String {
        let told = self.told.lock().expect("no code panics while it holds this lock").clone();
        match (&self.source, told) {
            (Source::Release(version), _) => version.clone(),
            (_, Some(version)) => version,
            (_, None) => version(names(&self.folder.join("libs")))
                .unwrap_or_else(|| format!("in {}", self.folder.display())),
        }
    }

    /// Fetches what must be fetched, and looks whether all is there that comes from this machine. Blocks.
    pub(super) fn provide(&self) -> Result<(), String> {
        if let Source::Archive(archive) = &self.source {
            archive.provide()?;
        }
        self.content()?;
        agent()?;
        Ok(())
    }

    /// Brings it to a node that does not have it, and makes sure that it is a Kafka.
    pub(super) async fn bring(&self, host: &dyn Host) -> Result<(), TargetError> {
        let node = host.node();
        let failed = |problem: String| HostError { node: node.id, problem, source: None };
        let place = match self.content().map_err(failed)? {
            None => self.folder.clone(),
            Some(content) if self.stands(host, &self.folder, &content).await? => {
                self.folder.clone()
            }
            Some(content) => {
                let place = node.data.join("programs").join(NAME);
                if !self.stands(host, &place, &content).await? {
                    self.unpack(host, &place, &content).await?;
                }
                place
            }
        };
        let libs = place.join("libs").display().to_string();
        let listed = quietly(host, &["ls", "--", &libs]).await?;
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        let Some(version) = version(text.lines()) else {
            let problem = format!(
                "{libs} holds no Kafka (no kafka_2.*.jar); name the folder of one with `directory`, or \
                 let `version` or `archive` bring it"
            );
            return Err(failed(problem).into());
        };
        *self.told.lock().expect("no code panics while it holds this lock") = Some(version);
        self.places().insert(node.id, place);
        Ok(())
    }

    /// Where it is on a node.
    pub(super) fn on(&self, node: NodeId) -> PathBuf {
        self.places().get(&node).cloned().unwrap_or_else(|| self.folder.clone())
    }

    /// The class archive that a node can use.
    pub(super) fn classes(&self, node: NodeId) -> Option<PathBuf> {
        let classes = self.folder.join(CLASSES);
        let own = !matches!(self.source, Source::Nodes) && self.on(node) == self.folder;
        (own && classes.exists()).then_some(classes)
    }

    fn places(&self) -> std::sync::MutexGuard<'_, BTreeMap<NodeId, PathBuf>> {
        self.places.lock().expect("no code panics while it holds this lock")
    }

    /// What it was made of; `None`: it is the nodes' own.
    fn content(&self) -> Result<Option<String>, String> {
        let remedy = match &self.source {
            Source::Nodes => return Ok(None),
            Source::Release(version) => format!("`make kafka VERSION={version}` puts it there"),
            Source::Archive(_) => "a run unpacks `archive` there before there is a lab".into(),
        };
        let content = fs::read_to_string(self.folder.join(CONTENT));
        let content = content.ok().filter(|content| !content.trim().is_empty());
        let folder = self.folder.display();
        content.map(Some).ok_or_else(|| format!("there is no whole Kafka in {folder}; {remedy}"))
    }

    /// Whether the same one stands in `place` on a node.
    async fn stands(
        &self,
        host: &dyn Host,
        place: &Path,
        content: &str,
    ) -> Result<bool, TargetError> {
        let path = place.join(CONTENT).display().to_string();
        let found = quietly(host, &["cat", "--", &path]).await?;
        Ok(found.code == 0 && found.stdout == content.as_bytes())
    }

    async fn unpack(
        &self,
        host: &dyn Host,
        place: &Path,
        content: &str,
    ) -> Result<(), TargetError> {
        let node = host.node();
        let failed = |problem: String| HostError { node: node.id, problem, source: None };
        let packed = self.packed(content).await.map_err(failed)?;
        let there = node.data.join("programs").join("kafka.tar");
        crate::program::run(host, &["mkdir", "-p", "--", &place.display().to_string()]).await?;
        host.upload(&packed, &there).await?;
        // What says that it is there is unpacked last; and an installed program outlives a loss of
        // power, which takes whatever was not synced.
        let script = r#"tar -xf "$1" -C "$2" --exclude=./content && sync -- $(find "$2") &&
            tar -xf "$1" -C "$2" ./content && sync -- "$2/content" "$2" "$3" && rm -f -- "$1""#;
        let (there, place, data) = (
            there.display().to_string(),
            place.display().to_string(),
            node.data.display().to_string(),
        );
        let mut command = Command::new(["sh", "-c", script, "sh", &there, &place, &data]);
        command.folder = Some(PathBuf::from("/"));
        let output = host.run(&command, PACK_WITHIN).await?;
        if output.code != 0 {
            let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(failed(format!("{there} could not be unpacked: {words}")).into());
        }
        Ok(())
    }

    /// One file of all of it, made once for a content.
    async fn packed(&self, content: &str) -> Result<PathBuf, String> {
        let _packing = self.packing.lock().await;
        let short = content.get(..12).unwrap_or("unknown");
        let packed = PathBuf::from(format!("{}.{short}.tar", self.folder.display()));
        if packed.exists() {
            return Ok(packed);
        }
        let new = packed.with_extension(format!("new-{}", std::process::id()));
        let mut tar = OwnCommand::new("tar");
        tar.arg("-cf").arg(&new).arg("--owner=0").arg("--group=0");
        tar.arg(format!("--exclude=./{CLASSES}")).arg("-C").arg(&self.folder).arg(".");
        let made = tokio::task::spawn_blocking(move || archive::run(&mut tar, PACK_WITHIN)).await;
        made.map_err(|error| error.to_string())??;
        fs::rename(&new, &packed).map_err(|error| format!("{}: {error}", packed.display()))?;
        Ok(packed)
    }
}

/// The agent that serves the metrics of every broker, on this machine.
pub(super) fn agent() -> Result<PathBuf, String> {
    let folder = crate::cache::of(NAME, "agent").ok_or(crate::cache::NONE)?;
    let agent = folder.join("jmx_prometheus_javaagent.jar");
    if agent.exists() {
        return Ok(agent);
    }
    let agent = agent.display();
    Err(format!(
        "there is no {agent}, which serves the metrics of brokers; `make kafka VERSION={DEFAULT}` puts \
         it there, whatever Kafka a plan names"
    ))
}

/// Runs a program of the node that may fail, from a folder that is surely there.
pub(super) async fn quietly(host: &dyn Host, argv: &[&str]) -> Result<Output, HostError> {
    let mut command = Command::new(argv.iter().copied());
    command.folder = Some(PathBuf::from("/"));
    host.run(&command, ASK_WITHIN).await
}

/// The version in the names of its jars.
fn version<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Option<String> {
    names.into_iter().find_map(|name| {
        let version = name.as_ref().strip_prefix("kafka_2.")?.strip_suffix(".jar")?;
        let (_, version) = version.split_once('-')?;
        version.starts_with(|c: char| c.is_ascii_digit()).then(|| version.to_owned())
    })
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn text(options: &Options<'_>, given: &Value, key: &str) -> Result<Option<String>, OptionError> {
    match given.get(key) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(other) => Err(options.error(key, format!("`{key}` is {other}; it must be a text"))),
    }
}

/// Where `make kafka` puts a release.
fn cached(options: &Options<'_>, version: &str) -> Result<PathBuf, OptionError> {
    let parts: Vec<&str> = version.split('.').collect();
    let number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if parts.len() != 3 || !parts.iter().all(number) {
        let problem = format!("`version` is {version}; it must be a release such as {DEFAULT}");
        return Err(options.error("version", problem));
    }
    crate::cache::of(NAME, version).ok_or_else(|| options.error("version", crate::cache::NONE))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(given: Value, expected: Result<&str, &str>) {
        let options = Options::read(&given, &["version", "directory", "archive", "sha256"]);
        let found = Distribution::read(&options.expect("known keys"), &given);
        let folder = found.as_ref().map(|it| it.folder.display().to_string());
        match (folder, expected) {
            (Ok(folder), Ok(end)) => assert!(folder.ends_with(end), "{folder}"),
            (Err(error), Err(key)) => assert_eq!(error.path, [key]),
            (found, _) => panic!("{given}: {found:?}"),
        }
    }

    #[test]
    fn one_option_says_which_kafka() {
        check(json!({}), Ok("schism/kafka/4.1.0"));
        check(json!({ "version": "3.9.1" }), Ok("schism/kafka/3.9.1"));
        check(json!({ "directory": "/opt/kafka" }), Ok("/opt/kafka"));
        check(json!({ "directory": "kafka" }), Err("directory"));
        check(json!({ "version": "../../etc" }), Err("version"));
        check(json!({ "version": "4.1" }), Err("version"));
        let archive = |more: &str| {
            let mut given = json!({ "archive": "x.tgz", "sha256": "a".repeat(64) });
            if !more.is_empty() {
                given[more] = json!(if more == "version" { "4.1.0" } else { "/opt/kafka" });
            }
            given
        };
        check(archive(""), Ok("/whole"));
        check(archive("version"), Err("archive"));
        check(archive("directory"), Err("directory"));
    }

    #[test]
    fn knows_a_version_by_its_jar() {
        let jars = ["kafka-clients-4.1.0.jar", "kafka_2.13-4.1.0.jar", "scala-library-2.13.16.jar"];
        assert_eq!(version(jars).as_deref(), Some("4.1.0"));
        assert_eq!(version(["kafka_2.12-3.9.1.jar"]).as_deref(), Some("3.9.1"));
        assert_eq!(version(["kafka_2.13-test.jar", "kafka-clients-4.1.0.jar"]), None);
    }
}
