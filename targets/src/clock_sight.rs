//! What a node says of its clock, against ours.

use std::future::Future;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// How far the clock that a process sees is ahead of ours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClockSight {
    /// In seconds; less than nothing: behind.
    pub ahead_s: f64,
    /// How far off that may be, at the most: a question and its answer take time.
    pub give_or_take_s: f64,
}

/// A question and its answer, on our own clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    sent_s: f64,
    answered_s: f64,
}

impl Asked {
    /// Asks, and takes the times.
    pub(crate) async fn now<T>(question: impl Future<Output = T>) -> (Self, T) {
        let sent_s = own_s();
        let answer = question.await;
        (Self { sent_s, answered_s: own_s() }, answer)
    }
}

impl ClockSight {
    /// The process said that its clock showed this.
    pub(crate) fn exact(asked: Asked, shown_s: f64) -> Self {
        Self::between(asked, shown_s, asked, shown_s)
    }

    /// It said once that its clock showed at least this, and once that it showed at most that.
    fn between(least: Asked, least_s: f64, most: Asked, most_s: f64) -> Self {
        let (low, high) = (least_s - least.answered_s, most_s - most.sent_s);
        Self { ahead_s: f64::midpoint(low, high), give_or_take_s: (high - low) / 2.0 }
    }
}

/// How often a clock that shows seconds is asked while its next second is waited for.
const FLIP_EVERY: Duration = Duration::from_millis(10);
/// A second, and what an answer may take.
const FLIP_WITHIN: Duration = Duration::from_millis(1200);

/// What a clock shows that tells whole seconds. Where there is time for that, its next second is
/// waited for: it is known to some milliseconds then, and otherwise to half a second.
pub(crate) async fn by_seconds<F: Future<Output = Option<i64>>>(
    within: Duration,
    ask: impl Fn(Duration) -> F,
) -> Option<ClockSight> {
    let deadline = Instant::now() + within;
    let left = || deadline.saturating_duration_since(Instant::now());
    let (mut first, second) = Asked::now(ask(left())).await;
    let mut second = second?;
    let coarse = ClockSight::between(first, second as f64, first, (second + 1) as f64);
    if left() < FLIP_WITHIN {
        return Some(coarse);
    }
    loop {
        tokio::time::sleep(FLIP_EVERY).await;
        let (asked, now) = Asked::now(ask(left())).await;
        let Some(now) = now else { return Some(coarse) };
        // Any other step than to the next second is that of a clock which was set meanwhile.
        if now == second + 1 {
            return Some(ClockSight::between(asked, now as f64, first, now as f64));
        }
        (first, second) = (asked, now);
    }
}

fn own_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn knows_a_clock_of_seconds_to_some_milliseconds_if_there_is_time() {
        let ahead = |seconds: f64| move |_| async move { Some((own_s() + seconds).floor() as i64) };
        for seconds in [0.0, 2.25, -7.6] {
            let sight = by_seconds(Duration::from_secs(3), ahead(seconds)).await.expect("a sight");
            assert!(sight.give_or_take_s < 0.2, "{sight:?}");
            assert!((sight.ahead_s - seconds).abs() <= sight.give_or_take_s, "{sight:?}");
            let sight = by_seconds(Duration::from_millis(300), ahead(seconds)).await;
            let sight = sight.expect("a sight");
            assert!((0.5..0.6).contains(&sight.give_or_take_s), "{sight:?}");
            assert!((sight.ahead_s - seconds).abs() <= sight.give_or_take_s, "{sight:?}");
        }
        assert_eq!(by_seconds(Duration::from_secs(3), |_| async { None }).await, None);
    }

    #[test]
    fn is_as_exact_as_the_answer_was_quick() {
        let asked = Asked { sent_s: 100.0, answered_s: 100.5 };
        let sight = ClockSight::exact(asked, 103.0);
        assert_eq!((sight.ahead_s, sight.give_or_take_s), (2.75, 0.25));
    }
}
