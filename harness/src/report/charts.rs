//! The run over time: latency, quantiles, throughput, nodes.

use std::collections::BTreeMap;

use schism_history::{Code, Outcome, Reason, Time};

use super::data::{Charts, Column, Counts, NodeShare, Operations, Quantiles, Throughput};
use super::metrics;
use super::stored::Stored;

/// Above so many operations, columns stand for points.
const POINTS_MAX: usize = 20_000;
/// Above so many failed and indeterminate operations, they become columns, too.
const FAILED_POINTS_MAX: usize = 5_000;
const COLUMNS: usize = 2_000;
/// Windows of half a second, or longer ones where there would be too many.
const STEP_S: f64 = 0.5;
const STEPS_MAX: f64 = 240.0;

/// One operation of the load.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// The intended start.
    pub due: Time,
    /// From there to its end, or to the end of the recording.
    pub latency_ms: f64,
    /// What became of it.
    pub outcome: Shown,
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

/// What became of an operation.
pub fn shown(outcome: Option<&Outcome>) -> Shown {
    match outcome {
        Some(Outcome::Ok(_)) => Shown::Ok,
        Some(Outcome::Fail(Reason { code: Code::Shed, .. })) => Shown::Shed,
        Some(Outcome::Fail(_)) => Shown::Fail,
        Some(Outcome::Info(_)) | None => Shown::Info,
    }
}

/// The operations of the load, in order of their intended starts.
pub fn points(stored: &Stored) -> Vec<Point> {
    let healed = stored.history.healed().map_or(u64::MAX, |(index, _)| index);
    let end = stored.end_of_load();
    let operations = stored.history.operations().filter(|operation| operation.invoked < healed);
    let mut points: Vec<Point> = operations
        .map(|operation| {
            let due = operation.intended();
            let latency = operation.end.unwrap_or(end).since(due);
            Point {
                due,
                latency_ms: latency.as_secs_f64() * 1e3,
                outcome: shown(operation.outcome),
                node: operation.node.map_or(0, |node| node.0),
            }
        })
        .collect();
    points.sort_by_key(|point| point.due);
    points
}

/// All charts.
pub fn derive(stored: &Stored) -> Charts {
    let points = points(stored);
    let to_s = (stored.end_of_load().as_secs_f64() * 2.0).ceil().max(2.0) / 2.0;
    let step_s = STEP_S * (to_s / STEP_S / STEPS_MAX).ceil().max(1.0);
    Charts {
        from_s: 0.0,
        to_s,
        operations: operations(&points, to_s),
        quantiles: quantiles(&points, to_s, step_s),
        throughput: throughput(&points, to_s, step_s),
        node_ok_share: shares(&points, stored.run.nodes.len(), to_s, step_s),
        metrics: metrics::derive(stored, to_s),
    }
}

fn operations(points: &[Point], to_s: f64) -> Operations {
    let count = |outcome| points.iter().filter(|point| point.outcome == outcome).count();
    let counts =
        Counts { ok: count(Shown::Ok), fail: count(Shown::Fail), info: count(Shown::Info) };
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
            let column = (at_s / to_s * COLUMNS as f64) as usize;
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
fn windows(points: &[Point], to_s: f64, step_s: f64) -> Vec<Vec<&Point>> {
    let mut windows = vec![Vec::new(); (to_s / step_s).round() as usize];
    for point in points {
        if let Some(window) = windows.get_mut((point.due.as_secs_f64() / step_s) as usize) {
            window.push(point);
        }
    }
    windows
}

fn quantiles(points: &[Point], to_s: f64, step_s: f64) -> Quantiles {
    let mut quantiles = Quantiles { step_s, ..Quantiles::default() };
    for window in windows(points, to_s, step_s) {
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

fn throughput(points: &[Point], to_s: f64, step_s: f64) -> Throughput {
    let mut throughput = Throughput { step_s, ..Throughput::default() };
    for window in windows(points, to_s, step_s) {
        let rate = |outcome| {
            let count = window.iter().filter(|point| point.outcome == outcome).count();
            count as f64 / step_s
        };
        throughput.offered.push(window.len() as f64 / step_s);
        throughput.ok.push(rate(Shown::Ok));
        throughput.fail.push(rate(Shown::Fail));
        throughput.info.push(rate(Shown::Info));
    }
    throughput
}

fn shares(points: &[Point], nodes: usize, to_s: f64, step_s: f64) -> NodeShare {
    let mut shares = NodeShare { step_s, nodes: vec![Vec::new(); nodes] };
    for window in windows(points, to_s, step_s) {
        let mut sent = vec![(0usize, 0usize); nodes];
        for point in window.iter().filter(|point| point.outcome != Shown::Shed) {
            let place = usize::from(point.node).wrapping_sub(1);
            if let Some((all, ok)) = sent.get_mut(place) {
                *all += 1;
                *ok += usize::from(point.outcome == Shown::Ok);
            }
        }
        for (node, (all, ok)) in sent.into_iter().enumerate() {
            shares.nodes[node].push((all > 0).then(|| rounded(ok as f64 / all as f64)));
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(due_ms: u64, latency_ms: f64) -> Point {
        Point { due: Time(due_ms * 1_000_000), latency_ms, outcome: Shown::Ok, node: 1 }
    }

    #[test]
    fn columns_keep_the_outlier() {
        let mut points: Vec<Point> = (0..100_000).map(|time| point(time / 5, 1.0)).collect();
        points[51_234].latency_ms = 900.0;
        let drawn = operations(&points, 20.0);
        assert!(drawn.sampled && drawn.columns.len() <= COLUMNS);
        assert_eq!(drawn.columns.iter().map(|column| column.count).sum::<usize>(), 100_000);
        let worst = drawn.columns.iter().map(|column| column.max).fold(0.0, f64::max);
        assert_eq!(worst.to_bits(), 900f64.to_bits());
    }

    #[test]
    fn points_add_up_to_their_times() {
        let points = [point(5, 1.5), point(12, 0.2)];
        let drawn = operations(&points, 1.0);
        assert_eq!((drawn.due_delta_ms, drawn.latency_us), (vec![5, 7], vec![1500, 200]));
    }

    #[test]
    fn a_window_without_operations_has_no_share() {
        let shares = shares(&[point(600, 1.0)], 2, 1.0, 0.5);
        assert_eq!(shares.nodes, [vec![None, Some(1.0)], vec![None, None]]);
    }

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let sorted = [1.0, 2.0, 3.0, 4.0];
        let seen: Vec<u64> =
            [0.0, 0.5, 0.99, 1.0].map(|share| quantile(&sorted, share) as u64).into();
        assert_eq!(seen, [1, 2, 4, 4]);
    }
}
