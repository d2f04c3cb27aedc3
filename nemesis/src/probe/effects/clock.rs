//! What time it is, by the target's own process, against the controller's clock: it is asked over
//! the network.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::{Look, SEEN_WITHIN, Sight, Spot};
use crate::faults::{SEEN_FROM, drifts_for};

/// How long a clock is asked: long enough to see the next second begin on one that shows no more.
const ASK_WITHIN: Duration = Duration::from_secs(2);
/// A strobe is asked quickly, since it jumps meanwhile, and so is a clock that is so far off that
/// half a second is nothing.
const ASK_QUICKLY_WITHIN: Duration = Duration::from_millis(600);
const QUICKLY_FROM_S: f64 = 6.0;
/// Two clocks that agree differ by so much at the most, besides what the answers leave open: from
/// one look to the next they may have drifted apart by themselves.
const AGREE_S: f64 = 0.06;
/// An answer that leaves open more than this, and more than a tenth of the offset, is asked for again,
/// a few times: on a busy machine no better can be had.
const OPEN_MAX_S: f64 = 0.06;
const TRIES: u32 = 3;

/// What is asked of a clock.
pub(super) struct Clock {
    offset_s: f64,
    drift: f64,
    strobe: Option<Duration>,
    patience: Duration,
    /// When it began to be wrong.
    begun: Instant,
    seen: Mutex<Seen>,
}

/// What the looks have seen so far.
#[derive(Default)]
struct Seen {
    /// What the last answer left open, in seconds.
    open_s: f64,
    /// What a strobe was seen off by while it was there, and while it was away.
    there: Option<f64>,
    away: Option<f64>,
    /// Since when it was right again at every look.
    right_since: Option<Instant>,
}

impl Clock {
    pub(super) fn new(offset_ms: i64, drift_ppm: i32, strobe_ms: Option<u64>) -> Self {
        let strobe = strobe_ms.map(Duration::from_millis);
        let drifting = if offset_ms == 0 { drifts_for(drift_ppm) } else { Duration::ZERO };
        Self {
            offset_s: offset_ms as f64 / 1e3,
            drift: f64::from(drift_ppm) / 1e6,
            strobe,
            patience: SEEN_WITHIN + drifting + strobe.unwrap_or_default() * 8,
            begun: Instant::now(),
            seen: Mutex::default(),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far two sights of one right clock may lie apart.
    fn agree_s(&self) -> f64 {
        AGREE_S + self.seen().open_s * 2.0
    }

    /// Whether a clock that drifts and is off by this is as it should be, by now.
    fn judge(&self, off_s: f64) -> Result<(), &'static str> {
        let agree_s = self.agree_s();
        let elapsed_s = self.begun.elapsed().as_secs_f64();
        let drifted_s = self.drift * elapsed_s;
        // When exactly it began to drift is not known: the process that holds it was starting.
        let slack_s = agree_s + self.drift.abs() * (0.5 + 0.02 * elapsed_s);
        let is_at = |wanted_s: f64| (off_s - drifted_s - wanted_s).abs() <= slack_s;
        let wanted_s = (self.offset_s + drifted_s).abs();
        if wanted_s < SEEN_FROM.as_secs_f64() * 0.9 || wanted_s <= agree_s * 2.0 {
            return Err("which cannot be told from a right clock yet");
        }
        let Some(_) = self.strobe else {
            return if is_at(self.offset_s) { Ok(()) } else { Err("") };
        };
        let mut seen = self.seen();
        if is_at(self.offset_s) {
            seen.there = Some(off_s);
        }
        if is_at(0.0) {
            seen.away = Some(off_s);
        }
        match (seen.there, seen.away) {
            (Some(_), Some(_)) => Ok(()),
            (Some(_), None) => Err("and was never seen right meanwhile"),
            (None, Some(_)) => Err("and was never seen off"),
            (None, None) => Err(""),
        }
    }
}

/// What a node's process says of its clock when it is asked; a client's, with its next answer.
async fn ask(spot: &Spot, within: Duration) -> Result<Option<schism_targets::ClockSight>, String> {
    let node = spot.host.node();
    if let Some(places) = spot.places.as_ref().filter(|_| node.id.is_client()) {
        return Ok(places.clock(node.id, within).await);
    }
    let asked = spot.target.clock(&spot.cluster, node, within);
    match tokio::time::timeout(within * 2, asked).await {
        Ok(sight) => sight.map_err(|error| error.to_string()),
        Err(_) => Ok(None),
    }
}

#[async_trait]
impl Look for Clock {
    async fn look(&self, spot: &Spot) -> Sight {
        let is_far = self.offset_s.abs() >= QUICKLY_FROM_S;
        let quickly = self.strobe.is_some() || is_far;
        let within = if quickly { ASK_QUICKLY_WITHIN } else { ASK_WITHIN };
        let open_max_s = OPEN_MAX_S.max(self.offset_s.abs() / 10.0);
        let mut best: Option<schism_targets::ClockSight> = None;
        for _ in 0..TRIES {
            let sight = ask(spot, within).await?;
            let Some(sight) = sight else { break };
            if best.is_none_or(|best| sight.give_or_take_s < best.give_or_take_s) {
                best = Some(sight);
            }
            if sight.give_or_take_s <= open_max_s || quickly {
                break;
            }
        }
        let best = best.ok_or(if spot.host.node().id.is_client() {
            "gave no answer that says what its clock shows (`clock_us`)"
        } else {
            "does not tell the time"
        })?;
        self.seen().open_s = best.give_or_take_s;
        Ok(best.ahead_s)
    }

    fn bites(&self, before: f64, now: f64) -> Result<String, String> {
        let off_s = now - before;
        let text = format!("its clock is off by {off_s:+.3} s");
        match self.judge(off_s) {
            Ok(()) if self.strobe.is_some() => {
                let seen = self.seen();
                let (there, away) = (seen.there.unwrap_or(off_s), seen.away.unwrap_or(off_s));
                Ok(format!("its clock is off by {there:+.3} s and by {away:+.3} s in turn"))
            }
            Ok(()) => Ok(text),
            Err("") => Err(format!("{text}, and should be by {:+.3} s", self.offset_s)),
            Err(why) => Err(format!("{text}, {why}")),
        }
    }

    fn gone(&self, before: f64, _: f64, now: f64) -> Result<String, String> {
        let off_s = now - before;
        let agree_s = self.agree_s();
        let mut seen = self.seen();
        if off_s.abs() > agree_s {
            seen.right_since = None;
            return Err(format!("its clock is still off by {off_s:+.3} s"));
        }
        // A strobe that goes on is right every other time.
        let since = *seen.right_since.get_or_insert_with(Instant::now);
        match self.strobe.map(|strobe| strobe * 2) {
            Some(spans) if since.elapsed() < spans => {
                Err("its clock was not looked at for long enough".into())
            }
            _ => Ok(format!("its clock is right again, to {agree_s:.3} s")),
        }
    }

    fn patience(&self) -> Duration {
        self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_clock_that_is_off_as_asked_from_any_other() {
        let clock = Clock::new(2_000, 0, None);
        assert!(clock.bites(100.0, 102.01).is_ok());
        for now in [100.0, 101.0, 98.0, 102.2] {
            assert!(clock.bites(100.0, now).is_err(), "{now}");
        }
        assert!(clock.gone(100.0, 102.0, 100.03).is_ok());
        assert!(clock.gone(100.0, 102.0, 101.0).is_err());
    }

    #[test]
    fn an_answer_that_leaves_all_open_proves_nothing() {
        let clock = Clock::new(800, 0, None);
        clock.seen().open_s = 0.5;
        let problem = clock.bites(0.0, 0.8).expect_err("it may be anything");
        assert!(problem.contains("cannot be told"), "{problem}");
    }

    #[test]
    fn a_strobe_is_seen_there_and_away_and_gone_only_after_a_while() {
        let clock = Clock::new(2_000, 0, Some(50));
        assert!(clock.bites(0.0, 2.0).is_err_and(|problem| problem.contains("never seen right")));
        assert!(clock.bites(0.0, 2.0).is_err());
        assert!(clock.bites(0.0, 0.0).is_ok());
        assert!(clock.gone(0.0, 2.0, 0.0).is_err());
        std::thread::sleep(Duration::from_millis(120));
        assert!(clock.gone(0.0, 2.0, 0.0).is_ok());
        assert!(clock.gone(0.0, 2.0, 2.0).is_err() && clock.gone(0.0, 2.0, 0.0).is_err());
    }

    #[test]
    fn a_drift_is_seen_when_it_has_gone_far_enough() {
        let mut clock = Clock::new(0, 500_000, None);
        assert!(clock.bites(0.0, 0.0).is_err());
        clock.begun = Instant::now().checked_sub(Duration::from_secs(4)).expect("a moment");
        assert!(clock.bites(0.0, 2.0).is_ok());
        assert!(clock.bites(0.0, 0.5).is_err() && clock.bites(0.0, -2.0).is_err());
        assert!(clock.patience() > Duration::from_millis(5_500));
    }
}
