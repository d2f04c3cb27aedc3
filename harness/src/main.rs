//! The `schism` binary.

fn main() {}
