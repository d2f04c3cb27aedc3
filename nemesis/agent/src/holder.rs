//! `schism hold`: a process that holds one effect for as long as its standard input is open.
//!
//! It says `held` when the effect has begun, `refused: …` when it cannot, `gone` when it has ended,
//! `dirty: …` when it could not be ended; and tends it in between. It ends the effect when its input
//! closes, which whoever started it does by dying, too, or at SIGTERM.

use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::boot;
use crate::effects::{Effect, Place};
use crate::ledger::Ledger;
use crate::members::Members;

const USAGE: &str = "hold --ledger FOLDER --name NAME --members below:PID|network:LINK --data \
                     FOLDER EFFECT";
/// How often a held effect is looked after.
const TEND_EVERY_MS: i32 = 20;
/// How long a holder may take to begin or to end what it holds.
const ANSWER_WITHIN: Duration = Duration::from_secs(6);

/// What a holder is to do.
#[derive(Clone, Debug)]
pub struct Order {
    /// Where it writes down what it does.
    pub ledger: PathBuf,
    /// Under which name.
    pub name: String,
    /// The processes that it is about.
    pub members: Members,
    /// The node's data folder.
    pub data: PathBuf,
    /// What it holds.
    pub effect: Effect,
}

impl Order {
    /// The words after the program's own name.
    pub fn words(&self) -> Result<Vec<String>, String> {
        let effect = serde_json::to_string(&self.effect).map_err(|error| error.to_string())?;
        let path = |path: &PathBuf| path.display().to_string();
        let (ledger, data) = (path(&self.ledger), path(&self.data));
        let members = self.members.to_string();
        let words = ["hold", "--ledger", &ledger, "--name", &self.name, "--members", &members];
        Ok(words.into_iter().chain(["--data", &data, &effect]).map(str::to_owned).collect())
    }

    fn parse(words: &[String]) -> Option<Self> {
        let [l, ledger, n, name, m, members, d, data, effect] = words else { return None };
        let keys = [l, n, m, d].map(String::as_str);
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if keys != ["--ledger", "--name", "--members", "--data"] || name.is_empty() || !plain {
            return None;
        }
        Some(Self {
            ledger: ledger.into(),
            name: name.clone(),
            members: members.parse().ok()?,
            data: data.into(),
            effect: serde_json::from_str(effect).ok()?,
        })
    }
}

/// Holds until told otherwise. Must be called while the process has one thread.
pub fn main(words: &[String]) -> i32 {
    let Some(order) = Order::parse(words) else {
        eprintln!("usage: {USAGE}");
        return 64;
    };
    match hold(order) {
        Ok(()) => 0,
        Err(problem) => {
            say(&problem);
            1
        }
    }
}

/// Whoever asked may be gone, which is no reason to stop.
fn say(line: &str) {
    let mut stdout = io::stdout();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

fn hold(order: Order) -> Result<(), String> {
    let refused = |problem: String| format!("refused: {problem}");
    let signals = signals().map_err(|error| refused(format!("signals: {error}")))?;
    let Order { ledger, name, members, data, effect } = order;
    let entry = Ledger::at(&ledger).enter(&name, &effect);
    let entry = entry.map_err(|error| refused(format!("{}: {error}", ledger.display())))?;
    // Nodes of the local lab are no machines: they never start anew.
    let outlasts = effect.survives_reboot() && matches!(members, Members::Below(_));
    let follow = || match ledger.parent().filter(|_| outlasts) {
        Some(folder) => boot::follow_ledger(folder).map_err(|error| format!("boot unit: {error}")),
        None => Ok(()),
    };
    let mut place = Place { members, data, entry };
    let mut holding = effect.holding();
    let begun = follow().and_then(|()| holding.begin(&mut place));
    if let Err(problem) = begun {
        place.entry.remove().map_err(|error| refused(format!("{problem}; ledger: {error}")))?;
        follow().map_err(refused)?;
        return Err(refused(problem));
    }
    say("held");
    while !is_over(&signals) {
        if let Err(problem) = holding.tend(&mut place) {
            // The agent keeps it; the effect is held as well as it can be.
            eprintln!("{name}: {problem}");
        }
    }
    let dirty = |problem: String| format!("dirty: {problem}");
    holding.end(&mut place).map_err(dirty)?;
    place.entry.remove().map_err(|error| dirty(format!("ledger: {error}")))?;
    follow().map_err(dirty)?;
    say("gone");
    Ok(())
}

fn signals() -> io::Result<SignalFd> {
    let mut mask = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT, Signal::SIGPIPE] {
        mask.add(signal);
    }
    mask.thread_block()?;
    Ok(SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC)?)
}

/// Waits for a moment; whether the standard input has closed or a signal came meanwhile.
fn is_over(signals: &SignalFd) -> bool {
    let look = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut looks = [look(0), look(signals.as_raw_fd())];
    // SAFETY: two entries are given, and they outlive the call.
    let ready = unsafe { libc::poll(looks.as_mut_ptr(), 2, TEND_EVERY_MS) };
    if ready <= 0 {
        return false;
    }
    if looks[1].revents != 0 {
        // Nobody reads what a holder says after a broken pipe, and that alone is no end.
        return signals
            .read_signal()
            .ok()
            .flatten()
            .is_some_and(|signal| signal.ssi_signo != Signal::SIGPIPE as u32);
    }
    let mut buffer = [0; 64];
    // SAFETY: the standard input stays open for as long as the process lives.
    let input = unsafe { BorrowedFd::borrow_raw(0) };
    !matches!(nix::unistd::read(input, &mut buffer), Ok(1..) | Err(nix::Error::EINTR))
}

/// A holder, as whoever started it sees it.
pub struct Held {
    child: Child,
    lines: Receiver<String>,
    ledger: Ledger,
    name: String,
}

impl Held {
    /// Prepares the command of a holder: its streams are pipes.
    pub fn connect(command: &mut Command) {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
    }

    /// Waits until the effect of a holder that was just started has begun, at most for some seconds.
    pub fn meet(mut child: Child, ledger: Ledger, name: &str) -> Result<Self, String> {
        let (sender, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            let read = move || {
                for line in io::BufRead::lines(io::BufReader::new(stdout)).map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            };
            let reader = std::thread::Builder::new().name("holder".into()).spawn(read);
            reader.map_err(|error| format!("a thread: {error}"))?;
        }
        let held = Self { child, lines, ledger, name: name.to_owned() };
        match held.lines.recv_timeout(ANSWER_WITHIN) {
            Ok(line) if line == "held" => Ok(held),
            Ok(line) => Err(line.strip_prefix("refused: ").unwrap_or(&line).to_owned()),
            Err(_) => {
                let text = format!("{name} was not held within {ANSWER_WITHIN:?}");
                Err(held.give_up().err().map_or(text.clone(), |more| format!("{text}; {more}")))
            }
        }
    }

    /// Has it end its effect, without waiting.
    pub fn let_go(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Has it end its effect, and says if something is left.
    pub fn release(mut self) -> Result<(), String> {
        self.let_go();
        let said = self.lines.recv_timeout(ANSWER_WITHIN);
        if said.is_ok_and(|line| line == "gone") {
            return Ok(());
        }
        // It died, or could not do it: the ledger knows what is left.
        self.give_up()
    }

    fn give_up(mut self) -> Result<(), String> {
        self.let_go();
        self.ledger.clean_one(&self.name)
    }

    /// Its number.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_survives_its_words() {
        let order = Order {
            ledger: "/x/ledger".into(),
            name: "F1".into(),
            members: Members::Below(7),
            data: "/x/da ta".into(),
            effect: Effect::Burn { threads_per_cpu: 2 },
        };
        let words = order.words().expect("words");
        let read = Order::parse(&words[1..]).expect("an order");
        assert_eq!((read.words(), read.data), (Ok(words), order.data));
        assert!(Order::parse(&["--ledger".into()]).is_none());
    }
}
