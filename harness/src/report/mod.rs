//! The report of a run: one HTML file that needs no network, and its charts and violations as SVG
//! files.
//!
//! Everything is derived from the files of the run's folder, so that a report can be drawn again at
//! any time, also of a run that was killed. What is missing is said, never invented.
//!
//! `Stored` reads the folder; `charts`, `faults`, `violations` (with their `timeline`) and `metrics`
//! turn it into the JSON that the page's scripts draw (`data`); `page` writes the text and tables,
//! which read without JavaScript; `plots` draws the charts and `svg` the violations as SVG files.

mod charts;
mod consumers;
mod data;
mod faults;
mod logs;
mod metrics;
mod page;
mod plots;
mod staleness;
mod stored;
mod svg;
mod timeline;
mod violations;
mod windows;
mod words;

pub use self::svg::Diagram;

use std::path::Path;
use std::rc::Rc;

use anyhow::Context as _;
use schism_checkers::Question;
use schism_history::History;

use self::charts::Point;
use self::data::{Data, Run};
use self::faults::Seen;
use self::stored::Stored;
use crate::store::VerdictRecord;

/// Draws `report.html`, `anomalies/*.svg` and `plots/*.svg` from the other files of the run in
/// `folder`. Returns the diagrams of anomalies.
///
/// # Errors
///
/// When the run has no verdict or no record, or the report cannot be written.
pub fn redraw(folder: &Path) -> anyhow::Result<Vec<Diagram>> {
    let stored = Stored::read(folder)?;
    let points = charts::points(&stored);
    let data = derive(&stored, &points);
    page::write(&stored, &data)?;
    let folder = folder.join("anomalies");
    svg::clear(&folder);
    let diagrams = svg::write(&stored, &folder)?;
    if let Some(charts) = &data.charts {
        plots::write(&stored, &data, charts, &points)?;
    }
    Ok(diagrams)
}

/// What a report of a history alone, without a run, shows.
pub struct Drawing {
    /// The file, as it was named.
    pub name: String,
    /// What was asked.
    pub question: Question,
    /// The history.
    pub history: Rc<History>,
    /// What was found.
    pub verdict: VerdictRecord,
}

/// Draws a history and the verdict about it into one file.
///
/// # Errors
///
/// When the file cannot be written.
pub fn draw_file(drawing: Drawing, path: &Path) -> anyhow::Result<()> {
    let stored = Stored::of_file(drawing);
    let data = derive(&stored, &charts::points(&stored));
    let html = page::render(&stored, &data)?;
    std::fs::write(path, html).with_context(|| format!("{}: cannot be written", path.display()))
}

/// Draws each anomaly of a history into a file of its own in `folder`; see `Diagram`.
///
/// # Errors
///
/// When a file cannot be written, or one of its name is there that schism did not write.
pub fn draw_anomalies(drawing: Drawing, folder: &Path) -> anyhow::Result<Vec<Diagram>> {
    svg::write(&Stored::of_file(drawing), folder)
}

fn derive(stored: &Stored, points: &[Point]) -> Data {
    let verdict = &stored.verdict;
    let run = Run {
        name: stored.run.name.clone(),
        target: stored.run.target.clone(),
        nodes: stored.run.nodes.clone(),
        verdict: verdict.verdict,
        torn: verdict.torn,
    };
    let violations::Found { violations, undrawn } = violations::derive(stored);
    let mut data = Data { version: 1, run, violations, faults: Vec::new(), charts: None, undrawn };
    if let Some(end) = stored.end_of_load() {
        let charts = charts::derive(stored, points, end);
        let leaders = charts.metrics.as_ref().map_or(&[][..], |metrics| &metrics.leader);
        data.faults = faults::derive(stored, Seen { points, leaders, end });
        data.charts = Some(charts);
    }
    data
}
