//! The agent alone, for hosts on which the whole of schism does not run: `make agent` builds it
//! without any need of the host's libraries.

fn main() {
    // Called as `schism agent …` is.
    let line: Vec<String> = std::env::args().skip(1).skip_while(|word| word == "agent").collect();
    std::process::exit(schism_agent::main(&line));
}
