//! Links that are cut, connections that break, and what an agent takes with it.

use std::time::{Duration, Instant};

use schism_lab::ssh;
use schism_lab::{Command, Datagrams, End, LinkRule, LinkRules, NodeId};
use tokio::time::{sleep, timeout};

use super::programs::members;
use super::scenarios::{Done, Nodes, SOON, holds, same, text};

/// Whether a datagram comes.
async fn comes(from: &dyn Datagrams, to: &dyn Datagrams) -> bool {
    for _ in 0..3 {
        from.send(b"probe", to.address());
    }
    let mut came = false;
    while timeout(Duration::from_millis(150), to.receive()).await.is_ok() {
        came = true;
    }
    came
}

pub(crate) fn drops(links: &[(End, End)]) -> LinkRules {
    let drop = LinkRule { drop: true, ..LinkRule::default() };
    LinkRules(links.iter().map(|&link| (link, drop)).collect())
}

pub(crate) async fn cut(nodes: &Nodes) -> Done {
    let theirs = "add table inet other; add chain inet other c { type filter hook input priority 0; }; add rule inet other c tcp dport 9 drop";
    nodes.aside(0, &["nft", theirs]).await?;
    let before = nodes.aside(0, &["nft", "list", "ruleset"]).await?;
    holds(&before, "dport 9 drop")?;
    let lab = nodes.up().await?;
    let (hosts, network) = (lab.hosts(), lab.network());
    let one = hosts[0].datagrams().await.map_err(text)?;
    let two = hosts[1].datagrams().await.map_err(text)?;
    same((comes(&*one, &*two).await, comes(&*two, &*one).await), (true, true))?;
    let (n1, n2) = (End::Node(NodeId(1)), End::Node(NodeId(2)));
    network.set(&drops(&[(n2, n1)])).await.map_err(text)?;
    same((comes(&*one, &*two).await, comes(&*two, &*one).await), (true, false))?;
    // Cut off from the controller, a node is spoken to all the same.
    let both = drops(&[(n2, n1), (End::Controller, n1), (n1, End::Controller)]);
    network.set(&both).await.map_err(text)?;
    let own = tokio::net::UdpSocket::bind((nodes.local.controller_address(), 0)).await;
    let own = own.map_err(text)?;
    own.writable().await.map_err(text)?;
    same((comes(&*one, &own).await, comes(&own, &*one).await), (false, false))?;
    same(hosts[0].run(&Command::new(["true"]), SOON).await.map_err(text)?.code, 0)?;
    let hold = LinkRule { hold: true, ..LinkRule::default() };
    let hold = network.set(&LinkRules([((n1, n2), hold)].into())).await.map_err(text);
    holds(&hold.expect_err("it cannot"), "not held")?;
    network.set(&LinkRules::default()).await.map_err(text)?;
    same((comes(&*one, &*two).await, comes(&*two, &*one).await), (true, true))?;
    same((comes(&*one, &own).await, comes(&own, &*one).await), (true, true))?;
    same(nodes.aside(0, &["nft", "list", "ruleset"]).await?, before)
}

/// Kills what sshd runs for the connection to a node, as a broken link would in the end.
pub(crate) async fn break_connection(nodes: &Nodes, node: usize) -> Done {
    let mut sshd = nodes.local.hosts()[node].processes().await.map_err(text)?;
    sshd.retain(|process| process.name.starts_with("sshd"));
    // The first is the one that listens.
    sshd.sort_by_key(|process| (process.started, process.pid));
    for process in &sshd[1..] {
        let pid = nix::unistd::Pid::from_raw(process.pid);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).map_err(text)?;
    }
    if sshd.len() > 1 { Ok(()) } else { Err("sshd served nobody".into()) }
}

pub(crate) async fn broken(nodes: &Nodes) -> Done {
    let lab = nodes.up().await?;
    let (hosts, network) = (lab.hosts(), lab.network());
    let one = hosts[0].datagrams().await.map_err(text)?;
    let two = hosts[1].datagrams().await.map_err(text)?;
    let rules = drops(&[(End::Node(NodeId(2)), End::Node(NodeId(1)))]);
    network.set(&rules).await.map_err(text)?;
    hosts[0].start("sleep", &Command::new(["sleep", "60"])).await.map_err(text)?;
    std::fs::write(hosts[0].node().data.join("kept"), "x").map_err(text)?;
    members(&*hosts[0], 1).await?;
    break_connection(nodes, 0).await?;
    // Whatever was under way may have been done or not, so that the first may fail.
    let start = Instant::now();
    while hosts[0].run(&Command::new(["true"]), SOON).await.is_err() {
        if start.elapsed() > SOON * 2 {
            return Err("it was not reached again".into());
        }
        sleep(Duration::from_millis(20)).await;
    }
    // A socket of the broken connection is opened again by whoever listens to it, as probes do.
    let start = Instant::now();
    while !comes(&*one, &*two).await {
        if let Ok(Err(error)) = timeout(Duration::from_secs(1), one.receive()).await {
            return Err(format!("no socket again: {error}"));
        }
        if start.elapsed() > SOON * 2 {
            return Err("the socket was not opened again".into());
        }
    }
    // The agent took what it had started with it; data stays, and the rules are there again.
    members(&*hosts[0], 0).await?;
    same(hosts[0].node().data.join("kept").exists(), true)?;
    same((comes(&*one, &*two).await, comes(&*two, &*one).await), (true, false))?;
    network.set(&LinkRules::default()).await.map_err(text)?;
    same((comes(&*one, &*two).await, comes(&*two, &*one).await), (true, true))?;
    let left = lab.down().await;
    same(left.dirty.as_slice(), &[])?;
    holds(&left.lost.join("; "), "n1: the connection to root@10.77.0.1 was lost")
}

pub(crate) async fn leaves_nothing(nodes: &Nodes) -> Done {
    for orderly in [true, false] {
        let lab = nodes.up().await?;
        let host = lab.hosts().swap_remove(0);
        let script = "setsid sleep 60 > /dev/null 2>&1 & exec sleep 60";
        host.start("it", &Command::new(["sh", "-c", script])).await.map_err(text)?;
        members(&*host, 2).await?;
        lab.network()
            .set(&drops(&[(End::Controller, End::Node(NodeId(1)))]))
            .await
            .map_err(text)?;
        holds(&nodes.aside(0, &["nft", "list", "tables"]).await?, "inet schism")?;
        let data = host.node().data.clone();
        std::fs::write(data.join("x"), "x").map_err(text)?;
        drop(host);
        if orderly {
            same(lab.down().await, ssh::Left::default())?;
            same(data.exists(), false)?;
        } else {
            break_connection(nodes, 0).await?;
            drop(lab);
        }
        let start = Instant::now();
        loop {
            let all = nodes.local.hosts()[0].processes().await.map_err(text)?;
            let left = all.iter().filter(|process| !process.name.starts_with("sshd")).count();
            let tables = nodes.aside(0, &["nft", "list", "tables"]).await?;
            if left == 0 && !tables.contains("schism") {
                break;
            }
            if start.elapsed() > SOON {
                return Err(format!("left: {all:?}, tables {tables}"));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(())
}
