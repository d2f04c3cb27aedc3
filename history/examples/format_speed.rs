//! How long histories of a million operations take to read, and how much memory:
//! `cargo run --release -p schism-history --example format_speed [FORMAT] [OPERATIONS] [FOLDER]`.
//!
//! Each figure is the least of five readings. Memory is what the process holds at most, so one
//! format a run tells its own.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use schism_history::{Format, History, read};

type Failure = Box<dyn std::error::Error>;

/// Lines of a register's history, of 20 keys: two for each operation.
fn registers(output: &mut impl Write, operations: u64, json: bool) -> std::io::Result<()> {
    for number in 0..operations {
        let (process, key, time) = (number % 20, number % 100, number * 1000);
        for (kind, half) in [("invoke", 0), ("ok", 1)] {
            let (index, time) = (number * 2 + half, time + half * 500);
            if json {
                writeln!(
                    output,
                    "{{\"type\":\"{kind}\",\"f\":\"write\",\"key\":\"{key}\",\"value\":{number},\
                     \"process\":{process},\"time\":{time},\"index\":{index}}}"
                )?;
            } else {
                writeln!(
                    output,
                    "{{:type :{kind}, :f :write, :value [{key} {number}], :process {process}, \
                     :time {time}, :index {index}}}"
                )?;
            }
        }
    }
    Ok(())
}

/// Transactions of eight micro-operations.
fn transactions(output: &mut impl Write, transactions: u64, edn: bool) -> std::io::Result<()> {
    for number in 0..transactions {
        let session = number % 50;
        let mop = |place: u64| {
            let (key, value) = ((number * 7 + place * 13) % 1000, number * 8 + place + 1);
            let word = if place.is_multiple_of(2) { 'r' } else { 'w' };
            if edn {
                format!("[:{word} {key} {value}] ")
            } else {
                format!("{word}({key},{value},{session},{number})\n")
            }
        };
        let line: Vec<String> = (0..8).map(mop).collect();
        let line = line.concat();
        if !edn {
            output.write_all(line.as_bytes())?;
            continue;
        }
        for (kind, half) in [("invoke", 0), ("ok", 1)] {
            let (index, time) = (number * 2 + half, number * 1000 + half * 500);
            writeln!(
                output,
                "{{:type :{kind}, :f :txn, :value [{line}], :process {session}, :time {time}, \
                 :index {index}}}"
            )?;
        }
    }
    Ok(())
}

fn measure(path: &Path, what: &str) -> Result<History, Failure> {
    let size = std::fs::metadata(path)?.len() >> 20;
    let (mut least, mut processor, mut last) = (f64::INFINITY, u64::MAX, None);
    for _ in 0..5 {
        drop(last.take());
        let (began, used) = (Instant::now(), ticks());
        let reading = read(path, Format::Auto)?;
        least = least.min(began.elapsed().as_secs_f64());
        processor = processor.min(ticks() - used);
        last = Some(reading);
    }
    let reading = last.ok_or("five readings")?;
    let (operations, format) = (reading.history.len(), reading.format.name());
    println!(
        "{what}: {operations} operations of {size} MiB as {format} in {least:.3} s, \
         of all processors {:.2} s",
        processor as f64 / 100.0
    );
    Ok(reading.history)
}

/// Hundredths of a second that processors spent on this process: on a machine that others use, too,
/// this says more than the time that went by.
fn ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// The most memory that the process has held, where the system tells.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    line.map_or_else(|| "unknown".into(), |line| line["VmHWM:".len()..].trim().to_owned())
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let format = arguments.next().unwrap_or_else(|| "all".into());
    let operations: u64 = arguments.next().map_or(Ok(1_000_000), |number| number.parse())?;
    let folder = arguments.next().map_or_else(std::env::temp_dir, Into::into);
    let path = folder.join(format!("schism-format-speed-{}", std::process::id()));
    for name in ["edn", "json", "jsonl", "plume", "edn-transactions"] {
        if format != "all" && format != name {
            continue;
        }
        let mut output = BufWriter::new(File::create(&path)?);
        match name {
            "edn" => registers(&mut output, operations, false)?,
            "json" | "jsonl" => registers(&mut output, operations, true)?,
            "plume" => transactions(&mut output, operations, false)?,
            _ => transactions(&mut output, operations, true)?,
        }
        output.flush()?;
        drop(output);
        if name == "jsonl" {
            let history = read(&path, Format::Json)?.history;
            Format::Jsonl.write(&history, BufWriter::new(File::create(&path)?))?;
        }
        let history = measure(&path, name)?;
        println!("  at most {} of memory", peak());
        drop(history);
    }
    std::fs::remove_file(&path)?;
    Ok(())
}
