//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use schism_checkers::Parameters;
use schism_history::{Span, Value};

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
    /// Make a history of a simulated system, valid or with one planted violation
    Synth(SynthArguments),
    /// Teach an anomaly or a claim: definition, source, the smallest example
    Explain(ExplainArguments),
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
    /// Where the nodes stand, instead of the plan's lab
    #[command(flatten)]
    pub hosts: HostArguments,
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
        overrides.extend(self.hosts.lab().map(|lab| ("lab".to_owned(), lab)));
        overrides.extend(self.set.iter().cloned());
        overrides
    }
}

/// Hosts behind SSH.
#[derive(Clone, Debug, Default, Args)]
pub struct HostArguments {
    /// Hosts behind SSH, such as root@h1,root@h2:2222
    #[arg(long, value_name = "HOSTS", value_delimiter = ',', conflicts_with_all = ["inventory", "vagrant"])]
    pub nodes: Vec<String>,
    /// Hosts behind SSH, as this file names them: an inventory, or what `vagrant ssh-config` printed
    #[arg(long, value_name = "FILE", conflicts_with = "vagrant")]
    pub inventory: Option<PathBuf>,
    /// The running machines of the Vagrantfile here
    #[arg(long)]
    pub vagrant: bool,
}

impl HostArguments {
    /// The lab as a plan writes it; `None` where no hosts are named.
    pub fn lab(&self) -> Option<String> {
        if self.vagrant {
            return Some("{ vagrant: {} }".into());
        }
        if !self.nodes.is_empty() {
            let ssh = serde_json::json!({ "ssh": { "nodes": self.nodes } });
            return Some(ssh.to_string());
        }
        // A stored plan is read from elsewhere, and what is relative is so to the plan.
        let inventory = std::path::absolute(self.inventory.as_ref()?).ok()?;
        Some(serde_json::json!({ "ssh": { "inventory": inventory } }).to_string())
    }
}

/// `schism check`.
#[derive(Clone, Debug, Args)]
pub struct CheckArguments {
    /// Histories of any known format, or folders of runs, such as runs/latest
    #[arg(value_name = "FILE", required_unless_present = "corpus")]
    pub files: Vec<PathBuf>,
    /// What the history is about, see `schism list subjects`; a run's folder says so itself
    #[arg(long, value_name = "NAME")]
    pub workload: Option<String>,
    /// A claim to decide, such as linearizable, or bounded-staleness:2s; may be repeated; otherwise
    /// those of the plan, or the usual ones of the workload
    #[arg(long = "claim", value_name = "NAME")]
    pub claims: Vec<String>,
    /// The format of the files
    #[arg(long, value_name = "NAME", default_value = "auto")]
    pub format: String,
    /// Answer `unknown` after so long
    #[arg(long, value_name = "TIME", default_value = "60s")]
    pub budget_time: Span,
    /// Answer `unknown` rather than hold more memory than this
    #[arg(long, value_name = "SIZE", default_value = "4GiB")]
    pub budget_memory: Bytes,
    /// Judge a table of histories with known verdicts (path, format, model, verdict; tabs between)
    #[arg(long, value_name = "TSV", conflicts_with_all = ["files", "claims", "workload", "report", "svg"])]
    pub corpus: Option<PathBuf>,
    /// What the workload and the system were set to
    #[command(flatten)]
    pub setting: SettingArguments,
    /// Draw the violations into this file (HTML)
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Draw each violation into a file of this folder (SVG), named `<claim>-<n>-<anomaly>.svg`
    #[arg(long, value_name = "FOLDER")]
    pub svg: Option<PathBuf>,
    /// Print the verdict as JSON
    #[arg(long)]
    pub json: bool,
}

/// What verdicts depend on besides the history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct SettingArguments {
    /// What every object holds before the first write, as JSON
    #[arg(long, value_name = "JSON", value_parser = value)]
    pub initial: Option<Value>,
    /// long-fork: how many keys make a group
    #[arg(long, value_name = "N")]
    pub group_size: Option<usize>,
    /// bank: what all accounts hold together
    #[arg(long, alias = "total-amount", value_name = "N")]
    pub total: Option<i64>,
    /// bank: accounts may be below zero
    #[arg(long)]
    pub negative_balances: bool,
    /// log: consumers were to read committed messages only
    #[arg(long)]
    pub read_committed: bool,
    /// log: producers were idempotent
    #[arg(long)]
    pub idempotent: bool,
}

impl SettingArguments {
    /// As checkers take it.
    pub fn parameters(&self) -> Parameters {
        Parameters {
            group_size: self.group_size,
            total: self.total,
            negative_balances: self.negative_balances,
            read_committed: self.read_committed,
            idempotent: self.idempotent,
        }
    }
}

/// An amount of memory, such as `4GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl std::str::FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const UNITS: [(&str, u64); 7] = [
            ("KiB", 1 << 10),
            ("MiB", 1 << 20),
            ("GiB", 1 << 30),
            ("kB", 1_000),
            ("MB", 1_000_000),
            ("GB", 1_000_000_000),
            ("B", 1),
        ];
        let wanted = || format!("`{text}` is no amount of memory, such as 512MiB or 4GiB");
        let (unit, factor) =
            UNITS.into_iter().find(|(unit, _)| text.ends_with(unit)).ok_or_else(wanted)?;
        let number: f64 = text[..text.len() - unit.len()].trim().parse().map_err(|_| wanted())?;
        let bytes = number * factor as f64;
        // A budget beyond a petabyte is a slip of the pen.
        if (1.0..1e15).contains(&bytes) { Ok(Self(bytes as u64)) } else { Err(wanted()) }
    }
}

fn value(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))
}

/// `schism synth`.
#[derive(Debug, Args)]
pub struct SynthArguments {
    /// The simulated system: register, list-append, fifo-queue …
    #[arg(value_name = "WORKLOAD")]
    pub workload: String,
    /// Operations
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub ops: usize,
    /// Clients that overlap
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub clients: usize,
    /// Keys in use at a time
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub keys: usize,
    /// The share of operations that end indeterminate, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub info: f64,
    /// Values are numbers from 1 to N; otherwise each is written once
    #[arg(long, value_name = "N")]
    pub domain: Option<usize>,
    /// Micro-operations of a transaction at most; of weak-isolation exactly
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub length: usize,
    /// Plant a violation in the middle, such as stale-read
    #[arg(long, value_name = "NAME")]
    pub violate: Option<String>,
    /// Seeds everything
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// The format of the file: jsonl, edn or plume; otherwise by the name of the file
    #[arg(long, value_name = "NAME", default_value = "auto")]
    pub format: String,
    /// The file to write; standard output without it
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `schism explain`.
#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// An anomaly, such as G-single, or a claim; without it, all that can be explained
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Draw the anomaly's example into this folder (SVG)
    #[arg(long, value_name = "FOLDER", requires = "name")]
    pub svg: Option<PathBuf>,
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
    #[arg(value_name = "TABLE", value_parser = ["targets", "workloads", "faults", "subjects", "claims"])]
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

    #[test]
    fn hosts_take_the_place_of_the_plans_lab() {
        let check = |options: &[&str], expected: &str| {
            let line = ["schism", "run", "p.yaml"].iter().chain(options);
            let Command::Run(run) = Arguments::parse_from(line).command else { panic!("a run") };
            assert_eq!(run.overrides(), [("lab".to_owned(), expected.to_owned())]);
        };
        check(
            &["--nodes", "root@h1,root@h2:2222"],
            r#"{"ssh":{"nodes":["root@h1","root@h2:2222"]}}"#,
        );
        check(&["--inventory", "/etc/hosts.yaml"], r#"{"ssh":{"inventory":"/etc/hosts.yaml"}}"#);
        check(&["--vagrant"], "{ vagrant: {} }");
        let both = ["schism", "run", "p.yaml", "--vagrant", "--nodes", "h1"];
        assert!(Arguments::try_parse_from(both).is_err());
    }
}
