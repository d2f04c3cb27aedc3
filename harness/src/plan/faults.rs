//! The faults of a plan: each known to the nemesis, taken by the target, and fitting into the load.

use std::time::Duration;

use schism_history::OptionError;
use schism_nemesis::{FaultSpec, LEADER, When};
use schism_targets::TargetEntry;

use super::LabPlan;
use super::document::{Content, Node, Problem};
use super::read::Reader;

/// More faults than these in one run are a slip of a unit.
const FAULTS_MAX: u128 = 10_000;

impl Reader {
    pub(super) fn faults(
        &mut self,
        document: &Node,
        lab: &LabPlan,
        (duration, clients): (Option<Duration>, u16),
        target: Option<&TargetEntry>,
    ) -> Vec<FaultSpec> {
        let Some(node) = document.get("faults") else { return Vec::new() };
        let Content::List(items) = &node.content else {
            self.problem(node.place.clone(), "faults is a list");
            return Vec::new();
        };
        let mut specs = Vec::new();
        for item in items {
            let refuse = |error: OptionError| {
                let place = item.place_of(&error.path);
                Problem::new(place, error.problem)
            };
            let spec = match FaultSpec::parse(&item.to_value()) {
                Ok(spec) => spec,
                Err(error) => {
                    self.problems.push(refuse(error));
                    continue;
                }
            };
            // Where the load could not be read, what does not fit into it is no second mistake.
            if let (Some(nodes), Some(duration)) =
                (lab.nodes().filter(|nodes| *nodes > 0), duration)
                && let Err(error) = spec.check(nodes, clients, duration)
            {
                self.problems.push(refuse(error));
            }
            if let (When::Every(period), Some(duration)) = (spec.when, duration)
                && duration.as_nanos() / period.as_nanos().max(1) > FAULTS_MAX
            {
                let title = format!("these are more than {FAULTS_MAX} faults in one run");
                self.problem(item.place_of(&["every".into()]), title);
            }
            if spec.needs_disposable() && !matches!(lab, LabPlan::Ssh { .. }) {
                let title = "this would be done to the whole machine that schism runs on";
                let help = "leave `machine: true` out, or take hosts that may be thrown away";
                self.problem_with_help(item.place.clone(), title, help);
            }
            if let (LabPlan::Ssh { .. }, Some((name, why))) = (lab, spec.needs_switch()) {
                let title = format!("the fault `{name}` is none for hosts behind SSH: {why}");
                let help = "leave it out, or take the local lab, with or without `ssh: true`";
                self.problem_with_help(item.place.clone(), title, help);
            }
            for (path, role) in spec.roles() {
                let Some(target) = target.filter(|target| {
                    target.needs_lab && role != LEADER && !target.roles.contains(&role)
                }) else {
                    continue;
                };
                let title = format!("{} has no role `{role}`", target.name);
                let has = [&[LEADER], target.roles].concat().join(", ");
                let help = format!("its nodes can be named by {has}");
                self.problem_with_help(item.place_of(&path), title, help);
            }
            for name in spec.names() {
                let Some(target) = target.filter(|target| !target.faults.contains(&name)) else {
                    continue;
                };
                let title = format!("{} does not take the fault `{name}`", target.name);
                let takes = match target.faults {
                    [] => "it takes none".to_owned(),
                    faults => format!("it takes {}", faults.join(", ")),
                };
                self.problem_with_help(item.place.clone(), title, takes);
            }
            specs.push(spec);
        }
        specs
    }
}
