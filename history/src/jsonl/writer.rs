//! Writes `history.jsonl`.

use std::borrow::Cow;
use std::io::{self, Write};

use rustc_hash::FxHashMap;

use super::VERSION;
use super::line::MarkValue;
use crate::{Event, F, FaultMark, Key, Kind, Outcome, Process, Reason, Value};

/// Writes events as lines, in the order in which it is given them.
///
/// Buffering and flushing are the caller's: a recorder flushes at least every 100 ms, so that a
/// killed controller loses at most that.
pub struct Writer<W> {
    output: W,
    line: Vec<u8>,
    /// What each process has open, so that completions name it too.
    open: FxHashMap<Process, (F, Option<Key>)>,
}

impl<W: Write> Writer<W> {
    /// Begins a file: writes its header.
    pub fn new(mut output: W) -> io::Result<Self> {
        writeln!(output, "{{\"schism\":\"history\",\"version\":{VERSION}}}")?;
        Ok(Self { output, line: Vec::with_capacity(256), open: FxHashMap::default() })
    }

    /// Appends one event.
    pub fn write(&mut self, event: &Event) -> io::Result<()> {
        self.line.clear();
        let line = &mut self.line;
        number(line, b"{\"index\":", event.index);
        number(line, b",\"time\":", event.time.0);
        match &event.kind {
            Kind::Invoke { op, due, node } => {
                number(line, b",\"process\":", event.process.0.into());
                line.extend_from_slice(b",\"type\":\"invoke\"");
                target(line, op.f, op.key)?;
                value(line, &op.value)?;
                if let Some(due) = due {
                    number(line, b",\"due\":", due.0);
                }
                if let Some(node) = node {
                    write!(line, ",\"node\":\"{node}\"")?;
                }
                self.open.insert(event.process, (op.f, op.key));
            }
            Kind::Complete(outcome) => {
                number(line, b",\"process\":", event.process.0.into());
                line.extend_from_slice(match outcome {
                    Outcome::Ok(_) => b",\"type\":\"ok\"",
                    Outcome::Fail(_) => b",\"type\":\"fail\"",
                    Outcome::Info(_) => b",\"type\":\"info\"",
                });
                if let Some((f, key)) = self.open.remove(&event.process) {
                    target(line, f, key)?;
                }
                match outcome {
                    Outcome::Ok(reply) => {
                        value(line, &reply.value)?;
                        if let Some(version) = reply.version {
                            number(line, b",\"version\":", version);
                        }
                    }
                    Outcome::Fail(reason) | Outcome::Info(reason) => error(line, reason)?,
                }
            }
            Kind::Fault(mark) => fault(line, mark)?,
        }
        line.extend_from_slice(b"}\n");
        self.output.write_all(line)
    }

    /// Hands everything to the operating system.
    pub fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }

    /// The output, not flushed.
    pub fn into_inner(self) -> W {
        self.output
    }
}

fn target(line: &mut Vec<u8>, f: F, key: Option<Key>) -> io::Result<()> {
    line.extend_from_slice(b",\"f\":");
    text(line, f.as_str())?;
    if let Some(key) = key {
        line.extend_from_slice(b",\"key\":");
        text(line, key.as_str())?;
    }
    Ok(())
}

/// Writes digits without the general formatter: there are four numbers or more on every line, and
/// one thread writes what all clients do.
fn number(line: &mut Vec<u8>, field: &[u8], mut number: u64) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    line.extend_from_slice(field);
    line.extend_from_slice(&digits[first..]);
}

/// Writes plain texts without the serializer: keys and functions are on every line.
fn text(line: &mut Vec<u8>, text: &str) -> io::Result<()> {
    if text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\') {
        line.push(b'"');
        line.extend_from_slice(text.as_bytes());
        line.push(b'"');
        return Ok(());
    }
    Ok(serde_json::to_writer(line, text)?)
}

fn value(line: &mut Vec<u8>, value: &Value) -> io::Result<()> {
    match value {
        Value::Nil => line.write_all(b",\"value\":null"),
        Value::Int(value) => {
            let field: &[u8] = if *value < 0 { b",\"value\":-" } else { b",\"value\":" };
            number(line, field, value.unsigned_abs());
            Ok(())
        }
        _ => {
            line.extend_from_slice(b",\"value\":");
            Ok(serde_json::to_writer(line, value)?)
        }
    }
}

fn error(line: &mut Vec<u8>, reason: &Reason) -> io::Result<()> {
    line.extend_from_slice(b",\"error\":");
    Ok(serde_json::to_writer(line, &(reason.code.as_str(), &*reason.text))?)
}

fn fault(line: &mut Vec<u8>, mark: &FaultMark) -> io::Result<()> {
    let empty = |fault| MarkValue {
        fault,
        name: None,
        detail: None,
        victims: None,
        injection: None,
        step: None,
        late_us: None,
        phase: None,
        evidence: None,
    };
    let (f, value) = match mark {
        FaultMark::Start { fault, name, detail, victims, injection } => {
            let value = MarkValue {
                name: Some(Cow::Borrowed(name)),
                detail: Some(Cow::Borrowed(detail)),
                victims: Some(victims.iter().map(ToString::to_string).collect()),
                injection: Some((**injection).clone()),
                ..empty(*fault)
            };
            ("fault-start", Some(value))
        }
        FaultMark::Probe { fault, phase, evidence } => {
            let (phase, evidence) = (Some(*phase), Some(evidence.clone()));
            ("fault-probe", Some(MarkValue { phase, evidence, ..empty(*fault) }))
        }
        FaultMark::Step { fault, step, detail, injection, late_us } => {
            let value = MarkValue {
                step: Some(*step),
                detail: Some(Cow::Borrowed(detail)),
                injection: Some((**injection).clone()),
                late_us: Some(*late_us),
                ..empty(*fault)
            };
            ("fault-step", Some(value))
        }
        FaultMark::Stop { fault } => ("fault-stop", Some(empty(*fault))),
        FaultMark::Healed => ("healed", None),
    };
    write!(line, ",\"process\":\"nemesis\",\"type\":\"info\",\"f\":\"{f}\"")?;
    if let Some(value) = value {
        line.extend_from_slice(b",\"value\":");
        serde_json::to_writer(line, &value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_every_number_as_its_digits() {
        for wanted in [0, 7, 10, 1_234_567, i64::MAX as u64 + 1, u64::MAX] {
            let mut line = Vec::new();
            number(&mut line, b"x", wanted);
            assert_eq!(line, format!("x{wanted}").into_bytes());
        }
        for wanted in [0, -1, 42, i64::MIN, i64::MAX] {
            let mut line = Vec::new();
            value(&mut line, &Value::Int(wanted)).expect("memory takes every write");
            assert_eq!(line, format!(",\"value\":{wanted}").into_bytes());
        }
    }
}
