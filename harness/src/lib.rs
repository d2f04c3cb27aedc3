//! The roof of schism: command line, plans, controller, judge, run store and report.

pub mod arguments;
pub mod client;
pub mod command;
pub mod complaints;
pub mod controller;
pub mod judge;
pub mod machine;
pub mod plan;
pub mod report;
pub mod sabotage;
pub mod store;
pub mod streams;
