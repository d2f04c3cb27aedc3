//! `schism synth`: makes a history of a simulated system.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context as _, anyhow};
use schism_history::{Format, History};
use schism_workloads::{Synth, synthesize};

use super::warn;
use crate::arguments::SynthArguments;
use crate::judge;

/// Makes the history, and writes it.
pub fn synth(arguments: &SynthArguments) -> i32 {
    match make(arguments) {
        Ok(()) => judge::UPHELD,
        Err(error) => {
            warn(&format!("{error:#}"));
            judge::BAD_USAGE
        }
    }
}

fn make(arguments: &SynthArguments) -> anyhow::Result<()> {
    let format = format(arguments)?;
    let synth = Synth {
        workload: arguments.workload.clone(),
        operations: arguments.ops,
        clients: arguments.clients,
        keys: arguments.keys,
        info: arguments.info,
        domain: arguments.domain,
        length: arguments.length,
        violate: arguments.violate.clone(),
        seed: arguments.seed,
    };
    let history = synthesize(&synth).map_err(|problem| anyhow!("{problem}"))?;
    match &arguments.output {
        Some(path) => {
            let cannot = || format!("{}: cannot be written", path.display());
            let file = File::create(path).with_context(cannot)?;
            write(&history, format, file).with_context(cannot)
        }
        None => match write(&history, format, io::stdout().lock()) {
            // A reader that has gone away (`| head`) is no error.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.context("standard output"),
        },
    }
}

fn write(history: &History, format: Format, file: impl Write) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, file);
    format.write(history, &mut file)?;
    file.flush()
}

/// The format that was asked for, or the one that the file's name says, or ours.
fn format(arguments: &SynthArguments) -> anyhow::Result<Format> {
    let named = super::check::format_named(&arguments.format)?;
    if named != Format::Auto {
        return Ok(named);
    }
    let extension = arguments.output.as_deref().and_then(Path::extension);
    Ok(match extension.and_then(|it| it.to_str()) {
        Some("edn") => Format::Edn,
        Some("json") => Format::Json,
        Some("txt" | "plume") => Format::Plume,
        _ => Format::Jsonl,
    })
}
