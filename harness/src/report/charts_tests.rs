//! What the charts of the report are made of.

use super::*;

fn point(due_ms: u64, latency_ms: f64) -> Point {
    let outcome = Shown::Ok;
    Point { due: Time(due_ms * 1_000_000), latency_ms, outcome, answered: true, node: 1 }
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
    let shares = shares(&[point(600, 1.0)], 2, Windows::until(1.0));
    assert_eq!(shares.nodes, [vec![None, Some(1.0)], vec![None, None]]);
}

#[test]
fn quantiles_are_values_that_were_seen() {
    let sorted = [1.0, 2.0, 3.0, 4.0];
    let seen: Vec<u64> = [0.0, 0.5, 0.99, 1.0].map(|share| quantile(&sorted, share) as u64).into();
    assert_eq!(seen, [1, 2, 4, 4]);
}

#[test]
fn a_mismatch_fails_and_is_answered() {
    let mismatch = Point {
        outcome: Shown::Fail,
        answered: answered(Some(&Outcome::Fail(Reason::new(Code::Mismatch, "found 3")))),
        ..point(1, 1.0)
    };
    assert!(!mismatch.is_error());
    let drawn = operations(&[mismatch], 1.0);
    assert_eq!((drawn.counts.fail, drawn.counts.mismatch), (1, 1));
    let throughput = throughput(&[mismatch], Windows::until(0.5));
    let first = [throughput.answered[0], throughput.fail[0], throughput.ok[0]];
    assert_eq!(first.map(|rate| rate as u64), [2, 2, 0]);
    let shares = shares(&[mismatch], 1, Windows::until(0.5));
    assert_eq!(shares.nodes, [[Some(1.0)]]);
}

#[test]
fn a_short_last_window_shows_no_collapse() {
    let points: Vec<Point> = (0..420).map(|number| point(number * 10, 1.0)).collect();
    let throughput = throughput(&points, Windows::until(4.2));
    assert!(throughput.ok.iter().all(|rate| (*rate - 100.0).abs() < 1.0), "{:?}", throughput.ok);
}
