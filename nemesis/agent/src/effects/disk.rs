//! `disk`: a trouble of the layer, held by a connection to it.
//! `loss`: what was not synced is lost, while nothing runs that would notice.

use super::layer::socket;
use super::{Holding, Place};
use crate::layer::{Ask, HeldTrouble, Loss, Trouble, ask};

/// A full, slow or failing disk.
pub(super) struct Ailing {
    trouble: Trouble,
    held: Option<HeldTrouble>,
}

impl Ailing {
    pub(super) fn new(trouble: Trouble) -> Self {
        Self { trouble, held: None }
    }
}

impl Holding for Ailing {
    fn begin(&mut self, place: &mut Place) -> Result<(), String> {
        let (_, held) = ask(&socket(place), &Ask::Hold(self.trouble.clone()))?;
        self.held = Some(held);
        Ok(())
    }

    fn end(&mut self, _: &mut Place) -> Result<(), String> {
        // The layer ends it with the connection, and so it does when this process dies.
        self.held = None;
        Ok(())
    }
}

/// A loss of power: it happens at once, and what is held is no more than that it has happened.
pub(super) struct Losing(pub(super) Loss);

impl Holding for Losing {
    fn begin(&mut self, place: &mut Place) -> Result<(), String> {
        let running = place.members.list().map_err(|error| format!("/proc: {error}"))?;
        if let Some(process) = running.first() {
            let (name, pid) = (&process.name, process.pid);
            return Err(format!("{name} (process {pid}) runs: nothing loses its power alone"));
        }
        ask(&socket(place), &Ask::Lose(self.0)).map(drop)
    }

    fn end(&mut self, _: &mut Place) -> Result<(), String> {
        Ok(())
    }
}
