//! What the kernel says of the node's memory, and of the descriptors of its processes.

use std::collections::BTreeSet;
use std::fs;
use std::io;

use crate::members::{self, Members};

/// How much memory programs may still get, in bytes.
pub(crate) fn memory_available() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kilobytes.ok_or_else(|| io::Error::other("no MemAvailable in /proc/meminfo"))? * 1024)
}

/// The fewest descriptors that a process of the node may still open.
///
/// The processes are those that the agent started, of which this is one; in a node of the local lab,
/// where the parent is in another namespace, all.
pub(super) fn descriptors_free() -> io::Result<Option<u64>> {
    let own = std::process::id() as i32;
    let parent = nix::unistd::getppid().as_raw();
    let all: Vec<i32> = if parent == 0 {
        members::pids()?.filter(|pid| *pid != 1 && *pid != own).collect()
    } else {
        Members::Below(parent)
            .list()?
            .into_iter()
            .map(|it| it.pid)
            .filter(|pid| *pid != own)
            .collect()
    };
    // One that ends meanwhile has none.
    Ok(all.into_iter().filter_map(free).min())
}

fn free(pid: i32) -> Option<u64> {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
    let limit: u64 = line.split_whitespace().nth(3)?.parse().ok()?;
    let used = descriptors(pid).ok()?.into_iter().filter(|number| *number < limit).count() as u64;
    Some(limit - used)
}

/// The numbers of the descriptors that a process has open.
pub(crate) fn descriptors(pid: i32) -> io::Result<BTreeSet<u64>> {
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.flatten().filter_map(number).collect())
}
