//! Roles: the parts that nodes play in their system, as its target names them.

use schism_targets::TARGETS;

/// The role that targets tell by their primaries.
pub const LEADER: &str = "leader";

/// The roles that some target has, each once; a plan is refused where its own has not.
pub(crate) fn all() -> Vec<&'static str> {
    let named = TARGETS.iter().flat_map(|target| target.roles).copied();
    let mut all: Vec<&'static str> = [LEADER].into_iter().chain(named).collect();
    // The targets of these tests are made up, and stand in no table.
    #[cfg(test)]
    all.extend(["controller", "group-coordinator"]);
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|role| seen.insert(*role));
    all
}

/// The role with this name.
pub(crate) fn named(word: &str) -> Option<&'static str> {
    all().into_iter().find(|role| *role == word)
}

/// Why nobody is struck where nobody is known to play a role.
pub(crate) fn nobody(role: &str) -> String {
    match role {
        LEADER => "no node said that it leads".into(),
        role => format!("no node was said to be the {role}"),
    }
}
