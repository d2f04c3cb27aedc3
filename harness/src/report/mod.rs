//! The report of a run: one HTML file that needs no network, and the same plots as SVG files.
//!
//! Everything is derived from the files of the run's folder, so that a report can be drawn again at
//! any time, also of a run that was killed. What is missing is said, never invented.
//!
//! `Stored` reads the folder; `charts`, `faults`, `violations` (with their `timeline`) and `metrics`
//! turn it into the JSON that the page's scripts draw (`data`); `page` writes the text and tables,
//! which read without JavaScript; `plots` draws the SVG files.

mod charts;
mod data;
mod faults;
mod logs;
mod metrics;
mod page;
mod plots;
mod stored;
mod timeline;
mod violations;
mod windows;
mod words;

use std::path::Path;

use self::charts::Point;
use self::data::{Data, Run};
use self::faults::Seen;
use self::stored::Stored;

/// Draws `report.html` and `plots/*.svg` from the other files of the run in `folder`.
///
/// # Errors
///
/// When the run has no verdict or no record, or the report cannot be written.
pub fn redraw(folder: &Path) -> anyhow::Result<()> {
    let stored = Stored::read(folder)?;
    let points = charts::points(&stored);
    let data = derive(&stored, &points);
    page::write(&stored, &data)?;
    match &data.charts {
        Some(charts) => plots::write(&stored, &data, charts, &points),
        None => Ok(()),
    }
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
