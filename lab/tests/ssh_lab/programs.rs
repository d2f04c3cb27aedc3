//! Programs, files and streams of a node.

use std::path::Path;
use std::time::{Duration, Instant};

use schism_lab::{Command, Host};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

use super::scenarios::{Done, Nodes, SOON, holds, same, text};

/// Waits until as many processes are on the node.
pub(crate) async fn members(host: &dyn Host, count: usize) -> Result<Vec<String>, String> {
    let start = Instant::now();
    loop {
        let now = host.processes().await.map_err(text)?;
        if now.len() == count {
            return Ok(now
                .into_iter()
                .map(|state| format!("{} {}", state.name, state.state))
                .collect());
        }
        if start.elapsed() > SOON {
            return Err(format!("{now:?} instead of {count} processes"));
        }
        sleep(Duration::from_millis(5)).await;
    }
}

const HOSTILE: &[&str] =
    &["", "two words", "it's", "\"", "line\nbreak", "$(id)", "`id`", "-rf", "--", "*", "~", "ü\\"];

pub(crate) async fn words(nodes: &Nodes) -> Done {
    let lab = nodes.up().await?;
    let host = lab.hosts().swap_remove(0);
    let mut command = Command::new(["printf", "%s\\0"]);
    command.argv.extend(HOSTILE.iter().map(|&word| word.to_owned()));
    let output = host.run(&command, SOON).await.map_err(text)?;
    let expected: String = HOSTILE.iter().flat_map(|word| [word, "\0"]).collect();
    same(String::from_utf8_lossy(&output.stdout).as_ref(), expected.as_str())?;
    let mut command = Command::new(["sh", "-c", "echo \"$NAME\" in \"$PWD\"; echo oh >&2; exit 7"]);
    command.env.push(("NAME".into(), "a b$(id)".into()));
    let folder = host.node().data.join("it's a folder");
    std::fs::create_dir_all(&folder).map_err(text)?;
    command.folder = Some(folder.clone());
    let output = host.run(&command, SOON).await.map_err(text)?;
    let stdout = format!("a b$(id) in {}\n", folder.display());
    same((output.code, String::from_utf8_lossy(&output.stdout).as_ref()), (7, stdout.as_str()))?;
    same(output.stderr.as_slice(), b"oh\n")?;
    let output = host.run(&Command::new(["sh", "-c", "kill -9 $$"]), SOON).await.map_err(text)?;
    same(output.code, 137)?;
    let output = host.run(&Command::new(["schism", "hello"]), SOON).await.map_err(text)?;
    same(output.stdout.as_slice(), b"hello\n")?;
    let late = host.run(&Command::new(["sleep", "60"]), Duration::from_millis(200)).await;
    holds(&late.map_err(text).expect_err("it is late"), "n1: sleep did not end within 200ms")?;
    let none = host.run(&Command::new(["no such program"]), SOON).await;
    holds(&none.map_err(text).expect_err("it is none"), "n1: no such program")?;
    members(&*host, 0).await.map(drop)
}

pub(crate) async fn files(nodes: &Nodes) -> Done {
    let lab = nodes.up().await?;
    let host = lab.hosts().swap_remove(0);
    let (from, back) = (nodes.folder.join("from"), nodes.folder.join("back"));
    for name in ["plain", "-rf it's $(id)\nhere"] {
        let to = host.node().data.join(name);
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| ((number * 31) >> 3) as u8).collect();
        std::fs::write(&from, &bytes).map_err(text)?;
        host.upload(&from, &to).await.map_err(text)?;
        same(std::fs::read(&to).map_err(text)? == bytes, true)?;
        let written = |path: &Path| std::fs::metadata(path).and_then(|file| file.modified());
        let before = written(&to).map_err(text)?;
        host.upload(&from, &to).await.map_err(text)?;
        same(written(&to).map_err(text)?, before)?;
        std::fs::write(&from, b"other").map_err(text)?;
        host.upload(&from, &to).await.map_err(text)?;
        host.download(&to, &back).await.map_err(text)?;
        same(std::fs::read(&back).map_err(text)?.as_slice(), b"other")?;
    }
    let none = host.download(Path::new("/no/such file"), &back).await.map_err(text);
    holds(&none.expect_err("it is not there"), "n1: cat: '/no/such file'")?;
    let none = host.upload(&from, Path::new("/no/such/folder/x")).await.map_err(text);
    holds(&none.expect_err("it is not there"), "n1: /no/such/folder/x could not be written")
}

pub(crate) async fn streams(nodes: &Nodes) -> Done {
    let lab = nodes.up().await?;
    let host = lab.hosts().swap_remove(0);
    let mut running = host.spawn(&Command::new(["cat"])).await.map_err(text)?;
    let (mut stdin, mut stdout) =
        (running.stdin.take().ok_or("no stdin")?, running.stdout.take().ok_or("no stdout")?);
    let sent: Vec<u8> = (0..2_000_000_u32).map(|number| (number % 251) as u8).collect();
    let expected = sent.clone();
    let writer = tokio::spawn(async move { stdin.write_all(&sent).await });
    let mut seen = Vec::new();
    timeout(SOON * 4, stdout.read_to_end(&mut seen)).await.map_err(text)?.map_err(text)?;
    writer.await.map_err(text)?.map_err(text)?;
    same(seen == expected, true)?;
    let status = timeout(SOON, running.wait()).await.map_err(text)?.map_err(text)?;
    same(status.code(), Some(0))?;
    // A program that nobody reads stops, and holds nobody up.
    let mut running = host.spawn(&Command::new(["yes"])).await.map_err(text)?;
    sleep(Duration::from_millis(100)).await;
    same(host.run(&Command::new(["true"]), SOON).await.map_err(text)?.code, 0)?;
    timeout(SOON, running.kill()).await.map_err(text)?.map_err(text)?;
    // One that is dropped is killed.
    drop(host.spawn(&Command::new(["sleep", "60"])).await.map_err(text)?);
    members(&*host, 0).await.map(drop)
}

/// Waits until three programs run, all of them in this state.
async fn three_are(host: &dyn Host, state: &str) -> Done {
    let start = Instant::now();
    loop {
        let now = members(host, 3).await?;
        if now.iter().all(|it| it == state) {
            return Ok(());
        }
        if start.elapsed() > SOON {
            return Err(format!("{now:?} instead of three times {state}"));
        }
        sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) async fn lives(nodes: &Nodes) -> Done {
    let lab = nodes.up().await?;
    let hosts = lab.hosts();
    let host = &hosts[0];
    for _ in 0..3 {
        host.start("sleep", &Command::new(["sleep", "30"])).await.map_err(text)?;
        // What forks away and takes a session of its own is the node's all the same.
        let script = "for one in 1 2; do setsid sleep 30 > /dev/null 2>&1 & done";
        host.run(&Command::new(["sh", "-c", script]), SOON).await.map_err(text)?;
        // `setsid` is there before the program that it becomes.
        three_are(&**host, "sleep S").await?;
        members(&*hosts[1], 0).await?;
        host.pause_all().await.map_err(text)?;
        same(members(&**host, 3).await?, vec!["sleep T".to_owned(); 3])?;
        host.resume_all().await.map_err(text)?;
        three_are(&**host, "sleep S").await?;
        host.kill_all().await.map_err(text)?;
        same(host.processes().await.map_err(text)?, Vec::new())?;
    }
    let log = Command::new(["sh", "-c", "echo out; echo err >&2"]);
    for _ in 0..2 {
        host.start("it", &log).await.map_err(text)?;
        members(&**host, 0).await?;
    }
    let log = std::fs::read_to_string(host.node().logs.join("it.log")).map_err(text)?;
    same(log.as_str(), "out\nerr\nout\nerr\n")
}
