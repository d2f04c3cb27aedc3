//! `schism look`: what a process on the node sees of what is done to the node.
//!
//! For probes: it measures, and reads nothing that a holder wrote. Each look prints one line of JSON.

pub(crate) mod disk;
mod files;
pub(crate) mod process;

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

use crate::effects::Wound;

const USAGE: &str =
    "look cpu | disk ROUNDS | loss TOKEN | memory | descriptors | files GLOB | bytes WOUNDS";
/// How long a look at the processor computes, in processor time.
const COMPUTE_FOR: Duration = Duration::from_millis(40);
/// A processor that gives less than a fiftieth is as good as none.
const SHARE_MIN: u32 = 50;

/// Looks, and returns the exit code.
pub fn main(words: &[String]) -> i32 {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let seen = match look(&words) {
        Some(Ok(seen)) => seen,
        Some(Err(error)) => {
            println!("{}", serde_json::json!({ "error": error.to_string() }));
            return 1;
        }
        None => {
            eprintln!("usage: {USAGE}");
            return 64;
        }
    };
    println!("{seen}");
    0
}

/// `None` of what is no look.
fn look(words: &[&str]) -> Option<io::Result<serde_json::Value>> {
    match words {
        ["cpu"] => Some(Ok(serde_json::json!({ "share": cpu_share() }))),
        ["disk", rounds] => Some(disk::disk(Path::new("."), rounds.parse().ok()?)),
        ["loss", token] => Some(disk::loss(Path::new("."), token.parse().ok()?)),
        ["files", pattern] => Some(files::list(Path::new("."), pattern)),
        ["bytes", wounds] => {
            let wounds: Vec<Wound> = serde_json::from_str(wounds).ok()?;
            Some(files::bytes(Path::new("."), &wounds))
        }
        ["memory"] => {
            let available = process::memory_available();
            Some(available.map(|bytes| serde_json::json!({ "available": bytes })))
        }
        ["descriptors"] => {
            let free = process::descriptors_free();
            Some(free.map(|free| serde_json::json!({ "free": free })))
        }
        _ => None,
    }
}

/// How much of a processor one busy thread gets here, from 0 to 1.
fn cpu_share() -> f64 {
    let used = || {
        let spent = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
        spent.map_or(Duration::ZERO, Duration::from)
    };
    let (start, before) = (Instant::now(), used());
    let mut number = 1u64;
    let spent = || used().saturating_sub(before);
    while spent() < COMPUTE_FOR && start.elapsed() < COMPUTE_FOR * SHARE_MIN {
        for _ in 0..10_000 {
            number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005));
        }
    }
    spent().as_secs_f64() / start.elapsed().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_gets_a_part_of_a_processor() {
        let share = cpu_share();
        assert!(share > 0.0 && share <= 1.05, "{share}");
    }
}
