//! Violations as SVG files: one for each proof, for papers, tickets and chats. They need no script,
//! no font and no network, and suit light and dark, wide and narrow windows.
//!
//! They show what the page of the report shows (`super::data::Violation`), drawn here once for all:
//! `timeline` draws operations on an `axis`, `cycle` transactions, both on a `canvas` with
//! `letters`; `files` names and writes.

mod axis;
mod canvas;
mod cycle;
mod files;
mod letters;
#[cfg(test)]
mod tests;
mod timeline;

pub use files::{Diagram, clear, write};

use schism_checkers::{Anomaly, Witness};

use self::axis::Axis;
use self::canvas::{Canvas, NARROW, WIDE, document};
use self::letters::Letters;
use super::data::{Timeline, Violation};
use super::stored::Stored;
use super::violations::{Events, picture};

/// So many reasons why an operation cannot come next are told.
const BLOCKED_MAX: usize = 8;

/// The SVG of a proof that `claim` is broken.
fn draw(stored: &Stored, events: &Events<'_>, claim: &str, anomaly: &Anomaly) -> String {
    let mut violation = picture(stored, events, String::new(), claim, anomaly);
    if violation.timeline.is_none() && violation.cycle.is_none() {
        violation.timeline = super::timeline::timeline(stored, events, anomaly);
    }
    let [wide, narrow] = [WIDE, NARROW].map(|width| {
        let mut canvas = Canvas::new(width);
        fill(&mut canvas, stored, &violation, anomaly);
        canvas
    });
    let title = format!("{} breaks {claim}", anomaly.name);
    document(&title, &anomaly.explanation, &wide, &narrow)
}

fn fill(canvas: &mut Canvas, stored: &Stored, violation: &Violation, anomaly: &Anomaly) {
    let claims = violation.claims.join(", ");
    canvas.paragraph((Letters::Title, ""), 0.0, &format!("{} breaks {claims}", anomaly.name));
    let key = anomaly.key.as_ref().map(|key| format!("key {key} · ")).unwrap_or_default();
    canvas.paragraph((Letters::Prose, "mu"), 0.0, &format!("{key}{}", stored.run.name));
    let ordered = stored.history.has_real_time();
    let times = ordered && stored.history.has_times();
    if let Some(circle) = &violation.cycle {
        cycle::draw(canvas, circle, times);
    }
    if let Some(operations) = &violation.timeline {
        let axis = Axis::new(canvas, operations, times);
        timeline::draw(canvas, operations, &axis);
        remark(canvas, violation, ordered);
    }
    canvas.y += 6.0;
    if let Witness::Bound(bound) = &anomaly.witness {
        let line = format!("{}: {} is allowed, {} was seen.", bound.what, bound.bound, bound.seen);
        canvas.paragraph((Letters::Bold, ""), 0.0, &line);
    }
    // The sentences of a circle's arrows say the same.
    if violation.cycle.is_none() {
        canvas.paragraph((Letters::Prose, ""), 0.0, &anomaly.explanation);
    }
    if let Some(operations) = &violation.timeline {
        timeline::tell_order(canvas, operations);
        blocked(canvas, violation, operations);
    }
}

/// What the picture leaves out, and what its order does not mean.
fn remark(canvas: &mut Canvas, violation: &Violation, ordered: bool) {
    if violation.folded > 0 {
        let note = format!("{} earlier operations of the proof are not drawn.", violation.folded);
        canvas.paragraph((Letters::Small, "mu"), 0.0, &note);
    }
    if !ordered {
        let note = "This history knows no order between processes: only within a row, left is \
                    before right.";
        canvas.paragraph((Letters::Small, "mu"), 0.0, note);
    }
}

/// Why no operation can come next.
fn blocked(canvas: &mut Canvas, violation: &Violation, operations: &Timeline) {
    if violation.blocked.is_empty() || operations.holds.is_none() {
        return;
    }
    canvas.y += 6.0;
    canvas.paragraph((Letters::Bold, ""), 0.0, "Why nothing can come next");
    for [name, _, _, why] in violation.blocked.iter().take(BLOCKED_MAX) {
        canvas.paragraph((Letters::Prose, ""), 0.0, &format!("{name}: {why}"));
    }
    let more = violation.blocked.len().saturating_sub(BLOCKED_MAX);
    if more > 0 {
        canvas.paragraph((Letters::Prose, "mu"), 0.0, &format!("… and {more} more operations."));
    }
}
