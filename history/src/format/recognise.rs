//! Which format a file has, by what stands at its beginning.

use super::Format;
use super::form::{Notation, Scanner};
use super::pieces::Place;

/// So much of a file is looked at.
pub(super) const SAMPLE: usize = 1 << 16;

/// Why no format was recognised, and where.
pub(super) struct Unknown {
    pub place: Place,
    pub problem: String,
}

/// The format of the file that begins with `sample`.
pub(super) fn format_of(sample: &[u8]) -> Result<Format, Unknown> {
    let text = sample.strip_prefix(b"\xef\xbb\xbf").unwrap_or(sample);
    let blank = |byte: &u8| byte.is_ascii_whitespace();
    let first = text.iter().position(|byte| !blank(byte));
    let Some(first) = first else {
        let problem = "the file is empty; expected a history".to_owned();
        return Err(Unknown { place: Place::START, problem });
    };
    let start = Place::START.after(&text[..first]);
    let text = &text[first..];
    let next = text[1..].iter().find(|byte| !blank(byte)).copied();
    let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    match (text[0], next) {
        (b'{', Some(b'"')) if ours(line) => Ok(Format::Jsonl),
        (b'{', Some(b'"')) => Ok(Format::Json),
        (b'[', Some(b'{')) => {
            let map = &text[1..][text[1..].iter().position(|&byte| byte == b'{').unwrap_or(0)..];
            let quoted = map[1..].iter().find(|byte| !blank(byte)) == Some(&b'"');
            Ok(if quoted { Format::Json } else { Format::Edn })
        }
        (b'[', Some(byte)) if byte.is_ascii_digit() || byte.is_ascii_alphabetic() => {
            log(text, start)
        }
        (b'{' | b'[' | b'(' | b'#' | b';' | b',', _) => Ok(Format::Edn),
        (b'r' | b'w', Some(b'(')) => Ok(Format::Plume),
        (b'r' | b'w', _) if text.get(1).is_some_and(blank) => Ok(Format::Awdit),
        (b'0'..=b'9' | b':', _) if line.windows(7).any(|word| word == b":invoke") => {
            Ok(Format::JepsenLog)
        }
        (b'-' | b'=', _) if line.iter().all(|&byte| byte == line[0]) => Ok(Format::Awdit),
        _ => log(text, start),
    }
}

/// A log has a level on its lines, or names its writer.
fn log(text: &[u8], place: Place) -> Result<Format, Unknown> {
    let has = |word: &[u8]| text.windows(word.len()).any(|window| window == word);
    if !text.contains(&0) && (has(b"INFO") || has(b"jepsen")) {
        return Ok(Format::JepsenLog);
    }
    let found = match text[0] {
        byte if byte.is_ascii_graphic() => format!("`{}`", byte as char),
        byte => format!("the byte 0x{byte:02x}"),
    };
    let known = "a history begins with an operation of one of the formats jsonl, edn, json, \
                 jepsen-log, plume and awdit";
    Err(Unknown { place, problem: format!("{found} begins no history; {known}") })
}

/// Whether `line` is one of our own: the header, or an event with our fields in our order.
/// Jepsen's JSON has the same names in any other order, and says other things with them.
fn ours(line: &[u8]) -> bool {
    const HEADER: &[u8] = b"{\"schism\"";
    // A recorder may have died while it wrote the header.
    if line.starts_with(HEADER) || (line.len() > 1 && HEADER.starts_with(line)) {
        return true;
    }
    let mut scanner = Scanner::new(line, Notation::Json, true);
    scanner.at = 1;
    ["index", "time", "process", "type"].iter().enumerate().all(|(place, field)| {
        let mut next = || {
            let ends = scanner.closes(b'}', place == 0).ok()?;
            let name = (!ends).then(|| scanner.text()).and_then(Result::ok)?;
            scanner.between().ok()?;
            scanner.value(1).ok()?;
            Some(name)
        };
        next().as_deref() == Some(*field)
    })
}
