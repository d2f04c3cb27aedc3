//! Whom a host lets in, and how hosts are reached that are down, taken or behind another.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use schism_lab::Command;
use schism_lab::ssh::{self, Access, UnknownHosts};

use super::scenarios::{Done, Nodes, SOON, holds, same, text};

async fn refused(nodes: &Nodes, change: impl FnOnce(&mut ssh::Options)) -> Result<String, String> {
    let mut options = nodes.options();
    change(&mut options);
    match ssh::Lab::up(options).await {
        Ok(_) => Err("nobody was refused".into()),
        Err(error) => Ok(error.to_string()),
    }
}

pub(crate) async fn host_keys(nodes: &Nodes) -> Done {
    let empty = nodes.folder.join("empty");
    std::fs::write(&empty, "").map_err(text)?;
    let unknown = |options: &mut ssh::Options| options.hosts[0].known_hosts = vec![empty.clone()];
    let said = refused(nodes, unknown).await?;
    holds(&said, "n1: root@10.77.0.1: its host key SHA256:")?;
    let line = said.rsplit_once(": ").map(|(_, line)| line.to_owned()).unwrap_or_default();
    holds(&line, "10.77.0.1 ssh-ed25519 ")?;
    // The line that it names is the remedy.
    std::fs::write(&empty, line + "\n").map_err(text)?;
    let mut options = nodes.options();
    unknown(&mut options);
    drop(ssh::Lab::up(options).await.map_err(text)?);
    let wrong = "10.77.0.1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILagOJFgwaMNhBWQINinKOXmqS4Gh5NgxgriXwdOoINJ\n";
    std::fs::write(&empty, wrong).map_err(text)?;
    let said = refused(nodes, |options| {
        unknown(options);
        options.hosts[0].unknown_hosts = UnknownHosts::Accept;
    })
    .await?;
    holds(&said, "its host key has changed")?;
    // And a key to log in with that nobody knows.
    let other = nodes.access[0].data.clone().unwrap_or_default().join("ssh/host_key");
    let said = refused(nodes, |options| options.hosts[0].keys = vec![other]).await?;
    holds(&said, "the user root was refused with ")?;
    holds(&said, "authorized_keys")
}

pub(crate) async fn down(nodes: &Nodes) -> Done {
    nodes.local.hosts()[1].kill_all().await.map_err(text)?;
    // The third accepts nothing and refuses nothing. By its own firewall: the switch spares SSH.
    let silent = "add table inet other; add chain inet other c { type filter hook input priority 0; policy drop; }";
    same(nodes.aside(2, &["nft", silent]).await?.as_str(), "")?;
    // And something else than sshd listens where a fourth should be.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(text)?;
    let mute = format!("root@127.0.0.1:{}", listener.local_addr().map_err(text)?.port());
    let mute = Access::parse(&mute)?;
    let start = Instant::now();
    let said = refused(nodes, |options| options.hosts.push(mute)).await?;
    if start.elapsed() > Duration::from_secs(15) {
        return Err(format!("took {:?}", start.elapsed()));
    }
    let lines: Vec<&str> = said.lines().collect();
    if lines.len() != 3 {
        return Err(said);
    }
    holds(lines[0], "n2: root@10.77.0.2: no connection to port 22: Connection refused")?;
    holds(lines[1], "n3: root@10.77.0.3: port 22 did not answer within 10s")?;
    holds(lines[2], "n4: root@127.0.0.1:")?;
    holds(lines[2], "no sshd greeted within 10s")
}

pub(crate) async fn second(nodes: &Nodes) -> Done {
    let lab = nodes.up().await?;
    let said = refused(nodes, |_| {}).await?;
    holds(&said, "n1: root@10.77.0.1: another schism works on this node (process ")?;
    same(lab.down().await, ssh::Left::default())?;
    nodes.up().await.map(drop)
}

pub(crate) async fn jump(nodes: &Nodes) -> Done {
    for expected in ["MB copied", "is there"] {
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let telling = told.clone();
        let mut far = nodes.access[1].clone();
        far.jump = Some(Box::new(nodes.access[0].clone()));
        let options = ssh::Options {
            hosts: vec![far],
            shared: None,
            tell: Arc::new(move |line| telling.lock().expect("the lines").push(line)),
            ..nodes.options()
        };
        let lab = ssh::Lab::up(options).await.map_err(text)?;
        let host = lab.hosts().swap_remove(0);
        let script = "echo $SSH_CONNECTION; hostname; echo logged";
        host.start("it", &Command::new(["sh", "-c", script])).await.map_err(text)?;
        let output = host.run(&Command::new(["hostname"]), SOON).await.map_err(text)?;
        same(String::from_utf8_lossy(&output.stdout).as_ref(), "n2\n")?;
        let output = host.run(&Command::new(["schism", "hello"]), SOON).await.map_err(text)?;
        same(output.stdout.as_slice(), b"hello\n")?;
        let logs = host.node().logs.clone();
        same(lab.down().await, ssh::Left::default())?;
        // Logs come from the node, at the latest at the end.
        holds(&std::fs::read_to_string(logs.join("it.log")).map_err(text)?, "logged")?;
        let told = told.lock().expect("the lines").join("; ");
        holds(&told, expected)?;
        same(told.contains("copied"), expected == "MB copied")?;
    }
    Ok(())
}
