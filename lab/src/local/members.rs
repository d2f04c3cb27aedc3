//! Which processes are a node's, from what the kernel says of them and nothing else.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use crate::ProcessState;

/// The processes inside the node with this network namespace, its init left out.
///
/// A process is the node's if it is in the node's network and in a pid namespace below this one.
/// The network namespace stays the same for as long as the lab is up, and this program holds it
/// open, so that no life of the node and nothing that was remembered of one goes into the answer.
pub(super) fn members(network: &OwnedFd) -> io::Result<Vec<ProcessState>> {
    let network = fs::read_link(format!("/proc/self/fd/{}", network.as_raw_fd()))?;
    let mut members = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        // A process that ends meanwhile is none of the node's any more.
        let here = fs::read_link(entry.path().join("ns/net")).is_ok_and(|own| own == network);
        if here && is_inside(&entry.path()) {
            members.extend(read_state(pid));
        }
    }
    members.sort_by_key(|state| state.pid);
    Ok(members)
}

fn is_inside(process: &Path) -> bool {
    fs::read_to_string(process.join("status")).is_ok_and(|status| is_member(&status))
}

/// Whether /proc/PID/status is that of a process which has a number in a namespace below ours, and
/// is not the first there. `NSpid` lists its numbers from our namespace inwards.
fn is_member(status: &str) -> bool {
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    numbers.and_then(|numbers| numbers.split_whitespace().nth(1)).is_some_and(|own| own != "1")
}

/// The fields of /proc/PID/stat; `None` if the process is gone.
fn read_state(pid: i32) -> Option<ProcessState> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything, parentheses included.
    let (name, rest) = (text.find('(')?, text.rfind(')')?);
    let fields: Vec<&str> = text[rest + 1..].split_whitespace().collect();
    let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
    // SAFETY: sysconf has no preconditions.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.max(1) as u64;
    Some(ProcessState {
        pid,
        name: text[name + 1..rest].into(),
        state: fields.first()?.chars().next()?,
        cpu_ns: (number(11)? + number(12)?) * (1_000_000_000 / ticks),
        started: number(19)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let own = fs::File::open("/proc/self/ns/net").expect("a namespace");
        let members = members(&own.into()).expect("/proc");
        assert!(members.iter().all(|state| state.pid != std::process::id() as i32));
    }
}
