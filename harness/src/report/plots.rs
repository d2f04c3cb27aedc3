//! The charts of the report as SVG files, for papers and for browsers without JavaScript.

use anyhow::Context as _;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::charts::{Point, Shown};
use super::data::{Charts, Data, Fault};
use super::stored::Stored;

/// A file, and how it is drawn.
pub struct Plot {
    /// Its name.
    pub file: &'static str,
    shows: &'static str,
    /// What it shows instead, where there are too many operations for a point each.
    shows_thinned: Option<&'static str>,
    draw: fn(&Area<'_>, &str, &Picture<'_>) -> Drawn,
}

impl Plot {
    /// What it shows.
    pub fn caption(&self, charts: &Charts) -> String {
        let sent = charts.operations.total;
        match self.shows_thinned {
            Some(thinned) if sent > POINTS_MAX => {
                let few = (sent + charts.operations.shed).div_ceil(POINTS_MAX);
                format!("{thinned} {few} neighbours")
            }
            _ => self.shows.to_owned(),
        }
    }
}

/// The files.
pub const PLOTS: [Plot; 4] = [
    Plot {
        file: "latency.svg",
        shows: "latency of every operation from its intended start, by outcome",
        shows_thinned: Some(
            "latency from the intended start, by outcome: the slowest operation of each",
        ),
        draw: latency,
    },
    Plot {
        file: "quantiles.svg",
        shows: "quantiles of the latency of ok operations over time",
        shows_thinned: None,
        draw: quantiles,
    },
    Plot {
        file: "throughput.svg",
        shows: "operations a second by outcome, and what was offered",
        shows_thinned: None,
        draw: throughput,
    },
    Plot {
        file: "nodes.svg",
        shows: "share of answered operations by node; red line: none answered; hatched: nothing sent",
        shows_thinned: None,
        draw: nodes,
    },
];

/// What is drawn.
struct Picture<'a> {
    data: &'a Data,
    charts: &'a Charts,
    points: &'a [Point],
}

const SIZE: (u32, u32) = (960, 360);
const OK: RGBColor = RGBColor(0, 103, 168);
const FAIL: RGBColor = RGBColor(184, 68, 12);
const INFO: RGBColor = RGBColor(82, 26, 92);
const BAND: RGBColor = RGBColor(96, 80, 20);
/// A share below this is drawn as none.
const NONE_BELOW: f64 = 0.02;
const MUTED: RGBColor = RGBColor(85, 96, 108);
/// Fixed decades, so that runs compare: 0.1 ms to 10 s, and more only where something took longer.
const LATENCY_MS: std::ops::Range<f64> = 0.1..10_000.0;
/// More points than this make files that no program likes to open: the slowest of each column stay.
const POINTS_MAX: usize = 20_000;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

/// Writes all of them.
pub fn write(
    stored: &Stored,
    data: &Data,
    charts: &Charts,
    points: &[Point],
) -> anyhow::Result<()> {
    let folder = stored.path.join("plots");
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let picture = Picture { data, charts, points };
    for plot in PLOTS {
        let path = folder.join(plot.file);
        let draw = || -> Drawn {
            let area = SVGBackend::new(&path, SIZE).into_drawing_area();
            area.fill(&WHITE)?;
            (plot.draw)(&area, &plot.caption(charts), &picture)?;
            Ok(area.present()?)
        };
        draw().map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// A fault window: its shape, its name, and where it begins.
type Band<'a> = (Rectangle<(f64, f64)>, &'a str, f64);

/// Shaded fault windows with their names, from the bottom to the top of a chart.
fn bands<'a>(faults: &'a [Fault], low: f64, high: f64) -> Vec<Band<'a>> {
    let band = |fault: &'a Fault| {
        let style =
            if fault.proven { BAND.mix(0.13).filled() } else { BAND.mix(0.5).stroke_width(1) };
        let corners = [(fault.start_s, low), (fault.stop_s, high)];
        (Rectangle::new(corners, style), fault.id.as_str(), fault.start_s)
    };
    faults.iter().map(band).collect()
}

/// The axis of latencies, chosen from all operations, not only from those that went well.
fn latency_ms(charts: &Charts) -> std::ops::Range<f64> {
    let mut range = LATENCY_MS;
    while charts.slowest_ms > range.end {
        range.end *= 10.0;
    }
    range
}

fn latency(area: &Area<'_>, what: &str, picture: &Picture<'_>) -> Drawn {
    let Picture { data, charts, points } = picture;
    let range = latency_ms(charts);
    let mut chart = ChartBuilder::on(area)
        .caption(what, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(charts.from_s..charts.to_s, range.clone().log_scale())?;
    chart.configure_mesh().x_desc("seconds").y_desc("milliseconds").draw()?;
    for (band, name, start) in bands(&data.faults, range.start, range.end) {
        chart.draw_series([band])?;
        let at = (start, range.end * 0.9);
        chart.draw_series([Text::new(name.to_owned(), at, ("sans-serif", 13))])?;
    }
    let step = points.len().div_ceil(POINTS_MAX).max(1);
    for (outcome, color, name) in
        [(Shown::Ok, OK, "ok"), (Shown::Fail, FAIL, "fail"), (Shown::Info, INFO, "info")]
    {
        // Of each few neighbours the slowest stays: the outlier is the message.
        let slowest = points.chunks(step).filter_map(|few| {
            let own = few.iter().filter(|point| point.outcome == outcome);
            own.max_by(|a, b| a.latency_ms.total_cmp(&b.latency_ms))
        });
        let dots = slowest.map(|point| {
            let ms = point.latency_ms.clamp(range.start, range.end);
            let at = (point.due.as_secs_f64(), ms);
            let size = if outcome == Shown::Ok { 1 } else { 3 };
            EmptyElement::at(at) + Circle::new((0, 0), size, color.mix(0.7).filled())
        });
        chart
            .draw_series(dots)?
            .label(name)
            .legend(move |at| Circle::new((at.0 + 8, at.1), 4, color.filled()));
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).draw()?;
    Ok(())
}

/// Where a window begins and ends: the last one ends with the load.
fn window(place: usize, count: usize, step_s: f64, to_s: f64) -> (f64, f64) {
    let from = place as f64 * step_s;
    (from, if place + 1 == count { to_s } else { from + step_s })
}

/// Points of a stepped line; where a value is missing, the line breaks.
fn steps(values: &[Option<f64>], step_s: f64, to_s: f64) -> Vec<Vec<(f64, f64)>> {
    let mut lines = vec![Vec::new()];
    for (place, value) in values.iter().enumerate() {
        match value {
            Some(value) => {
                let (from, to) = window(place, values.len(), step_s, to_s);
                if let Some(line) = lines.last_mut() {
                    line.extend([(from, *value), (to, *value)]);
                }
            }
            None => lines.push(Vec::new()),
        }
    }
    lines.retain(|line| !line.is_empty());
    lines
}

fn quantiles(area: &Area<'_>, what: &str, picture: &Picture<'_>) -> Drawn {
    let Picture { data, charts, .. } = picture;
    let Charts { quantiles, from_s, to_s, .. } = charts;
    let range = latency_ms(charts);
    let mut chart = ChartBuilder::on(area)
        .caption(what, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(*from_s..*to_s, range.clone().log_scale())?;
    chart.configure_mesh().x_desc("seconds").y_desc("milliseconds").draw()?;
    for (band, name, start) in bands(&data.faults, range.start, range.end) {
        chart.draw_series([band])?;
        let at = (start, range.end * 0.9);
        chart.draw_series([Text::new(name.to_owned(), at, ("sans-serif", 13))])?;
    }
    for (name, values, style) in [
        ("max", &quantiles.max, BLACK.mix(0.4).stroke_width(1)),
        ("p99", &quantiles.p99, OK.stroke_width(2)),
        ("p90", &quantiles.p90, BLACK.mix(0.7).stroke_width(1)),
        ("p50", &quantiles.p50, BLACK.stroke_width(1)),
    ] {
        let mut first = true;
        for line in steps(values, quantiles.step_s, *to_s) {
            let series = chart.draw_series(LineSeries::new(line, style))?;
            if first {
                let legend = move |at: (i32, i32)| {
                    PathElement::new([(at.0, at.1), (at.0 + 16, at.1)], style)
                };
                series.label(name).legend(legend);
                first = false;
            }
        }
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).draw()?;
    Ok(())
}

fn throughput(area: &Area<'_>, what: &str, picture: &Picture<'_>) -> Drawn {
    let Picture { data, charts, .. } = picture;
    let Charts { throughput, from_s, to_s, .. } = charts;
    let most = throughput.offered.iter().copied().fold(1.0, f64::max) * 1.15;
    let mut chart = ChartBuilder::on(area)
        .caption(what, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(*from_s..*to_s, 0.0..most)?;
    chart.configure_mesh().x_desc("seconds").y_desc("operations a second").draw()?;
    for (band, name, start) in bands(&data.faults, 0.0, most) {
        chart.draw_series([band])?;
        chart.draw_series([Text::new(
            name.to_owned(),
            (start, most * 0.98),
            ("sans-serif", 13),
        )])?;
    }
    let step_s = throughput.step_s;
    let mut base = vec![0.0; throughput.ok.len()];
    for (name, values, color) in [
        ("ok", &throughput.ok, OK),
        ("fail", &throughput.fail, FAIL),
        ("info", &throughput.info, INFO),
    ] {
        let bars: Vec<_> = values
            .iter()
            .enumerate()
            .map(|(place, value)| {
                let (from, to) = window(place, values.len(), step_s, *to_s);
                let low = base[place];
                base[place] += value;
                Rectangle::new([(from, low), (to, base[place])], color.mix(0.6).filled())
            })
            .collect();
        let legend = move |at: (i32, i32)| {
            Rectangle::new([(at.0, at.1 - 4), (at.0 + 12, at.1 + 4)], color.mix(0.6).filled())
        };
        chart.draw_series(bars)?.label(name).legend(legend);
    }
    let offered: Vec<Option<f64>> = throughput.offered.iter().copied().map(Some).collect();
    for line in steps(&offered, step_s, *to_s) {
        let legend = |at: (i32, i32)| PathElement::new([(at.0, at.1), (at.0 + 16, at.1)], BLACK);
        chart.draw_series(LineSeries::new(line, BLACK))?.label("offered").legend(legend);
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).draw()?;
    Ok(())
}

fn nodes(area: &Area<'_>, what: &str, picture: &Picture<'_>) -> Drawn {
    let Picture { data, charts, .. } = picture;
    let Charts { node_answered_share: share, from_s, to_s, .. } = charts;
    let names = &data.run.nodes;
    let rows = names.len().max(1) as f64;
    let mut chart = ChartBuilder::on(area)
        .caption(what, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(*from_s..*to_s, 0.0..rows)?;
    chart.configure_mesh().x_desc("seconds").disable_y_mesh().y_labels(0).draw()?;
    for (band, name, start) in bands(&data.faults, 0.0, rows) {
        chart.draw_series([band])?;
        chart.draw_series([Text::new(
            name.to_owned(),
            (start, rows * 0.99),
            ("sans-serif", 13),
        )])?;
    }
    for (row, (name, values)) in names.iter().zip(&share.nodes).enumerate() {
        let base = rows - 1.0 - row as f64;
        for (place, value) in values.iter().enumerate() {
            let (from, to) = window(place, values.len(), share.step_s, *to_s);
            let Some(value) = value else {
                // Nothing was sent, which is not the same as nothing answered.
                chart.draw_series(hatch((from, base), (to, base + 0.8)))?;
                continue;
            };
            let corners = [(from, base), (to, base + value * 0.8)];
            chart.draw_series([Rectangle::new(corners, OK.mix(0.6).filled())])?;
            if *value < NONE_BELOW {
                let line = [(from, base + 0.03), (to, base + 0.03)];
                chart.draw_series([PathElement::new(line, FAIL.stroke_width(3))])?;
            }
        }
        let at = (*from_s, base + 0.5);
        chart.draw_series([Text::new(name.clone(), at, ("sans-serif", 13))])?;
    }
    Ok(())
}

/// A rectangle of slanted lines.
fn hatch(low: (f64, f64), high: (f64, f64)) -> Vec<PathElement<(f64, f64)>> {
    const LINES: usize = 4;
    let (width, height) = (high.0 - low.0, high.1 - low.1);
    let part = |number: usize| number as f64 / LINES as f64;
    // From the left or the lower edge to the upper or the right one.
    let line = |number: usize| {
        let share = part(number);
        let ends = if number <= LINES {
            [(low.0, low.1 + height * share), (low.0 + width * share, low.1)]
        } else {
            let rest = share - 1.0;
            [(low.0 + width * rest, high.1), (high.0, low.1 + height * rest)]
        };
        PathElement::new(ends, MUTED.mix(0.6))
    };
    (1..2 * LINES).map(line).collect()
}
