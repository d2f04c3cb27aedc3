//! Histories as short text, for tests and docs.
//!
//! One event a line; order is the order of the lines. `#` begins a comment.
//!
//! ```text
//! p0 invoke write x 1          # function, key, value
//! p0 ok                        # without a value: the argument again
//! p1 invoke read x @n2         # the node asked
//! p1 ok 1 v12                  # the value read, and the system's version of it
//! p2 invoke cas x [1 2]
//! p2 fail mismatch found 3     # code, and words
//! p3 invoke txn [append x 1, r y _]
//! p3 info timeout no answer
//! nemesis start F1 partition n1,n2 isolate leader
//! nemesis bites F1 yes n1→n3 0 of 20 packets
//! nemesis stop F1
//! nemesis gone F1 yes all links pass
//! nemesis healed
//! ```
//!
//! Values are `_` (nil), integers, `true`, `false`, quoted texts, and lists in brackets. A line may
//! begin with its time in seconds, `1.25s`, and an invocation may end with `due=1.2s`; without one,
//! event i happens at i milliseconds.

use std::fmt::Write as _;

use crate::{
    Code, Event, Evidence, F, FaultId, FaultMark, History, Key, Kind, Mop, MopKind, Op, Outcome,
    Phase, Process, Reason, Reply, Span, Time, Value,
};

/// A text that is no history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct TextError {
    /// The line, from 1; 0 if the history as a whole is malformed.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
}

impl History {
    /// Reads a history from its short text.
    pub fn from_text(text: &str) -> Result<Self, TextError> {
        let mut events: Vec<Event> = Vec::new();
        let mut arguments: Vec<(Process, Value)> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.split(" #").next().unwrap_or_default().trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let event = parse_line(line, events.len() as u64, &mut arguments)
                .map_err(|problem| TextError { line: number + 1, problem })?;
            events.push(event);
        }
        Self::from_events(events).map_err(|error| TextError { line: 0, problem: error.to_string() })
    }

    /// The short text of this history, with times.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for event in self.events() {
            write_line(&mut text, event);
            text.push('\n');
        }
        text
    }
}

fn parse_line(
    line: &str,
    index: u64,
    arguments: &mut Vec<(Process, Value)>,
) -> Result<Event, String> {
    let mut time = Time(index * 1_000_000);
    let (mut word, mut rest) = split(line);
    if let Ok(Span(at)) = word.parse() {
        time = at.into();
        (word, rest) = split(rest);
    }
    if word == "nemesis" {
        let kind = Kind::Fault(parse_mark(rest)?);
        return Ok(Event { index, time, process: Process::NEMESIS, kind });
    }
    let process = word
        .strip_prefix('p')
        .and_then(|digits| digits.parse().ok())
        .map(Process)
        .ok_or_else(|| format!("`{word}` is no process: p0, p1, … or nemesis"))?;
    let (kind, rest) = split(rest);
    let kind = match kind {
        "invoke" => {
            let invoke = parse_invoke(rest)?;
            if let Kind::Invoke { op, .. } = &invoke {
                arguments.retain(|(other, _)| *other != process);
                arguments.push((process, op.value.clone()));
            }
            invoke
        }
        "ok" => {
            let argument = arguments.iter().find(|(other, _)| *other == process);
            Kind::Complete(Outcome::Ok(parse_reply(rest, argument.map(|(_, value)| value))?))
        }
        "fail" => Kind::Complete(Outcome::Fail(parse_reason(rest)?)),
        "info" => Kind::Complete(Outcome::Info(parse_reason(rest)?)),
        other => return Err(format!("`{other}` is none of invoke, ok, fail and info")),
    };
    Ok(Event { index, time, process, kind })
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (text, ""),
    }
}

fn parse_invoke(rest: &str) -> Result<Kind, String> {
    let (f, mut rest) = split(rest);
    if f.is_empty() {
        return Err("an invocation names its function".into());
    }
    let mut key = None;
    if f != "txn" {
        let (name, after) = split(rest);
        if name.is_empty() || name.starts_with(['@', '[']) {
            return Err(format!("{f} names its key"));
        }
        (key, rest) = (Some(Key::new(name)), after);
    }
    let (mut due, mut node, mut value) = (None, None, Value::Nil);
    while !rest.is_empty() {
        let (word, after) = split(rest);
        if let Some(name) = word.strip_prefix('@') {
            node = Some(name.parse()?);
            rest = after;
        } else if let Some(at) = word.strip_prefix("due=") {
            let Span(at) = at.parse().map_err(|error| format!("due: {error}"))?;
            due = Some(at.into());
            rest = after;
        } else {
            (value, rest) = parse_value(rest, f == "txn")?;
        }
    }
    Ok(Kind::Invoke { op: Op { f: F::new(f), key, value }, due, node })
}

fn parse_reply(rest: &str, argument: Option<&Value>) -> Result<Reply, String> {
    let transaction = matches!(argument, Some(Value::Mops(_)));
    let mut reply = Reply { value: argument.cloned().unwrap_or_default(), version: None };
    let mut rest = rest;
    while !rest.is_empty() {
        let (word, after) = split(rest);
        if let Some(Ok(version)) = word.strip_prefix('v').map(str::parse) {
            reply.version = Some(version);
            rest = after;
        } else {
            (reply.value, rest) = parse_value(rest, transaction)?;
        }
    }
    Ok(reply)
}

fn parse_reason(rest: &str) -> Result<Reason, String> {
    if rest.is_empty() {
        return Ok(Reason::new(Code::Other, ""));
    }
    let (code, text) = split(rest);
    let known = Code::ALL.into_iter().find(|known| known.as_str() == code);
    let code = known.ok_or_else(|| format!("`{code}` is no code of an error"))?;
    Ok(Reason::new(code, text))
}

/// One value from the beginning of `text`, and what follows it.
fn parse_value(text: &str, transaction: bool) -> Result<(Value, &str), String> {
    let text = text.trim_start();
    if let Some(inside) = text.strip_prefix('[') {
        return if transaction { parse_mops(inside) } else { parse_list(inside) };
    }
    if let Some(inside) = text.strip_prefix('"') {
        let (quoted, rest) = inside.split_once('"').ok_or("a text without its second quote")?;
        return Ok((Value::Text(quoted.into()), rest.trim_start()));
    }
    let end = text.find(|c: char| c.is_whitespace() || c == ',' || c == ']').unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let value = match word {
        "_" => Value::Nil,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        word => Value::Int(word.parse().map_err(|_| format!("`{word}` is no value"))?),
    };
    Ok((value, rest.trim_start()))
}

fn parse_list(mut rest: &str) -> Result<(Value, &str), String> {
    let mut values = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix(']') {
            return Ok((Value::List(values.into()), after.trim_start()));
        }
        if rest.is_empty() {
            return Err("a list without its end".into());
        }
        let value;
        (value, rest) = parse_value(rest, false)?;
        values.push(value);
    }
}

fn parse_mops(mut rest: &str) -> Result<(Value, &str), String> {
    let mut mops = Vec::new();
    loop {
        rest = rest.trim_start().trim_start_matches(',').trim_start();
        if let Some(after) = rest.strip_prefix(']') {
            return Ok((Value::Mops(mops.into()), after.trim_start()));
        }
        let (word, after) = split(rest);
        let kind =
            MopKind::named(word).ok_or_else(|| format!("`{word}` is none of r, w, append"))?;
        let (key, after) = split(after);
        let value;
        (value, rest) = parse_value(after, false)?;
        mops.push(Mop { kind, key: Key::new(key), value });
    }
}

fn parse_mark(rest: &str) -> Result<FaultMark, String> {
    let (word, rest) = split(rest);
    if word == "healed" {
        return Ok(FaultMark::Healed);
    }
    let (fault, rest) = split(rest);
    let number = fault.strip_prefix('F').and_then(|digits| digits.parse().ok());
    let fault = FaultId(number.ok_or_else(|| format!("`{fault}` is no fault: F1, F2, …"))?);
    let evidence = || {
        let (seen, text) = split(rest);
        match seen {
            "yes" | "no" => Ok(Evidence { seen: seen == "yes", text: text.into() }),
            other => Err(format!("`{other}` is neither yes nor no")),
        }
    };
    match word {
        "start" => {
            let (name, rest) = split(rest);
            let (victims, detail) = split(rest);
            let victims: Result<Vec<_>, String> = victims
                .split(',')
                .filter(|name| !name.is_empty() && *name != "_")
                .map(str::parse)
                .collect();
            Ok(FaultMark::Start {
                fault,
                name: name.into(),
                detail: detail.into(),
                victims: victims?.into(),
                injection: serde_json::Value::Null,
            })
        }
        "bites" => Ok(FaultMark::Probe { fault, phase: Phase::Bites, evidence: evidence()? }),
        "gone" => Ok(FaultMark::Probe { fault, phase: Phase::Gone, evidence: evidence()? }),
        "stop" => Ok(FaultMark::Stop { fault }),
        other => Err(format!("`{other}` is none of start, bites, stop, gone and healed")),
    }
}

fn write_line(text: &mut String, event: &Event) {
    let _ = write!(text, "{}ns ", event.time.0);
    match &event.kind {
        Kind::Fault(mark) => write_mark(text, mark),
        Kind::Invoke { op, due, node } => {
            let _ = write!(text, "{} invoke {}", event.process, op.f);
            if let Some(key) = op.key {
                let _ = write!(text, " {key}");
            }
            if op.value != Value::Nil {
                let _ = write!(text, " {}", op.value);
            }
            if let Some(node) = node {
                let _ = write!(text, " @{node}");
            }
            if let Some(due) = due {
                let _ = write!(text, " due={}ns", due.0);
            }
        }
        Kind::Complete(Outcome::Ok(reply)) => {
            let _ = write!(text, "{} ok {}", event.process, reply.value);
            if let Some(version) = reply.version {
                let _ = write!(text, " v{version}");
            }
        }
        Kind::Complete(Outcome::Fail(reason)) => {
            let _ = write!(text, "{} fail {} {}", event.process, reason.code.as_str(), reason.text);
        }
        Kind::Complete(Outcome::Info(reason)) => {
            let _ = write!(text, "{} info {} {}", event.process, reason.code.as_str(), reason.text);
        }
    }
}

fn write_mark(text: &mut String, mark: &FaultMark) {
    let yes = |evidence: &Evidence| if evidence.seen { "yes" } else { "no" };
    let _ = match mark {
        FaultMark::Start { fault, name, detail, victims, .. } => {
            let victims: Vec<String> = victims.iter().map(ToString::to_string).collect();
            let victims = if victims.is_empty() { "_".to_owned() } else { victims.join(",") };
            write!(text, "nemesis start {fault} {name} {victims} {detail}")
        }
        FaultMark::Probe { fault, phase: Phase::Bites, evidence } => {
            write!(text, "nemesis bites {fault} {} {}", yes(evidence), evidence.text)
        }
        FaultMark::Probe { fault, phase: Phase::Gone, evidence } => {
            write!(text, "nemesis gone {fault} {} {}", yes(evidence), evidence.text)
        }
        FaultMark::Stop { fault } => write!(text, "nemesis stop {fault}"),
        FaultMark::Healed => write!(text, "nemesis healed"),
    };
}
