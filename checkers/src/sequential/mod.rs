//! sequential
mod checker;
mod inference;
mod search;
#[cfg(test)]
mod tests;

pub(crate) use checker::ENTRY;
