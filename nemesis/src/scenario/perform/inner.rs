//! The steps that are other faults: they are held or struck, and looked at like those faults.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use schism_history::Evidence;
use schism_lab::{Effect, NodeId};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::Performance;
use super::touch::Look;
use crate::Injection;
use crate::hands::{Matters, StepOf, Wounded};
use crate::probe::effects::Sights;
use crate::probe::evidence;
use crate::scenario::inner::Inner;
use crate::standing::Part;

/// An effect that a step began.
pub(super) struct Begun {
    part: Part,
    name: &'static str,
    effect: Effect,
    before: Sights,
    /// What was seen while it was held: whether it bites, in words, and as numbers.
    seen: Arc<Mutex<Option<(Evidence, Sights)>>>,
    task: JoinHandle<()>,
}

impl Begun {
    /// No more is looked: it is about to end. What was seen until now counts.
    fn end(&self) {
        self.task.abort();
    }

    fn seen(&self) -> Option<(Evidence, Sights)> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.end();
    }
}

impl Performance {
    /// Resolves a fault of a step, looks at its victims, marks it, and strikes them.
    pub(super) async fn begin_inner(&mut self, number: u32, inner: &Inner) -> Result<(), String> {
        let late = self.late();
        let nodes = self.stage.nodes_at(&inner.of);
        let hands = self.hands.clone();
        let (turn, view) = hands.turn_with_view(&Matters::default()).await;
        let (words, injection) = inner.resolve(&nodes, &view, &mut self.rng)?;
        let part = Part { fault: self.planned.fault, step: inner.number };
        match &injection {
            Injection::Hold { victims, effect } => {
                let before = hands.effects().before(effect, victims).await;
                // Whatever it makes a program die of, that is to run again afterwards.
                for node in victims {
                    let was = self.before.get(node).cloned().unwrap_or_default();
                    self.struck.entry(*node).or_insert(was).spared = true;
                }
                self.mark(number, words, injection.to_json(), late);
                hands.hold(&turn, part, victims, effect).await?;
                self.watch(part, inner.name, effect.clone(), before);
            }
            Injection::PowerLoss { victims, loss } => {
                let effect = Effect::Loss(*loss);
                let before = hands.effects().before(&effect, victims).await;
                self.mark(number, words, injection.to_json(), late);
                self.strike(victims);
                let struck = hands.lose_power(&turn, part, victims, *loss).await;
                self.look_at_dead(victims);
                struck?;
                self.watch(part, inner.name, effect, before);
            }
            Injection::Damage { victims, damage } => {
                self.mark(number, words, injection.to_json(), late);
                self.strike(victims);
                let killed = hands.kill(&turn, victims).await;
                self.look_at_dead(victims);
                killed?;
                let late_us = late.as_micros() as u64;
                let of = StepOf { part, step: Some(number), late_us };
                let wounded = hands.damage(&turn, of, victims, damage).await;
                self.damaged.push((wounded.clone(), hands.effects().damaged(&wounded).await));
            }
            _ => return Err(format!("{inner} does nothing that a step can begin")),
        }
        Ok(())
    }

    /// Remembers what was there before, of those that are about to die.
    fn strike(&mut self, victims: &[NodeId]) {
        let fault = self.planned.fault;
        for node in victims {
            self.end_looks(*node);
            let before = self.before.get(node).cloned().unwrap_or_default();
            self.struck.entry(*node).or_insert(before).killed = true;
            self.hands.standing().strike(fault, *node);
        }
    }

    fn look_at_dead(&mut self, victims: &[NodeId]) {
        for node in victims {
            let was = self.struck.get(node).cloned().unwrap_or_default();
            self.looks.push(Look::start(self.hands.processes().clone(), *node, was));
        }
    }

    /// Looks at an effect for as long as it is held, or until it was seen.
    fn watch(&mut self, part: Part, name: &'static str, effect: Effect, before: Sights) {
        let seen: Arc<Mutex<Option<(Evidence, Sights)>>> = Arc::default();
        let (told, probe) = (seen.clone(), self.hands.effects().clone());
        let (looked, sights) = (effect.clone(), before.clone());
        let task = tokio::spawn(async move {
            let answer = probe.bites(&looked, &sights).await;
            *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        });
        self.begun_effects.push(Begun { part, name, effect, before, seen, task });
    }

    /// Ends what the steps with these names hold.
    pub(super) async fn end_inner(
        &mut self,
        number: u32,
        names: &[&'static str],
    ) -> Result<(), String> {
        let late = self.late();
        let ending: Vec<&Begun> =
            self.begun_effects.iter().filter(|begun| names.contains(&begun.name)).collect();
        if let Some(name) = names.iter().find(|name| !ending.iter().any(|it| it.name == **name)) {
            return Err(format!("{name} is not held by this scenario"));
        }
        self.mark(
            number,
            format!("end {}", names.join(", ")),
            serde_json::json!({ "end": names }),
            late,
        );
        for begun in &ending {
            begun.end();
        }
        let parts: Vec<Part> = ending.iter().map(|begun| begun.part).collect();
        self.hands.let_go(&parts).await?;
        self.due = Instant::now();
        Ok(())
    }

    /// Everything is about to end.
    pub(super) fn before_ending(&self) {
        self.begun_effects.iter().for_each(Begun::end);
    }

    /// What was seen of the faults that its steps began.
    pub(super) fn inner_seen(&self) -> Vec<Evidence> {
        let held = self.begun_effects.iter().map(|begun| {
            let Some((seen, _)) = begun.seen() else {
                let text = format!("{} ended before it could be looked at", begun.name);
                return evidence(false, text);
            };
            evidence(seen.seen, format!("{}: {}", begun.name, seen.text))
        });
        held.chain(self.damaged.iter().map(|(_, seen)| seen.clone())).collect()
    }

    /// Whether nothing of what its steps held is left.
    pub(crate) async fn inner_gone(&self, ended: crate::standing::Tick) -> Vec<Evidence> {
        let mut parts = Vec::new();
        for begun in &self.begun_effects {
            // What is lost stays lost.
            if matches!(begun.effect, Effect::Loss(_)) {
                continue;
            }
            let (hands, fault) = (self.hands.clone(), self.planned.fault);
            let silenced = move |node| hands.standing().silenced_since(ended, node, fault);
            let held = begun.seen().map_or_else(BTreeMap::new, |(_, sights)| sights);
            let probe = self.hands.effects();
            parts.push(probe.gone(&begun.effect, &begun.before, &held, silenced).await);
        }
        parts
    }

    /// The nodes whose files its steps damaged.
    pub(crate) fn wounded(&self) -> Vec<NodeId> {
        let nodes =
            self.damaged.iter().flat_map(|(wounded, _): &(Wounded, Evidence)| wounded.keys());
        nodes.copied().collect()
    }
}
