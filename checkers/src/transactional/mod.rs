//! Graphs of dependencies between transactions, their circles, and the claims that they break.
//!
//! *Source.* Adya 1999 (the phenomena); Kingsbury and Alvaro 2020, "Elle" (what the edges
//! are, real time and sessions as edges); Tarjan 1972 (components); Cerone and Gotsman
//! 2018, "Analysing snapshot isolation" (why circles without two adjacent `rw` edges are exactly
//! those that break it).
//!
//! For those who judge transactions, in this order:
//!
//! 1. [`Edges`] collects edges within the memory of the budget; [`process_edges`] and
//!    [`realtime_edges`] add those of time.
//! 2. [`Graph::new`] sorts them.
//! 3. [`cycles`] says which classes of circles there are, completely, with a short one of each.
//! 4. [`tell`] makes a proof of one, with the sentences of a [`Teller`].
//! 5. [`breaks`] says whether an anomaly, by its name, breaks a claim.
//!
//! *What it proves.* For each class whether there is a circle of it (or of a worse one): G0, G1c and
//! G2 by strongly connected components of the edges concerned, G-nonadjacent by those of the product
//! of the graph with "came over an `rw` edge", G-single by reachability for every `rw` edge that may
//! close a circle, 256 at a time. None has a limit of its own; the budget's time is asked between
//! steps.
//!
//! Cost: O(n + e) where there is no circle; within components O(n + e) for each class and order, and
//! O(k·e / 256) for G-single, k being the `rw` edges that run against a topological order.

mod class;
mod components;
mod cycles;
mod graph;
mod models;
mod path;
#[cfg(test)]
pub(crate) mod random;
mod reach;
mod telling;
#[cfg(test)]
mod tests;
mod time;

pub(crate) use class::{Class, Order, name};
pub(crate) use components::components;
pub(crate) use cycles::{Cycle, Cycles, cycles};
pub(crate) use graph::{Edge, EdgeKind, Edges, Graph, Kinds, Masked, View};
pub(crate) use models::{breaks, claims, order};
pub(crate) use path::{Paths, Steps};
pub(crate) use reach::topological;
pub(crate) use telling::{Step, Teller, tell, tell_as, tell_both};
pub(crate) use time::{Lifetime, NEVER, process_edges, realtime_edges};
