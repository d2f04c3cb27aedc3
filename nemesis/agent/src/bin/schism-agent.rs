//! The agent alone, for hosts on which the whole of schism does not run: `make agent` builds it
//! without any need of the host's libraries.

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    std::process::exit(schism_agent::main(&words).unwrap_or_else(|| {
        eprintln!("schism-agent is started by schism: `agent`, `hold` or `look`");
        64
    }));
}
