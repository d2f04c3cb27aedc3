//! Probes: whether a fault bites, and whether it is gone. They send packets, read /proc and ask the
//! target; nothing that the injector wrote goes into an answer.

pub(crate) mod effects;
pub(crate) mod links;
pub(crate) mod processes;

use schism_history::Evidence;

/// What several probes saw together; with no probe, `nothing`.
pub(crate) fn all(parts: Vec<Evidence>, nothing: &str) -> Evidence {
    if parts.is_empty() {
        return evidence(true, nothing);
    }
    let seen = parts.iter().all(|part| part.seen);
    let texts: Vec<&str> = parts.iter().map(|part| &*part.text).collect();
    evidence(seen, texts.join("; "))
}

/// What a probe saw.
pub(crate) fn evidence(seen: bool, text: impl Into<String>) -> Evidence {
    Evidence { seen, text: text.into().into_boxed_str() }
}
