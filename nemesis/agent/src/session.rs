//! The agent's life: it takes the node, says who it is, does what it is asked, and undoes it all.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};

use crate::addresses::addresses;
use crate::children::Children;
use crate::datagrams::Sockets;
use crate::effects::Effect;
use crate::entry::{DIRTY, Options};
use crate::files;
use crate::folders::{OURS, open_log, prepare};
use crate::holder::{Held, Order};
use crate::lease::Lease;
use crate::ledger::Ledger;
use crate::leftovers::{self, Undone};
use crate::links::{self, Lifeline};
use crate::members::{MARK, Members, marked};
use crate::protocol::{Answer, Deed, Hello, Program, Request, Response, Slow, VERSION};
use crate::shape;
use crate::streams::{self, Spawned};

/// Where programs are looked for, firewalls included.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The channel to the controller, one line at a time.
pub struct Out(pub Mutex<io::Stdout>);

impl Out {
    /// Writes one answer. When nobody reads, the channel's other end has gone, too, and with it the
    /// agent ends.
    pub fn answer(&self, id: u64, answer: Answer) {
        let Ok(mut line) = serde_json::to_vec(&Response { id, answer }) else { return };
        line.push(b'\n');
        let mut stdout = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = stdout.write_all(&line).and_then(|()| stdout.flush());
    }
}

/// One controller's agent.
pub struct Session {
    options: Options,
    data: PathBuf,
    out: Arc<Out>,
    children: Arc<Children>,
    lifeline: Option<Lifeline>,
    spawned: Arc<Spawned>,
    sockets: Sockets,
    /// What is held, by its name.
    held: Mutex<BTreeMap<String, Held>>,
    root: bool,
    /// Rules are set one after another, by a thread of their own.
    cuts: Sender<(u64, Deed)>,
    /// Held by whoever undoes everything: it is done once.
    ending: Mutex<()>,
    lease: Lease,
}

impl Session {
    /// Takes the node, and says who it is.
    pub fn begin(
        options: Options,
        lease: Lease,
        before: Undone,
        out: &Arc<Out>,
    ) -> Result<Arc<Self>, String> {
        let mut waited = SigSet::empty();
        for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
            waited.add(signal);
        }
        waited.thread_block().map_err(|error| format!("signals: {error}"))?;
        // SAFETY: no other thread runs yet.
        unsafe { std::env::set_var("PATH", PATH) };
        let children = Children::adopt().map_err(|error| format!("children: {error}"))?;
        let data = prepare(&options.folder, options.fresh)?;
        let lifeline = Lifeline::parse(&options.connection);
        let root = nix::unistd::geteuid().is_root();
        let (cuts, deeds) = channel();
        let session = Arc::new(Self {
            options,
            data,
            out: out.clone(),
            children,
            lifeline,
            spawned: Arc::default(),
            sockets: Sockets::default(),
            held: Mutex::default(),
            root,
            cuts,
            ending: Mutex::default(),
            lease,
        });
        let hello = session.hello(before);
        let cutting = session.clone();
        std::thread::spawn(move || cutting.cut(&deeds));
        let ending = session.clone();
        std::thread::spawn(move || {
            let _ = waited.wait();
            ending.end();
        });
        let leased = session.clone();
        std::thread::spawn(move || {
            leased.lease.wait_for_its_end();
            leased.end();
        });
        session.out.answer(0, Answer::Hello(hello));
        Ok(session)
    }

    fn hello(&self, before: Undone) -> Hello {
        Hello {
            version: VERSION,
            os: std::env::consts::OS.into(),
            arch: std::env::consts::ARCH.into(),
            root: self.root,
            nft: links::has_nft(),
            addresses: addresses(),
            cleaned: before.cleaned,
            dirty: before.dirty,
        }
    }

    /// Does what it is asked, until the channel closes.
    pub fn serve(self: Arc<Self>) -> i32 {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            self.lease.renew();
            match serde_json::from_str::<Request>(&line) {
                Ok(Request { id, deed: Deed::Bye }) => {
                    // Data may be much, and the lease goes on: lines are read meanwhile.
                    let session = self.clone();
                    std::thread::spawn(move || session.bye(id));
                }
                Ok(request) => self.take(request),
                Err(error) => {
                    let problem = format!("a line that is no request: {error}");
                    self.out.answer(0, Answer::Refused(problem));
                }
            }
        }
        self.end()
    }

    /// Begins a deed. What takes long goes on in a thread; programs start from this one, which
    /// lasts.
    fn take(self: &Arc<Self>, request: Request) {
        let Request { id, deed } = request;
        match deed {
            Deed::Run { program, limit_ms } => match self.start(&program, None) {
                Ok((mut child, ended)) => {
                    // It has nothing to read.
                    drop(child.stdin.take());
                    let (out, limit) = (self.out.clone(), Duration::from_millis(limit_ms));
                    let name = program.argv[0].clone();
                    std::thread::spawn(move || {
                        out.answer(id, streams::run(&name, child, &ended, limit));
                    });
                }
                Err(problem) => self.out.answer(id, Answer::Refused(problem)),
            },
            Deed::Spawn { program } => match self.start(&program, None) {
                Ok((child, ended)) => self.spawned.connect(id, child, ended, &self.out),
                Err(problem) => self.out.answer(id, Answer::Refused(problem)),
            },
            Deed::Start { program, log } => {
                let answer = match self.start(&program, Some(&log)) {
                    Ok((child, _)) => Answer::Started { pid: child.id() as i32 },
                    Err(problem) => Answer::Refused(problem),
                };
                self.out.answer(id, answer);
            }
            Deed::Hold { name, effect } => match self.hold(&name, effect) {
                Ok(child) => {
                    let session = self.clone();
                    std::thread::spawn(move || {
                        let done = session.meet(child, name);
                        session.out.answer(id, done_or_refused(done));
                    });
                }
                Err(problem) => self.out.answer(id, Answer::Refused(problem)),
            },
            Deed::Input { of, bytes } => self.spawned.input(id, of, bytes.0, &self.out),
            Deed::CloseInput { of } => self.spawned.close_input(of),
            Deed::Took { of, stream, bytes } => self.spawned.took(of, stream, bytes),
            Deed::Kill { of } => self.spawned.kill(of),
            Deed::Send { of, to, bytes } => self.sockets.send(of, to, &bytes.0),
            Deed::Links { .. } => drop(self.cuts.send((id, deed))),
            Deed::Echo => self.out.answer(id, Answer::Done),
            deed => {
                let session = self.clone();
                std::thread::spawn(move || session.out.answer(id, session.answer(id, deed)));
            }
        }
    }

    /// What takes a moment and gives one answer.
    fn answer(&self, id: u64, deed: Deed) -> Answer {
        match deed {
            Deed::KillAll => done_or_refused(self.children.kill_all()),
            Deed::StopAll { within_ms } => {
                match self.children.stop_all(Duration::from_millis(within_ms)) {
                    Ok(by_themselves) => Answer::Stopped { by_themselves },
                    Err(problem) => Answer::Refused(problem),
                }
            }
            Deed::PauseAll => done_or_refused(self.children.pause_all()),
            Deed::ResumeAll => done_or_refused(self.children.resume_all()),
            Deed::TryNetem => done_or_refused(shape::try_netem(&|command, input| {
                self.children.help(command, input)
            })),
            Deed::Release { name } => done_or_refused(self.release(&name)),
            Deed::Processes => match self.children.all() {
                Ok(all) => Answer::Processes(all),
                Err(error) => Answer::Refused(format!("/proc: {error}")),
            },
            Deed::Datagrams { address } => match self.sockets.open(id, address, &self.out) {
                Ok(address) => Answer::Opened { address },
                Err(error) => Answer::Refused(format!("a socket at {address}: {error}")),
            },
            Deed::Read { path, offset, bytes_max } => files::read(&path, offset, bytes_max),
            Deed::List { folder } => files::list(&folder),
            _ => Answer::Refused("this deed has no single answer".into()),
        }
    }

    fn cut(&self, deeds: &Receiver<(u64, Deed)>) {
        let mut shaped: Vec<Slow> = Vec::new();
        for (id, deed) in deeds {
            let Deed::Links { from, to, slow } = deed else { continue };
            let mut set = || {
                if !self.root {
                    return Err("links can be cut by root alone".to_owned());
                }
                links::cut(&self.children, self.lifeline, &from, &to)?;
                // What waits in a queue would be lost if the queue were made anew.
                if slow != shaped {
                    shape::set(&|command, input| self.children.help(command, input), &slow)?;
                    shaped.clone_from(&slow);
                }
                Ok(())
            };
            let done = set();
            self.out.answer(id, done_or_refused(done));
        }
    }

    fn ledger(&self) -> Ledger {
        leftovers::ledger(&self.options.folder)
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<String, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the process that is to hold an effect.
    fn hold(&self, name: &str, effect: Effect) -> Result<Child, String> {
        if self.held().contains_key(name) {
            return Err(format!("something is held as {name} already"));
        }
        if effect.needs_disposable() && !self.options.disposable {
            return Err(format!(
                "{} is for machines that may be thrown away: `disposable: true` in the inventory \
                 says that this is one",
                effect.kind()
            ));
        }
        let order = Order {
            ledger: self.ledger().folder().to_owned(),
            name: name.to_owned(),
            members: Members::Below(std::process::id() as i32),
            data: self.data.clone(),
            effect,
        };
        let mut command = Command::new(own_program());
        command.args(order.words()?);
        Held::connect(&mut command);
        self.children.hold(command).map_err(|error| format!("a holder: {error}"))
    }

    fn meet(&self, child: Child, name: String) -> Result<(), String> {
        let held = Held::meet(child, self.ledger(), &name)?;
        self.held().insert(name, held);
        Ok(())
    }

    fn release(&self, name: &str) -> Result<(), String> {
        let held = self.held().remove(name);
        held.map_or(Ok(()), Held::release)
    }

    /// Starts a program; with a log, its output goes there and nothing comes from the channel.
    fn start(
        &self,
        program: &Program,
        log: Option<&str>,
    ) -> Result<(Child, Receiver<i32>), String> {
        let (name, arguments) = program.argv.split_first().ok_or("no program was named")?;
        let mut command = if name == "schism" {
            Command::new(self.options.schism.clone().unwrap_or_else(own_program))
        } else {
            Command::new(name)
        };
        command.args(arguments).env_clear();
        command.env("PATH", PATH).env("LANG", "C.UTF-8").env("HOME", &self.data);
        command.env(MARK, &self.options.folder);
        command.envs(program.env.iter().map(|(name, value)| (name, value)));
        let folder = program.folder.as_ref().map_or(self.data.as_path(), Path::new);
        command.current_dir(folder);
        match log {
            None => {
                command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            }
            Some(path) => {
                let failed = |error: io::Error| format!("{path}: {error}");
                let file = open_log(Path::new(path)).map_err(failed)?;
                command.stderr(file.try_clone().map_err(failed)?);
                command.stdin(Stdio::null()).stdout(file);
            }
        }
        self.children.spawn(command).map_err(|error| match fs::metadata(folder) {
            // The kernel does not say which of both it misses.
            Err(missing) => format!("{name}: its folder {}: {missing}", folder.display()),
            Ok(_) => format!("{name}: {error}"),
        })
    }

    /// Kills what was started, takes the table away and, at the end of a run, the data.
    fn undo(&self, remove_data: bool) -> Undone {
        let folder = &self.options.folder;
        let mut undone = Undone::default();
        undone.take_rules_away(folder, |command, input| self.children.help(command, input));
        let mut held = std::mem::take(&mut *self.held());
        // All of them at once; what one leaves stays in the ledger, which is looked at in the end.
        held.values_mut().for_each(Held::let_go);
        for held in held.into_values() {
            let _ = held.release();
        }
        undone.kill(folder, || self.children.all());
        // Those of an agent before this one that would not die then.
        undone.kill(folder, || marked(folder));
        undone.clean_ledger(folder);
        if remove_data {
            let _ = OURS.map(|name| fs::remove_dir_all(folder.join(name)));
        }
        undone
    }

    /// The orderly end, which says what is left.
    fn bye(&self, id: u64) {
        let _once = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
        let dirty = self.undo(true).dirty;
        let code = if dirty.is_empty() { 0 } else { DIRTY };
        self.out.answer(id, Answer::Undone { dirty });
        std::process::exit(code);
    }

    /// The end that nobody asked for.
    fn end(&self) -> ! {
        let _once = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
        let code = if self.undo(false).dirty.is_empty() { 0 } else { DIRTY };
        std::process::exit(code);
    }
}

fn done_or_refused(done: Result<(), String>) -> Answer {
    match done {
        Ok(()) => Answer::Done,
        Err(problem) => Answer::Refused(problem),
    }
}

fn own_program() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into())
}
