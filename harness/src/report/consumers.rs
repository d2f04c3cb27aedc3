//! How far consumers of logs were behind, over time: acknowledged messages that nobody had polled yet,
//! and how long each poll lagged.

use plotters::coord::Shift;
use plotters::prelude::*;
use schism_checkers::{Budget, LogLags, LogView};
use schism_history::Time;

use super::stored::Stored;

const SIZE: (u32, u32) = (960, 240);
const LINE: RGBColor = RGBColor(0, 103, 168);
const WORST: RGBColor = RGBColor(184, 68, 12);
const BAND: RGBColor = RGBColor(96, 80, 20);
/// The worst poll of so many equal parts of the time is drawn.
const COLUMNS: usize = 240;
/// Shorter lags are the clocks' and the wires' own.
const SHORTEST_MS: f64 = 0.1;

/// Two charts on one time axis.
pub struct Consumers {
    /// An SVG document: unseen messages over time.
    pub unseen: String,
    /// An SVG document: the worst lag of polls over time.
    pub lag: String,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

/// The charts of a history of logs; `None` of any other, and where nothing was polled.
pub fn of(stored: &Stored) -> Option<Consumers> {
    stored.verdict.consumers.as_ref()?;
    let lags = LogView::new(&stored.history, &Budget::default())?.lags();
    let end = stored.history.events().last()?.time.as_secs_f64().max(1e-3);
    let unseen = document(|area| draw_unseen(area, &lags, end, stored)).ok()?;
    let lag = document(|area| draw_lag(area, &lags, end, stored)).ok()?;
    Some(Consumers { unseen, lag })
}

fn document(draw: impl FnOnce(&Area<'_>) -> Drawn) -> Result<String, Box<dyn std::error::Error>> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        draw(&area)?;
        area.present()?;
    }
    Ok(svg)
}

/// The windows of the faults, with their names and beginnings.
fn bands(stored: &Stored, end: f64) -> Vec<(String, f64, f64)> {
    let band = |fault: &schism_history::FaultWindow| {
        let stop = fault.stop.map_or(end, Time::as_secs_f64);
        (fault.fault.to_string(), fault.start.as_secs_f64(), stop)
    };
    stored.faults.iter().map(band).collect()
}

/// A number at an axis: what is counted, and seconds, come whole, but for the first second of a short run.
fn whole(number: f64) -> String {
    if number.fract() == 0.0 { format!("{number:.0}") } else { format!("{number:.1}") }
}

fn draw_unseen(area: &Area<'_>, lags: &LogLags, end: f64, stored: &Stored) -> Drawn {
    let points: Vec<(f64, f64)> =
        lags.unseen.iter().map(|(time, count)| (time.as_secs_f64(), *count as f64)).collect();
    let most = points.iter().map(|point| point.1).fold(1.0, f64::max) * 1.15;
    let mut chart = ChartBuilder::on(area)
        .caption("acknowledged messages that nobody had polled", ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..end, 0.0..most)?;
    let mut mesh = chart.configure_mesh();
    mesh.x_desc("seconds")
        .x_label_formatter(&|at| whole(*at))
        .y_label_formatter(&|it| whole(*it))
        .draw()?;
    for (name, from, to) in bands(stored, end) {
        let band = Rectangle::new([(from, 0.0), (to, most)], BAND.mix(0.13).filled());
        chart.draw_series([band])?;
        chart.draw_series([Text::new(name, (from, most * 0.98), ("sans-serif", 13))])?;
    }
    chart.draw_series(LineSeries::new(points, LINE.stroke_width(2)))?;
    Ok(())
}

/// The worst lag of the polls that began in each part of the time, in milliseconds.
fn worst(lags: &LogLags, end: f64) -> Vec<(f64, f64)> {
    let mut columns = vec![None; COLUMNS];
    // The lags rise, so that the last one of a part is its worst.
    for poll in &lags.polls {
        let at = poll.at.as_secs_f64();
        let column = ((at / end * COLUMNS as f64) as usize).min(COLUMNS - 1);
        columns[column] = Some((at, (poll.lag.as_secs_f64() * 1e3).max(SHORTEST_MS)));
    }
    columns.into_iter().flatten().collect()
}

fn draw_lag(area: &Area<'_>, lags: &LogLags, end: f64, stored: &Stored) -> Drawn {
    let points = worst(lags, end);
    let mut range = SHORTEST_MS..1000.0;
    while points.iter().any(|point| point.1 > range.end) {
        range.end *= 10.0;
    }
    let mut chart = ChartBuilder::on(area)
        .caption("lag of polls in milliseconds: the worst of each moment", ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..end, range.clone().log_scale())?;
    chart.configure_mesh().x_desc("seconds").x_label_formatter(&|at| whole(*at)).draw()?;
    for (name, from, to) in bands(stored, end) {
        let corners = [(from, range.start), (to, range.end)];
        chart.draw_series([Rectangle::new(corners, BAND.mix(0.13).filled())])?;
        chart.draw_series([Text::new(name, (from, range.end * 0.9), ("sans-serif", 13))])?;
    }
    let largest = points.iter().copied().max_by(|one, other| one.1.total_cmp(&other.1));
    chart.draw_series(points.into_iter().map(|at| Circle::new(at, 2, LINE.filled())))?;
    chart.draw_series(largest.map(|at| Circle::new(at, 5, WORST.stroke_width(2))))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use schism_checkers::PollLag;

    use super::*;

    #[test]
    fn of_each_moment_the_worst_poll_is_drawn() {
        let poll = |at: f64, ms| PollLag {
            at: Time::from_secs_f64(at),
            lag: Duration::from_millis(ms),
            invoked: 0,
        };
        let polls = vec![poll(0.001, 0), poll(9.0, 4), poll(0.002, 7)];
        let lags = LogLags { polls, unseen: Vec::new() };
        assert_eq!(worst(&lags, 10.0), [(0.002, 7.0), (9.0, 4.0)]);
    }
}
