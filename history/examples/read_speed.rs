//! How long a history of a million events takes to read: `cargo run --release --example read_speed`.

use std::time::Instant;

use schism_history::{Event, Kind, NodeId, Op, Outcome, Process, Reply, Time, Value, jsonl};

const EVENTS: u64 = 1_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::temp_dir().join(format!("schism-read-speed-{}.jsonl", std::process::id()));
    let file = std::io::BufWriter::new(std::fs::File::create(&path)?);
    let began = Instant::now();
    let mut writer = jsonl::Writer::new(file)?;
    for index in 0..EVENTS {
        let process = Process((index / 2 % 10) as u32);
        let key = (index / 2 % 8).to_string();
        let value = Value::Int(index as i64 / 2);
        let kind = if index % 2 == 0 {
            let op = Op::new("write", Some(&key), value);
            Kind::Invoke { op, due: Some(Time(index * 900)), node: Some(NodeId(3)) }
        } else {
            Kind::Complete(Outcome::Ok(Reply { value, version: Some(index) }))
        };
        writer.write(&Event { index, time: Time(index * 1000), process, kind })?;
    }
    writer.flush()?;
    println!("wrote {EVENTS} events in {:.3} s", began.elapsed().as_secs_f64());
    let began = Instant::now();
    let reading = jsonl::read(&path)?;
    println!(
        "read {} events in {:.3} s",
        reading.history.events().len(),
        began.elapsed().as_secs_f64()
    );
    std::fs::remove_file(&path)?;
    Ok(())
}
