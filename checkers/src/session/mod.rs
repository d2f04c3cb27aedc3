//! session
mod causal;
mod checker;
mod dependencies;
mod explanation;
mod extract;
mod graph;
mod guarantees;
#[cfg(test)]
pub(crate) mod oracle;
mod parse;
mod pending;
#[cfg(test)]
pub(crate) mod random;
mod saturation;
#[cfg(test)]
mod session_tests;
mod step;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
mod version_oracle;
mod versions;

pub(crate) use causal::{Finding, Violation, paths_to_reads};
pub(crate) use checker::{CAUSAL, SESSION, SUBJECTS, broken, too_large, verdict};
pub(crate) use explanation::{Teller, capitalized};
pub(crate) use graph::{Extra, Frame, Graph, Why};
pub(crate) use step::{Source, Steps};
