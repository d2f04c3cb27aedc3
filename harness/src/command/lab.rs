//! `schism lab`: a lab to play in.

use std::path::Path;

use anyhow::Context as _;
use schism_lab::local::control::{self, ControlError};
use schism_lab::local::{self, Ended, Lab};
use serde_json::json;

use super::{say, warn};
use crate::arguments::LabCommand;
use crate::judge;

/// Does it; for `exec` the exit code is that of the program.
pub fn lab(command: &LabCommand) -> i32 {
    let done = match command {
        LabCommand::Up { nodes, json } => up(*nodes, *json),
        LabCommand::Exec { node, command } => exec(node, command),
        LabCommand::Down { json } => down(*json),
    };
    done.unwrap_or_else(|error| {
        warn(&format!("{error:#}"));
        judge::NOT_CARRIED_OUT
    })
}

/// Brings a lab up and keeps it in the foreground. What its nodes wrote goes with it.
fn up(nodes: u16, json: bool) -> anyhow::Result<i32> {
    let socket = control::socket_path()?;
    anyhow::ensure!(!control::is_up(&socket), "a lab is up already; `schism lab down` ends it");
    let folder = std::env::temp_dir().join(format!("schism-lab-{}", std::process::id()));
    let (inside, path) = (folder.clone(), socket.clone());
    let ended = local::supervise(move || match keep(nodes, json, &inside, &path) {
        Ok(()) => judge::UPHELD,
        Err(error) => {
            warn(&format!("{error:#}"));
            judge::NOT_CARRIED_OUT
        }
    });
    let _ = std::fs::remove_file(&socket);
    let _ = std::fs::remove_dir_all(&folder);
    match ended {
        Ok(Ended::Exit(code)) => Ok(code),
        // Ctrl-C is the way to end it.
        Ok(Ended::Signal(libc::SIGINT | libc::SIGTERM)) => Ok(judge::UPHELD),
        Ok(Ended::Signal(signal)) => anyhow::bail!("the lab was killed by signal {signal}"),
        Err(refused) => Err(refused).context("`schism doctor` says more"),
    }
}

fn keep(nodes: u16, json: bool, folder: &Path, socket: &Path) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let options = local::Options {
        nodes,
        clients: 0,
        data: folder.join("data"),
        logs: folder.join("logs"),
        seed: 0,
    };
    let lab: Lab = runtime.block_on(Lab::up(options))?;
    show(&lab, json);
    control::serve(&lab, socket)?;
    Ok(())
}

fn show(lab: &Lab, json: bool) {
    let controller = lab.controller_address();
    let hosts = lab.hosts();
    let nodes = hosts.iter().map(|host| (host.node().id.to_string(), host.node().address));
    if json {
        let nodes: Vec<_> = nodes.map(|(id, at)| json!({ "node": id, "address": at })).collect();
        let what = json!({ "lab": lab.describe(), "controller": controller, "nodes": nodes });
        return say(&what.to_string());
    }
    say(&format!("{}; the controller is {controller}", lab.describe()));
    for (id, address) in nodes {
        say(&format!("  {id:<4} {address}"));
    }
    say("In another terminal: schism lab exec n1 -- sh. Ctrl-C takes it down.");
}

fn exec(node: &str, command: &[String]) -> anyhow::Result<i32> {
    Ok(control::exec(&control::socket_path()?, node, command)?)
}

fn down(json: bool) -> anyhow::Result<i32> {
    let socket = control::socket_path()?;
    let was_up = match control::down(&socket) {
        Ok(()) => true,
        Err(ControlError::NoLab) => false,
        Err(error) => return Err(error.into()),
    };
    match (json, was_up) {
        (true, _) => say(&json!({ "was_up": was_up }).to_string()),
        (false, true) => say("The lab is down."),
        (false, false) => say("No lab is up."),
    }
    Ok(judge::UPHELD)
}
