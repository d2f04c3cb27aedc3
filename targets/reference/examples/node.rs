//! The reference systems without the rest of schism: `cargo run --example node -- simulate`.

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    std::process::exit(schism_reference::main(&words));
}
