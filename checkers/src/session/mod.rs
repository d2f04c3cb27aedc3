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
mod step;
#[cfg(test)]
pub(crate) mod tests;
mod versions;

pub(crate) use checker::{CAUSAL, SESSION};
