//! Writes Jepsen's EDN, one operation map a line.
//!
//! Marks of the nemesis are left out: Jepsen has no words for what they say. What Jepsen has no
//! field for (`:due`, `:node`, `:version`, `:key`) stands beside its fields; others ignore it.

use std::io::{self, Write};

use rustc_hash::FxHashMap;

use crate::{Code, Event, F, History, Key, Kind, Mop, MopKind, Outcome, Process, Reason, Value};

/// Writes `history` as Jepsen's EDN.
pub fn write_edn(history: &History, mut output: impl Write) -> io::Result<()> {
    let mut open: FxHashMap<Process, (F, Option<Key>)> = FxHashMap::default();
    let mut line = Vec::with_capacity(256);
    for event in history.events() {
        line.clear();
        if write_event(&mut line, event, &mut open)? {
            output.write_all(&line)?;
        }
    }
    output.flush()
}

/// Whether there was anything to write.
fn write_event(
    line: &mut Vec<u8>,
    event: &Event,
    open: &mut FxHashMap<Process, (F, Option<Key>)>,
) -> io::Result<bool> {
    let (word, target, value) = match &event.kind {
        Kind::Fault(_) => return Ok(false),
        Kind::Invoke { op, .. } => {
            open.insert(event.process, (op.f, op.key));
            ("invoke", Some((op.f, op.key)), Some(&op.value))
        }
        Kind::Complete(outcome) => {
            let (word, value) = match outcome {
                Outcome::Ok(reply) => ("ok", Some(&reply.value)),
                Outcome::Fail(_) => ("fail", None),
                Outcome::Info(_) => ("info", None),
            };
            (word, open.remove(&event.process), value)
        }
    };
    write!(line, "{{:index {}, :time {}", event.index, event.time.0)?;
    write!(line, ", :process {}, :type :{word}", event.process.0)?;
    if let Some((f, key)) = target {
        line.extend_from_slice(b", :f ");
        write_name(line, f.as_str())?;
        if let Some(key) = key {
            line.extend_from_slice(b", :key ");
            write_text(line, key.as_str())?;
        }
    }
    if let Some(value) = value {
        line.extend_from_slice(b", :value ");
        write_value(line, value)?;
    }
    match &event.kind {
        Kind::Invoke { due, node, .. } => {
            if let Some(due) = due {
                write!(line, ", :due {}", due.0)?;
            }
            if let Some(node) = node {
                write!(line, ", :node \"{node}\"")?;
            }
        }
        Kind::Complete(Outcome::Ok(reply)) => {
            if let Some(version) = reply.version {
                write!(line, ", :version {version}")?;
            }
        }
        Kind::Complete(Outcome::Fail(reason) | Outcome::Info(reason)) => {
            write_reason(line, reason)?;
        }
        Kind::Fault(_) => {}
    }
    line.extend_from_slice(b"}\n");
    Ok(true)
}

fn write_reason(line: &mut Vec<u8>, reason: &Reason) -> io::Result<()> {
    match (reason.code, &*reason.text) {
        (Code::Other, "") => return Ok(()),
        (Code::Other, text) => {
            line.extend_from_slice(b", :error ");
            write_text(line, text)?;
        }
        (code, text) => {
            write!(line, ", :error [:{} ", code.as_str())?;
            write_text(line, text)?;
            line.push(b']');
        }
    }
    Ok(())
}

fn write_value(line: &mut Vec<u8>, value: &Value) -> io::Result<()> {
    match value {
        Value::Nil => line.write_all(b"nil"),
        Value::Bool(truth) => write!(line, "{truth}"),
        Value::Int(number) => write!(line, "{number}"),
        Value::Text(text) => write_text(line, text),
        Value::List(values) => {
            line.push(b'[');
            for (place, value) in values.iter().enumerate() {
                line.extend_from_slice(if place == 0 { b"" } else { b" " });
                write_value(line, value)?;
            }
            line.write_all(b"]")
        }
        Value::Placed(offset, message) => write!(line, "[{offset} {message}]"),
        Value::Polled(messages) => {
            line.push(b'[');
            for (place, (offset, message)) in messages.iter().enumerate() {
                let space = if place == 0 { "" } else { " " };
                write!(line, "{space}{offset} {message}")?;
            }
            line.write_all(b"]")
        }
        Value::Map(entries) => {
            line.push(b'{');
            for (place, (key, value)) in entries.iter().enumerate() {
                line.extend_from_slice(if place == 0 { b"" } else { b", " });
                write_value(line, key)?;
                line.push(b' ');
                write_value(line, value)?;
            }
            line.write_all(b"}")
        }
        Value::Mops(mops) => {
            line.push(b'[');
            for (place, mop) in mops.iter().enumerate() {
                line.extend_from_slice(if place == 0 { b"" } else { b" " });
                write_mop(line, mop)?;
            }
            line.write_all(b"]")
        }
    }
}

fn write_mop(line: &mut Vec<u8>, mop: &Mop) -> io::Result<()> {
    write!(line, "[:{}", mop.kind.as_str())?;
    match (mop.kind, mop.key.as_str(), &mop.value) {
        (MopKind::Poll, "", Value::Nil) => {}
        (MopKind::Poll, "", Value::List(none)) if none.is_empty() => {
            line.extend_from_slice(b" {}");
        }
        (MopKind::Poll, key, Value::Polled(messages)) => {
            line.extend_from_slice(b" {");
            write_key(line, key)?;
            line.extend_from_slice(b" [");
            for (offset, message) in messages {
                write!(line, "[{offset} {message}]")?;
            }
            line.extend_from_slice(b"]}");
        }
        (MopKind::Poll, key, Value::List(flat)) if flat.len().is_multiple_of(2) => {
            line.extend_from_slice(b" {");
            write_key(line, key)?;
            line.extend_from_slice(b" [");
            for message in flat.chunks_exact(2) {
                line.push(b'[');
                write_value(line, &message[0])?;
                line.push(b' ');
                write_value(line, &message[1])?;
                line.push(b']');
            }
            line.extend_from_slice(b"]}");
        }
        (_, key, value) => {
            line.push(b' ');
            write_key(line, key)?;
            line.push(b' ');
            write_value(line, value)?;
        }
    }
    line.write_all(b"]")
}

/// A key that is written like a number is one, as in all of Jepsen's workloads.
fn write_key(line: &mut Vec<u8>, key: &str) -> io::Result<()> {
    match key.parse::<i64>() {
        Ok(number) if number.to_string() == key => write!(line, "{number}"),
        _ => write_text(line, key),
    }
}

/// A keyword where the name can be one.
fn write_name(line: &mut Vec<u8>, name: &str) -> io::Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_?!*+".contains(&byte);
    if !name.is_empty() && name.bytes().all(plain) {
        return write!(line, ":{name}");
    }
    write_text(line, name)
}

fn write_text(line: &mut Vec<u8>, text: &str) -> io::Result<()> {
    line.push(b'"');
    for character in text.chars() {
        match character {
            '"' => line.extend_from_slice(b"\\\""),
            '\\' => line.extend_from_slice(b"\\\\"),
            '\n' => line.extend_from_slice(b"\\n"),
            '\t' => line.extend_from_slice(b"\\t"),
            '\r' => line.extend_from_slice(b"\\r"),
            c if c.is_control() => write!(line, "\\u{:04x}", c as u32)?,
            c => write!(line, "{c}")?,
        }
    }
    line.write_all(b"\"")
}
