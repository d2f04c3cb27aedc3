//! `schism lab`: a lab to play in.

use std::path::Path;

use anyhow::Context as _;
use schism_lab::local::control::{self, ControlError};
use schism_lab::local::{self, Ended, Lab};

use super::{say, warn};
use crate::arguments::LabCommand;
use crate::judge;

/// Does it; for `exec` the exit code is that of the program.
pub fn lab(command: &LabCommand) -> i32 {
    let done = match command {
        LabCommand::Up { nodes } => up(*nodes),
        LabCommand::Exec { node, command } => exec(node, command),
        LabCommand::Down => down(),
    };
    done.unwrap_or_else(|error| {
        warn(&format!("{error:#}"));
        judge::NOT_CARRIED_OUT
    })
}

/// Brings a lab up and keeps it in the foreground. What its nodes wrote goes with it.
fn up(nodes: u16) -> anyhow::Result<i32> {
    let socket = control::socket_path()?;
    anyhow::ensure!(!control::is_up(&socket), "a lab is up already; `schism lab down` ends it");
    let folder = std::env::temp_dir().join(format!("schism-lab-{}", std::process::id()));
    let (inside, path) = (folder.clone(), socket.clone());
    let ended = local::supervise(move || match keep(nodes, &inside, &path) {
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
        Ok(Ended::Signal(_)) => Ok(judge::UPHELD),
        Err(refused) => Err(refused).context("`schism doctor` says more"),
    }
}

fn keep(nodes: u16, folder: &Path, socket: &Path) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let options =
        local::Options { nodes, data: folder.join("data"), logs: folder.join("logs"), seed: 0 };
    let lab: Lab = runtime.block_on(Lab::up(options))?;
    say(&format!("{}; the controller is {}", lab.describe(), lab.controller_address()));
    for host in lab.hosts() {
        let node = host.node();
        say(&format!("  {:<4} {}", node.id.to_string(), node.address));
    }
    say("In another terminal: schism lab exec n1 -- ping -c 1 10.77.0.2. Ctrl-C takes it down.");
    control::serve(&lab, socket)?;
    Ok(())
}

fn exec(node: &str, command: &[String]) -> anyhow::Result<i32> {
    Ok(control::exec(&control::socket_path()?, node, command)?)
}

fn down() -> anyhow::Result<i32> {
    let socket = control::socket_path()?;
    match control::down(&socket) {
        Ok(()) => say("The lab is down."),
        Err(ControlError::NoLab) => say("No lab is up."),
        Err(error) => return Err(error.into()),
    }
    Ok(judge::UPHELD)
}
