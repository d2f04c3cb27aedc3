//! Queues (to be written).

mod elements;
mod emptiness;
mod linearizable;
mod operations;
#[cfg(test)]
mod oracle;
mod order;
#[cfg(test)]
mod random;
mod repeats;
mod teller;
#[cfg(test)]
mod tests;

pub(crate) use linearizable::LINEARIZABLE;
