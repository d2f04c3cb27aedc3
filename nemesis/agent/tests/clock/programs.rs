//! Programs that say what time they see.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A program of this file's tests that is no test: it is what they look at.
pub const RUST_PROGRAM: &str = "a_rust_program";

/// One that runs, and is killed in the end.
pub struct Program {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Program {
    pub fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program");
        let input = child.stdin.take().expect("its input");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        let mut program = Self { child, input, output };
        // It is there when it answers.
        program.ask();
        program
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    pub fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("a program that reads");
    }

    /// What it says when it is asked: its real-time clock first.
    pub fn ask(&mut self) -> Vec<i64> {
        self.say("");
        loop {
            let mut line = String::new();
            let read = self.output.read_line(&mut line).expect("its output");
            assert!(read > 0, "the program ended: {:?}", self.child.wait());
            if let Some(numbers) = line.trim().strip_prefix("clock ") {
                return numbers.split(' ').map(|one| one.parse().expect("a number")).collect();
            }
        }
    }

    /// By how many milliseconds its clock is ahead of ours, from an answer that came soon.
    pub fn ahead(&mut self) -> i64 {
        let mut best = (i64::MAX, 0);
        for _ in 0..50 {
            let before = now_ns();
            let seen = self.ask()[0];
            let after = now_ns();
            best = best.min((after - before, (seen - i64::midpoint(before, after)) / 1_000_000));
            if best.0 < 60_000_000 {
                break;
            }
        }
        best.1
    }

    pub fn state(&self) -> Vec<char> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).expect("threads");
        let state = |task: fs::DirEntry| {
            let text = fs::read_to_string(task.path().join("stat")).ok()?;
            text[text.rfind(')')? + 2..].chars().next()
        };
        tasks.flatten().filter_map(state).collect()
    }

    /// Waits until no thread is stopped.
    pub fn assert_running(&self) {
        let deadline = Instant::now() + Duration::from_secs(2);
        while self.state().iter().any(|state| matches!(state, 't' | 'T')) {
            assert!(Instant::now() < deadline, "stopped: {:?}", self.state());
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn now_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_nanos() as i64
}

/// The vDSO of a process.
pub fn vdso(pid: i32) -> Vec<u8> {
    use std::os::unix::fs::FileExt as _;
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("maps");
    let line = maps.lines().find(|line| line.ends_with("[vdso]")).expect("a vDSO");
    let (start, rest) = line.split_once('-').expect("a range");
    let (end, _) = rest.split_once(' ').expect("a range");
    let number = |text: &str| u64::from_str_radix(text, 16).expect("a number");
    let mut bytes = vec![0; (number(end) - number(start)) as usize];
    let memory = fs::File::open(format!("/proc/{pid}/mem")).expect("its memory");
    memory.read_exact_at(&mut bytes, number(start)).expect("its vDSO");
    bytes
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clock").join(name)
}

/// Runs a compiler; `None`, said in words, where there is none.
fn compile(test: &str, command: &mut Command) -> Option<()> {
    match command.output() {
        Ok(output) if output.status.success() => Some(()),
        Ok(output) => panic!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => {
            let name = command.get_program().to_string_lossy().into_owned();
            skip(test, &format!("{name}: {error}"));
            None
        }
    }
}

pub fn skip(test: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {reason}");
}

/// A program in C, as which threads ask for the time all the time.
pub fn c(test: &str, folder: &Path, threads: u32) -> Option<Program> {
    let program = folder.join("clock-c");
    if !program.exists() {
        let mut command = Command::new("cc");
        command.args(["-O2", "-pthread", "-o"]).arg(&program).arg(source("clock.c"));
        compile(test, &mut command)?;
    }
    Some(Program::start(Command::new(&program).arg(threads.to_string())))
}

pub fn go(test: &str, folder: &Path) -> Option<Program> {
    let program = folder.join("clock-go");
    let mut command = Command::new("go");
    // Nothing outside the folder, and nothing from the network.
    command.env("GOFLAGS", "-mod=mod").env("GOPROXY", "off").env("CGO_ENABLED", "0");
    command.env("GOCACHE", folder.join("cache")).env("GOPATH", folder.join("path"));
    command.args(["build", "-o"]).arg(&program).arg(source("clock.go"));
    compile(test, &mut command)?;
    Some(Program::start(&mut Command::new(&program)))
}

pub fn java(test: &str, folder: &Path) -> Option<Program> {
    compile(test, Command::new("javac").arg("-d").arg(folder).arg(source("Clock.java")))?;
    Some(Program::start(Command::new("java").arg("-cp").arg(folder).arg("Clock")))
}

/// This very binary, once more.
pub fn rust() -> Program {
    Program::start(&mut itself(RUST_PROGRAM))
}

pub fn itself(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", name, "--nocapture", "--include-ignored"]);
    command
}

/// What the Rust program does.
pub fn answer() {
    for number in 0..2 {
        let ask = move || {
            let mut before = Instant::now();
            loop {
                let seen = SystemTime::now().max(SystemTime::UNIX_EPOCH);
                assert!(seen > SystemTime::UNIX_EPOCH, "{number}");
                let now = Instant::now();
                assert!(now >= before, "the monotonic clock went back");
                before = now;
            }
        };
        std::thread::spawn(ask);
    }
    for line in std::io::stdin().lines() {
        if line.is_err() {
            break;
        }
        println!("\nclock {}", now_ns());
    }
}
