//! The roof of schism: command line, plans, controller, run store and report.

pub mod machine;
pub mod store;
pub mod streams;
