//! The usual line, read without a general parser.
//!
//! Nearly all lines of a large history are operations on one key whose values are numbers, with their
//! fields in the order in which the writer puts them. What is not quite like that is left to serde.

use crate::{Event, F, Key, Kind, Op, Outcome, Process, Reply, Time, Value};

/// The event of a line that is plain throughout; `None`: somebody else must read it. A line that is
/// read here would be read alike by serde.
pub(super) fn plain(line: &[u8]) -> Option<Event> {
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
    let f = rest.text()?;
    let key = if rest.skip(b",\"key\":").is_some() { Some(rest.text()?) } else { None };
    rest.skip(b",\"value\":")?;
    let value = rest.value()?;
    let kind = if invoke {
        let due = if rest.skip(b",\"due\":").is_some() { Some(Time(rest.number()?)) } else { None };
        let node = if rest.skip(b",\"node\":").is_some() {
            Some(rest.text()?.parse().ok()?)
        } else {
            None
        };
        Kind::Invoke { op: Op { f: F::new(f), key: key.map(Key::new), value }, due, node }
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
        if self.skip(b"-").is_some() {
            let number = i64::try_from(self.number()?).ok()?;
            return Some(Value::Int(-number));
        }
        i64::try_from(self.number()?).ok().map(Value::Int)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jsonl::line::Line;

    /// What is read here is read alike by serde; and whether it is read here is as expected.
    fn check(line: &str, expected: bool) {
        let read = plain(line.as_bytes());
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
        check(&format!(r#"{head}"ok","f":"txn","value":[["r","x",1]]}}"#), false);
        check(&format!(r#"{head}"info","f":"read","error":["timeout",""]}}"#), false);
        check(&format!(r#"{head}"ok","f":"read","key":"x","value":1}} "#), false);
        check(&format!(r#"{head}"ok","f":"read","key":"x","value":1"#), false);
        check(r#"{"index":7,"time":12,"process":4294967295,"type":"ok","f":"r","value":1}"#, false);
        check("", false);
    }
}
