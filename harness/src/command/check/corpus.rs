//! Judges a table of histories whose verdicts are known.
//!
//! Lines of tab-separated columns, the first of which names them: `path`, `format`, `model`,
//! `verdict`, and whatever else. Paths are relative to the table. A model may be followed by options
//! of `schism check`, as in `long-fork --group-size 3`. *valid*, *linearizable*, *invalid* and
//! *not-linearizable* are about the model's usual claims, and hold however little was seen; of `weak-isolation` the strongest level
//! that holds is named, of none < read-committed < read-atomic < causal.

use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use clap::Parser;
use schism_checkers::Claim;
use schism_history::Format;

use super::file::judge_file;
use super::format_named;
use crate::arguments::{CheckArguments, SettingArguments};
use crate::command::say;
use crate::judge;
use crate::store::Word;

/// The levels of weak isolation, weakest first.
const LEVELS: [Claim; 3] = [Claim::ReadCommitted, Claim::ReadAtomic, Claim::Causal];

/// One line of the table.
struct Row {
    path: String,
    format: Format,
    workload: String,
    setting: SettingArguments,
    expected: Vec<(Option<Claim>, Word)>,
}

/// The options that may follow a model's name.
#[derive(Parser)]
#[command(no_binary_name = true)]
struct ModelOptions {
    #[command(flatten)]
    setting: SettingArguments,
}

/// Judges every row of `table`; prints those that fail, and the count.
///
/// # Errors
///
/// When the table cannot be read, or a line of it.
pub fn judge_table(table: &Path, arguments: &CheckArguments) -> anyhow::Result<i32> {
    let name = table.display();
    let text = std::fs::read_to_string(table).with_context(|| format!("{name}: cannot be read"))?;
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let (_, header) = lines.next().ok_or_else(|| anyhow!("{name}: the table is empty"))?;
    let columns = columns(header).with_context(|| format!("{name}:1"))?;
    let rows: Vec<Row> = lines
        .map(|(number, line)| row(line, &columns).with_context(|| format!("{name}:{}", number + 1)))
        .collect::<anyhow::Result<_>>()?;
    let folder = table.parent().unwrap_or(Path::new("."));
    let (mut passed, mut failed) = (0, 0);
    for row in rows {
        match judge_row(&row, folder, arguments) {
            Ok(()) => passed += 1,
            Err(error) => {
                failed += 1;
                say(&format!("{}: {error:#}", row.path));
            }
        }
    }
    say(&format!("{passed} passed, {failed} failed"));
    Ok(if failed == 0 { judge::UPHELD } else { judge::VIOLATED })
}

/// Where the columns `path`, `format`, `model` and `verdict` stand.
fn columns(header: &str) -> anyhow::Result<[usize; 4]> {
    let names: Vec<&str> = header.split('\t').map(str::trim).collect();
    let place = |name: &str| {
        let place = names.iter().position(|other| *other == name);
        place.ok_or_else(|| anyhow!("no column `{name}`; the first line names the columns"))
    };
    Ok([place("path")?, place("format")?, place("model")?, place("verdict")?])
}

fn row(line: &str, columns: &[usize; 4]) -> anyhow::Result<Row> {
    let cells: Vec<&str> = line.split('\t').map(str::trim).collect();
    let cell = |place: usize| {
        let cell = cells.get(columns[place]).filter(|cell| !cell.is_empty());
        cell.copied().ok_or_else(|| anyhow!("column {} is missing", columns[place] + 1))
    };
    let model = cell(2)?;
    let mut words = model.split_whitespace();
    let workload = words.next().unwrap_or_default().to_owned();
    let options = ModelOptions::try_parse_from(words)
        .map_err(|error| anyhow!("model `{model}`: {}", error.kind()))?;
    Ok(Row {
        path: cell(0)?.to_owned(),
        format: format_named(cell(1)?)?,
        workload,
        setting: options.setting,
        expected: expected(cell(3)?)?,
    })
}

/// The claims that a verdict speaks of (`None`: the usual ones), and what is to be found.
fn expected(verdict: &str) -> anyhow::Result<Vec<(Option<Claim>, Word)>> {
    match verdict {
        "valid" | "linearizable" => return Ok(vec![(None, Word::Upheld)]),
        "invalid" | "not-linearizable" => return Ok(vec![(None, Word::Violated)]),
        _ => {}
    }
    let Some(level) = verdict.strip_prefix("strongest level:").map(str::trim) else {
        bail!("verdict `{verdict}`: use valid, invalid or `strongest level: …`");
    };
    let holding = match level {
        "none" => 0,
        level => {
            let place = LEVELS.iter().position(|claim| claim.name() == level);
            place.ok_or_else(|| anyhow!("there is no level `{level}`"))? + 1
        }
    };
    let word = |place: usize| if place < holding { Word::Upheld } else { Word::Violated };
    // Levels above the next one are not asserted: their being violated follows.
    let levels = LEVELS.iter().enumerate().take(holding + 1);
    Ok(levels.map(|(place, claim)| (Some(*claim), word(place))).collect())
}

fn judge_row(row: &Row, folder: &Path, arguments: &CheckArguments) -> anyhow::Result<()> {
    let claims = row.expected.iter().filter_map(|(claim, _)| *claim);
    let arguments = CheckArguments {
        workload: Some(row.workload.clone()),
        claims: claims.map(|claim| claim.name().to_owned()).collect(),
        setting: row.setting.clone(),
        ..arguments.clone()
    };
    let answer = judge_file(&folder.join(&row.path), row.format, &arguments, 0)?;
    for (claim, expected) in &row.expected {
        let (found, reason) = match claim {
            // Of several usual claims the worst counts.
            None => (answer.verdict.verdict, &answer.verdict.claims[0].reason),
            Some(claim) => {
                let mut claims = answer.verdict.claims.iter();
                let told = claims.find(|told| told.name == claim.name());
                let told = told.ok_or_else(|| anyhow!("nothing is said of {claim}"))?;
                (told.verdict, &told.reason)
            }
        };
        if found != *expected {
            let claim = claim.map_or_else(|| row.workload.clone(), |claim| claim.to_string());
            bail!("{claim}: expected {expected:?}, found {found:?}: {reason}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_above_the_strongest_is_violated() {
        let words = |verdict: &str| {
            expected(verdict).expect("a verdict").iter().map(|(_, word)| *word).collect::<Vec<_>>()
        };
        assert_eq!(words("strongest level: none"), [Word::Violated]);
        let two = [Word::Upheld, Word::Upheld, Word::Violated];
        assert_eq!(words("strongest level: read-atomic"), two);
        assert_eq!(words("strongest level: causal"), [Word::Upheld; 3]);
        assert!(expected("strongest level: best").is_err());
        assert!(expected("fine").is_err());
    }

    #[test]
    fn options_follow_the_model() {
        let columns = columns("path\tformat\tmodel\tverdict\torigin").expect("a header");
        let good = row("a.edn\tedn\tlong-fork --group-size 3\tinvalid\tx", &columns);
        assert_eq!(good.expect("a row").setting.group_size, Some(3));
        assert!(row("a.edn\tedn\tlong-fork --group-sise 3\tinvalid\tx", &columns).is_err());
        assert!(row("a.edn\tedn", &columns).is_err());
    }
}
