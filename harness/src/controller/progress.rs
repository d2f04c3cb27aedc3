//! Live progress: one line that changes in a terminal, a line now and then elsewhere.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use schism_history::{Code, Event, FaultId, FaultMark, Kind, Outcome};
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::recorder::Observer;

const DRAW_EVERY: Duration = Duration::from_millis(200);
const PRINT_EVERY: Duration = Duration::from_secs(5);

/// Counts of what came back, and the faults that are open now.
#[derive(Clone, Default)]
pub struct Progress {
    counts: Arc<Mutex<Counts>>,
}

#[derive(Clone, Default)]
struct Counts {
    ok: u64,
    fail: u64,
    info: u64,
    shed: u64,
    faults: BTreeMap<FaultId, String>,
}

impl Observer for Progress {
    fn observe(&mut self, events: &[Event]) {
        let Ok(mut counts) = self.counts.lock() else { return };
        for event in events {
            match &event.kind {
                Kind::Complete(Outcome::Ok(_)) => counts.ok += 1,
                Kind::Complete(Outcome::Fail(reason)) if reason.code == Code::Shed => {
                    counts.shed += 1;
                }
                Kind::Complete(Outcome::Fail(_)) => counts.fail += 1,
                Kind::Complete(Outcome::Info(_)) => counts.info += 1,
                Kind::Fault(FaultMark::Start { fault, name, detail, .. }) => {
                    counts.faults.insert(*fault, format!("{fault} {name} {detail}"));
                }
                Kind::Fault(FaultMark::Stop { fault }) => {
                    counts.faults.remove(fault);
                }
                _ => {}
            }
        }
    }
}

impl Progress {
    /// Shows progress on standard error until `stop`; nothing if `quiet`.
    pub async fn show(self, clock: Clock, length: Duration, quiet: bool, stop: CancellationToken) {
        if quiet {
            return;
        }
        let terminal = std::io::stderr().is_terminal();
        let bar = terminal.then(|| bar(length));
        let every = if terminal { DRAW_EVERY } else { PRINT_EVERY };
        let mut before = (clock.elapsed(), 0);
        loop {
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = stop.cancelled() => break,
            }
            let counts = self.counts.lock().map(|counts| counts.clone()).unwrap_or_default();
            let done = counts.ok + counts.fail + counts.info;
            let now = clock.elapsed();
            let rate =
                (done - before.1) as f64 / now.saturating_sub(before.0).as_secs_f64().max(1e-3);
            before = (now, done);
            let text = line(&counts, rate, now, length);
            match &bar {
                Some(bar) => {
                    bar.set_position(now.as_millis().min(length.as_millis()) as u64);
                    bar.set_message(text);
                }
                None => {
                    // Whoever read this may have gone away; the run goes on.
                    let _ = writeln!(std::io::stderr().lock(), "{text}");
                }
            }
        }
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(length: Duration) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(
        Some(length.as_millis() as u64),
        ProgressDrawTarget::stderr_with_hz(5),
    );
    let style = ProgressStyle::with_template("{bar:20} {wide_msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// What may be cut off at the end of a narrow terminal comes last.
fn line(counts: &Counts, rate: f64, now: Duration, length: Duration) -> String {
    let left = length.saturating_sub(now).as_secs_f64().ceil();
    let faults: Vec<&str> = counts.faults.values().map(String::as_str).collect();
    let faults = if faults.is_empty() { "no fault".into() } else { faults.join(" + ") };
    let shed = if counts.shed > 0 { format!(" shed {}", counts.shed) } else { String::new() };
    format!(
        "{:>5.1} s, {left:.0} s left  {rate:.0} ops/s  ok {} fail {} info {}{shed}  {faults}",
        now.as_secs_f64(),
        counts.ok,
        counts.fail,
        counts.info,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_rate_outcomes_faults_and_time_left() {
        let mut counts = Counts { ok: 7, fail: 2, info: 1, shed: 3, faults: BTreeMap::new() };
        counts.faults.insert(FaultId(2), "F2 pause leader".into());
        let text = line(&counts, 399.6, Duration::from_millis(7500), Duration::from_secs(20));
        let expected = "  7.5 s, 13 s left  400 ops/s  ok 7 fail 2 info 1 shed 3  F2 pause leader";
        assert_eq!(text, expected);
    }
}
