//! Nothing outlives whoever did it: with a lease of one second, everything is held on nodes at once,
//! and whoever holds it is killed or stopped at a random moment.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use schism_lab::ssh::{self, Access, UnknownHosts};
use schism_lab::{Command, Effect, End, Host, LinkRules, NodeId, Trouble};
use tokio::time::sleep;

use super::look::{Victim, left, nothing_is_left, strike};
use super::scenarios::{Done, Nodes, SOON, drops, holds, same, text};

const LEASE: Duration = Duration::from_secs(1);
/// Kills come at most so long after the first deed.
const MOMENTS_MS: u64 = 1200;

/// How often each is killed: `SCHISM_KILLS`, or a few times.
pub(crate) fn kills() -> u32 {
    std::env::var("SCHISM_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(4)
}

/// Every kind of effect that a node can hold, by the name under which it is held.
fn effects() -> Vec<(&'static str, Effect)> {
    vec![
        ("burn", Effect::Burn { threads_per_cpu: 1 }),
        ("clock", Effect::Clock { offset_ms: 60_000, drift_ppm: 100, strobe_ms: Some(200) }),
        ("layer", Effect::Layer),
        ("disk", Effect::Disk(Trouble::Full)),
        ("memory", Effect::Memory { bytes: 16 << 20 }),
        ("descriptors", Effect::Descriptors { leave: 0 }),
    ]
}

fn options(nodes: &Nodes) -> ssh::Options {
    ssh::Options {
        bounds: ssh::Bounds { lease: LEASE, ..ssh::Bounds::default() },
        ..nodes.options()
    }
}

/// Does everything to every node that can be held there, all at once.
async fn hold_everything(lab: &ssh::Lab) -> Done {
    let hosts = lab.hosts();
    for host in &hosts {
        let forked = "setsid sleep 60 > /dev/null 2>&1 & exec sleep 60";
        host.start("it", &Command::new(["sh", "-c", forked])).await.map_err(text)?;
        both_sleep(&**host).await?;
        host.pause_all().await.map_err(text)?;
        for (name, effect) in effects() {
            host.hold(name, &effect).await.map_err(text)?;
        }
    }
    cut_all(lab).await
}

/// Waits until the program that was started and the one that forked away are what they become.
async fn both_sleep(host: &dyn Host) -> Done {
    let start = Instant::now();
    loop {
        let all = host.processes().await.map_err(text)?;
        if all.iter().filter(|process| process.name == "sleep").count() == 2 {
            return Ok(());
        }
        if start.elapsed() > SOON {
            return Err(format!("{all:?} instead of two that sleep"));
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// Every link is cut, those of the controller too, and what is left is slow where netem is there.
async fn cut_all(lab: &ssh::Lab) -> Done {
    let nodes = (1..=lab.hosts().len() as u16).map(|number| End::Node(NodeId(number)));
    let ends: Vec<End> = nodes.chain([End::Controller]).collect();
    let links = ends.iter().flat_map(|one| ends.iter().map(move |two| (*one, *two)));
    let mut rules = drops(&links.filter(|(one, two)| one != two).collect::<Vec<_>>());
    if lab.cannot_delay().await.is_none() {
        for ((from, to), rule) in &mut rules.0 {
            if ![from, to].contains(&&End::Controller) {
                rule.delay = Duration::from_millis(5);
            }
        }
    }
    lab.network().set(&rules).await.map_err(text)
}

/// Lets go of one thing after the other and takes it again, for ever.
async fn stir(lab: &ssh::Lab, hosts: &[Arc<dyn Host>]) -> Done {
    hold_everything(lab).await?;
    loop {
        for host in hosts {
            sleep(Duration::from_millis(60)).await;
            host.resume_all().await.map_err(text)?;
            for (name, effect) in effects() {
                host.release(name).await.map_err(text)?;
                host.hold(name, &effect).await.map_err(text)?;
            }
            host.pause_all().await.map_err(text)?;
        }
        lab.network().set(&LinkRules::default()).await.map_err(text)?;
        cut_all(lab).await?;
    }
}

/// The looks see what they are to see gone: otherwise their silence says nothing.
async fn everything_is_seen(nodes: &Nodes, node: usize) -> Done {
    let seen = left(nodes, node).await?.join("; ");
    for part in ["process schism-agent", "process schism-watcher", "process sleep T", "inet schism"]
    {
        holds(&seen, part)?;
    }
    for (name, _) in effects() {
        holds(&seen, &format!("ledger {name}.json"))?;
    }
    Ok(())
}

/// Waits until a node answers again, after whatever was done to it.
async fn answers(host: &dyn Host) -> Done {
    let start = Instant::now();
    loop {
        match host.run(&Command::new(["true"]), SOON).await {
            Ok(_) => return Ok(()),
            Err(error) if start.elapsed() > SOON * 3 => return Err(error.to_string()),
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    }
}

/// One of a node's processes is killed while everything is held and changed on all nodes.
pub(crate) async fn killed(nodes: &Nodes, victim: Victim) -> Done {
    let mut moments = ChaCha8Rng::seed_from_u64(victim as u64);
    let lab = Arc::new(ssh::Lab::up(options(nodes)).await.map_err(text)?);
    let hosts = lab.hosts();
    for round in 0..kills() as usize {
        let node = round % hosts.len();
        for host in &hosts {
            answers(&**host).await?;
            for (name, _) in effects() {
                host.release(name).await.map_err(text)?;
            }
            host.kill_all().await.map_err(text)?;
        }
        if round == 0 {
            hold_everything(&lab).await?;
            everything_is_seen(nodes, node).await?;
            strike(nodes, node, victim, Signal::SIGKILL).await?;
        } else {
            let stirring = tokio::spawn({
                let (lab, hosts) = (lab.clone(), hosts.clone());
                async move { stir(&lab, &hosts).await }
            });
            sleep(Duration::from_millis(moments.random_range(0..MOMENTS_MS))).await;
            // What the agent was asked goes on there; nobody connects anew.
            stirring.abort();
            strike(nodes, node, victim, Signal::SIGKILL).await?;
        }
        nothing_is_left(nodes, node, Instant::now())
            .await
            .map_err(|it| format!("{round}: {it}"))?;
        // The other nodes have their own leases, which go on.
        holds(&left(nodes, (node + 1) % hosts.len()).await?.join("; "), "process schism-agent")?;
    }
    drop(hosts);
    let lab = Arc::into_inner(lab).ok_or("somebody still has the lab")?;
    let left = lab.down().await;
    same(left.dirty.as_slice(), &[])?;
    holds(&left.lost.join("; "), "was lost")
}

/// A process is stopped, and not killed: only time tells that it is no use any more.
pub(crate) async fn stopped(nodes: &Nodes, victim: Victim) -> Done {
    let lab = ssh::Lab::up(options(nodes)).await.map_err(text)?;
    hold_everything(&lab).await?;
    everything_is_seen(nodes, 0).await?;
    strike(nodes, 0, victim, Signal::SIGSTOP).await?;
    nothing_is_left(nodes, 0, Instant::now()).await?;
    holds(&left(nodes, 1).await?.join("; "), "process schism-agent")?;
    // The node is found again, although nothing closed the frozen connection.
    answers(&*lab.hosts()[0]).await?;
    same(lab.down().await.dirty.as_slice(), &[])
}

/// With both killed at once nobody is left to undo anything: the next agent does, or a person.
pub(crate) async fn without_watcher(nodes: &Nodes) -> Done {
    let lab = ssh::Lab::up(options(nodes)).await.map_err(text)?;
    for by_hand in [false, true] {
        hold_everything(&lab).await?;
        // The stopped one cannot hear that its watcher died.
        strike(nodes, 0, Victim::Agent, Signal::SIGSTOP).await?;
        strike(nodes, 0, Victim::Watcher, Signal::SIGKILL).await?;
        strike(nodes, 0, Victim::Agent, Signal::SIGKILL).await?;
        sleep(Duration::from_millis(300)).await;
        holds(&left(nodes, 0).await?.join("; "), "inet schism")?;
        if by_hand {
            let own = std::env::current_exe().map_err(text)?.display().to_string();
            let folder = nodes.access[0].data.clone().unwrap_or_default().display().to_string();
            let clean = [own.as_str(), "agent", "--clean", "--folder", &folder];
            let said = nodes.aside(0, &clean).await?;
            holds(&said, "cleaned: processes ")?;
            holds(&said, "cleaned: the firewall table inet schism")?;
            nothing_is_left(nodes, 0, Instant::now()).await?;
            holds(&nodes.aside(0, &clean).await?, "nothing of schism is left")?;
        } else {
            answers(&*lab.hosts()[0]).await?;
            let seen = left(nodes, 0).await?.join("; ");
            same(seen.contains(" T;"), false)?;
        }
    }
    let left = lab.down().await;
    same(left.dirty.as_slice(), &[])?;
    holds(&left.notes.join("; "), "the next cleaned: processes ")
}

/// What nobody can clean is told when a lab is up and when it is down.
pub(crate) async fn dirty(nodes: &Nodes) -> Done {
    let folder = nodes.access[0].data.clone().unwrap_or_default().join("ledger");
    std::fs::create_dir_all(&folder).map_err(text)?;
    std::fs::write(folder.join("F9.json"), "{").map_err(text)?;
    let lab = ssh::Lab::up(options(nodes)).await.map_err(text)?;
    let left = lab.down().await;
    same(left.dirty.len(), 1)?;
    for part in ["n1: F9: ", "F9.json", "; run: ", " agent --clean --folder "] {
        holds(&left.dirty[0], part)?;
    }
    std::fs::remove_file(folder.join("F9.json")).map_err(text)?;
    same(ssh::Lab::up(options(nodes)).await.map_err(text)?.down().await, ssh::Left::default())
}

/// The controller is a process of its own, and is killed at a random moment: also while it connects.
pub(crate) async fn killed_controller(nodes: &Nodes) -> Done {
    let mut moments = ChaCha8Rng::seed_from_u64(9);
    let mut held = 0;
    for round in 0..kills() {
        let mut words = vec!["controller".to_owned(), nodes.folder.display().to_string()];
        for access in &nodes.access {
            let path = |path: &PathBuf| path.display().to_string();
            // The key is a file of this process' memory alone.
            let own = format!("/proc/{}", std::process::id());
            words.push(access.host.clone());
            words.push(path(&access.keys[0]).replace("/proc/self", &own));
            words.push(path(&access.known_hosts[0]));
            words.extend(access.data.as_ref().map(path));
        }
        let own = std::env::current_exe().map_err(text)?;
        let mut controller = std::process::Command::new(own)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(text)?;
        let mut input = controller.stdin.take().ok_or("no input")?;
        let output = controller.stdout.take().ok_or("no output")?;
        if round % 2 == 0 {
            // In half of the rounds everything is held before the moment is drawn.
            let mut line = String::new();
            let read = tokio::task::spawn_blocking(move || {
                BufReader::new(output).read_line(&mut line).map(|_| line)
            });
            holds(&read.await.map_err(text)?.map_err(text)?, "everything is held")?;
            everything_is_seen(nodes, 0).await?;
            held += 1;
        }
        // It holds still until then.
        writeln!(input, "go on").map_err(text)?;
        sleep(Duration::from_millis(moments.random_range(0..MOMENTS_MS))).await;
        controller.kill().map_err(text)?;
        let began = Instant::now();
        controller.wait().map_err(text)?;
        for node in 0..nodes.access.len() {
            nothing_is_left(nodes, node, began).await.map_err(|it| format!("{round}: {it}"))?;
        }
    }
    same(held > 0, true)
}

/// The process that is killed there: it connects, holds everything, and changes it until it dies.
pub(crate) fn controller(words: &[&str]) -> i32 {
    let [folder, nodes @ ..] = words else { return 64 };
    let access = |words: &[&str]| -> Result<Access, String> {
        let [address, key, known_hosts, data] = words else { return Err("four words".into()) };
        let mut access = Access::parse(&format!("root@{address}"))?;
        access.keys = vec![key.into()];
        access.agent = false;
        access.known_hosts = vec![known_hosts.into()];
        access.unknown_hosts = UnknownHosts::Refuse;
        access.address = address.parse().ok();
        access.data = Some(data.into());
        Ok(access)
    };
    let stirred = || -> Done {
        let hosts = nodes.chunks(4).map(access).collect::<Result<Vec<_>, _>>()?;
        let options = ssh::Options {
            hosts,
            logs: PathBuf::from(folder).join("logs"),
            shared: std::env::current_exe().ok(),
            places: Vec::new(),
            bounds: ssh::Bounds { lease: LEASE, ..ssh::Bounds::default() },
            tell: Arc::new(|_| {}),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        runtime.map_err(text)?.block_on(async {
            let lab = ssh::Lab::up(options).await.map_err(text)?;
            hold_everything(&lab).await?;
            println!("everything is held");
            let looked_at = || std::io::stdin().read_line(&mut String::new());
            tokio::task::spawn_blocking(looked_at).await.map_err(text)?.map_err(text)?;
            for host in lab.hosts() {
                for (name, _) in effects() {
                    host.release(name).await.map_err(text)?;
                }
            }
            stir(&lab, &lab.hosts()).await
        })
    };
    match stirred() {
        Ok(()) => 0,
        Err(problem) => {
            println!("{problem}");
            1
        }
    }
}
