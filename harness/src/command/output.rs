//! What commands print. A reader that has gone away (`| head`) is no error.

use std::io::{IsTerminal, Write};
use std::path::Path;

use comfy_table::{Cell, Color, ContentArrangement, Table, presets};
use serde_json::Value;

use crate::judge::grouped;
use crate::report::Diagram;
use crate::store::{VerdictRecord, Word};

/// Prints a line to standard output.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Prints a line to standard error.
pub fn warn(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// A table that fits the terminal, without lines that get in the way of copying.
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if !std::io::stdout().is_terminal() {
        // Files and pipes have no width; this one is read without wrapping in most places.
        table.set_width(120);
    }
    table.set_header(header.iter().map(Cell::new));
    table
}

/// Prints the claims table, the faults, `remarks`, and where the report is; or, where `json` holds
/// the diagrams that were drawn, the record as JSON.
pub fn print_verdict(
    run: Option<&Path>,
    verdict: &VerdictRecord,
    remarks: &[String],
    json: Option<&[Diagram]>,
) {
    if let Some(diagrams) = json {
        let mut value = serde_json::to_value(verdict).unwrap_or_default();
        if let Some(run) = run {
            value["run"] = run.display().to_string().into();
        }
        name_diagrams(&mut value, diagrams);
        return say(&serde_json::to_string_pretty(&value).unwrap_or_default());
    }
    let mut table = table(&["CLAIM", "VERDICT", "EVIDENCE"]);
    for claim in &verdict.claims {
        let (word, color) = match claim.verdict {
            Word::Violated => ("violated", Color::Red),
            Word::Crashed => ("crashed", Color::Red),
            Word::Unknown => ("unknown", Color::Yellow),
            Word::Upheld => ("upheld", Color::Green),
        };
        let cell = Cell::new(word).fg(color);
        table.add_row([Cell::new(&claim.claim), cell, Cell::new(&claim.reason)]);
    }
    say("");
    say(&table.trim_fmt());
    say("");
    let torn = if verdict.torn { " The recording ends early." } else { "" };
    let judged = verdict.claims.iter().map(|claim| claim.judged).max().unwrap_or(0);
    // A history of others has no faults, and a word about them would only raise questions.
    let faults = match (run, verdict.faults) {
        (None, 0) => String::new(),
        (_, faults) => format!("{} of {faults} faults proven, ", verdict.faults_proven),
    };
    say(&format!(
        "{faults}{} operations judged in {:.1} s.{torn}",
        grouped(judged),
        verdict.check_s,
    ));
    for unwell in &verdict.unwell {
        say(&format!("Not well: {}.", unwell.what));
        let lines = unwell.log.iter().map(|line| format!("    {line}"));
        let heading = Some(unwell.heading()).filter(|heading| !heading.is_empty());
        heading.map(|it| format!("  {it}")).into_iter().chain(lines).for_each(|line| say(&line));
    }
    if let Some(consumers) = &verdict.consumers {
        say(&consumers.words());
    }
    if let Some(configuration) = configuration(&verdict.configuration) {
        say(&configuration);
    }
    for remark in remarks {
        say(remark);
    }
    if let Some(run) = run {
        let report = run.join("report.html");
        if report.exists() {
            say(&format!("Report: {}", shown(&report)));
        }
    }
}

/// The settings that the claims are about, in lines that a terminal shows whole.
fn configuration(settings: &[(String, String)]) -> Option<String> {
    const WIDTH: usize = 100;
    let mut lines = vec!["The claims are about this configuration:".to_owned()];
    for (name, value) in settings {
        let setting = format!("{name}={value}");
        match lines.last_mut() {
            Some(line) if line.len() + 1 + setting.len() <= WIDTH => {
                line.push(' ');
                line.push_str(&setting);
            }
            _ => lines.push(format!("  {setting}")),
        }
    }
    (!settings.is_empty()).then(|| lines.join("\n"))
}

/// Where diagrams are, in a few lines.
pub fn tell_diagrams(diagrams: &[Diagram]) -> Vec<String> {
    const TOLD_MAX: usize = 6;
    let told = diagrams.iter().take(TOLD_MAX);
    let mut lines: Vec<String> =
        told.map(|diagram| format!("Diagram: {}", shown(&diagram.path))).collect();
    let more = diagrams.len().saturating_sub(TOLD_MAX);
    if more > 0 {
        lines.push(format!("… and {more} more diagrams beside them."));
    }
    lines
}

/// Writes the file of each diagram into its anomaly, as `diagram`, of a verdict in JSON.
pub fn name_diagrams(verdict: &mut Value, diagrams: &[Diagram]) {
    for Diagram { claim, anomaly, path } in diagrams {
        verdict["claims"][*claim]["anomalies"][*anomaly]["diagram"] =
            path.display().to_string().into();
    }
}

/// A path as a user would type it.
pub fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let short = here.as_ref().and_then(|here| path.strip_prefix(here).ok());
    short.unwrap_or(path).display().to_string()
}
