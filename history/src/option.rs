//! What is wrong with an option of a plan.

/// An option of a plan that a room does not accept.
///
/// It stands here, below all rooms, since workloads, targets and faults each read their own part
/// of a plan, and the plan's reader shows all their errors in one way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct OptionError {
    /// The keys that lead to the option inside the part, from the outermost: `["mix", "reed"]`.
    /// Empty: the part as a whole.
    pub path: Vec<String>,
    /// What is wrong and what would be right, as a fragment that names the thing.
    pub problem: String,
}

impl OptionError {
    /// The option at `path` is wrong: `problem`.
    pub fn new<S: Into<String>>(
        path: impl IntoIterator<Item = S>,
        problem: impl Into<String>,
    ) -> Self {
        Self { path: path.into_iter().map(Into::into).collect(), problem: problem.into() }
    }
}
