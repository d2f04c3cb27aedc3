//! Reads a file of any format, and writes those that have a writer.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use super::error::ReadError;
use super::form::Notation;
use super::jepsen::Document;
use super::jepsen_log::Log;
use super::recognise::{SAMPLE, format_of};
use super::{awdit, pieces, plume, write_edn};
use crate::{History, jsonl};

/// A format of history files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Recognised by what stands in the file.
    #[default]
    Auto,
    /// Our own, one event a line.
    Jsonl,
    /// Jepsen's `history.edn`.
    Edn,
    /// Jepsen's operations as JSON.
    Json,
    /// The operations in a `jepsen.log`.
    JepsenLog,
    /// The text of Plume, `PolySI` and AWDIT.
    Plume,
    /// The text of AWDIT's tests.
    Awdit,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 7] = [
        Format::Auto,
        Format::Jsonl,
        Format::Edn,
        Format::Json,
        Format::JepsenLog,
        Format::Plume,
        Format::Awdit,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Auto => "auto",
            Format::Jsonl => "jsonl",
            Format::Edn => "edn",
            Format::Json => "json",
            Format::JepsenLog => "jepsen-log",
            Format::Plume => "plume",
            Format::Awdit => "awdit",
        }
    }

    /// The format of this name; some go by another one, too.
    pub fn named(name: &str) -> Option<Self> {
        let name = match name {
            "edn-lines" => "edn",
            "json-lines" => "json",
            "awdit-test" => "awdit",
            name => name,
        };
        Format::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Writes `history` in this format. An error if it has no writer, or no form for something in
    /// the history: `json`, `jepsen-log` and `awdit` are only read.
    pub fn write(self, history: &History, mut output: impl Write) -> io::Result<()> {
        match self {
            Format::Jsonl => {
                let mut writer = jsonl::Writer::new(output)?;
                history.events().iter().try_for_each(|event| writer.write(event))?;
                writer.flush()
            }
            Format::Edn => write_edn(history, output),
            Format::Plume => {
                plume::write(history, &mut output)?;
                output.flush()
            }
            Format::Auto | Format::Json | Format::JepsenLog | Format::Awdit => {
                let problem = format!("histories are not written as {}", self.name());
                Err(io::Error::new(io::ErrorKind::Unsupported, problem))
            }
        }
    }
}

/// A history, and how it was read.
#[derive(Debug)]
pub struct Reading {
    /// What was recorded.
    pub history: History,
    /// Whether the last line was torn: the recorder died while it wrote. Only of our own format.
    pub torn: bool,
    /// The format in which it was read; never [`Format::Auto`].
    pub format: Format,
}

/// Reads a history of any known format. [`Format::Auto`] recognises it by content.
pub fn read(path: &Path, format: Format) -> Result<Reading, ReadError> {
    let file = path.display().to_string();
    let failed = |source| ReadError::Io { file: file.clone(), source };
    let mut input = File::open(path).map_err(failed)?;
    if format != Format::Auto {
        return read_as(format, input, &file);
    }
    let mut sample = Vec::new();
    Read::by_ref(&mut input).take(SAMPLE as u64).read_to_end(&mut sample).map_err(failed)?;
    let format = format_of(&sample).map_err(|unknown| ReadError::Line {
        file: file.clone(),
        line: unknown.place.line,
        column: unknown.place.column,
        problem: unknown.problem,
    })?;
    // A pipe cannot be read twice.
    read_as(format, sample.as_slice().chain(input), &file)
}

pub(super) fn read_as(format: Format, input: impl Read, file: &str) -> Result<Reading, ReadError> {
    let mut torn = false;
    let history = match format {
        Format::Auto | Format::Jsonl => {
            let reading = jsonl::read_from(input, file.to_owned())?;
            torn = reading.torn;
            reading.history
        }
        Format::Edn => pieces::read(input, file, Document::new(Notation::Edn))?,
        Format::Json => pieces::read(input, file, Document::new(Notation::Json))?,
        Format::JepsenLog => pieces::read(input, file, Log)?,
        Format::Plume => plume::read(input, file)?,
        Format::Awdit => awdit::read(input, file)?,
    };
    Ok(Reading { history, torn, format })
}
