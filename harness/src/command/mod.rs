//! The commands, one a file. Each returns the exit code.

mod check;
mod doctor;
mod explain;
mod lab;
mod list;
mod output;
mod report;
mod run;
mod stand;
mod synth;

use clap::Parser as _;

use crate::arguments::{Arguments, Command};
use crate::judge;

pub(crate) use output::{name_diagrams, print_verdict, say, shown, tell_diagrams, warn};

/// Does what the command line says, and returns the exit code.
///
/// Runs before any thread is started: labs need a process with one thread.
pub fn main() -> i32 {
    let line: Vec<String> =
        std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    if let Some(code) = hidden(&line) {
        return code;
    }
    let arguments = match Arguments::try_parse_from(&line) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            // Help and version are no mistakes.
            return if error.use_stderr() { judge::BAD_USAGE } else { judge::UPHELD };
        }
    };
    match &arguments.command {
        Command::Run(arguments) => run::run(arguments),
        Command::Check(arguments) => check::check(arguments),
        Command::Synth(arguments) => synth::synth(arguments),
        Command::Explain(arguments) => explain::explain(arguments),
        Command::Report(arguments) => report::report(arguments),
        Command::List(arguments) => list::list(arguments),
        Command::Doctor(arguments) => doctor::doctor(arguments),
        Command::Lab(arguments) => lab::lab(&arguments.command),
    }
}

/// What the binary is called for by its own labs and targets.
fn hidden(line: &[String]) -> Option<i32> {
    use schism_lab::local::node_init::{enter_node, found_node};
    if let Some(code) = schism_agent::main(line.get(1..)?) {
        return Some(code);
    }
    match line.get(1)?.as_str() {
        "client" => Some(crate::client::main()),
        "node" => Some(schism_reference::main(&line[2..])),
        "lab-init" => Some(found_node(line.get(2)?)),
        "lab-enter" => {
            let program = line.get(5..).filter(|_| line[4] == "--")?;
            Some(enter_node(line[2].parse().ok()?, &line[3], program))
        }
        _ => None,
    }
}
