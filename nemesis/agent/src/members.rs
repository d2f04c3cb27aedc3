//! Which processes are a node's, from what the kernel says of them and nothing else.
//!
//! The agent is a subreaper: whoever loses its parent becomes the agent's child, so that its
//! descendants are all that it ever started, however often they forked. A node of the local lab has
//! namespaces of its own, by which its processes are told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::protocol::Process;

/// How long processes may take to die, to stop or to go on.
const SETTLE_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Whose processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Members {
    /// The descendants of this process: holders left out, and what serves the process itself.
    Below(i32),
    /// Those in this network namespace (`net:[4026531840]`) and in a pid namespace below ours.
    Network(String),
}

impl Members {
    /// The living processes.
    pub fn list(&self) -> io::Result<Vec<Process>> {
        match self {
            Members::Below(root) => descendants(*root, &servants(*root)?),
            Members::Network(link) => in_network(Path::new(link)),
        }
    }
}

impl fmt::Display for Members {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Members::Below(root) => write!(formatter, "below:{root}"),
            Members::Network(link) => write!(formatter, "network:{link}"),
        }
    }
}

impl FromStr for Members {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.split_once(':') {
            Some(("below", root)) => root.parse().map(Members::Below).map_err(|_| ()),
            Some(("network", link)) => Ok(Members::Network(link.to_owned())),
            _ => Err(()),
        }
    }
}

/// A variable in the environment of what an agent starts for itself, such as nft: who holds an
/// effect is another process, and must know them from those that the agent was asked to start.
pub(crate) const SERVES: &str = "SCHISM_SERVES";

/// Those who are no members though they are below `root`: who holds an effect (by the command line,
/// which is there from its first moment), who serves `root`, and whoever `root` has just forked,
/// of whom nobody can tell yet what it will be. A member is found at the next look.
fn servants(root: i32) -> io::Result<BTreeSet<i32>> {
    let read = |pid: i32, what: &str| fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
    let of_root = read(root, "cmdline");
    let mark = [SERVES.as_bytes(), b"="].concat();
    let mut found = BTreeSet::new();
    for pid in pids()?.filter(|&pid| pid != root) {
        let line = read(pid, "cmdline");
        let holds = line.split(|&byte| byte == 0).nth(1) == Some(b"hold");
        let serves = || {
            let variables = read(pid, "environ");
            variables.split(|&byte| byte == 0).any(|variable| variable.starts_with(&mark))
        };
        if holds || line == of_root || serves() {
            found.insert(pid);
        }
    }
    Ok(found)
}

/// The numbers of all processes that this one sees.
pub(crate) fn pids() -> io::Result<impl Iterator<Item = i32>> {
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<i32>().ok();
    Ok(fs::read_dir("/proc")?.flatten().filter_map(number))
}

/// The processes of a node of the local lab, its init left out.
///
/// A process is the node's if it is in the node's network and in a pid namespace below this one.
/// The network namespace stays the same for as long as the lab is up, and the lab holds it open, so
/// that no life of the node and nothing that was remembered of one goes into the answer.
pub fn in_network(network: &Path) -> io::Result<Vec<Process>> {
    let mut members = Vec::new();
    for pid in pids()? {
        // A process that ends meanwhile is none of the node's any more.
        let here = fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|own| own == network);
        let inside =
            || fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|it| is_member(&it));
        if here && inside() {
            members.extend(state_of(pid));
        }
    }
    members.sort_by_key(|process| process.pid);
    Ok(members)
}

/// Whether /proc/PID/status is that of a process which has a number in a namespace below ours, and
/// is not the first there. `NSpid` lists its numbers from our namespace inwards.
fn is_member(status: &str) -> bool {
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    numbers.and_then(|numbers| numbers.split_whitespace().nth(1)).is_some_and(|own| own != "1")
}

/// One process; `None` if it is gone.
pub fn state_of(pid: i32) -> Option<Process> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(pid, &text).map(|(_, process)| process)
}

/// The living descendants of `root`, without those of `apart`, which the agent needs itself.
pub fn descendants(root: i32, apart: &BTreeSet<i32>) -> io::Result<Vec<Process>> {
    let mut children: BTreeMap<i32, Vec<Process>> = BTreeMap::new();
    for pid in pids()? {
        // A process that ends meanwhile is nobody's any more.
        let Ok(text) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        if let Some((parent, process)) = parse_stat(pid, &text) {
            children.entry(parent).or_default().push(process);
        }
    }
    let mut found = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        for process in children.remove(&parent).unwrap_or_default() {
            if !apart.contains(&process.pid) {
                parents.push(process.pid);
                found.push(process);
            }
        }
    }
    // A zombie is dead; its children are not.
    found.retain(|process| !matches!(process.state, 'Z' | 'X'));
    found.sort_by_key(|process| process.pid);
    Ok(found)
}

/// A variable in the environment of all that an agent starts: the agent's folder. It finds what
/// neither the agent nor its watcher lived to kill.
pub const MARK: &str = "SCHISM_FOLDER";

/// The living processes that an agent of this folder started, and theirs.
pub fn marked(folder: &Path) -> io::Result<Vec<Process>> {
    let mark = [MARK.as_bytes(), b"=", folder.as_os_str().as_bytes()].concat();
    let own = std::process::id() as i32;
    let mut found = Vec::new();
    for pid in pids()?.filter(|&pid| pid != own) {
        let variables = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        if variables.split(|&byte| byte == 0).any(|variable| variable == mark) {
            found.extend(state_of(pid));
        }
    }
    found.retain(|process| !matches!(process.state, 'Z' | 'X'));
    Ok(found)
}

/// Parent and process of one /proc/PID/stat.
fn parse_stat(pid: i32, text: &str) -> Option<(i32, Process)> {
    // The name stands in parentheses and may hold anything, parentheses included.
    let (name, rest) = (text.find('(')?, text.rfind(')')?);
    let fields: Vec<&str> = text[rest + 1..].split_whitespace().collect();
    let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
    // SAFETY: sysconf has no preconditions.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.max(1) as u64;
    let process = Process {
        pid,
        name: text.get(name + 1..rest)?.into(),
        state: fields.first()?.chars().next()?,
        cpu_ns: (number(11)? + number(12)?) * (1_000_000_000 / ticks),
        started: number(19)?,
    };
    Some((fields.get(1)?.parse().ok()?, process))
}

/// Sends `signal` to every process that `list` tells until `done` holds of all: processes may fork
/// between the look and the signal.
pub fn signal_until(
    signal: Signal,
    what: &str,
    list: impl Fn() -> io::Result<Vec<Process>>,
    done: impl Fn(&Process) -> bool,
) -> Result<(), String> {
    let deadline = Instant::now() + SETTLE_WITHIN;
    loop {
        let all = list().map_err(|error| format!("/proc: {error}"))?;
        let rest: Vec<&Process> = all.iter().filter(|process| !done(process)).collect();
        if rest.is_empty() {
            return Ok(());
        }
        for process in &rest {
            let _ = kill(Pid::from_raw(process.pid), signal);
        }
        if Instant::now() > deadline {
            let left: Vec<&str> = rest.iter().map(|process| process.name.as_str()).collect();
            return Err(format!("{} {what} within {SETTLE_WITHIN:?}", left.join(", ")));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Asks every process that `list` tells to end (SIGTERM), each once, and waits until none is left;
/// `false` if one still is after that time.
pub fn ask_to_end(
    list: impl Fn() -> io::Result<Vec<Process>>,
    within: Duration,
) -> Result<bool, String> {
    let deadline = Instant::now() + within;
    let mut asked = BTreeSet::new();
    loop {
        let all = list().map_err(|error| format!("/proc: {error}"))?;
        if all.is_empty() {
            return Ok(true);
        }
        for process in &all {
            // Some programs take a second wish for one to end at once.
            if asked.insert((process.pid, process.started)) {
                let _ = kill(Pid::from_raw(process.pid), Signal::SIGTERM);
            }
        }
        if Instant::now() > deadline {
            return Ok(false);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_name_that_looks_like_fields() {
        let text = "42 (a) S 1 (b) T 7 42 42 0 -1 4194560 1 0 0 0 5 6 0 0 20 0 1 0 99 0 0";
        let (parent, process) = parse_stat(42, text).expect("a process");
        assert_eq!((parent, process.name.as_str(), process.state), (7, "a) S 1 (b", 'T'));
        assert_eq!(process.started, 99);
    }

    #[test]
    fn tells_a_nodes_processes_by_their_numbers() {
        let check = |numbers: &str, expected: bool| {
            let status = format!("Name:\traft\nNStgid:\t9\t9\nNSpid:\t{numbers}\nVmRSS:\t1 kB\n");
            assert_eq!(is_member(&status), expected, "{numbers}");
        };
        check("4711", false);
        check("4711\t1", false);
        check("4711\t2", true);
        // The init of a container that runs on the node is a process as any other.
        check("4711\t12\t1", true);
        assert!(!is_member("Name:\traft\n"));
    }

    #[test]
    fn finds_nobody_of_a_node_in_this_very_namespace() {
        let own = fs::read_link("/proc/self/ns/net").expect("a namespace");
        let members = in_network(&own).expect("/proc");
        assert!(members.iter().all(|process| process.pid != std::process::id() as i32));
    }

    #[test]
    fn leaves_out_what_serves_the_process_itself() {
        let sleep = |serves: bool| {
            let mut command = std::process::Command::new("sleep");
            command.arg("20");
            if serves {
                command.env(SERVES, "1");
            }
            command.spawn().expect("a child")
        };
        let (mut servant, mut member) = (sleep(true), sleep(false));
        let own = std::process::id() as i32;
        let deadline = Instant::now() + Duration::from_secs(5);
        let below = || -> Vec<i32> {
            let found = Members::Below(own).list().expect("/proc");
            found.into_iter().map(|process| process.pid).collect()
        };
        while !below().contains(&(member.id() as i32)) {
            assert!(Instant::now() < deadline, "{:?}", below());
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(!below().contains(&(servant.id() as i32)));
        for child in [&mut servant, &mut member] {
            child.kill().expect("killed");
            let _ = child.wait();
        }
    }

    #[test]
    fn who_is_asked_to_end_does_so_unless_it_will_not() {
        let start = |script: &str| {
            let mut command = std::process::Command::new("sh");
            command.args(["-c", script]).stdout(std::process::Stdio::piped());
            let mut child = command.spawn().expect("a shell");
            let mut said = String::new();
            let output = child.stdout.as_mut().expect("its output");
            io::BufRead::read_line(&mut io::BufReader::new(output), &mut said).expect("a line");
            child
        };
        let check = |script: &str, within: Duration, expected: bool| {
            let mut child = start(script);
            let pid = child.id() as i32;
            let alive = || {
                let own = state_of(pid).filter(|process| !matches!(process.state, 'Z' | 'X'));
                Ok(own.into_iter().collect())
            };
            assert_eq!(ask_to_end(alive, within), Ok(expected), "{script}");
            let _ = child.kill();
            child.wait().expect("it is over");
        };
        let long = Duration::from_secs(20);
        check("trap 'exit 0' TERM; echo there; while :; do sleep 0.05; done", long, true);
        let short = Duration::from_millis(300);
        check("trap '' TERM; echo there; while :; do sleep 0.05; done", short, false);
    }

    #[test]
    fn finds_a_childs_child_and_leaves_out_those_apart() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "sleep 20 & wait"])
            .spawn()
            .expect("a shell");
        let own = std::process::id() as i32;
        let deadline = Instant::now() + Duration::from_secs(5);
        let names = |apart: &BTreeSet<i32>| -> Vec<String> {
            let found = descendants(own, apart).expect("/proc");
            found.into_iter().map(|process| process.name).collect()
        };
        while !names(&BTreeSet::new()).contains(&"sleep".to_owned()) {
            assert!(Instant::now() < deadline, "{:?}", names(&BTreeSet::new()));
            std::thread::sleep(Duration::from_millis(5));
        }
        let apart = [child.id() as i32].into();
        assert!(!names(&apart).contains(&"sleep".to_owned()));
        let all = || descendants(child.id() as i32, &BTreeSet::new());
        signal_until(Signal::SIGKILL, "did not die", all, |_| false).expect("dead");
        let _ = child.kill();
        let _ = child.wait();
    }
}
