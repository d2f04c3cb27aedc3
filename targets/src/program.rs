//! Which program a target starts: one that is on the nodes, a release in this machine's cache, or one
//! out of an archive. The last two are brought to the nodes, which may be other machines.

use std::path::{Path, PathBuf};
use std::time::Duration;

use schism_history::{OptionError, Options};
use schism_lab::{Command, Host, HostError, Node};
use serde_json::Value;

use crate::TargetError;
use crate::archive::Archive;

/// How long a folder may take to be made, or a file's rights to be changed.
const RUN_WITHIN: Duration = Duration::from_secs(10);

/// What a program is called, and where else it comes from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// The program's own name, in an archive and on a node's path.
    pub(crate) program: &'static str,
    /// Debian's package of it.
    pub(crate) package: &'static str,
    /// What `make` calls it, and its folder in the cache.
    pub(crate) release: &'static str,
    /// Some release.
    pub(crate) example: &'static str,
}

/// Where a program is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// On every node already, by this name or path.
    Nodes,
    /// In the cache of this machine, where `make` put this release.
    Release(String),
    /// Out of an archive.
    Archive(Archive),
}

/// The program that a plan names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    kind: &'static Kind,
    path: PathBuf,
    source: Source,
}

impl Program {
    /// The program that the options `binary`, `version` or `archive` name.
    pub(crate) fn read(
        options: &Options<'_>,
        given: &Value,
        kind: &'static Kind,
    ) -> Result<Self, OptionError> {
        let binary = text(options, given, "binary")?;
        let version = text(options, given, "version")?;
        let made = |path, source| Ok(Self { kind, path, source });
        match (binary, version, Archive::read(options, given, kind.program)?) {
            (None, None, Some(archive)) => {
                made(archive.kept().to_owned(), Source::Archive(archive))
            }
            (_, _, Some(archive)) => {
                let path = archive.kept().display();
                let problem = format!("`archive` says which program ({path}): leave the other out");
                Err(options.error("archive", problem))
            }
            (Some(_), Some(_), None) => {
                let problem = "`binary` and `version` both say which program; leave one out";
                Err(options.error("binary", problem))
            }
            (None, Some(version), None) => {
                made(cached(options, kind, &version)?, Source::Release(version))
            }
            // A path must mean the same in a node's own working folder.
            (Some(path), None, None) if path.contains('/') => std::path::absolute(&path)
                .map_err(|error| options.error("binary", format!("`{path}`: {error}")))
                .and_then(|path| made(path, Source::Nodes)),
            (Some(name), None, None) => made(name.into(), Source::Nodes),
            (None, None, None) => made(kind.program.into(), Source::Nodes),
        }
    }

    /// The program on this machine; where nodes have their own, as it is called there.
    pub(crate) fn here(&self) -> &Path {
        &self.path
    }

    /// The program on a node.
    pub(crate) fn on(&self, node: &Node) -> PathBuf {
        match self.source {
            Source::Nodes => self.path.clone(),
            _ => node.data.join("programs").join(self.kind.program),
        }
    }

    /// Fetches the archive, if there is one. Blocks.
    pub(crate) fn provide(&self) -> Result<(), String> {
        match &self.source {
            Source::Archive(archive) => archive.provide(),
            _ => Ok(()),
        }
    }

    /// Brings the program to a node, and makes it one there; unless the nodes have their own.
    pub(crate) async fn bring(&self, host: &dyn Host) -> Result<(), TargetError> {
        if self.source == Source::Nodes {
            return Ok(());
        }
        let kept = self.path.display();
        if !self.path.exists() {
            let problem = format!("there is no {kept} on this machine; {}", self.remedy());
            return Err(HostError { node: host.node().id, problem, source: None }.into());
        }
        let program = self.on(host.node());
        let data = host.node().data.display().to_string();
        let folder = program.parent().unwrap_or(Path::new("/")).display().to_string();
        run(host, &["mkdir", "-p", "--", &folder]).await?;
        host.upload(&self.path, &program).await?;
        let program = program.display().to_string();
        run(host, &["chmod", "755", "--", &program]).await?;
        // An installed program outlives a loss of power, which takes whatever was not synced.
        run(host, &["sync", "--", &data, &folder, &program]).await
    }

    /// What helps where the program is missing.
    pub(crate) fn remedy(&self) -> String {
        let Kind { package, release, .. } = self.kind;
        match &self.source {
            Source::Release(version) => {
                format!("`make {release} VERSION={version}` puts it there")
            }
            Source::Archive(_) => "look what `archive` holds".into(),
            Source::Nodes => {
                format!("install the package {package}, or name the program with `binary`")
            }
        }
    }
}

/// Runs a program of the node that prepares something, its last argument, and must succeed.
pub(crate) async fn run(host: &dyn Host, argv: &[&str]) -> Result<(), TargetError> {
    let mut command = Command::new(argv.iter().copied());
    // Removing the working folder, or a part of it, from inside would be asking for trouble.
    command.folder = Some(PathBuf::from("/"));
    let output = host.run(&command, RUN_WITHIN).await?;
    if output.code == 0 {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let what = argv.last().copied().unwrap_or_default();
    let problem = format!("{} {what}: {}", argv[0], words.trim());
    Err(HostError { node: host.node().id, problem, source: None }.into())
}

fn text(options: &Options<'_>, given: &Value, key: &str) -> Result<Option<String>, OptionError> {
    match given.get(key) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(other) => Err(options.error(key, format!("`{key}` is {other}; it must be a text"))),
    }
}

/// Where `make` puts a release.
fn cached(options: &Options<'_>, kind: &Kind, version: &str) -> Result<PathBuf, OptionError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    if !version.chars().all(plain) || !version.starts_with(|c: char| c.is_ascii_digit()) {
        let example = kind.example;
        let problem = format!("`version` is {version}; it must be a release such as {example}");
        return Err(options.error("version", problem));
    }
    match crate::cache::of(kind.release, version) {
        Some(folder) => Ok(folder.join(kind.program)),
        None => Err(options.error("version", crate::cache::NONE)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fake_hosts::FakeHosts;

    const SERVER: Kind =
        Kind { program: "server", package: "a-server", release: "serve", example: "1.2.3" };

    fn read(given: &Value) -> Result<Program, OptionError> {
        let options = Options::read(given, &["binary", "version", "archive", "sha256"]);
        Program::read(&options.expect("known keys"), given, &SERVER)
    }

    fn check(given: Value, expected: Result<&str, &str>) {
        let program = read(&given);
        let path = program.as_ref().map(|program| program.here().to_string_lossy());
        let found = path.as_deref().map_err(|error| error.path.join("."));
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{given}");
    }

    #[test]
    fn one_option_says_which_program() {
        check(json!({}), Ok("server"));
        check(json!({ "binary": "/opt/server" }), Ok("/opt/server"));
        check(json!({ "binary": 3 }), Err("binary"));
        check(json!({ "version": "../../bin/sh" }), Err("version"));
        check(json!({ "version": "3.6.9", "binary": "server" }), Err("binary"));
        let archive =
            json!({ "archive": "x.tar.gz", "sha256": "a".repeat(64), "version": "1.2.3" });
        check(archive, Err("archive"));
        let release = read(&json!({ "version": "3.6.9" })).expect("a release");
        assert!(release.here().ends_with("schism/serve/3.6.9/server"), "{:?}", release.here());
    }

    #[tokio::test]
    async fn what_is_kept_here_is_brought_to_each_node_and_outlives_a_loss_of_power() {
        let place = FakeHosts::three(0).await;
        let host = &*place.hosts[0];
        let own = read(&json!({ "binary": "/opt/server" })).expect("a program");
        own.bring(host).await.expect("nothing is to be done");
        assert_eq!(own.on(&host.node), Path::new("/opt/server"));
        assert!(host.asked.lock().expect("no panic").is_empty());
        let kept = tempfile::NamedTempFile::new().expect("a file");
        let (path, source) = (kept.path().to_owned(), Source::Release("1.2.3".into()));
        let release = Program { kind: &SERVER, path, source };
        release.bring(host).await.expect("it is brought");
        let upload = format!("upload {} to /data/programs/server", kept.path().display());
        let expected = [
            "mkdir -p -- /data/programs",
            &*upload,
            "chmod 755 -- /data/programs/server",
            "sync -- /data /data/programs /data/programs/server",
        ];
        assert_eq!(*host.asked.lock().expect("no panic"), expected);
        let absent = read(&json!({ "version": "0.0.1" })).expect("a release");
        assert_eq!(absent.on(&host.node), Path::new("/data/programs/server"));
        let error = absent.bring(host).await.expect_err("nobody built it").to_string();
        assert!(error.starts_with("n1: there is no ") && error.contains("`make serve VERSION"));
    }
}
