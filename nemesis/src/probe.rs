//! Probes: whether a fault bites, and whether it is gone. They send packets, read /proc and ask the
//! target; nothing that the injector wrote goes into an answer.

pub(crate) mod links;
pub(crate) mod processes;

use schism_history::Evidence;

/// What a probe saw.
pub(crate) fn evidence(seen: bool, text: impl Into<String>) -> Evidence {
    Evidence { seen, text: text.into().into_boxed_str() }
}
