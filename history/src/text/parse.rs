//! Reads the lines of a short text.

use super::word::{read_phrase, read_quoted, read_word, split};
use crate::{
    Code, Event, Evidence, F, FaultId, FaultMark, Key, Kind, Mop, MopKind, Op, Outcome, Phase,
    Process, Reason, Reply, Span, Time, UnitError, Value,
};

/// The event of one line. `arguments`: what each process last asked.
pub(super) fn parse_line(
    line: &str,
    index: u64,
    arguments: &mut Vec<(Process, Value)>,
) -> Result<Event, String> {
    let mut time = Time(index * 1_000_000);
    let (mut word, mut rest) = split(line);
    if let Ok(at) = parse_time(word) {
        time = at;
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

/// A time with its unit. Whole nanoseconds are kept as they are, however many.
fn parse_time(word: &str) -> Result<Time, UnitError> {
    let nanoseconds = word.strip_suffix("ns").and_then(|digits| digits.parse().ok());
    nanoseconds.map_or_else(|| word.parse().map(|Span(at)| at.into()), |exact| Ok(Time(exact)))
}

fn parse_invoke(rest: &str) -> Result<Kind, String> {
    if rest.is_empty() {
        return Err("an invocation names its function".into());
    }
    let (f, mut rest) = read_word(rest);
    // A transaction has a key only where it is quoted: nothing else before it could be one.
    let key = if f != "txn" && split(rest).0 == "_" {
        rest = split(rest).1;
        None
    } else if f != "txn" || rest.starts_with('"') {
        if rest.is_empty() || rest.starts_with(['@', '[']) {
            return Err(format!("{f} names its key"));
        }
        let name;
        (name, rest) = read_word(rest);
        Some(Key::new(&name))
    } else {
        None
    };
    let (mut due, mut node, mut value) = (None, None, Value::Nil);
    while !rest.is_empty() {
        let (word, after) = split(rest);
        if let Some(name) = word.strip_prefix('@') {
            node = Some(name.parse()?);
            rest = after;
        } else if let Some(at) = word.strip_prefix("due=") {
            due = Some(parse_time(at).map_err(|error| format!("due: {error}"))?);
            rest = after;
        } else {
            (value, rest) = parse_argument(rest, f == "txn")?;
        }
    }
    Ok(Kind::Invoke { op: Op { f: F::new(&f), key, value }, due, node })
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
            (reply.value, rest) = parse_argument(rest, transaction)?;
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
    Ok(Reason::new(code, &*read_phrase(text)))
}

/// A whole argument or reply. The list of a `transaction` holds micro-operations, and any other
/// list does that cannot be read as values.
fn parse_argument(text: &str, transaction: bool) -> Result<(Value, &str), String> {
    match text.trim_start().strip_prefix('[') {
        Some(inside) if transaction => parse_mops(inside),
        Some(inside) => {
            parse_list(inside).or_else(|problem| parse_mops(inside).map_err(|_| problem))
        }
        None => parse_value(text),
    }
}

/// One value from the beginning of `text`, and what follows it.
fn parse_value(text: &str) -> Result<(Value, &str), String> {
    let text = text.trim_start();
    if let Some(inside) = text.strip_prefix('[') {
        return parse_list(inside);
    }
    if let Some(inside) = text.strip_prefix('{') {
        return parse_map(inside);
    }
    if text.starts_with('"') {
        let wrong = "a text without its second quote, or with an escape that JSON does not know";
        let (quoted, rest) = read_quoted(text).ok_or(wrong)?;
        return Ok((Value::Text(quoted.into()), rest.trim_start()));
    }
    let end = text
        .find(|c: char| c.is_whitespace() || matches!(c, ',' | ']' | '}'))
        .unwrap_or(text.len());
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
        (value, rest) = parse_value(rest)?;
        values.push(value);
    }
}

fn parse_map(mut rest: &str) -> Result<(Value, &str), String> {
    let mut entries = Vec::new();
    loop {
        rest = rest.trim_start().trim_start_matches(',').trim_start();
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((Value::Map(entries.into()), after.trim_start()));
        }
        if rest.is_empty() {
            return Err("a map without its end".into());
        }
        let (key, after) = parse_value(rest)?;
        let (value, after) = parse_value(after)?;
        entries.push((key, value));
        rest = after;
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
        let kind = MopKind::named(word)
            .ok_or_else(|| format!("`{word}` is none of r, w, append, send, poll"))?;
        let (key, after) = read_word(after);
        let value;
        (value, rest) = parse_value(after)?;
        mops.push(Mop { kind, key: Key::new(&key), value });
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
            "yes" | "no" => Ok(Evidence { seen: seen == "yes", text: read_phrase(text).into() }),
            other => Err(format!("`{other}` is neither yes nor no")),
        }
    };
    match word {
        "start" => {
            let (name, rest) = read_word(rest);
            let (victims, detail) = split(rest);
            let victims: Result<Vec<_>, String> = victims
                .split(',')
                .filter(|name| !name.is_empty() && *name != "_")
                .map(str::parse)
                .collect();
            Ok(FaultMark::Start {
                fault,
                name: name.into(),
                detail: read_phrase(detail).into(),
                victims: victims?.into(),
                injection: serde_json::Value::Null.into(),
            })
        }
        "bites" => Ok(FaultMark::Probe { fault, phase: Phase::Bites, evidence: evidence()? }),
        "gone" => Ok(FaultMark::Probe { fault, phase: Phase::Gone, evidence: evidence()? }),
        "step" => {
            let (step, rest) = split(rest);
            let (late, detail) = split(rest);
            let step = step.parse().map_err(|_| format!("`{step}` is no number of a step"))?;
            let late_us = late.strip_suffix("us").and_then(|digits| digits.parse().ok());
            Ok(FaultMark::Step {
                fault,
                step,
                detail: read_phrase(detail).into(),
                injection: serde_json::Value::Null.into(),
                late_us: late_us.ok_or_else(|| format!("`{late}` is no lateness such as 250us"))?,
            })
        }
        "stop" => Ok(FaultMark::Stop { fault }),
        other => Err(format!("`{other}` is none of start, step, bites, stop, gone and healed")),
    }
}
