//! How far consumers of logs were behind, in figures.

use std::sync::Arc;
use std::time::Duration;

use schism_checkers::{Budget, LogLags, LogView};
use schism_history::History;

use crate::store::ConsumerRecord;

/// The figures of a history of logs; `None` of any other, and where no poll returned anything or
/// nobody knows when. `known` is what a checker has found on its way: large histories are not gone
/// through once more.
pub fn of(
    subject: &str,
    history: &History,
    budget: &Budget,
    known: Option<Arc<LogLags>>,
) -> Option<ConsumerRecord> {
    if subject != "log" {
        return None;
    }
    let lags = match known {
        Some(lags) => lags,
        None => Arc::new(LogView::new(history, budget)?.lags()),
    };
    let at = |percent| lags.quantile(percent).map(|poll| milliseconds(poll.lag));
    let worst = lags.quantile(100)?;
    let most = lags.unseen.iter().map(|(_, count)| *count).max().unwrap_or(0);
    let when = lags.unseen.iter().find(|(_, count)| *count == most);
    Some(ConsumerRecord {
        polls: lags.polls.len(),
        lag_p50_ms: at(50)?,
        lag_p95_ms: at(95)?,
        lag_p99_ms: at(99)?,
        lag_max_ms: milliseconds(worst.lag),
        worst_poll: worst.invoked,
        unseen_max: most,
        unseen_max_s: when.map_or(0.0, |(time, _)| time.as_secs_f64()),
        unseen_at_end: lags.unseen.last().map_or(0, |(_, count)| *count),
    })
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use schism_checkers::{Asked, Claim, Question};

    use super::*;
    use crate::judge::{Circumstances, judge};

    #[test]
    fn tells_how_far_polls_were_behind_and_who_the_most() {
        let text = "
            0ms p0 invoke send x 1 \n 1ms p0 ok [0 1] \n 10ms p0 invoke send x 2 \n 20ms p0 ok [1 2]
            50ms p1 invoke poll x \n 60ms p1 ok [0 1] \n 70ms p1 invoke poll x \n 71ms p1 ok [1 2]";
        let history = History::from_text(text).expect("a history");
        let told = of("log", &history, &Budget::default(), None).expect("a log");
        // The first poll's only message had been followed by another since 20 ms.
        assert_eq!((told.polls, told.lag_p50_ms, told.lag_max_ms), (2, 0.0, 30.0));
        assert_eq!((told.worst_poll, told.unseen_max, told.unseen_at_end), (4, 2, 0));
        assert!(of("register", &history, &Budget::default(), None).is_none());
        // A checker finds the same on its way.
        let question = Question::new("log", vec![Asked::new(Claim::PollOrder)]);
        let verdict = judge(&question, &history, &Circumstances::default(), &Budget::default());
        let from_checker = verdict.consumers.expect("a log");
        assert_eq!(format!("{from_checker:?}"), format!("{told:?}"));
    }
}
