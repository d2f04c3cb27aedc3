//! The run over time: latency, quantiles, throughput, nodes.

use std::collections::BTreeMap;

use schism_history::{Code, Outcome, Reason, Time};

use super::data::{Charts, Column, Counts, NodeShare, Operations, Quantiles, Throughput};
use super::metrics;
use super::stored::Stored;
use super::windows::Windows;

/// Above so many operations, columns stand for points.
const POINTS_MAX: usize = 20_000;
/// Above so many failed and indeterminate operations, they become columns, too.
const FAILED_POINTS_MAX: usize = 5_000;
const COLUMNS: usize = 2_000;

/// One operation of the load.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// The intended start.
    pub due: Time,
    /// From there to its end, or to the end of the recording.
    pub latency_ms: f64,
    /// What became of it.
    pub outcome: Shown,
    /// Whether the system did its work, as the checkers of time count it: ok, or a compare-and-set
    /// that was refused because the value had changed.
    pub answered: bool,
    /// The node, counted from 1; 0 where there is none.
    pub node: u16,
}

/// What became of an operation, as drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shown {
    /// Took effect.
    Ok,
    /// Never will. Also the answer that a precondition did not hold.
    Fail,
    /// Unknown.
    Info,
    /// Never sent.
    Shed,
}

impl Point {
    /// Whether it was sent and not answered.
    pub fn is_error(&self) -> bool {
        !self.answered && self.outcome != Shown::Shed
    }
}

fn shown(outcome: Option<&Outcome>) -> Shown {
    match outcome {
        Some(Outcome::Ok(_)) => Shown::Ok,
        Some(Outcome::Fail(Reason { code: Code::Shed, .. })) => Shown::Shed,
        Some(Outcome::Fail(_)) => Shown::Fail,
        Some(Outcome::Info(_)) | None => Shown::Info,
    }
}

/// Whether an operation was never sent.
pub fn is_shed(outcome: Option<&Outcome>) -> bool {
    shown(outcome) == Shown::Shed
}

fn answered(outcome: Option<&Outcome>) -> bool {
    let mismatch = |reason: &Reason| reason.code == Code::Mismatch;
    match outcome {
        Some(Outcome::Ok(_)) => true,
        Some(Outcome::Fail(reason)) => mismatch(reason),
        _ => false,
    }
}

/// The operations of the load, in order of their intended starts.
pub fn points(stored: &Stored) -> Vec<Point> {
    let recorded = stored.history.events().last().map_or(Time::ZERO, |event| event.time);
    let mut points: Vec<Point> = stored
        .load()
        .map(|operation| {
            let due = operation.intended();
            let latency = operation.end.unwrap_or(recorded).since(due);
            Point {
                due,
                latency_ms: latency.as_secs_f64() * 1e3,
                outcome: shown(operation.outcome),
                answered: answered(operation.outcome),
                node: operation.node.map_or(0, |node| node.0),
            }
        })
        .collect();
    points.sort_by_key(|point| point.due);
    points
}

/// All charts of a load of `points` that ended at `end`.
pub fn derive(stored: &Stored, points: &[Point], end: Time) -> Charts {
    // An axis without length could not be drawn.
    let to_s = end.as_secs_f64().max(0.1);
    let windows = Windows::until(to_s);
    Charts {
        from_s: 0.0,
        to_s,
        slowest_ms: points.iter().map(|point| point.latency_ms).fold(0.0, f64::max),
        operations: operations(points, to_s),
        quantiles: quantiles(points, windows),
        throughput: throughput(points, windows),
        node_answered_share: shares(points, stored.run.nodes.len(), windows),
        metrics: metrics::derive(stored, to_s),
    }
}

fn operations(points: &[Point], to_s: f64) -> Operations {
    let count = |outcome| points.iter().filter(|point| point.outcome == outcome).count();
    let mismatch = |point: &&Point| point.outcome == Shown::Fail && point.answered;
    let counts = Counts {
        ok: count(Shown::Ok),
        fail: count(Shown::Fail),
        info: count(Shown::Info),
        mismatch: points.iter().filter(mismatch).count(),
    };
    let total = counts.ok + counts.fail + counts.info;
    let sampled = total > POINTS_MAX;
    let failed_in_columns = counts.fail + counts.info > FAILED_POINTS_MAX;
    let mut operations =
        Operations { total, shed: count(Shown::Shed), counts, sampled, ..Operations::default() };
    let mut columns: BTreeMap<(usize, usize), Vec<f64>> = BTreeMap::new();
    let mut before = 0;
    for point in points {
        let outcome = match point.outcome {
            Shown::Ok => 0,
            Shown::Fail => 1,
            Shown::Info => 2,
            Shown::Shed => continue,
        };
        let at_s = point.due.as_secs_f64();
        if sampled && (outcome == 0 || failed_in_columns) {
            let column = ((at_s / to_s * COLUMNS as f64) as usize).min(COLUMNS - 1);
            columns.entry((outcome, column)).or_default().push(point.latency_ms);
            continue;
        }
        let time = (at_s * 1e3).round() as i64;
        operations.due_delta_ms.push(time - before);
        before = time;
        operations.latency_us.push((point.latency_ms * 1e3).round() as u64);
        operations.outcome.push(char::from(b'0' + outcome as u8));
    }
    operations.columns = columns
        .into_iter()
        .map(|((outcome, column), mut latencies)| {
            latencies.sort_by(f64::total_cmp);
            let at = |share| rounded(quantile(&latencies, share));
            let at_s = (column as f64 + 0.5) * to_s / COLUMNS as f64;
            let (min, max) = (at(0.0), at(1.0));
            Column { outcome, at_s, min, p50: at(0.5), p99: at(0.99), max, count: latencies.len() }
        })
        .collect();
    operations
}

/// The value of rank ⌈share · n⌉ of sorted values that are not empty.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// Three digits are as much as a chart shows.
fn rounded(value: f64) -> f64 {
    if value <= 0.0 {
        return 0.0;
    }
    let scale = 10f64.powf(2.0 - value.log10().floor());
    (value * scale).round() / scale
}

/// The points of each window.
fn in_windows(points: &[Point], windows: Windows) -> Vec<Vec<&Point>> {
    let mut filled = vec![Vec::new(); windows.count];
    for point in points {
        filled[windows.of(point.due.as_secs_f64())].push(point);
    }
    filled
}

fn quantiles(points: &[Point], windows: Windows) -> Quantiles {
    let mut quantiles = Quantiles { step_s: windows.step_s, ..Quantiles::default() };
    for window in in_windows(points, windows) {
        let ok = window.iter().filter(|point| point.outcome == Shown::Ok);
        let mut latencies: Vec<f64> = ok.map(|point| point.latency_ms).collect();
        latencies.sort_by(f64::total_cmp);
        let at = |share| (!latencies.is_empty()).then(|| rounded(quantile(&latencies, share)));
        quantiles.p50.push(at(0.5));
        quantiles.p90.push(at(0.9));
        quantiles.p99.push(at(0.99));
        quantiles.max.push(at(1.0));
    }
    quantiles
}

fn throughput(points: &[Point], windows: Windows) -> Throughput {
    let mut throughput = Throughput { step_s: windows.step_s, ..Throughput::default() };
    for (number, window) in in_windows(points, windows).into_iter().enumerate() {
        let rate = |wanted: &dyn Fn(&Point) -> bool| {
            let count = window.iter().filter(|point| wanted(point)).count();
            rounded(count as f64 / windows.length_s(number))
        };
        throughput.offered.push(rate(&|_| true));
        throughput.answered.push(rate(&|point| point.answered));
        throughput.ok.push(rate(&|point| point.outcome == Shown::Ok));
        throughput.fail.push(rate(&|point| point.outcome == Shown::Fail));
        throughput.info.push(rate(&|point| point.outcome == Shown::Info));
    }
    throughput
}

fn shares(points: &[Point], nodes: usize, windows: Windows) -> NodeShare {
    let mut shares = NodeShare { step_s: windows.step_s, nodes: vec![Vec::new(); nodes] };
    for window in in_windows(points, windows) {
        let mut sent = vec![(0usize, 0usize); nodes];
        for point in window.iter().filter(|point| point.outcome != Shown::Shed) {
            let place = usize::from(point.node).wrapping_sub(1);
            if let Some((all, answered)) = sent.get_mut(place) {
                *all += 1;
                *answered += usize::from(point.answered);
            }
        }
        for (node, (all, answered)) in sent.into_iter().enumerate() {
            shares.nodes[node].push((all > 0).then(|| rounded(answered as f64 / all as f64)));
        }
    }
    shares
}

#[cfg(test)]
#[path = "charts_tests.rs"]
mod tests;
