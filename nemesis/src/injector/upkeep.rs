//! Acts of upkeep: done through the target, which also says what its nodes tell of them.

use schism_history::{Evidence, FaultMark, Phase};
use schism_targets::Upkeep;
use tokio_util::sync::CancellationToken;

use super::{Act, HEAL_AGAIN, HEAL_TRIES};
use crate::probe::evidence;

impl Act {
    /// Does the act within the fault's time, and then sees to it that nothing is left of it.
    pub(super) async fn keep_up(&self, act: &Upkeep, stop: &CancellationToken) {
        let (hands, planned) = (&self.hands, &self.planned);
        let fault = planned.fault;
        let left = planned.stop.saturating_sub(hands.elapsed());
        let bites = tokio::select! {
            biased;
            done = hands.keep_up(act, left) => done,
            _ = hands.wait_until(planned.stop, stop) => {
                evidence(false, "it was not done when its time was over")
            }
        };
        hands.record(FaultMark::Probe { fault, phase: Phase::Bites, evidence: bites });
        hands.wait_until(planned.stop, stop).await;
        let gone = self.settle(act).await;
        if !gone.seen {
            // Its Stop mark comes at the end of the run, when it is tried once more.
            hands.note(format!("Healing of {fault}: {}.", gone.text));
            return;
        }
        hands.standing().end(fault);
        hands.record(FaultMark::Stop { fault });
        hands.record(FaultMark::Probe { fault, phase: Phase::Gone, evidence: gone });
    }

    /// Other faults may stand in the way: it is tried a few times.
    async fn settle(&self, act: &Upkeep) -> Evidence {
        let mut tries = 1;
        loop {
            let settled = self.hands.settle(act).await;
            if settled.seen || tries == HEAL_TRIES {
                return settled;
            }
            tries += 1;
            tokio::time::sleep(HEAL_AGAIN).await;
        }
    }
}
