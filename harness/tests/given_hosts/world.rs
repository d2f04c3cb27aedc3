//! The world of `world.sh`, as a test holds it: a desk with a user's home, and hosts behind sshd.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::place::{Place, said};

/// A world is up, and an order done, within this; usually in a second or two.
const WITHIN: Duration = Duration::from_secs(90);
/// No command takes longer, in seconds.
const LIMIT_S: &str = "150";
/// What the world is made with.
const PROGRAMS: [&str; 8] =
    ["unshare", "nsenter", "ip", "sshd", "ssh-keygen", "sudo", "nft", "setpriv"];

/// A place for worlds. `None`, said in words, where this machine does not allow them.
pub fn place(test: &str) -> Option<Place> {
    let place = Place::anywhere();
    let Some(reason) = refusal() else { return Some(place) };
    let _ = writeln!(std::io::stderr(), "skipped: {test} (given hosts): {reason}");
    None
}

/// A running world. Dropped, its first process reads the end of its input, and all of it is gone.
pub struct World {
    /// Its own, and below it the hosts', the user's home, and the runs.
    folder: PathBuf,
    orders: Option<ChildStdin>,
    answers: Receiver<String>,
    process: Child,
    /// Its first process, as this machine numbers it.
    first: String,
}

impl World {
    /// Hosts `h1` … and the desk, below a folder of this name.
    pub fn new(place: &Place, name: &str, hosts: usize) -> Self {
        let folder = place.folder.path().join(name);
        std::fs::create_dir(&folder).expect("a folder");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/given_hosts/world.sh");
        let mut process = unshare()
            .arg("bash")
            .args([&script, &folder])
            .arg(hosts.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare");
        let orders = process.stdin.take();
        let (say, answers) = channel();
        let lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| say.send(line)));
        let mut world = Self { folder, orders, answers, process, first: String::new() };
        assert_eq!(world.answer(), "ready");
        let id = world.process.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        children.expect("its children").trim().clone_into(&mut world.first);
        world
    }

    fn answer(&self) -> String {
        self.answers.recv_timeout(WITHIN).expect("the world answers")
    }

    /// Has the world do something, and waits until it is done.
    pub fn order(&mut self, order: &str) {
        let orders = self.orders.as_mut().expect("it is open until the end");
        writeln!(orders, "{order}").expect("an order");
        assert_eq!(self.answer(), "done", "{order}");
    }

    /// The home of the user, where keys and known hosts are.
    pub fn desk(&self) -> PathBuf {
        self.folder.join("desk")
    }

    /// A command at the desk. Only the clock of the machine is out of its reach.
    pub fn at_desk(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.first, "--net", "--mount", "--pid", "--uts", "--"]);
        command.args(["setpriv", "--bounding-set=-sys_time,-sys_boot,-sys_module"]);
        // Whoever enters other mounts begins at their root.
        command.args(["env", "-C"]).arg(&self.folder);
        command.args(["timeout", "-k", "5", LIMIT_S, program]);
        command.env("HOME", self.desk()).env("USER", "root").env_remove("SSH_AUTH_SOCK");
        command.stdin(Stdio::null());
        command
    }

    /// What such a command says, which must succeed.
    pub fn ask(&self, words: &[&str]) -> String {
        let output = self.at_desk(words[0]).args(&words[1..]).output().expect("a command");
        let said = said(&output);
        assert!(output.status.success(), "{words:?}: {said}");
        said
    }

    /// `schism run PLAN --quiet WORDS…`, ready to be started.
    pub fn schism(&self, plan: &Path, words: &[&str]) -> Command {
        let mut command = self.at_desk(env!("CARGO_BIN_EXE_schism"));
        command.args(["run", plan.to_str().expect("a plain path"), "--quiet"]).args(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it: exit code, verdict, and what was said.
    pub fn run(&self, plan: &Path, words: &[&str]) -> (i32, Value, String) {
        let output = self.schism(plan, words).output().expect("the binary");
        self.ended(&output)
    }

    /// How a run ended.
    pub fn ended(&self, output: &Output) -> (i32, Value, String) {
        let verdict = std::fs::read(self.latest().join("verdict.json")).unwrap_or_default();
        let verdict = serde_json::from_slice(&verdict).unwrap_or_default();
        (output.status.code().unwrap_or(-1), verdict, said(output))
    }

    /// The last run.
    pub fn latest(&self) -> PathBuf {
        self.folder.join("runs/latest")
    }

    /// Waits until the run that goes on has recorded so many bytes.
    pub fn wait_for_load(&self, running: &mut Child, bytes: u64) {
        let begun = Instant::now();
        let history = self.latest().join("history.jsonl");
        while std::fs::metadata(&history).map_or(0, |file| file.len()) < bytes {
            assert!(begun.elapsed() < WITHIN, "no load began");
            assert!(running.try_wait().expect("its state").is_none(), "it ended before its load");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A file of the user's, below the home.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.desk().join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    }

    /// No host has anything left of a run: no rule, no process; and others' rules are as they were.
    pub fn assert_clean(&self, hosts: &[&str]) {
        for host in hosts {
            let inside = format!("--net=/run/netns/{host}");
            let tables = self.ask(&["nsenter", &inside, "nft", "list", "tables"]);
            assert_eq!(tables.trim(), "table inet others", "{host}");
        }
        // All processes of all hosts are seen from the desk.
        let processes = self.ask(&["ps", "-e", "-o", "comm="]);
        for name in ["schism", "schism-agent", "etcd", "redis-server", "raft", "java"] {
            assert!(!processes.lines().any(|line| line.trim() == name), "{processes}");
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.orders.take();
        let _ = self.process.wait();
    }
}

fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child"]);
    command.args(["--mount-proc", "--propagation", "private"]);
    command
}

/// Why this machine stands up no world, if it does not.
fn refusal() -> Option<String> {
    let folders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    let there = |name: &&str| folders.iter().any(|folder| Path::new(folder).join(name).exists());
    if let Some(missing) = PROGRAMS.iter().find(|name| !there(name)) {
        return Some(format!("there is no `{missing}`"));
    }
    let tried = unshare()
        .args([
            "sh",
            "-c",
            "mount -t tmpfs none /run && ip link add lan type bridge && ip link \
            add one type veth peer name two && nft add table inet others && id -u",
        ])
        .stdin(Stdio::null())
        .output();
    match tried {
        Ok(output) if output.status.success() && output.stdout == b"0\n" => None,
        Ok(output) => Some(format!(
            "hosts need root, namespaces, bridges and a firewall: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Err(error) => Some(format!("unshare: {error}")),
    }
}
