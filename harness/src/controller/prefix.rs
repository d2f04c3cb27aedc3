//! `stop: first-violation`: checks the history so far once a second.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use schism_checkers::{Budget, Question, Validity};
use schism_history::{Event, History};
use tokio_util::sync::CancellationToken;

use super::recorder::Observer;
use crate::judge;

const EVERY: Duration = Duration::from_secs(1);
/// A prefix that takes longer than this is left to the check at the end.
const BUDGET: Duration = Duration::from_secs(5);
const BUDGET_BYTES: usize = 1 << 30;

/// The events so far.
#[derive(Clone, Default)]
pub struct Prefix {
    /// In the pieces in which they came: a check takes them without keeping the recorder waiting.
    events: Arc<Mutex<Vec<Arc<[Event]>>>>,
}

impl Observer for Prefix {
    fn observe(&mut self, events: &[Event]) {
        if let Ok(mut all) = self.events.lock() {
            all.push(events.into());
        }
    }
}

impl Prefix {
    /// Runs until `stop`, or until a violation is proved: then its claim is named, and `found` is
    /// given. Claims about time and about final reads are left to the end: only what is violated
    /// by a prefix, and therefore by every history that begins with it, ends a run.
    pub async fn watch(
        self,
        question: Question,
        found: CancellationToken,
        stop: CancellationToken,
    ) -> Option<String> {
        let mut question = question;
        question.claims.retain(|asked| judge::is_safety(asked.claim));
        if question.claims.is_empty() {
            return None;
        }
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = stop.cancelled() => return None,
            }
            let (events, question) = (self.events.clone(), question.clone());
            let check = tokio::task::spawn_blocking(move || violation(&events, &question));
            if let Ok(Some(claim)) = check.await {
                found.cancel();
                return Some(claim);
            }
        }
    }
}

fn violation(events: &Mutex<Vec<Arc<[Event]>>>, question: &Question) -> Option<String> {
    let pieces = events.lock().ok()?.clone();
    let events = pieces.iter().flat_map(|piece| piece.iter().cloned()).collect();
    let history = History::from_events(events).ok()?;
    let budget = Budget::new(BUDGET, BUDGET_BYTES);
    let verdicts = judge::verdicts(question, &history, &budget);
    let worst = verdicts.into_iter().find(|verdict| verdict.validity == Validity::Invalid)?;
    Some(worst.asked.to_string())
}
