//! The claims of a plan: each known, decided by a checker, and decidable from the workload's history.

use schism_checkers::{Asked, CHECKERS, Claim};
use schism_history::Span;
use schism_workloads::WorkloadEntry;
use serde_json::Value;

use super::document::{Content, Node};
use super::read::{Reader, nearest};

impl Reader {
    pub(super) fn claims(
        &mut self,
        document: &Node,
        workload: Option<&WorkloadEntry>,
    ) -> Vec<Asked> {
        let items = match document.get("claims").map(|node| &node.content) {
            Some(Content::List(items)) if !items.is_empty() => items.as_slice(),
            _ => {
                let place = document.place_of(&["claims".into()]);
                self.problem_with_help(
                    place,
                    "a plan claims something: `claims` is a list",
                    "for example `claims: [ linearizable ]`",
                );
                return Vec::new();
            }
        };
        let mut claims: Vec<Asked> =
            items.iter().filter_map(|item| self.claim(item, workload)).collect();
        // What counts as good again after a fault is what the plan calls good outside of faults.
        let p99 = claims.iter().find(|asked| asked.claim == Claim::Availability);
        let p99 = p99.and_then(|asked| asked.p99);
        for asked in claims.iter_mut().filter(|asked| asked.claim == Claim::Recovers) {
            asked.p99 = asked.p99.or(p99);
        }
        claims
    }

    fn claim(&mut self, item: &Node, workload: Option<&WorkloadEntry>) -> Option<Asked> {
        let (name, place, parameters) = match &item.content {
            Content::Scalar(Value::String(name)) => (name, item.place.clone(), None),
            Content::Map(entries) if entries.len() == 1 => {
                let (name, place, parameters) = &entries[0];
                (name, place.clone(), Some(parameters))
            }
            _ => {
                self.problem(item.place.clone(), "a claim is one name, with its parameters");
                return None;
            }
        };
        let Some(claim) = Claim::named(name) else {
            let names: Vec<&str> = Claim::ALL.iter().map(|claim| claim.name()).collect();
            self.problem_with_help(
                place,
                format!("there is no claim `{name}`"),
                nearest(name, &names),
            );
            return None;
        };
        if let Some(workload) = workload.filter(|workload| !workload.claims.contains(&claim)) {
            let can: Vec<&str> = workload.claims.iter().map(|claim| claim.name()).collect();
            let title = format!("the workload {} cannot decide `{name}`", workload.name);
            self.problem_with_help(place, title, format!("it can decide {}", can.join(", ")));
            return None;
        }
        if !CHECKERS
            .iter()
            .any(|checker| workload.is_none_or(|workload| checker.concerns(workload.name, claim)))
        {
            self.problem(place, format!("no checker decides `{name}`"));
            return None;
        }
        let mut asked = Asked::new(claim);
        if let Some(parameters) = parameters {
            let known: &[&str] = match claim {
                Claim::Recovers => &["within", "p99"],
                Claim::BoundedStaleness => &["within", "versions"],
                Claim::Availability => &["p99", "outside"],
                _ => &[],
            };
            self.keys(parameters, known, name);
            asked.within = self.quantity::<Span>(parameters, "within").map(|span| span.0);
            asked.versions = self.count(parameters, "versions", 0, 1_000_000_000);
            asked.p99 = self.quantity::<Span>(parameters, "p99").map(|span| span.0);
            self.outside(parameters);
        }
        Some(asked)
    }

    /// `outside: faults` is what availability means here; saying so is allowed, no more.
    fn outside(&mut self, parameters: &Node) {
        if let Some(node) = parameters.get("outside")
            && !matches!(&node.content, Content::Scalar(Value::String(text)) if text == "faults")
        {
            self.problem(node.place.clone(), "outside: the only choice is `faults`");
        }
    }
}
