//! The machine that a run was made on, in words.

use std::fs;

/// Cores, memory, kernel and processor.
pub fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let memory = memory_bytes().map_or_else(
        || "unknown memory".to_owned(),
        |bytes| format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)),
    );
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    format!("{cores} cores, {memory}, {os} {}, {arch}", kernel.trim())
}

/// The most memory that this process has held, in bytes; 0 where /proc does not tell.
pub fn peak_memory_bytes() -> u64 {
    field("/proc/self/status", "VmHWM:").unwrap_or(0)
}

fn memory_bytes() -> Option<u64> {
    field("/proc/meminfo", "MemTotal:")
}

/// A figure that /proc gives in kB, in bytes.
fn field(file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
