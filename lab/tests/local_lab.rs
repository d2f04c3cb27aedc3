//! Real labs: each claim is a scenario in a process of its own, since a lab wants one thread.
//!
//! Where this machine refuses namespaces, each is skipped in words.
#![allow(unsafe_code)] // Terminals and namespaces have no safe interface.

#[path = "local_lab/scenarios.rs"]
mod scenarios;

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use schism_lab::local::node_init::{enter_node, found_node};

/// No scenario takes longer.
const WITHIN: Duration = Duration::from_secs(30);

type Test = (&'static str, fn() -> Result<(), String>);

const TESTS: [Test; 9] = [
    ("doctor_uses_the_lab_that_it_tries", || scenario("doctor").map(drop)),
    ("a_terminals_interrupt_reaches_the_controller_alone", interrupted_by_a_terminal),
    ("an_interrupt_from_kill_reaches_the_controller_once", || interrupted_by_kill(1)),
    ("an_interrupt_of_the_group_reaches_the_controller_once", || interrupted_by_kill(-1)),
    ("a_covered_proc_is_refused_with_a_remedy", || scenario("covered-proc").map(drop)),
    ("nodes_start_after_the_programs_file_was_replaced", file_replaced),
    ("processes_are_those_of_the_node_in_each_of_its_lives", || scenario("lives").map(drop)),
    ("clients_have_places_beside_the_nodes", || scenario("clients").map(drop)),
    ("a_healed_link_is_fast_at_once", || scenario("healed-link").map(drop)),
];

fn main() -> ExitCode {
    let line: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = line.iter().skip(1).map(String::as_str).collect();
    match words.as_slice() {
        ["lab-init", name] => exit(found_node(name)),
        ["lab-enter", init, folder, "--", ..] => {
            exit(enter_node(init.parse().expect("a pid"), folder, &line[5..]))
        }
        ["hello"] => {
            println!("hello");
            ExitCode::SUCCESS
        }
        ["scenario", name] => exit(scenarios::run(name)),
        filter => run_tests(filter.iter().copied().find(|word| !word.starts_with('-'))),
    }
}

fn exit(code: i32) -> ExitCode {
    ExitCode::from(code as u8)
}

fn run_tests(filter: Option<&str>) -> ExitCode {
    let wanted = |test: &&Test| filter.is_none_or(|filter| test.0.contains(filter));
    let refused = scenario("doctor").err();
    let (mut passed, mut failed) = (0, 0);
    for (name, test) in TESTS.iter().filter(wanted) {
        let done = match &refused {
            Some(reason) if reason.contains("refuses a local lab") => {
                let _ = writeln!(std::io::stderr(), "skipped: {name}: {}", reason.trim());
                Ok(())
            }
            _ => test(),
        };
        match done {
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
    exit(i32::from(failed > 0))
}

/// This binary, for a scenario.
fn program(own: &Path, name: &str) -> Command {
    let mut command = Command::new(own);
    command.args(["scenario", name]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command
}

fn own() -> std::path::PathBuf {
    std::env::current_exe().expect("this binary")
}

/// Runs a scenario to its end; what it printed.
fn scenario(name: &str) -> Result<String, String> {
    let child = program(&own(), name).spawn().map_err(|error| error.to_string())?;
    finish(child, String::new())
}

/// Waits for a scenario that is to end well; what it printed, after `said`.
fn finish(mut child: Child, mut said: String) -> Result<String, String> {
    let deadline = Instant::now() + WITHIN;
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("did not end within {WITHIN:?}"));
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    if let Some(mut output) = child.stdout.take() {
        let _ = output.read_to_string(&mut said);
    }
    if status.success() { Ok(said) } else { Err(format!("{status}: {said}")) }
}

/// Starts the scenario that counts interrupts, sends one with `send`, and reads what it counted.
fn interrupted(mut command: Command, send: impl FnOnce(&Child)) -> Result<(), String> {
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let mut output = BufReader::new(child.stdout.take().ok_or("no output")?);
    let mut line = String::new();
    output.read_line(&mut line).map_err(|error| error.to_string())?;
    if line != "ready\n" {
        let _ = child.kill();
        return finish(child, line).and(Err("it was not ready".into()));
    }
    send(&child);
    let mut counted = String::new();
    output.read_to_string(&mut counted).map_err(|error| error.to_string())?;
    finish(child, counted.clone())?;
    match counted.trim() {
        "interrupts 1, alive 1" => Ok(()),
        other => Err(other.to_owned()),
    }
}

fn interrupted_by_a_terminal() -> Result<(), String> {
    let (mut keyboard, terminal) = open_terminal();
    let mut command = program(&own(), "interrupted");
    let number = terminal.as_raw_fd();
    // SAFETY: between fork and exec only system calls are made, and the descriptor outlives them.
    unsafe {
        command.pre_exec(move || {
            libc::setsid();
            if libc::ioctl(number, libc::TIOCSCTTY, 0) < 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
    interrupted(command, |_| keyboard.write_all(b"\x03").expect("a key"))
}

/// `kill -INT` of the outer process, or, with a negative sign, of its whole group.
fn interrupted_by_kill(sign: i32) -> Result<(), String> {
    let mut command = program(&own(), "interrupted");
    command.process_group(0);
    interrupted(command, |child| {
        // SAFETY: the process is a child that has not been waited for.
        unsafe { libc::kill(sign * child.id() as i32, libc::SIGINT) };
    })
}

fn open_terminal() -> (std::fs::File, OwnedFd) {
    let (mut keyboard, mut terminal) = (0, 0);
    let null = std::ptr::null_mut();
    // SAFETY: both numbers are written, and nothing else is asked for; then they are owned.
    unsafe {
        let opened =
            libc::openpty(&raw mut keyboard, &raw mut terminal, null, null.cast(), null.cast());
        assert_eq!(opened, 0, "a terminal");
        (std::fs::File::from_raw_fd(keyboard), OwnedFd::from_raw_fd(terminal))
    }
}

/// A copy of this binary whose file vanishes while it runs, as `cargo build` lets it.
fn file_replaced() -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let copy = folder.path().join("schism");
    std::fs::copy(own(), &copy).map_err(|error| error.to_string())?;
    let child = program(&copy, "replaced").spawn().map_err(|error| error.to_string())?;
    finish(child, String::new()).map(drop)
}
