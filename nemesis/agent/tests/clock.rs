//! Clocks of running programs are set wrong and right again, from outside.
#![cfg(target_arch = "x86_64")]
#![allow(unsafe_code)] // Signals and traces have no safe interface.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use schism_agent::clock::{Hold, Skew};

#[path = "clock/holders.rs"]
mod holders;
#[path = "clock/programs.rs"]
mod programs;

use programs::{Program, now_ns, skip, vdso};

/// How far off a clock may seem that is right: the question and its answer take time.
const NEAR_MS: i64 = 150;

fn offset(offset_ms: i64) -> Skew {
    Skew { offset_ms, ..Skew::default() }
}

/// A number that no other test has, nor a run of the same test before.
fn number() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(1);
    (now_ns() as u64) << 8 | COUNT.fetch_add(1, Ordering::Relaxed)
}

fn hold(skew: &Skew) -> Hold {
    Hold::new(number(), skew).expect("a hold")
}

fn assert_near(seen: i64, expected: i64) {
    assert!((seen - expected).abs() < NEAR_MS, "{seen} ms, not {expected}");
}

fn assert_true(program: &mut Program) {
    assert_near(program.ahead(), 0);
    assert!(vdso(program.pid()) == vdso(std::process::id() as i32), "the vDSO is not as it was");
}

#[test]
fn moves_every_real_time_clock_of_a_program_and_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut program) = programs::c("moves_every_clock", folder.path(), 2) else { return };
    let truth = program.ask();
    let tai = truth[2] - truth[0];
    for offset_ms in [-86_400_000, -1_234, 5_678, 31_536_000_000] {
        let hold = hold(&offset(offset_ms));
        hold.set(&[program.pid()]).expect("it is set");
        let before = now_ns();
        let seen = program.ask();
        for (name, seen, slack_ms) in [
            ("real-time", seen[0], 0),
            ("coarse", seen[1], 10),
            ("TAI", seen[2] - tai, 0),
            ("gettimeofday", seen[3], 0),
            ("time", seen[4], 1000),
        ] {
            let ahead = (seen - before) / 1_000_000 - offset_ms;
            assert!(ahead > -slack_ms - 5 && ahead < NEAR_MS, "{name}: {ahead} ms off");
        }
        let since = (seen[5] - truth[5]) / 1_000_000;
        let real_since = (before - truth[0]) / 1_000_000;
        assert_near(since, real_since);
        hold.undo().expect("it is undone");
        assert_true(&mut program);
    }
}

#[test]
fn a_clock_drifts_from_the_beginning_of_its_hold() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut program) = programs::c("a_clock_drifts", folder.path(), 0) else { return };
    for drift_ppm in [500_000, -500_000] {
        let hold = hold(&Skew { offset_ms: 10_000, drift_ppm, strobe: None });
        let begun = Instant::now();
        hold.set(&[program.pid()]).expect("it is set");
        for _ in 0..5 {
            std::thread::sleep(Duration::from_millis(200));
            let elapsed = begun.elapsed().as_millis() as i64;
            let ahead = program.ahead();
            assert_near(ahead, 10_000 + elapsed * i64::from(drift_ppm) / 1_000_000);
        }
        hold.undo().expect("it is undone");
        assert_true(&mut program);
    }
}

#[test]
fn a_strobe_comes_and_goes_in_equal_spans() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut program) = programs::c("a_strobe", folder.path(), 0) else { return };
    let strobe = Duration::from_millis(200);
    let hold = hold(&Skew { offset_ms: 7_000, drift_ppm: 0, strobe: Some(strobe) });
    hold.set(&[program.pid()]).expect("it is set");
    let (mut there, mut flips, mut looks, mut last) = (0, 0, 0, None);
    let begun = Instant::now();
    while begun.elapsed() < strobe * 20 {
        let ahead = program.ahead();
        let is_there = ahead > 3_500;
        assert_near(ahead, if is_there { 7_000 } else { 0 });
        flips += i32::from(last.is_some_and(|last| last != is_there));
        there += i32::from(is_there);
        looks += 1;
        last = Some(is_there);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!((18..=20).contains(&flips), "{flips} flips");
    assert!((35..=65).contains(&(100 * there / looks)), "there {there} of {looks} times");
    hold.undo().expect("it is undone");
    assert_true(&mut program);
}

/// Sets and undoes the clock of a busy program a hundred times.
fn survives_a_hundred_times(program: &mut Program) {
    for round in 0..100 {
        let offset_ms = if round % 2 == 0 { 60_000 } else { -60_000 };
        let hold = hold(&offset(offset_ms));
        hold.set(&[program.pid()]).expect("it is set");
        assert_near(program.ahead(), offset_ms);
        hold.undo().expect("it is undone");
        assert_true(program);
    }
    program.assert_running();
}

#[test]
fn busy_c_survives_a_hundred_times() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut program) = programs::c("busy_c", folder.path(), 4) else { return };
    survives_a_hundred_times(&mut program);
}

#[test]
fn busy_rust_survives_a_hundred_times() {
    survives_a_hundred_times(&mut programs::rust());
}

#[test]
fn busy_go_survives_a_hundred_times() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut program) = programs::go("busy_go", folder.path()) else { return };
    survives_a_hundred_times(&mut program);
}

#[test]
fn busy_java_survives_a_hundred_times() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut program) = programs::java("busy_java", folder.path()) else { return };
    survives_a_hundred_times(&mut program);
}

#[test]
#[ignore = "a program that other tests look at"]
fn a_rust_program() {
    programs::answer();
}

#[test]
fn no_signal_is_lost_while_clocks_are_set() {
    const SIGNALS: i64 = 2_000;
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut program) = programs::c("no_signal_is_lost", folder.path(), 4) else { return };
    let pid = program.pid();
    let sender = std::thread::spawn(move || {
        for _ in 0..SIGNALS {
            // Signals of this kind queue, each of them.
            // SAFETY: plain numbers.
            let sent = unsafe { libc::kill(pid, libc::SIGRTMIN()) };
            assert_eq!(sent, 0, "{}", std::io::Error::last_os_error());
            std::thread::sleep(Duration::from_micros(200));
        }
    });
    while !sender.is_finished() {
        let hold = hold(&offset(3_000));
        hold.set(&[pid]).expect("it is set");
        hold.undo().expect("it is undone");
    }
    sender.join().expect("the sender");
    let deadline = Instant::now() + Duration::from_secs(5);
    while program.ask()[6] < SIGNALS {
        assert!(Instant::now() < deadline, "{} of {SIGNALS} signals", program.ask()[6]);
    }
    assert_true(&mut program);
}

#[test]
fn a_program_that_is_begun_anew_is_set_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut program) = programs::c("a_program_begun_anew", folder.path(), 2) else { return };
    let hold = hold(&offset(-4_000));
    hold.set(&[program.pid()]).expect("it is set");
    program.say("exec");
    assert_near(program.ahead(), 0);
    hold.set(&[program.pid()]).expect("it is set again");
    assert_near(program.ahead(), -4_000);
    hold.undo().expect("it is undone");
    assert_true(&mut program);
}

#[test]
fn a_child_has_its_parents_clock_and_gets_it_right_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut program) = programs::c("a_child_has", folder.path(), 2) else { return };
    let hold = hold(&offset(9_000));
    hold.set(&[program.pid()]).expect("it is set");
    program.say("fork");
    assert_near(program.ahead(), 9_000);
    let child = program.ask()[7] as i32;
    assert_ne!(child, program.pid());
    hold.undo().expect("it is undone");
    let own = vdso(std::process::id() as i32);
    assert!(vdso(child) == own && vdso(program.pid()) == own);
    assert_near(program.ahead(), 0);
    program.say("end");
    assert_true(&mut program);
}

#[test]
fn a_paused_program_stays_paused_and_wakes_with_the_right_clock() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut program) = programs::c("a_paused_program", folder.path(), 8) else { return };
    let pid = Pid::from_raw(program.pid());
    let paused = |program: &Program| {
        let deadline = Instant::now() + Duration::from_secs(2);
        while !program.state().iter().all(|state| *state == 'T') {
            assert!(Instant::now() < deadline, "{:?}", program.state());
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    for _ in 0..20 {
        let hold = hold(&offset(5_000));
        hold.set(&[program.pid()]).expect("it is set");
        kill(pid, Signal::SIGSTOP).expect("a process");
        paused(&program);
        // Of eight threads that ask all the time, some stand inside the stub.
        hold.undo().expect("it is undone");
        paused(&program);
        hold.set(&[program.pid()]).expect("it is set");
        paused(&program);
        kill(pid, Signal::SIGCONT).expect("a process");
        assert_near(program.ahead(), 5_000);
        hold.undo().expect("it is undone");
    }
    assert_true(&mut program);
    program.assert_running();
}

#[test]
fn a_clock_that_another_holds_is_refused_by_name_and_stays_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut program) = programs::c("a_clock_held", folder.path(), 2) else { return };
    let (first, second) = (hold(&offset(2_000)), hold(&offset(7_000)));
    first.set(&[program.pid()]).expect("it is set");
    let refused = second.set(&[program.pid()]).expect_err("another holds it");
    let expected = format!("clock-c (process {}) has a clock that is held wrong", program.pid());
    assert!(refused.contains(&expected), "{refused}");
    second.undo().expect("nothing was done");
    assert_near(program.ahead(), 2_000);
    first.undo().expect("it is undone");
    assert_true(&mut program);
}

#[test]
fn a_program_that_somebody_traces_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut program) = programs::c("a_program_traced", folder.path(), 0) else { return };
    let pid = program.pid();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let (seized, is_seized) = std::sync::mpsc::channel();
    let tracer = std::thread::spawn(move || {
        // SAFETY: plain numbers.
        let done = unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, 0, 0) };
        seized.send(done).expect("the test");
        let _ = ended.recv();
    });
    assert_eq!(is_seized.recv(), Ok(0));
    let refused = hold(&offset(2_000)).set(&[pid]).expect_err("it is traced");
    assert!(refused.contains("is traced by process"), "{refused}");
    drop(end);
    tracer.join().expect("the tracer");
    assert_true(&mut program);
}

#[test]
fn a_program_of_32_bits_is_refused_by_name() {
    // An ELF file of one page that waits for a signal, again and again.
    let code = [0xb8, 29, 0, 0, 0, 0xcd, 0x80, 0xeb, 0xf7];
    let word = |number: u32| number.to_le_bytes();
    let base = 0x0804_8000;
    let length = 84 + code.len() as u32;
    let header = [base + 84, 52, 0, 0, 0x0020_0034, 0x0000_0001, 0];
    let segment = [1, 0, base, base, length, length, 5, 0x1000];
    let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x03\0\x01\0\0\0".to_vec();
    file.extend(header.into_iter().chain(segment).flat_map(word));
    file.extend(code);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("small");
    std::fs::write(&path, file).expect("a file");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, mode).expect("a program");
    let mut child = match std::process::Command::new(&path).spawn() {
        Ok(child) => child,
        Err(error) => return skip("a_program_of_32_bits", &format!("it cannot be run: {error}")),
    };
    let refused = hold(&offset(1_000)).set(&[child.id() as i32]).expect_err("32 bits");
    let alive = child.try_wait().expect("a child").is_none();
    let _ = child.kill();
    let _ = child.wait();
    assert!(refused.contains("small (process ") && refused.contains("32 bits"), "{refused}");
    assert!(alive, "it did not survive");
}
