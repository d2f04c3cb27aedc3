//! How stale the reads of a run were: the share of reads that missed an acknowledged write for at
//! least so long. Drawn where the plan asked for bounded staleness, whatever the verdict.

use std::time::Duration;

use plotters::prelude::*;
use schism_checkers::{Claim, lags_of_reads};
use schism_history::Span;
use schism_workloads::WORKLOADS;

use super::stored::Stored;
use crate::judge::grouped;

const SIZE: (u32, u32) = (960, 300);
const LINE: RGBColor = RGBColor(0, 103, 168);
const BOUND: RGBColor = RGBColor(184, 68, 12);
/// Shorter lags are the clocks' and the wires' own.
const SHORTEST_MS: f64 = 0.1;

/// The chart and what it shows.
pub struct Staleness {
    /// An SVG document.
    pub svg: String,
    /// A sentence or two.
    pub caption: String,
}

/// The chart of a run whose plan asked how stale reads were; `None` of any other.
pub fn of(stored: &Stored) -> Option<Staleness> {
    let plan = stored.asked.as_ref()?;
    let asked = plan.claims.iter().find(|asked| asked.claim == Claim::BoundedStaleness)?;
    let entry = WORKLOADS.iter().find(|entry| entry.name == plan.workload.name)?;
    let initial = (entry.construct)(&plan.workload.options).ok()?.initial();
    let lags = lags_of_reads(&stored.history, &initial);
    let stale = lags.iter().filter(|lag| !lag.is_zero()).count();
    let worst = lags.last()?;
    let caption = format!(
        "{} of {} reads missed a write that had been acknowledged before they began; the worst for {}. \
         {}",
        grouped(stale),
        grouped(lags.len()),
        Span(rounded(*worst)),
        asked
            .within
            .map_or_else(String::new, |within| format!("Dashed: the bound, {}.", Span(within))),
    );
    let svg = draw(&lags, asked.within).ok()?;
    Some(Staleness { svg, caption })
}

/// As much of a time as tells something: whole milliseconds, and microseconds of short ones.
fn rounded(time: Duration) -> Duration {
    match time.as_millis() {
        ..10 => Duration::from_micros(time.as_micros() as u64),
        ms => Duration::from_millis(ms as u64),
    }
}

/// The share of reads, in percent, that lagged at least as long as each lag that was seen.
fn shares(sorted: &[Duration]) -> Vec<(f64, f64)> {
    let count = sorted.len() as f64;
    let point = |(place, lag): (usize, &Duration)| {
        let ms = (lag.as_secs_f64() * 1e3).max(SHORTEST_MS);
        (ms, 100.0 * (sorted.len() - place) as f64 / count)
    };
    sorted.iter().enumerate().filter(|(_, lag)| !lag.is_zero()).map(point).collect()
}

fn draw(
    sorted: &[Duration],
    within: Option<Duration>,
) -> Result<String, Box<dyn std::error::Error>> {
    let shares = shares(sorted);
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let longest = sorted.last().copied().max(within).map_or(1.0, milliseconds);
    let mut range = SHORTEST_MS..1000.0;
    while longest > range.end {
        range.end *= 10.0;
    }
    let most = shares.first().map_or(1.0, |(_, share)| share * 1.1);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption("share of reads that lagged at least so long", ("sans-serif", 16))
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(64)
            .build_cartesian_2d(range.log_scale(), 0.0..most)?;
        chart.configure_mesh().x_desc("milliseconds").y_desc("% of reads").draw()?;
        // Beyond a lag that was seen, the share is at once that of the next.
        let steps = shares.windows(2).flat_map(|pair| [pair[0], (pair[0].0, pair[1].1)]);
        let steps: Vec<_> = steps.chain(shares.last().copied()).collect();
        chart.draw_series(LineSeries::new(steps, LINE.stroke_width(2)))?;
        if let Some(bound) = within.map(milliseconds) {
            let ends = [(bound, 0.0), (bound, most)];
            chart.draw_series(DashedLineSeries::new(ends, 6, 4, BOUND.stroke_width(2)))?;
        }
        area.present()?;
    }
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_counts_what_lagged_as_long_or_longer() {
        let ms = |ms: &[u64]| ms.iter().copied().map(Duration::from_millis).collect::<Vec<_>>();
        assert_eq!(shares(&ms(&[0, 0, 20, 50])), [(20.0, 50.0), (50.0, 25.0)]);
        assert_eq!(shares(&ms(&[0, 0])), []);
    }

    #[test]
    fn draws_what_there_is_even_if_nothing_lagged() {
        for lags in [&[][..], &[Duration::ZERO], &[Duration::ZERO, Duration::from_secs(30)]] {
            let svg = draw(lags, Some(Duration::from_millis(50))).expect("a chart");
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        }
    }
}
