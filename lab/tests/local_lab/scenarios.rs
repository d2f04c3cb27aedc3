//! What happens inside the processes of these tests.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use schism_lab::local::{Ended, Lab, Options, doctor, supervise};
use schism_lab::{Command, End, Host, LinkRule, LinkRules, NodeId};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};

const SOON: Duration = Duration::from_secs(5);

/// Runs a scenario; 0 if all was as it should be, otherwise the reason is on standard error.
pub(crate) fn run(name: &str) -> i32 {
    let done = match name {
        "doctor" => examined(),
        "covered-proc" => covered_proc(),
        "interrupted" => in_lab(async |lab| interrupted(lab).await),
        "replaced" => in_lab(async |lab| replaced(lab).await),
        "lives" => in_lab(async |lab| lives(lab).await),
        "clients" => in_lab(async |lab| clients(lab).await),
        "healed-link" => in_lab(async |lab| healed_link(lab).await),
        other => Err(format!("there is no scenario {other}")),
    };
    match done {
        Ok(()) => 0,
        Err(problem) => {
            println!("{problem}");
            1
        }
    }
}

fn same<T: PartialEq + std::fmt::Debug>(seen: T, expected: T) -> Result<(), String> {
    if seen == expected { Ok(()) } else { Err(format!("{seen:?} instead of {expected:?}")) }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Runs `body` in a lab of two nodes.
fn in_lab(body: impl AsyncFnOnce(&Lab) -> Result<(), String>) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(text)?;
    let root: PathBuf = folder.path().into();
    let ended = supervise(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let done = runtime.map_err(text).and_then(|runtime| {
            runtime.block_on(async {
                let (data, logs) = (root.join("data"), root.join("logs"));
                let lab = Lab::up(Options { nodes: 2, clients: 2, data, logs, seed: 1 })
                    .await
                    .map_err(text)?;
                body(&lab).await
            })
        });
        match done {
            Ok(()) => 0,
            Err(problem) => {
                println!("{problem}");
                1
            }
        }
    });
    same(ended.map_err(text)?, Ended::Exit(0))
}

/// A client's place has processes, a name and links of its own, and is none of the nodes.
async fn clients(lab: &Lab) -> Result<(), String> {
    let names = |hosts: Vec<Arc<dyn Host>>| {
        hosts.iter().map(|host| host.node().id.to_string()).collect::<Vec<_>>().join(" ")
    };
    same((names(lab.hosts()), names(lab.clients())), ("n1 n2".into(), "c1 c2".into()))?;
    let client = lab.clients().swap_remove(0);
    let output = client.run(&Command::new(["hostname"]), SOON).await.map_err(text)?;
    same(String::from_utf8_lossy(&output.stdout).trim(), "c1")?;
    let sleeper = client.spawn(&Command::new(["sleep", "60"])).await.map_err(text)?;
    members(&*client, 1).await?;
    same(first(lab).processes().await.map_err(text)?.len(), 0)?;
    client.kill_all().await.map_err(text)?;
    members(&*client, 0).await?;
    drop(sleeper);
    // A cut between the two leaves the client's other links alone.
    let (own, node) = (client.datagrams().await.map_err(text)?, first(lab));
    let there = node.datagrams().await.map_err(text)?;
    let other = lab.hosts().swap_remove(1).datagrams().await.map_err(text)?;
    let cut = LinkRule { drop: true, ..LinkRule::default() };
    let link = (End::Node(client.node().id), End::Node(node.node().id));
    lab.network().set(&LinkRules([(link, cut)].into())).await.map_err(text)?;
    own.send(b"lost", there.address());
    own.send(b"kept", other.address());
    let (came, _) = timeout(SOON, other.receive()).await.map_err(text)?.map_err(text)?;
    same(came, b"kept".to_vec())?;
    lab.network().set(&LinkRules::default()).await.map_err(text)?;
    own.send(b"healed", there.address());
    let (came, _) = timeout(SOON, there.receive()).await.map_err(text)?.map_err(text)?;
    same(came, b"healed".to_vec())
}

fn first(lab: &Lab) -> Arc<dyn Host> {
    lab.hosts().swap_remove(0)
}

/// Waits until as many processes are on the node, and returns their numbers and starts.
async fn members(host: &dyn Host, count: usize) -> Result<Vec<(i32, u64)>, String> {
    let start = Instant::now();
    loop {
        let now = host.processes().await.map_err(text)?;
        if now.len() == count {
            return Ok(now.into_iter().map(|state| (state.pid, state.started)).collect());
        }
        if start.elapsed() > SOON {
            return Err(format!("{now:?} instead of {count} processes"));
        }
        sleep(Duration::from_millis(5)).await;
    }
}

fn examined() -> Result<(), String> {
    let finding = doctor::examine().swap_remove(0);
    if finding.ok { Ok(()) } else { Err(finding.says) }
}

/// Where a part of /proc is covered up by somebody else, no other /proc may be mounted.
fn covered_proc() -> Result<(), String> {
    // SAFETY: plain system calls; these have no preconditions.
    let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
    // SAFETY: this process has one thread.
    let unshare = || unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) };
    let map = |uid, gid| -> Result<(), String> {
        std::fs::write("/proc/self/setgroups", "deny").map_err(text)?;
        std::fs::write("/proc/self/uid_map", format!("0 {uid} 1")).map_err(text)?;
        std::fs::write("/proc/self/gid_map", format!("0 {gid} 1")).map_err(text)
    };
    if unshare() != 0 {
        let error = std::io::Error::last_os_error();
        eprintln!("skipped: a_covered_proc_is_refused_with_a_remedy: no user namespace: {error}");
        return Ok(());
    }
    map(user, group)?;
    // SAFETY: the strings are constants.
    let mounted = unsafe {
        let (kind, none) = (c"tmpfs".as_ptr(), std::ptr::null());
        libc::mount(kind, c"/proc/sys".as_ptr(), kind, 0, none)
    };
    same(mounted, 0)?;
    same(unshare(), 0)?;
    map(0, 0)?;
    match supervise(|| 0) {
        Ok(ended) => Err(format!("a lab without a /proc of its own: {ended:?}")),
        Err(refused) => {
            same(refused.doing.as_str(), "a /proc of its own")?;
            let helps = refused.problem.contains("--privileged");
            if helps { Ok(()) } else { Err(format!("no remedy in: {refused}")) }
        }
    }
}

/// Counts interrupts, and afterwards what is still alive on a node.
async fn interrupted(lab: &Lab) -> Result<(), String> {
    let host = first(lab);
    let mut interrupts = signal(SignalKind::interrupt()).map_err(text)?;
    host.start("sleep", &Command::new(["sleep", "30"])).await.map_err(text)?;
    members(&*host, 1).await?;
    // Entering, too, is in nobody's reach.
    let mut spawned = host.spawn(&Command::new(["sleep", "30"])).await.map_err(text)?;
    members(&*host, 2).await?;
    println!("ready");
    std::io::stdout().flush().map_err(text)?;
    let mut count = 0;
    while timeout(Duration::from_millis(if count == 0 { 5000 } else { 400 }), interrupts.recv())
        .await
        .is_ok()
    {
        count += 1;
    }
    members(&*host, 2).await?;
    spawned.kill().await.map_err(text)?;
    let alive = members(&*host, 1).await?.len();
    println!("interrupts {count}, alive {alive}");
    Ok(())
}

async fn replaced(lab: &Lab) -> Result<(), String> {
    let own = std::env::current_exe().map_err(text)?;
    std::fs::remove_file(&own).map_err(text)?;
    let output = first(lab).run(&Command::new(["schism", "hello"]), SOON).await.map_err(text)?;
    same((output.code, output.stdout.as_slice()), (0, &b"hello\n"[..]))
}

async fn lives(lab: &Lab) -> Result<(), String> {
    let host = first(lab);
    let mut seen = Vec::new();
    for _ in 0..3 {
        members(&*host, 0).await?;
        host.start("sleep", &Command::new(["sleep", "30"])).await.map_err(text)?;
        seen.extend(members(&*host, 1).await?);
        // What forks away and takes a session of its own is the node's all the same.
        let script = "for one in 1 2; do setsid sleep 30 > /dev/null 2>&1 & done";
        let output = host.run(&Command::new(["sh", "-c", script]), SOON).await.map_err(text)?;
        same(output.code, 0)?;
        members(&*host, 3).await?;
        same(lab.hosts()[1].processes().await.map_err(text)?, Vec::new())?;
        host.kill_all().await.map_err(text)?;
        same(host.processes().await.map_err(text)?, Vec::new())?;
    }
    seen.dedup();
    same(seen.len(), 3)
}

async fn healed_link(lab: &Lab) -> Result<(), String> {
    let hosts = lab.hosts();
    let from = hosts[0].datagrams().await.map_err(text)?;
    let to = hosts[1].datagrams().await.map_err(text)?;
    let link = (End::Node(NodeId(1)), End::Node(NodeId(2)));
    let rule = LinkRule { delay: Duration::from_secs(9), ..LinkRule::default() };
    let network = lab.network();
    network.set(&LinkRules([(link, rule)].into())).await.map_err(text)?;
    for word in [b"first", b"other"] {
        from.send(word, to.address());
    }
    let early = timeout(Duration::from_millis(100), to.receive()).await;
    same(early.is_err(), true)?;
    network.set(&LinkRules::default()).await.map_err(text)?;
    for word in [b"first", b"other"] {
        let late = |_| format!("{} did not come at once", String::from_utf8_lossy(word));
        let came = timeout(Duration::from_millis(500), to.receive()).await;
        let (datagram, _) = came.map_err(late)?.map_err(text)?;
        same(&datagram[..], &word[..])?;
    }
    Ok(())
}
