//! `schism node …`: what the command line of a node says.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::node::{self, Options};
use crate::raft::{Bug, NodeId};
use crate::simulation;

const USAGE: &str = "\
usage: schism node raft --id n1 --address IP --peers n1=IP,n2=IP,… --data FOLDER [options]
       schism node simulate [--seeds 1..1000] [--bug NAME] [--all]

options of raft:
  --seed N             the seed of its timers (1)
  --bug NAME           a planted bug
  --snapshot-every N   a snapshot after so many entries (1000)
  --heartbeat MS       the pause between heartbeats (60)
  --election MS        the least time without a leader before a campaign (400); the most is twice it
options of simulate:
  --seeds A..B         the seeds to run, both ends included
  --bug NAME           a planted bug, to be found
  --all                goes on after the first seed that fails
";

/// Runs a node until it is killed, or a simulation to its end; returns the exit code.
pub fn main(words: &[String]) -> i32 {
    let run = match words.first().map(String::as_str) {
        Some("raft") => parse_raft(&words[1..]).map(|options| node::run(&options)),
        Some("simulate") => parse_simulate(&words[1..]).map(|options| simulation::run(&options)),
        _ => Err("name a system: raft or simulate".into()),
    };
    run.unwrap_or_else(|problem| {
        eprintln!("{problem}\n\n{USAGE}");
        64
    })
}

/// The options as pairs; `flags` stand alone.
fn pairs(words: &[String], flags: &[&str]) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let name = word.strip_prefix("--").ok_or_else(|| format!("`{word}` is no option"))?;
        let value = if flags.contains(&name) {
            String::new()
        } else {
            words.next().cloned().ok_or_else(|| format!("--{name} needs a value"))?
        };
        pairs.push((name.to_owned(), value));
    }
    Ok(pairs)
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("--{name}: `{value}` is no number"))
}

fn node_id(value: &str) -> Result<NodeId, String> {
    let number = value.strip_prefix('n').and_then(|digits| digits.parse().ok());
    number.map(NodeId).ok_or_else(|| format!("`{value}` is no node: n1, n2, …"))
}

fn bug(value: &str) -> Result<Bug, String> {
    let names: Vec<&str> = Bug::ALL.iter().map(|(name, _)| *name).collect();
    Bug::named(value).ok_or_else(|| format!("`{value}` is no bug: {}", names.join(", ")))
}

fn parse_raft(words: &[String]) -> Result<Options, String> {
    let mut options = Options {
        id: NodeId(0),
        address: IpAddr::from([127, 0, 0, 1]),
        peers: Vec::new(),
        data: PathBuf::new(),
        seed: 1,
        bug: None,
        snapshot_every: 1000,
        heartbeat: Duration::from_millis(60),
        election: Duration::from_millis(400),
    };
    for (name, value) in pairs(words, &[])? {
        match name.as_str() {
            "id" => options.id = node_id(&value)?,
            "address" => options.address = number(&name, &value)?,
            "peers" => options.peers = parse_peers(&value)?,
            "data" => options.data = PathBuf::from(value),
            "seed" => options.seed = number(&name, &value)?,
            "bug" => options.bug = Some(bug(&value)?),
            "snapshot-every" => options.snapshot_every = number::<u64>(&name, &value)?.max(1),
            "heartbeat" => options.heartbeat = Duration::from_millis(number(&name, &value)?),
            "election" => options.election = Duration::from_millis(number(&name, &value)?),
            _ => return Err(format!("there is no option --{name}")),
        }
    }
    if options.peers.iter().all(|(id, _)| *id != options.id) {
        return Err("--peers must name every member, --id among them".into());
    }
    if options.data.as_os_str().is_empty() {
        return Err("--data is missing".into());
    }
    Ok(options)
}

fn parse_peers(value: &str) -> Result<Vec<(NodeId, IpAddr)>, String> {
    let peer = |pair: &str| {
        let (id, address) = pair.split_once('=').ok_or_else(|| format!("`{pair}`: n1=IP"))?;
        Ok((node_id(id)?, number("peers", address)?))
    };
    value.split(',').map(peer).collect()
}

fn parse_simulate(words: &[String]) -> Result<simulation::Options, String> {
    let mut options = simulation::Options { seeds: 1..=1000, bug: None, all: false };
    for (name, value) in pairs(words, &["all"])? {
        match name.as_str() {
            "seeds" => {
                let (first, last) =
                    value.split_once("..").ok_or_else(|| format!("--seeds: `{value}`: A..B"))?;
                options.seeds = number(&name, first)?..=number(&name, last)?;
            }
            "bug" => options.bug = Some(bug(&value)?),
            "all" => options.all = true,
            _ => return Err(format!("there is no option --{name}")),
        }
    }
    Ok(options)
}
