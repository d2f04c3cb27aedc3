//! What a plan can know of a target without making one.

use std::sync::Arc;

use schism_history::OptionError;

use crate::Target;

/// A row of [`TARGETS`](crate::TARGETS).
pub struct TargetEntry {
    /// The target's name in plans.
    pub name: &'static str,
    /// One line on what it is.
    pub summary: &'static str,
    /// Whether it stands on the nodes of a lab; otherwise it lives inside the controller.
    pub needs_lab: bool,
    /// The functions (`Op::f`), and the parts of transactions (`append`), that its client speaks.
    pub operations: &'static [&'static str],
    /// The faults that it takes, by their names in the nemesis' table.
    pub faults: &'static [&'static str],
    /// The roles of its nodes that victims are named by, besides `leader` ([`Target::primaries`]).
    pub roles: &'static [&'static str],
    /// The keys of its options, each with one line of help; what else stands in a plan is an error.
    pub options: &'static [(&'static str, &'static str)],
    /// Whether it can stand on so many nodes with the options of a plan; otherwise why not, and how
    /// many would do.
    pub fits: fn(&serde_json::Value, u16) -> Result<(), String>,
    /// Makes it from the options of a plan (a JSON object, or null).
    pub construct: fn(&serde_json::Value) -> Result<Arc<dyn Target>, OptionError>,
}
