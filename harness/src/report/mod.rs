//! The report of a run: one HTML file that needs no network, and the same plots as SVG files.
//!
//! Everything is derived from the files of the run's folder, so that a report can be drawn again at
//! any time, also of a run that was killed. What is missing is said, never invented.
//!
//! [`Stored`] reads the folder; `charts`, `faults`, `violations` and `metrics` turn it into the JSON
//! that the page's scripts draw ([`data`]); `page` writes the text and tables, which read without
//! JavaScript; `plots` draws the SVG files.

mod charts;
mod data;
mod faults;
mod logs;
mod metrics;
mod page;
mod plots;
mod stored;
mod violations;

use std::path::Path;

use self::data::{Data, Run};
use self::stored::Stored;

/// Draws `report.html` and `plots/*.svg` from the other files of the run in `folder`.
///
/// # Errors
///
/// When the run has no verdict or no record, or the report cannot be written.
pub fn redraw(folder: &Path) -> anyhow::Result<()> {
    let stored = Stored::read(folder)?;
    let data = derive(&stored);
    page::write(&stored, &data)?;
    plots::write(&stored, &data)
}

fn derive(stored: &Stored) -> Data {
    let verdict = &stored.verdict;
    let run = Run {
        name: stored.run.name.clone(),
        target: stored.run.target.clone(),
        nodes: stored.run.nodes.clone(),
        verdict: verdict.verdict,
        torn: verdict.torn,
    };
    let faults = faults::derive(stored);
    let charts = charts::derive(stored);
    let violations = violations::derive(stored);
    Data { version: 1, run, violations, faults, charts }
}
