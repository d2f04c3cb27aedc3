//! A place for the whole runs of a test: a folder, a turn, and what the machine has to offer.
//!
//! Runs share two cores with everything else, so they go one at a time in a test program. Where this
//! machine lacks something, the test is skipped in words.
#![allow(dead_code)] // Each test program uses its part.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard};

use serde_json::Value;

/// No command of these tests takes longer, in seconds: a run that hangs is a failure, not a wait.
const LIMIT_S: &str = "150";

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// How the nodes of the local lab are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Directly.
    Local,
    /// Each over its own sshd.
    Ssh,
}

impl Way {
    /// What says so to a run.
    pub fn setting(self) -> &'static str {
        match self {
            Way::Local => "lab.local.ssh=false",
            Way::Ssh => "lab.local.ssh=true",
        }
    }
}

/// A place for a test's plans and runs, held while no other whole run of the program goes on.
pub struct Place {
    pub folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Place {
    /// `None`, said in words, where this machine refuses the lab, or lacks one of these programs.
    pub fn new(test: &str, way: Way, programs: &[(&str, &str)]) -> Option<Self> {
        let place = Self::anywhere();
        let skip = |reason: &str| {
            let _ = writeln!(std::io::stderr(), "skipped: {test} ({way:?}): {reason}");
        };
        for (program, package) in programs {
            if let Err(error) = Command::new(program).arg("--version").output() {
                skip(&format!("{program}: {error}; install the package {package}"));
                return None;
            }
        }
        if let Some(reason) = place.refusal(way) {
            skip(&reason);
            return None;
        }
        Some(place)
    }

    /// A place where no lab is needed.
    pub fn anywhere() -> Self {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Self { folder: tempfile::tempdir().expect("a folder"), _turn: turn }
    }

    /// Why this machine cannot stand up such nodes, if it cannot.
    fn refusal(&self, way: Way) -> Option<String> {
        let output = self.schism(&["doctor", "--json"]);
        let doctor: Value = serde_json::from_slice(&output.stdout).expect("doctor's JSON");
        let wanted = match way {
            Way::Local => vec!["local lab"],
            Way::Ssh => vec!["local lab", "ssh: true"],
        };
        let findings = doctor["findings"].as_array().cloned().unwrap_or_default();
        let missing = findings.iter().find(|finding| {
            wanted.iter().any(|name| finding["name"] == **name) && finding["ok"] != true
        });
        missing.map(|finding| finding["says"].to_string())
    }

    /// Runs the binary to its end.
    pub fn schism(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("timeout");
        command.args(["-k", "5", LIMIT_S, env!("CARGO_BIN_EXE_schism")]).args(arguments);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        // What is fetched is fetched anew, and nobody else's cache is filled with it.
        command.env("XDG_CACHE_HOME", self.folder.path().join("cache"));
        command.env("no_proxy", "127.0.0.1");
        command.output().expect("the binary")
    }

    /// The last run.
    pub fn latest(&self) -> PathBuf {
        self.folder.path().join("runs/latest")
    }

    /// Runs a plan, and returns its exit code, its verdict, and what was said.
    pub fn run(&self, plan: &Path, way: Way, settings: &[&str]) -> (i32, Value, String) {
        let mut arguments = vec!["run", plan.to_str().expect("a plain path"), "--quiet"];
        for setting in std::iter::once(way.setting()).chain(settings.iter().copied()) {
            arguments.extend(["--set", setting]);
        }
        let output = self.schism(&arguments);
        let verdict = std::fs::read(self.latest().join("verdict.json")).unwrap_or_default();
        let verdict = serde_json::from_slice(&verdict).unwrap_or_default();
        (output.status.code().unwrap_or(-1), verdict, said(&output))
    }

    /// The same with a plan of this text.
    pub fn run_text(&self, text: &str, way: Way) -> (i32, Value, String) {
        let path = self.folder.path().join("short.yaml");
        std::fs::write(&path, text).expect("a plan");
        self.run(&path, way, &[])
    }
}

/// The option of a target that names an archive with a program of this machine, behind a URL: it is
/// served for as long as the test program runs.
pub fn archived(place: &Place, program: &str) -> String {
    let shell = |text: &str| {
        let mut command = Command::new("sh");
        command.current_dir(place.folder.path()).args(["-ec", text]);
        let output = command.output().expect("a shell");
        assert!(output.status.success(), "{text}: {}", said(&output));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    shell(&format!("mkdir -p release; cp -L \"$(command -v {program})\" release/{program}"));
    shell("tar -cf release.tar release");
    let sum = shell("sha256sum release.tar | cut -d ' ' -f 1");
    let bytes = std::fs::read(place.folder.path().join("release.tar")).expect("the archive");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().filter_map(Result::ok) {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len());
            // Who has gone meanwhile says so himself.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&bytes));
        }
    });
    format!("archive: 'http://{address}/release.tar', sha256: '{sum}'")
}

/// The release of Kafka that tests start.
pub const KAFKA: &str = "4.1.0";

/// Puts the Kafka that this machine has assembled into a cache folder, or says why that cannot be.
pub fn kafka_in(cache: &Path) -> Result<(), String> {
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"));
    let kept = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    let kept = kept.unwrap_or_default().join("schism/kafka");
    if !kept.join(KAFKA).join("content").exists() {
        let remedy = format!("`make kafka VERSION={KAFKA}` assembles it");
        return Err(format!("there is no Kafka {KAFKA} in {}; {remedy}", kept.display()));
    }
    let own = cache.join("schism");
    std::fs::create_dir_all(&own).expect("a folder");
    std::os::unix::fs::symlink(kept, own.join("kafka")).expect("a link");
    Ok(())
}

/// Everything that the binary said.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// A plan of the repository.
pub fn plan(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../plans").join(name)
}

/// What is said of a claim.
pub fn word<'a>(verdict: &'a Value, claim: &str) -> &'a str {
    let claims = verdict["claims"].as_array().map_or(&[][..], Vec::as_slice);
    let found = claims.iter().find(|row| row["name"] == claim);
    found.and_then(|row| row["verdict"].as_str()).unwrap_or("missing")
}
