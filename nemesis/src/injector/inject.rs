//! The beginning of a fault: its victims are resolved, it is marked, and they are struck.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use schism_history::{Evidence, FaultMark};
use schism_lab::Effect;
use tokio_util::sync::CancellationToken;

use super::Act;
use crate::hands::{Matters, StepOf};
use crate::probe::effects::Sights;
use crate::probe::processes::Before;
use crate::standing::Part;
use crate::{Injection, View, spec};

/// A fault that has begun.
pub(super) struct Struck {
    pub(super) injection: Injection,
    /// What ran on the victims before.
    pub(super) before: Before,
    /// What was seen there before.
    pub(super) sights: Sights,
    /// What was seen of the damage that was done to their files.
    pub(super) damaged: Option<Evidence>,
}

impl Act {
    /// Resolves the victims, writes the Start mark, and only then touches anything. `None` if the
    /// run was stopped meanwhile.
    pub(super) async fn inject(&self, stop: &CancellationToken) -> Option<Struck> {
        let (hands, planned) = (&self.hands, &self.planned);
        let (name, value) = match planned.spec.as_object().and_then(|spec| spec.iter().next()) {
            Some((name, value)) => (name.clone(), value.clone()),
            None => (String::new(), serde_json::Value::Null),
        };
        let fault = spec::fault(&name, &value);
        let matters = fault.as_ref().map_or_else(
            |_| Matters::default(),
            |fault| Matters { roles: fault.roles(), holder: fault.needs_holder() },
        );
        let (turn, view) = hands.turn_with_view(&matters).await;
        if stop.is_cancelled() {
            return None;
        }
        let (detail, injection) = match fault {
            Ok(fault) => {
                let mut rng = ChaCha8Rng::seed_from_u64(planned.seed);
                (fault.detail(), fault.plan(&view, &mut rng))
            }
            Err(error) => (value.to_string(), Injection::Nothing { reason: error.problem }),
        };
        let before = self.before(&injection, &view).await;
        let sights = self.sights(&injection).await;
        hands.record(FaultMark::Start {
            fault: planned.fault,
            name: name.into(),
            detail: detail.into(),
            victims: injection.victims().iter().map(|id| schism_history::NodeId(id.0)).collect(),
            injection: injection.to_json().into(),
        });
        hands.strike(&turn, planned.fault, &injection).await;
        let damaged = match &injection {
            Injection::Damage { victims, damage } => {
                let of = StepOf { part: Part::whole(planned.fault), step: None, late_us: 0 };
                let wounded = hands.damage(&turn, of, victims, damage).await;
                // Now, while nobody else can have touched them.
                Some(hands.effects().damaged(&wounded).await)
            }
            _ => None,
        };
        Some(Struck { injection, before, sights, damaged })
    }

    /// What runs on those whom it will strike.
    async fn before(&self, injection: &Injection, view: &View) -> Before {
        let hands = &self.hands;
        match injection {
            Injection::Kill(victims)
            | Injection::PowerLoss { victims, .. }
            | Injection::Damage { victims, .. } => hands.processes().before(victims, true).await,
            Injection::Pause(victims) => hands.processes().before(victims, false).await,
            Injection::Hold { victims, .. } => {
                let mut before = hands.processes().before(victims, false).await;
                for was in before.values_mut() {
                    was.spared = true;
                }
                before
            }
            // Whom its steps will strike is not known yet.
            Injection::Scenario(scenario) if scenario.strikes_nodes() => {
                let all = [&view.nodes[..], &view.clients].concat();
                hands.processes().before(&all, false).await
            }
            _ => Before::new(),
        }
    }

    /// What is seen there.
    async fn sights(&self, injection: &Injection) -> Sights {
        let hands = &self.hands;
        match injection {
            Injection::Hold { victims, effect } => hands.effects().before(effect, victims).await,
            Injection::PowerLoss { victims, loss } => {
                hands.effects().before(&Effect::Loss(*loss), victims).await
            }
            _ => Sights::new(),
        }
    }
}
