//! Those who hold clocks, and what becomes of the clocks when they are killed.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use schism_agent::clock::{Hold, undo};
use schism_agent::effects::Effect;
use schism_agent::holder::{Held, Order};
use schism_agent::ledger::Ledger;
use schism_agent::members::Members;

use crate::programs::{self, Program, vdso};
use crate::{assert_near, assert_true, number, offset};

/// The one that is killed: it sets and undoes clocks under a number, without end.
#[test]
#[ignore = "a program that is killed by another test"]
fn a_holder_that_is_killed() {
    let Ok(text) = std::env::var("SCHISM_TEST_HOLD") else { return };
    let words: Vec<u64> = text.split(' ').map(|word| word.parse().expect("a number")).collect();
    let pids: Vec<i32> = words[1..].iter().map(|pid| *pid as i32).collect();
    let hold = Hold::new(words[0], &offset(20_000)).expect("a hold");
    println!("\nbegun");
    loop {
        hold.set(&pids).expect("it is set");
        hold.undo().expect("it is undone");
    }
}

#[test]
fn whoever_comes_after_a_killed_holder_finds_and_undoes_it_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(first) = programs::c("after_a_killed_holder", folder.path(), 3) else { return };
    let second = programs::c("after_a_killed_holder", folder.path(), 1).expect("there is cc");
    let mut programs = [first, second, programs::rust()];
    let mut torn = 0;
    for round in 0..100_u64 {
        let number = number();
        let pids = programs.iter().map(|program| program.pid().to_string());
        let words: Vec<String> = [number.to_string()].into_iter().chain(pids).collect();
        let mut holder = programs::itself("holders::a_holder_that_is_killed")
            .env("SCHISM_TEST_HOLD", words.join(" "))
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("a holder");
        let output = BufReader::new(holder.stdout.take().expect("its output"));
        assert!(output.lines().any(|line| line.is_ok_and(|line| line == "begun")));
        strike_time(round, &programs.each_ref().map(Program::pid));
        holder.kill().expect("a holder");
        holder.wait().expect("a holder");
        for program in &programs {
            program.assert_running();
        }
        let own = vdso(std::process::id() as i32);
        torn += i32::from(programs.iter().any(|program| vdso(program.pid()) != own));
        undo(number).expect("it is undone");
        programs.iter_mut().for_each(assert_true);
    }
    assert!(torn >= 20, "only {torn} of 100 kills found a clock that was not right");
}

/// Waits for the moment at which a holder is killed: any, or, every other time, one right after it
/// has begun to change a program. Which step of its work is struck is chance.
fn strike_time(round: u64, pids: &[i32]) {
    let own = vdso(std::process::id() as i32);
    let deadline = Instant::now() + Duration::from_secs(2);
    let touched = || pids.iter().any(|pid| vdso(*pid) != own);
    while round % 2 == 1 && !touched() && Instant::now() < deadline {}
    std::thread::sleep(Duration::from_micros(round * 7_919 % 3_000));
}

/// A shell that starts the program in C again whenever it ends.
fn again_and_again(test: &str, folder: &Path) -> Option<Program> {
    drop(programs::c(test, folder, 0)?);
    let script = format!("while {}/clock-c 2; do :; done", folder.display());
    Some(Program::start(Command::new("sh").args(["-c", &script])))
}

fn start_holder(ledger: &Path, parent: i32, offset_ms: i64) -> Child {
    let order = Order {
        ledger: ledger.into(),
        name: "F1".into(),
        members: Members::Below(parent),
        data: ledger.into(),
        effect: Effect::Clock { offset_ms, drift_ppm: 0, strobe_ms: None },
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_schism-agent"));
    command.args(order.words().expect("words")).stderr(Stdio::inherit());
    Held::connect(&mut command);
    command.spawn().expect("a holder")
}

/// Waits until the program's clock is as it should be.
fn assert_soon(program: &mut Program, expected: i64) {
    let deadline = Instant::now() + Duration::from_secs(3);
    while (program.ahead() - expected).abs() > 150 {
        assert!(Instant::now() < deadline, "{} ms, not {expected}", program.ahead());
    }
}

#[test]
fn a_holder_sets_the_clocks_of_programs_that_begin_later() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut program) = again_and_again("a_holder_sets_later", folder.path()) else { return };
    let ledger = folder.path().join("ledger");
    let child = start_holder(&ledger, program.pid(), 4_000);
    let held = Held::meet(child, Ledger::at(&ledger), "F1").expect("it is held");
    assert_near(program.ahead(), 4_000);
    let first = program.ask()[7];
    program.say("end");
    assert_soon(&mut program, 4_000);
    assert_ne!(program.ask()[7], first, "it is another process");
    program.say("exec");
    assert_soon(&mut program, 4_000);
    held.release().expect("it is gone");
    assert_near(program.ahead(), 0);
    assert!(vdso(program.ask()[7] as i32) == vdso(std::process::id() as i32));
    assert!(Ledger::at(&ledger).entries().expect("entries").is_empty());
}

#[test]
fn the_ledger_of_a_killed_holder_makes_every_clock_right() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut program) = again_and_again("the_ledger_of_a_killed_holder", folder.path()) else {
        return;
    };
    let ledger = Ledger::at(folder.path().join("ledger"));
    let mut wrong = 0;
    for round in 0..40_u64 {
        let mut holder = start_holder(ledger.folder(), program.pid(), -30_000);
        strike_time(round, &[program.ask()[7] as i32]);
        // Some begin another program meanwhile.
        if round % 3 == 0 {
            program.say("end");
        }
        holder.kill().expect("a holder");
        holder.wait().expect("a holder");
        wrong += i32::from(program.ahead() < -15_000);
        assert_eq!(ledger.clean(), []);
        assert!(ledger.entries().expect("entries").is_empty());
        assert_near(program.ahead(), 0);
        assert!(vdso(program.ask()[7] as i32) == vdso(std::process::id() as i32));
        program.assert_running();
    }
    assert!(wrong >= 5, "only {wrong} of 40 holders had set a clock");
}
