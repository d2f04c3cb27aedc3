//! What is not well with the system before it goes down: clients are heard while they are recorded, and
//! the target is asked once the load is over.

use std::sync::{Arc, Mutex};

use schism_history::Event;
use schism_targets::Complaint;

use super::recorder::Observer;
use super::{Conduct, Stage};
use crate::complaints::Complaints;

/// So many questions a target asks its nodes at most, one after the other.
const QUESTIONS: u32 = 4;

/// Hears what clients complain of.
#[derive(Clone, Default)]
pub struct Hearing(Arc<Mutex<Complaints>>);

impl Observer for Hearing {
    fn observe(&mut self, events: &[Event]) {
        if let Ok(mut complaints) = self.0.lock() {
            for event in events {
                complaints.hear(event);
            }
        }
    }
}

impl Hearing {
    /// What the system is to be asked about.
    pub fn complaint(&self) -> Complaint {
        self.0.lock().map_or_else(|_| Complaint::default(), |complaints| complaints.complaint())
    }
}

/// Asks the target what is not well, for as long as one deed on a node may take.
pub async fn ask(stage: &Stage, complaint: Complaint, conduct: &mut Conduct) {
    let Stage { target, cluster, .. } = stage;
    let within = stage.plan.bounds.act;
    let asked = target.unwell(cluster, complaint, within / QUESTIONS);
    if let Ok(told) = tokio::time::timeout(within, asked).await {
        conduct.unwell = told;
    } else {
        let name = target.name();
        let note = format!("What was not well with {name} was not told within {within:?}.");
        conduct.notes.push(note);
    }
}
