//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use schism_history::Span;

use crate::sabotage::Sabotage;

/// Break a distributed system on purpose, and judge what its clients saw.
#[derive(Debug, Parser)]
#[command(
    name = "schism",
    version,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 every claim upheld; 1 a claim violated; 2 something unknown;\n\
                  3 the run could not be carried out; 64 bad usage or plan.\n\n\
                  Try: schism run plans/quickstart.yaml"
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Carry out plans: start the system, load it, break it, heal it, judge it, report
    Run(RunArguments),
    /// Judge a history file, or the history of a stored run
    Check(CheckArguments),
    /// Draw the report of a stored run again
    Report(ReportArguments),
    /// Show the targets, workloads, faults and claims that a plan can name
    List(ListArguments),
    /// Say what this machine forbids, and the one command that helps
    Doctor(DoctorArguments),
    /// A lab to play in
    Lab(LabArguments),
}

/// `schism run`.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// The plans, carried out one after another
    #[arg(required = true, value_name = "PLAN")]
    pub plans: Vec<PathBuf>,
    /// Use this seed instead of the plan's
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Let the load run for so long, such as 30s
    #[arg(long, value_name = "TIME")]
    pub duration: Option<Span>,
    /// Override one value of the plan, such as load.clients=20; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub set: Vec<(String, String)>,
    /// Store runs here
    #[arg(long, value_name = "FOLDER", default_value = "runs")]
    pub runs: PathBuf,
    /// Show no progress
    #[arg(long, short)]
    pub quiet: bool,
    /// Print the verdict as JSON
    #[arg(long)]
    pub json: bool,
    /// Cheat schism in this way, to see that it is not fooled
    #[arg(long, value_name = "HOW", hide = true)]
    pub sabotage: Option<Sabotage>,
}

impl RunArguments {
    /// What the command line changes in a plan, as dotted paths and YAML values. `--set` comes last,
    /// since it is the more exact.
    pub fn overrides(&self) -> Vec<(String, String)> {
        let mut overrides = Vec::new();
        overrides.extend(self.seed.map(|seed| ("seed".to_owned(), seed.to_string())));
        overrides.extend(self.duration.map(|span| ("load.duration".to_owned(), span.to_string())));
        overrides.extend(self.set.iter().cloned());
        overrides
    }
}

/// `schism check`.
#[derive(Clone, Debug, Args)]
pub struct CheckArguments {
    /// A history (history.jsonl), or the folder of a run, such as runs/latest
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The workload that made it; a run's folder says so itself
    #[arg(long, value_name = "NAME")]
    pub workload: Option<String>,
    /// A claim to decide; may be repeated; otherwise those of the plan, or all that can be decided
    #[arg(long = "claim", value_name = "NAME")]
    pub claims: Vec<String>,
    /// Print the verdict as JSON
    #[arg(long)]
    pub json: bool,
}

/// `schism report`.
#[derive(Debug, Args)]
pub struct ReportArguments {
    /// The folder of a run, such as runs/latest
    #[arg(value_name = "RUN", default_value = "runs/latest")]
    pub run: PathBuf,
    /// Print the paths as JSON
    #[arg(long)]
    pub json: bool,
}

/// `schism list`.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// Only this table
    #[arg(value_name = "TABLE", value_parser = ["targets", "workloads", "faults", "claims"])]
    pub table: Option<String>,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// `schism doctor`.
#[derive(Debug, Args)]
pub struct DoctorArguments {
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// `schism lab`.
#[derive(Debug, Args)]
pub struct LabArguments {
    /// What to do.
    #[command(subcommand)]
    pub command: LabCommand,
}

/// The commands of `schism lab`.
#[derive(Debug, Subcommand)]
pub enum LabCommand {
    /// Bring up a lab, and keep it until Ctrl-C or `schism lab down`
    Up {
        /// How many nodes
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=64))]
        nodes: u16,
        /// Print the nodes as JSON
        #[arg(long)]
        json: bool,
    },
    /// Run a command on a node of the lab
    Exec {
        /// The node, such as n1
        node: String,
        /// The command and its arguments
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Take the lab down
    Down {
        /// Print what was done as JSON
        #[arg(long)]
        json: bool,
    },
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        // It is stored with the plan as one line.
        Some((key, value)) if !key.is_empty() && !text.contains(['\n', '\r']) => {
            Ok((key.into(), value.into()))
        }
        _ => Err("write KEY=VALUE on one line, such as load.clients=20".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn turns_options_into_overrides() {
        let line = [
            "schism",
            "run",
            "p.yaml",
            "--set",
            "load.clients=2",
            "--seed",
            "3",
            "--duration",
            "1500ms",
        ];
        let Command::Run(run) = Arguments::parse_from(line).command else { panic!("it is a run") };
        let expected = [("seed", "3"), ("load.duration", "1500ms"), ("load.clients", "2")];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(run.overrides(), expected);
    }
}
