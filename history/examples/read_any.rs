//! Reads files of any format and says what is in them, and how long it took:
//! `cargo run --release -p schism-history --example read_any -- FILE …`.

use std::path::Path;
use std::time::Instant;

use schism_history::{Format, Kind, Outcome, read};

fn main() {
    for file in std::env::args().skip(1) {
        let began = Instant::now();
        match read(Path::new(&file), Format::Auto) {
            Ok(reading) => {
                let history = &reading.history;
                let ok = |outcome: Option<&Outcome>| matches!(outcome, Some(Outcome::Ok(_)));
                let ok = history.operations().filter(|it| ok(it.outcome)).count();
                let seconds = began.elapsed().as_secs_f64();
                let format = reading.format.name();
                println!("{file}: {format}, {} operations, {ok} ok, {seconds:.3} s", history.len());
                for event in history.events().iter().take(3) {
                    match &event.kind {
                        Kind::Invoke { op, .. } => {
                            println!("  {} {} {:?} {}", event.process, op.f, op.key, op.value);
                        }
                        kind => println!("  {} {kind:?}", event.process),
                    }
                }
            }
            Err(error) => println!("{error} ({:.3} s)", began.elapsed().as_secs_f64()),
        }
    }
}
