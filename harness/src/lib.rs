//! The roof of schism: command line, plans, controller, run store and report.

pub mod plan;
pub mod store;
