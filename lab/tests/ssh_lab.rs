//! The whole way over SSH, to nodes of the local lab that run OpenSSH: each claim is a scenario in a
//! process of its own, since a lab wants one thread.
//!
//! Where this machine refuses it (no root, no sshd, no nft), each is skipped in words.

#[path = "ssh_lab/leases.rs"]
mod leases;
#[path = "ssh_lab/links.rs"]
mod links;
#[path = "ssh_lab/look.rs"]
mod look;
#[path = "ssh_lab/programs.rs"]
mod programs;
#[path = "ssh_lab/scenarios.rs"]
mod scenarios;
#[path = "ssh_lab/speed.rs"]
mod speed;
#[path = "ssh_lab/ways.rs"]
mod ways;

use std::io::{Read as _, Write as _};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use schism_lab::local::node_init::{enter_node, found_node};
use schism_lab::local::sshd;

/// No scenario takes longer, but for those that kill something again and again.
const WITHIN: Duration = Duration::from_mins(1);
const ROUND_WITHIN: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let line: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = line.iter().skip(1).map(String::as_str).collect();
    let code = match words.as_slice() {
        ["lab-init", name] => found_node(name),
        ["lab-enter", init, folder, "--", ..] => {
            enter_node(init.parse().expect("a pid"), folder, &line[5..])
        }
        // What the nodes start: this program is theirs, too.
        ["agent" | "hold" | "look", ..] => {
            schism_agent::main(&line[1..]).expect("one of its words")
        }
        ["hello"] => {
            println!("hello");
            0
        }
        ["controller", nodes @ ..] => leases::controller(nodes),
        ["scenario", name] => scenarios::run(name),
        filter => run_tests(filter.iter().copied().find(|word| !word.starts_with('-'))),
    };
    ExitCode::from(code as u8)
}

fn run_tests(filter: Option<&str>) -> i32 {
    let (mut passed, mut failed) = (0, 0);
    let refusal = sshd::refusal();
    for (name, _) in scenarios::ALL {
        if filter.is_some_and(|filter| !name.contains(filter)) {
            continue;
        }
        let done = match &refusal {
            Some(reason) => Err(format!("skipped: {name}: {reason}")),
            None => scenario(name),
        };
        match done {
            Err(reason) if reason.starts_with("skipped: ") => {
                let _ = writeln!(std::io::stderr(), "{reason}");
                passed += 1;
            }
            Ok(()) => {
                passed += 1;
                println!("test {name} ... ok");
            }
            Err(problem) => {
                failed += 1;
                println!("test {name} ... FAILED\n{problem}");
            }
        }
    }
    let result = if failed == 0 { "ok" } else { "FAILED" };
    println!("\ntest result: {result}. {passed} passed; {failed} failed\n");
    i32::from(failed > 0)
}

/// Runs a scenario to its end, which is bounded.
fn scenario(name: &str) -> Result<(), String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(own);
    command.args(["scenario", name]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let within = WITHIN + ROUND_WITHIN * leases::kills();
    let deadline = Instant::now() + within;
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("did not end within {within:?}"));
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let mut said = String::new();
    if let Some(mut output) = child.stdout.take() {
        let _ = output.read_to_string(&mut said);
    }
    match status.success() {
        true => Ok(()),
        // The machine may refuse the lab itself.
        false if said.contains("refuses a local lab") => {
            Err(format!("skipped: {name}: {}", said.trim()))
        }
        false => Err(format!("{status}: {said}")),
    }
}
