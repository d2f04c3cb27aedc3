//! The speed of the checkers: `make bench`.
//!
//! Every row is a history of a simulated system and a claim about it, with the time and the memory
//! that the check alone may take. A row runs in a process of its own, so that its memory is its own,
//! and at three sizes, so that its growth shows. `--write FILE` puts the table into a document,
//! between its marks. One row is about a whole command on a file.

#[path = "check_speed/whole.rs"]
mod whole;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use schism_checkers::{Asked, Budget, CHECKERS, Claim, Question};
use schism_history::{Format, History};
use schism_workloads::{Synth, synthesize};
use serde::{Deserialize, Serialize};

/// A row of the table.
struct Row {
    name: &'static str,
    workload: &'static str,
    /// What is asked: a claim, `read` for reading a file, or [`WHOLE`].
    asked: &'static str,
    operations: usize,
    clients: usize,
    keys: usize,
    info: f64,
    length: usize,
    violate: Option<&'static str>,
    domain: Option<usize>,
    /// Seconds and megabytes that it may take at full size.
    limit_s: f64,
    limit_mb: Option<f64>,
}

/// All that `schism check` does with a file.
const WHOLE: &str = "all claims";

const ROW: Row = Row {
    name: "",
    workload: "register",
    asked: "linearizable",
    operations: 1_000_000,
    clients: 20,
    keys: 1,
    info: 0.0,
    length: 4,
    violate: None,
    domain: None,
    limit_s: 1.0,
    limit_mb: None,
};

const LIST: Row = Row { workload: "list-append", asked: "strict-serializable", keys: 10, ..ROW };

const WEAK: Row = Row {
    workload: "weak-isolation",
    clients: 50,
    keys: 10_000,
    length: 8,
    limit_mb: Some(1500.0),
    ..ROW
};

const ROWS: &[Row] = &[
    Row {
        name: "register, 1,000 operations, 100 clients",
        operations: 1_000,
        clients: 100,
        limit_s: 0.005,
        ..ROW
    },
    Row {
        name: "register, 1,000,000 operations, 5 clients",
        clients: 5,
        limit_mb: Some(300.0),
        ..ROW
    },
    Row {
        name: "register, 1,000,000 operations, 100 clients",
        clients: 100,
        limit_mb: Some(300.0),
        ..ROW
    },
    Row {
        name: "register, 100,000 operations, one stale read",
        operations: 100_000,
        clients: 5,
        violate: Some("stale-read"),
        limit_s: 0.1,
        ..ROW
    },
    Row {
        name: "register, 1,000 operations, 5 clients, 2 % indeterminate, one stale read",
        operations: 1_000,
        clients: 5,
        info: 0.021,
        violate: Some("stale-read"),
        limit_s: 0.02,
        ..ROW
    },
    Row {
        name: "register, 10,000 operations, 0.12 % indeterminate, one stale read",
        operations: 10_000,
        clients: 5,
        info: 0.0012,
        violate: Some("stale-read"),
        limit_s: 0.02,
        ..ROW
    },
    Row {
        name: "CAS register, 10,000 operations, 20 clients",
        workload: "cas-register",
        operations: 10_000,
        limit_s: 0.02,
        ..ROW
    },
    Row {
        name: "CAS register, 1,000,000 operations, 100 clients, 1 % indeterminate",
        workload: "cas-register",
        clients: 100,
        info: 0.01,
        limit_s: 1.5,
        limit_mb: Some(400.0),
        ..ROW
    },
    Row {
        name: "register, 100 keys, 1,000,000 operations, 20 clients",
        keys: 100,
        limit_s: 0.4,
        limit_mb: Some(400.0),
        ..ROW
    },
    Row {
        name: "CAS register, values of a domain of 5, 10,000 operations, 10 clients, 1 % indeterminate",
        workload: "cas-register",
        operations: 10_000,
        clients: 10,
        info: 0.01,
        domain: Some(5),
        limit_s: 5.0,
        ..ROW
    },
    Row { name: "list-append, 100,000 transactions", operations: 100_000, limit_s: 0.4, ..LIST },
    Row {
        name: "list-append, 1,000,000 transactions",
        limit_s: 5.0,
        limit_mb: Some(2000.0),
        ..LIST
    },
    Row {
        name: "list-append, one component of 10,000 transactions",
        operations: 10_000,
        workload: "ring",
        asked: "serializable",
        limit_s: 2.0,
        ..LIST
    },
    Row {
        name: "rw-register, 100,000 transactions",
        workload: "rw-register",
        keys: 100,
        operations: 100_000,
        limit_s: 0.5,
        ..LIST
    },
    Row {
        name: "the same on 10 keys, 10 clients",
        workload: "rw-register",
        keys: 10,
        clients: 10,
        operations: 100_000,
        limit_s: 0.5,
        ..LIST
    },
    Row {
        name: "read committed, 1,000,000 transactions of 8, 50 sessions",
        asked: "read-committed",
        limit_s: 2.0,
        ..WEAK
    },
    Row {
        name: "read atomic, 1,000,000 transactions of 8, 50 sessions",
        asked: "read-atomic",
        limit_s: 4.0,
        ..WEAK
    },
    Row {
        name: "causal, 1,000,000 transactions of 8, 50 sessions",
        asked: "causal",
        limit_s: 9.0,
        ..WEAK
    },
    Row {
        name: "fifo-queue, 1,000,000 operations, unique values",
        workload: "fifo-queue",
        limit_s: 2.0,
        ..ROW
    },
    Row {
        name: "log, 10,000,000 messages",
        workload: "log",
        asked: "no-lost-writes",
        operations: 3_000_000,
        keys: 50,
        length: 8,
        limit_s: 10.0,
        limit_mb: Some(2000.0),
        ..ROW
    },
    Row {
        name: "`schism check` of a file: log, 10,000,000 messages, all claims",
        workload: "log",
        asked: WHOLE,
        // A quarter of them polls, up to 100 messages of each log; the others send up to 10.
        operations: 2_424_000,
        keys: 50,
        length: 10,
        limit_s: 10.0,
        limit_mb: Some(2000.0),
        ..ROW
    },
    Row {
        name: "set-full, 100,000 elements, 1,000 reads",
        workload: "set-full",
        asked: "no-lost-elements",
        operations: 100_000,
        limit_s: 3.0,
        ..ROW
    },
    Row {
        name: "reading 1,000,000 operations, jsonl",
        asked: "read jsonl",
        keys: 10,
        limit_s: 1.0,
        ..ROW
    },
    Row {
        name: "reading 1,000,000 operations, Jepsen EDN",
        asked: "read edn",
        keys: 10,
        limit_s: 2.0,
        ..ROW
    },
];

/// What one row took at one size.
#[derive(Serialize, Deserialize)]
struct Figure {
    seconds: f64,
    megabytes: f64,
    answer: String,
}

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--row", row, share] => {
            let figure = measure(&ROWS[row.parse::<usize>()?], share.parse()?)?;
            println!("{}", serde_json::to_string(&figure)?);
            Ok(())
        }
        [] => table(None, "").map(drop),
        ["--only", part] => table(None, part).map(drop),
        ["--write", path] => table(Some(Path::new(path)), "").map(drop),
        _ => anyhow::bail!("usage: check_speed [--write FILE | --only PART]"),
    }
}

/// Measures every row whose name holds `part`, prints the table, and writes it into the document.
fn table(document: Option<&Path>, part: &str) -> anyhow::Result<()> {
    let mut text = String::from(
        "| history | a hundredth | a tenth | all of it | may take | memory | may take | answer | Porcupine |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    let porcupine = Porcupine::build();
    for (number, row) in ROWS.iter().enumerate().filter(|(_, row)| row.name.contains(part)) {
        let figures = [0.01, 0.1, 1.0].map(|share| best_of(number, share));
        let [hundredth, tenth, all] = figures;
        let (hundredth, tenth, all) = (hundredth?, tenth?, all?);
        let memory = row.limit_mb.map_or_else(|| "–".into(), |mb| format!("{mb:.0} MB"));
        let peer = porcupine.as_ref().map_or_else(|| "–".into(), |peer| peer.judge(row, &all));
        let line = format!(
            "| {} | {} | {} | **{}** | {} | {:.0} MB | {memory} | {} | {peer} |",
            row.name,
            time(hundredth.seconds),
            time(tenth.seconds),
            time(all.seconds),
            time(row.limit_s),
            all.megabytes,
            all.answer
        );
        println!("{line}");
        let _ = writeln!(text, "{line}");
    }
    let Some(document) = document else { return Ok(()) };
    let before = std::fs::read_to_string(document)?;
    let (begin, end) = ("<!-- figures -->\n", "<!-- end of figures -->");
    let marks = before.find(begin).zip(before.find(end));
    let (from, to) = marks.ok_or_else(|| anyhow::anyhow!("the document has no marks"))?;
    let after = format!("{}{begin}\n{text}\n{}", &before[..from], &before[to..]);
    Ok(std::fs::write(document, after)?)
}

/// The peer for registers, where Go is there to build it.
struct Porcupine {
    folder: tempfile::TempDir,
}

/// Longer than this nobody waits for it, in seconds.
const PEER_LIMIT_S: &str = "20";
/// It takes gigabytes for more operations than this.
const PEER_OPERATIONS_MAX: usize = 100_000;

impl Porcupine {
    fn build() -> Option<Self> {
        let folder = tempfile::tempdir().ok()?;
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/porcupine");
        let mut command = Command::new("go");
        command.current_dir(source).arg("build").arg("-o").arg(folder.path().join("porcupine"));
        let built = command.arg(".").output().is_ok_and(|output| output.status.success());
        built.then_some(Self { folder })
    }

    /// What it took for the same history, with the ratio to `ours`.
    fn judge(&self, row: &Row, ours: &Figure) -> String {
        let register = matches!(row.workload, "register" | "cas-register");
        if !register || row.asked != "linearizable" || row.operations > PEER_OPERATIONS_MAX {
            return "–".into();
        }
        match self.measure(row) {
            Ok(figure) if figure.answer == "unknown" => {
                format!("undecided after {PEER_LIMIT_S} s, {:.0} MB", figure.megabytes)
            }
            Ok(figure) => {
                let ratio = figure.seconds / ours.seconds;
                format!("{}, {:.0} MB: {ratio:.0} times", time(figure.seconds), figure.megabytes)
            }
            Err(error) => format!("failed: {error}"),
        }
    }

    fn measure(&self, row: &Row) -> anyhow::Result<Figure> {
        let history = synthetic(row, row.operations)?;
        let path = self.folder.path().join("history.jsonl");
        let mut file = std::io::BufWriter::new(std::fs::File::create(&path)?);
        Format::Jsonl.write(&history, &mut file)?;
        drop(file);
        let mut command = Command::new(self.folder.path().join("porcupine"));
        let output = command.arg(&path).arg(PEER_LIMIT_S).output()?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

fn time(seconds: f64) -> String {
    match seconds {
        0.0..0.1 => format!("{:.1} ms", seconds * 1e3),
        0.1..1.0 => format!("{:.0} ms", seconds * 1e3),
        _ => format!("{seconds:.2} s"),
    }
}

/// The fastest of a few runs, each in a process of its own: others share this machine.
fn best_of(row: usize, share: f64) -> anyhow::Result<Figure> {
    let mut best: Option<Figure> = None;
    for _ in 0..if share < 1.0 { 1 } else { 3 } {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--row", &row.to_string(), &share.to_string()]);
        let output = command.output()?;
        anyhow::ensure!(
            output.status.success(),
            "{}: {}",
            ROWS[row].name,
            String::from_utf8_lossy(&output.stderr)
        );
        let figure: Figure = serde_json::from_slice(&output.stdout)?;
        if best.as_ref().is_none_or(|best| figure.seconds < best.seconds) {
            best = Some(figure);
        }
        // What takes long is not taken three times.
        if best.as_ref().is_some_and(|best| best.seconds > 20.0) {
            break;
        }
    }
    best.ok_or_else(|| anyhow::anyhow!("nothing was measured"))
}

fn measure(row: &Row, share: f64) -> anyhow::Result<Figure> {
    let operations = ((row.operations as f64 * share) as usize).max(10);
    let history =
        if row.workload == "ring" { ring(operations)? } else { synthetic(row, operations)? };
    if let Some(format) = row.asked.strip_prefix("read ") {
        return measure_reading(&history, format);
    }
    if row.asked == WHOLE {
        return whole::measure(history, row.workload);
    }
    let workload = if row.workload == "ring" { "list-append" } else { row.workload };
    let claim = Claim::named(row.asked).ok_or_else(|| anyhow::anyhow!("no claim {}", row.asked))?;
    let question = Question::new(workload, vec![Asked::new(claim)]);
    let checker = CHECKERS.iter().find(|checker| checker.concerns(workload, claim));
    let checker =
        checker.ok_or_else(|| anyhow::anyhow!("nothing decides {claim} of {workload}"))?;
    let before = forget_peak();
    let began = Instant::now();
    let verdict = checker.check(&question, &history, &Budget::default()).remove(0);
    let seconds = began.elapsed().as_secs_f64();
    let mut answer = format!("{:?}", verdict.validity).to_lowercase();
    if answer == "unknown" {
        let _ = write!(answer, ": {}", verdict.reason);
    }
    Ok(Figure { seconds, megabytes: status_mb("VmHWM:") - before, answer })
}

fn synthetic(row: &Row, operations: usize) -> anyhow::Result<History> {
    let synth = Synth {
        workload: row.workload.into(),
        operations,
        clients: row.clients,
        keys: row.keys,
        info: row.info,
        domain: row.domain,
        length: row.length,
        violate: row.violate.map(str::to_owned),
        seed: 7,
    };
    synthesize(&synth).map_err(|problem| anyhow::anyhow!("{problem}"))
}

/// Transactions each of which misses what the one before it wrote, in one circle with many chords.
fn ring(operations: usize) -> anyhow::Result<History> {
    let mut text = String::new();
    for one in 0..operations {
        let (next, chord) = ((one + 1) % operations, (one * 7 + 3) % operations);
        let _ = writeln!(text, "p{one} invoke txn [r {one} _, r {chord} _, append {next} 1]");
    }
    for one in 0..operations {
        let (next, chord) = ((one + 1) % operations, (one * 7 + 3) % operations);
        let _ = writeln!(text, "p{one} ok [r {one} [], r {chord} [], append {next} 1]");
    }
    for key in 0..operations {
        let reader = operations + key;
        let _ = writeln!(text, "p{reader} invoke txn [r {key} _]\np{reader} ok [r {key} [1]]");
    }
    History::from_text(&text).map_err(|error| anyhow::anyhow!("{error}"))
}

fn measure_reading(history: &History, format: &str) -> anyhow::Result<Figure> {
    let format = Format::named(format).ok_or_else(|| anyhow::anyhow!("no format {format}"))?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("history");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path)?);
    format.write(history, &mut file)?;
    drop(file);
    let before = forget_peak();
    let began = Instant::now();
    let reading = schism_history::read(&path, Format::Auto)?;
    let seconds = began.elapsed().as_secs_f64();
    anyhow::ensure!(reading.history.len() == history.len(), "another history was read");
    Ok(Figure { seconds, megabytes: status_mb("VmHWM:") - before, answer: "the same".into() })
}

/// Makes the kernel forget the peak of this process' memory (proc(5)); returns what it holds now.
fn forget_peak() -> f64 {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    status_mb("VmRSS:")
}

/// A line of `/proc/self/status` in megabytes; 0 where there is no such file.
fn status_mb(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes.unwrap_or_default() / 1024.0
}
