//! The `schism` binary.

fn main() {
    std::process::exit(schism::command::main());
}
