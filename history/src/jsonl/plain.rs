//! The usual line, read without a general parser.
//!
//! Nearly all lines of a large history are operations on one key whose values are numbers, or
//! micro-operations on numbers and lists of them, with their fields in the order in which the writer
//! puts them. What is not quite like that is left to serde.

use rustc_hash::FxHashMap;

use crate::{Event, F, Key, Kind, Mop, MopKind, Op, Outcome, Process, Reply, Symbol, Time, Value};

/// A history of so many keys gains nothing from keeping them twice.
const MOST: usize = 1 << 16;

/// What one reader keeps from line to line.
#[derive(Default)]
pub(super) struct Seen {
    /// Keys and functions: most of them need no look at the table of interned texts, which all
    /// threads share.
    symbols: FxHashMap<&'static str, Symbol>,
    /// Where micro-operations and numbers are gathered before they get just the room that they take:
    /// histories hold millions of them, and vectors that grow would leave holes between them.
    mops: Vec<Mop>,
    numbers: Vec<i64>,
}

impl Seen {
    fn symbol(&mut self, text: &str) -> Symbol {
        if let Some(&symbol) = self.symbols.get(text) {
            return symbol;
        }
        let symbol = Symbol::new(text);
        if self.symbols.len() < MOST {
            self.symbols.insert(symbol.as_str(), symbol);
        }
        symbol
    }
}

/// The event of a line that is plain throughout; `None`: somebody else must read it. A line that is
/// read here would be read alike by serde.
pub(super) fn plain(line: &[u8], seen: &mut Seen) -> Option<Event> {
    let mut rest = Rest(line);
    rest.skip(b"{\"index\":")?;
    let index = rest.number()?;
    rest.skip(b",\"time\":")?;
    let time = Time(rest.number()?);
    rest.skip(b",\"process\":")?;
    let number = u32::try_from(rest.number()?).ok().filter(|&number| number < u32::MAX)?;
    rest.skip(b",\"type\":\"")?;
    let invoke = rest.skip(b"invoke\",\"f\":").is_some();
    if !invoke {
        rest.skip(b"ok\",\"f\":")?;
    }
    let f = F(seen.symbol(rest.text()?));
    let key =
        if rest.skip(b",\"key\":").is_some() { Some(Key(seen.symbol(rest.text()?))) } else { None };
    rest.skip(b",\"value\":")?;
    let value =
        if rest.0.starts_with(b"[[\"") { rest.mops(seen).map(Value::Mops) } else { rest.value() }?;
    let kind = if invoke {
        let due = if rest.skip(b",\"due\":").is_some() { Some(Time(rest.number()?)) } else { None };
        let node = if rest.skip(b",\"node\":").is_some() {
            Some(rest.text()?.parse().ok()?)
        } else {
            None
        };
        Kind::Invoke { op: Op { f, key, value }, due, node }
    } else {
        let version =
            if rest.skip(b",\"version\":").is_some() { Some(rest.number()?) } else { None };
        Kind::Complete(Outcome::Ok(Reply { value, version }))
    };
    (rest.0 == b"}").then_some(Event { index, time, process: Process(number), kind })
}

/// What of the line is left.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn skip(&mut self, expected: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    /// A number without a sign, as JSON writes it: no zeros before it.
    fn number(&mut self) -> Option<u64> {
        let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = self.0.split_at(digits);
        if digits == 0 || digits > 1 && number[0] == b'0' {
            return None;
        }
        self.0 = rest;
        number
            .iter()
            .try_fold(0u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
    }

    /// A text of visible ASCII without escapes.
    fn text(&mut self) -> Option<&'a str> {
        self.skip(b"\"")?;
        let plain = |byte: &&u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        let length = self.0.iter().take_while(plain).count();
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        self.skip(b"\"")?;
        std::str::from_utf8(text).ok()
    }

    fn value(&mut self) -> Option<Value> {
        if self.skip(b"null").is_some() {
            return Some(Value::Nil);
        }
        self.signed().map(Value::Int)
    }

    /// A number with or without a sign. A zero with one is left to serde.
    fn signed(&mut self) -> Option<i64> {
        if self.skip(b"-").is_some() {
            let number = i64::try_from(self.number()?).ok()?;
            return (number != 0).then_some(-number);
        }
        i64::try_from(self.number()?).ok()
    }

    /// Micro-operations, each with its key and its value: `[["send","x",[3,1]],["poll","y",null]]`.
    fn mops(&mut self, seen: &mut Seen) -> Option<Box<[Mop]>> {
        // What a line that was given up has left.
        seen.mops.clear();
        self.skip(b"[")?;
        loop {
            self.skip(b"[")?;
            let kind = MopKind::named(self.text()?)?;
            self.skip(b",")?;
            let key = Key(seen.symbol(self.text()?));
            self.skip(b",")?;
            let value =
                if self.0.starts_with(b"[") { self.list(kind, seen)? } else { self.value()? };
            self.skip(b"]")?;
            seen.mops.push(Mop { kind, key, value });
            if self.skip(b",").is_none() {
                break;
            }
        }
        self.skip(b"]")?;
        Some(seen.mops.drain(..).collect())
    }

    /// A list of numbers, in the form that histories hold as the value of such a micro-operation.
    fn list(&mut self, kind: MopKind, seen: &mut Seen) -> Option<Value> {
        self.skip(b"[")?;
        if self.skip(b"]").is_some() {
            return Some(Value::List(Box::new([])));
        }
        let numbers = &mut seen.numbers;
        numbers.clear();
        loop {
            numbers.push(self.signed()?);
            if self.skip(b",").is_none() {
                break;
            }
        }
        self.skip(b"]")?;
        Some(match (kind, numbers.as_slice()) {
            (MopKind::Send, [offset, message]) => Value::Placed(*offset, *message),
            (MopKind::Poll, flat) if flat.len().is_multiple_of(2) => {
                let pairs = flat.as_chunks::<2>().0.iter();
                Value::Polled(pairs.map(|[offset, message]| (*offset, *message)).collect())
            }
            (_, numbers) => Value::List(numbers.iter().map(|&it| Value::Int(it)).collect()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jsonl::line::Line;

    /// What is read here is read alike by serde; and whether it is read here is as expected.
    fn check(line: &str, expected: bool) {
        let read = plain(line.as_bytes(), &mut Seen::default());
        assert_eq!(read.is_some(), expected, "{line}");
        if let Some(event) = read {
            let by_serde = serde_json::from_str::<Line<'_>>(line).expect("serde reads it");
            assert_eq!(by_serde.into_event().expect("an event"), event, "{line}");
        }
    }

    #[test]
    fn reads_what_serde_reads() {
        let head = r#"{"index":7,"time":12,"process":3,"type":"#;
        check(&format!(r#"{head}"invoke","f":"write","key":"x","value":-5}}"#), true);
        check(&format!(r#"{head}"invoke","f":"read","value":null,"due":3,"node":"n2"}}"#), true);
        check(&format!(r#"{head}"ok","f":"read","key":"x","value":0,"version":9}}"#), true);
        check(&format!(r#"{head}"ok","f":"read","key":"x","value":18446744073709551615}}"#), false);
        check(&format!(r#"{head}"ok","f":"read","key":"x","value":01}}"#), false);
        check(&format!(r#"{head}"ok","f":"read","key":"a\"b","value":1}}"#), false);
        check(&format!(r#"{head}"ok","f":"read","key":"x","value":-0}}"#), false);
        check(&format!(r#"{head}"ok","f":"read","value":[1,2]}}"#), false);
        check(&format!(r#"{head}"info","f":"read","error":["timeout",""]}}"#), false);
        check(&format!(r#"{head}"ok","f":"read","key":"x","value":1}} "#), false);
        check(&format!(r#"{head}"ok","f":"read","key":"x","value":1"#), false);
    }

    #[test]
    fn reads_micro_operations_as_serde_does() {
        let check = |value: &str, expected| {
            for f in ["txn", "poll"] {
                let head = r#"{"index":7,"time":12,"process":3,"type":"#;
                check(&format!(r#"{head}"ok","f":"{f}","value":{value},"version":4}}"#), expected);
                check(&format!(r#"{head}"invoke","f":"{f}","value":{value}}}"#), expected);
            }
        };
        check(r#"[["r","x",1],["w","y",-7],["append","z",null],["read","x",[1,-2]]]"#, true);
        check(r#"[["send","x",5],["send","x",[3,5]],["poll","",null],["poll","y",[]]]"#, true);
        check(r#"[["poll","x",[0,1,1,2]],["poll","x",[0,1,1]],["send","x",[1,2,3]]]"#, true);
        check(r#"[["send","x","text"]]"#, false);
        check(r#"[["poll","x",[0,"text"]]]"#, false);
        check(r#"[["r","x",[-0]]]"#, false);
        check(r#"[["r",1,2]]"#, false);
        check(r#"[["poll"]]"#, false);
        check(r#"[["what","x",2]]"#, false);
        check(r#"[["r","x",[[1]]]]"#, false);
        check(r#"[["r","x",1] ]"#, false);
        check(r#"{"index":7,"time":12,"process":4294967295,"type":"ok","f":"r","value":1}"#, false);
        check("", false);
    }
}
