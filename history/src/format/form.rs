//! The forms of EDN and of JSON: values, read from bytes that may end in the middle of one.
//!
//! Both notations are read by one scanner, since histories use little of either: brackets, texts,
//! numbers and names. It reads straight into [`Value`]s, which have no keywords, sets, ratios or
//! floats: a keyword becomes the text of its name, a set a list in the order of the file, and a
//! number that is no 64-bit integer the text that stands in the file.

use std::borrow::Cow;

use crate::Value;

/// Deeper nesting is no history; the limit keeps the stack bounded.
const DEEPEST: usize = 128;
/// A discarded form may hold another: each begins its nesting anew, so they have a limit, too.
const DEEPEST_DISCARD: usize = 8;

/// The notation of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notation {
    /// Clojure's: commas are space.
    Edn,
    /// JavaScript's.
    Json,
}

/// Why nothing could be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The bytes end before the form does.
    Incomplete,
    /// No form stands here.
    Wrong {
        /// The offset at which it goes wrong.
        at: usize,
        /// What is wrong, and what was expected.
        problem: String,
    },
}

pub(super) type Scan<T> = Result<T, Stop>;

/// A place in bytes that hold forms.
#[derive(Clone, Debug)]
pub(super) struct Scanner<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
    pub notation: Notation,
    /// Whether nothing can follow the bytes, so that their end also ends a name or a number.
    pub ends: bool,
    /// How many discarded forms stand around the place.
    discards: usize,
}

impl<'a> Scanner<'a> {
    /// At the beginning of `bytes`.
    pub fn new(bytes: &'a [u8], notation: Notation, ends: bool) -> Self {
        Self { bytes, at: 0, notation, ends, discards: 0 }
    }

    /// That something is wrong at `at`.
    pub fn wrong<T>(at: usize, problem: impl Into<String>) -> Scan<T> {
        Err(Stop::Wrong { at, problem: problem.into() })
    }

    /// The next byte, which must come.
    pub fn need(&self) -> Scan<u8> {
        self.bytes.get(self.at).copied().ok_or(Stop::Incomplete)
    }

    /// Passes over what means nothing: space, and in EDN commas, comments and discarded forms.
    #[inline]
    pub fn skip_space(&mut self) -> Scan<()> {
        // What begins a form, most often, and means that there is nothing to pass over.
        match self.bytes.get(self.at) {
            Some(b':' | b'0'..=b'9' | b'[' | b']' | b'{' | b'}' | b'"') => Ok(()),
            _ => self.skip_long_space(),
        }
    }

    fn skip_long_space(&mut self) -> Scan<()> {
        while let Some(&byte) = self.bytes.get(self.at) {
            match (byte, self.notation) {
                (b' ' | b'\n' | b'\t' | b'\r', _) | (b',' | b'\x0c' | b'\x0b', Notation::Edn) => {
                    self.at += 1;
                }
                (b';', Notation::Edn) => {
                    let rest = &self.bytes[self.at..];
                    match rest.iter().position(|&byte| byte == b'\n') {
                        Some(length) => self.at += length + 1,
                        None if self.ends => self.at = self.bytes.len(),
                        None => return Err(Stop::Incomplete),
                    }
                }
                (b'#', Notation::Edn) => match self.bytes.get(self.at + 1) {
                    Some(b'_') => {
                        let start = self.at;
                        self.discard().inspect_err(|stop| {
                            // Where to go on once there is more: nothing of this was passed over.
                            if *stop == Stop::Incomplete {
                                self.at = start;
                            }
                        })?;
                    }
                    Some(_) => return Ok(()),
                    None => return Err(Stop::Incomplete),
                },
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// Passes over `#_` and the form behind it; over two forms behind `#_ #_`.
    fn discard(&mut self) -> Scan<()> {
        let mut forms = 0;
        while self.bytes[self.at..].starts_with(b"#_") {
            self.at += 2;
            forms += 1;
            while matches!(self.bytes.get(self.at), Some(b' ' | b'\n' | b'\t' | b'\r' | b',')) {
                self.at += 1;
            }
        }
        self.discards += 1;
        if forms.max(self.discards) > DEEPEST_DISCARD {
            return Self::wrong(self.at, "too many discarded forms inside each other");
        }
        for _ in 0..forms {
            self.value(0)?;
        }
        self.discards -= 1;
        Ok(())
    }

    /// Passes over space; before any element but the first JSON wants a comma. Whether `close`
    /// stands here instead of an element; it is passed over.
    pub fn closes(&mut self, close: u8, first: bool) -> Scan<bool> {
        self.skip_space()?;
        let byte = self.need()?;
        if byte == close {
            self.at += 1;
            return Ok(true);
        }
        if self.notation == Notation::Json && !first {
            if byte != b',' {
                return Self::wrong(self.at, format!("expected `,` or `{}`", close as char));
            }
            self.at += 1;
            self.skip_space()?;
            if self.need()? == close {
                return Self::wrong(self.at, "expected a value after the comma");
            }
        }
        Ok(false)
    }

    /// Between the key and the value of a map.
    pub fn between(&mut self) -> Scan<()> {
        self.skip_space()?;
        if self.notation == Notation::Json {
            if self.need()? != b':' {
                return Self::wrong(self.at, "expected `:` after the key");
            }
            self.at += 1;
            self.skip_space()?;
        }
        Ok(())
    }

    /// The value that stands here, `depth` levels inside others.
    pub fn value(&mut self, depth: usize) -> Scan<Value> {
        if depth > DEEPEST {
            return Self::wrong(self.at, format!("brackets more than {DEEPEST} deep"));
        }
        self.skip_space()?;
        match (self.need()?, self.notation) {
            (b'"', _) => Ok(Value::Text(self.text()?.into())),
            (b'[', _) => self.list(b']', depth),
            (b'(', Notation::Edn) => self.list(b')', depth),
            (b'{', _) => self.map(depth),
            (b'#', Notation::Edn) => self.dispatch(depth),
            (b'\\', Notation::Edn) => self.character(),
            (b'\'' | b'`' | b'@' | b'^' | b'~', Notation::Edn) => {
                Self::wrong(self.at, "a form of Clojure that is no data")
            }
            (b']' | b')' | b'}', _) => {
                let found = self.bytes[self.at] as char;
                Self::wrong(self.at, format!("`{found}` closes nothing; expected a value"))
            }
            _ => self.atom(),
        }
    }

    fn list(&mut self, close: u8, depth: usize) -> Scan<Value> {
        self.at += 1;
        let mut values = Vec::new();
        while !self.closes(close, values.is_empty())? {
            values.push(self.value(depth + 1)?);
        }
        Ok(Value::List(values.into()))
    }

    fn map(&mut self, depth: usize) -> Scan<Value> {
        let start = self.at;
        self.at += 1;
        let mut entries: Vec<(Value, Value)> = Vec::new();
        while !self.closes(b'}', entries.is_empty())? {
            if self.notation == Notation::Json && self.need()? != b'"' {
                return Self::wrong(self.at, "expected a key in quotes");
            }
            let mut key = self.value(depth + 1)?;
            if let (Notation::Json, Value::Text(text)) = (self.notation, &key) {
                key = key_of(text);
            }
            self.between()?;
            if self.need()? == b'}' {
                return Self::wrong(self.at, format!("the key {key} has no value"));
            }
            entries.push((key, self.value(depth + 1)?));
        }
        if let Some(key) = repeated(&entries) {
            return Self::wrong(start, format!("the key {key} stands twice in one map"));
        }
        Ok(Value::Map(entries.into()))
    }

    /// What begins with `#`: a set, a tagged form, `##NaN`.
    fn dispatch(&mut self, depth: usize) -> Scan<Value> {
        let start = self.at;
        self.at += 1;
        match self.need()? {
            b'{' => self.list(b'}', depth),
            b'"' => Ok(Value::Text(self.text()?.into())),
            b'#' => {
                self.at += 1;
                let name = self.name()?;
                Ok(Value::Text(format!("##{name}").into()))
            }
            _ => {
                if self.name()?.is_empty() {
                    return Self::wrong(start, "expected a tag, a set or a form to discard");
                }
                self.value(depth + 1)
            }
        }
    }

    /// `\a`, `\newline`, `\u0041`.
    fn character(&mut self) -> Scan<Value> {
        let start = self.at;
        // The character itself may be one that would end a name.
        self.at += 1;
        self.need()?;
        self.at += 1;
        self.name()?;
        let name = self.checked(start + 1, self.at)?;
        let text = match name {
            "newline" => "\n",
            "space" => " ",
            "tab" => "\t",
            "return" => "\r",
            "backspace" => "\u{8}",
            "formfeed" => "\u{c}",
            name if name.len() == 5 && name.starts_with('u') => {
                let code = u32::from_str_radix(&name[1..], 16).ok().and_then(char::from_u32);
                return match code {
                    Some(character) => Ok(Value::Text(character.to_string().into())),
                    None => Self::wrong(start, format!("`\\{name}` is no character")),
                };
            }
            name => name,
        };
        Ok(Value::Text(text.into()))
    }

    /// A number, a keyword, a symbol or a word of JSON.
    fn atom(&mut self) -> Scan<Value> {
        let start = self.at;
        if let Some(number) = self.small_number() {
            return Ok(Value::Int(number));
        }
        let name = self.name()?;
        let byte = self.bytes[start];
        if name.is_empty() {
            let problem = match byte {
                0 => "a NUL byte; expected a value".to_owned(),
                byte if byte.is_ascii_graphic() => {
                    format!("`{}` where a value was expected", byte as char)
                }
                byte => format!("the byte 0x{byte:02x} where a value was expected"),
            };
            return Self::wrong(start, problem);
        }
        let digits = name.trim_start_matches(['+', '-']);
        if digits.starts_with(|c: char| c.is_ascii_digit()) {
            return self.number(start, name);
        }
        match (name, self.notation) {
            ("nil", Notation::Edn) | ("null", Notation::Json) => Ok(Value::Nil),
            ("true", _) => Ok(Value::Bool(true)),
            ("false", _) => Ok(Value::Bool(false)),
            (name, Notation::Edn) => {
                let text = name.strip_prefix(':').unwrap_or(name);
                if text.is_empty() {
                    return Self::wrong(start, "a keyword without a name");
                }
                Ok(Value::Text(text.into()))
            }
            (name, Notation::Json) => {
                let name = shortened(name);
                Self::wrong(
                    start,
                    format!(
                        "`{name}` is no value: null, true, false, a number, a text in quotes, an array or an object"
                    ),
                )
            }
        }
    }

    /// The common case of a number, of at most 18 digits; nothing is passed over otherwise.
    fn small_number(&mut self) -> Option<i64> {
        let negative = self.bytes[self.at] == b'-';
        let mut at = self.at + usize::from(negative);
        let first = at;
        let mut number: i64 = 0;
        while let Some(digit) = self.bytes.get(at).map(|byte| byte.wrapping_sub(b'0')) {
            if digit > 9 || at - first > 17 {
                break;
            }
            number = number * 10 + i64::from(digit);
            at += 1;
        }
        let padded = at - first > 1 && self.bytes[first] == b'0';
        let ended = match self.bytes.get(at) {
            Some(&byte) => ends_name(byte),
            None => self.ends,
        };
        if at == first || padded || !ended {
            return None;
        }
        self.at = at;
        Some(if negative { -number } else { number })
    }

    fn number(&self, start: usize, name: &str) -> Scan<Value> {
        let plain = name.strip_prefix('+').unwrap_or(name);
        let whole = plain.strip_suffix('N').unwrap_or(plain);
        let digits = whole.strip_prefix('-').unwrap_or(whole);
        let padded = digits.len() > 1 && digits.starts_with('0');
        if self.notation == Notation::Json {
            let number = !padded && !name.starts_with('+') && whole == name;
            let known = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
            if !number || !name.bytes().all(known) || name.parse::<f64>().is_err() {
                return Self::wrong(start, format!("`{}` is no number", shortened(name)));
            }
        }
        match whole.parse() {
            Ok(number) if !padded => Ok(Value::Int(number)),
            // Two writings of one number are two texts: no checker calculates with them.
            _ => Ok(Value::Text(plain.into())),
        }
    }

    /// The bytes up to the next space or bracket, as text.
    pub fn name(&mut self) -> Scan<&'a str> {
        let start = self.at;
        let rest = &self.bytes[start..];
        match rest.iter().position(|&byte| ends_name(byte)) {
            Some(length) => self.at += length,
            None if self.ends => self.at = self.bytes.len(),
            None => return Err(Stop::Incomplete),
        }
        self.checked(start, self.at)
    }

    fn checked(&self, start: usize, end: usize) -> Scan<&'a str> {
        std::str::from_utf8(&self.bytes[start..end])
            .or_else(|error| Self::wrong(start + error.valid_up_to(), "bytes that are not UTF-8"))
    }

    /// The text in quotes that begins here.
    pub fn text(&mut self) -> Scan<Cow<'a, str>> {
        let start = self.at + 1;
        let rest = &self.bytes[start..];
        let special = |byte: &u8| *byte == b'"' || *byte == b'\\';
        let length = rest.iter().position(special).ok_or(Stop::Incomplete)?;
        if rest[length] == b'"' {
            self.at = start + length + 1;
            return Ok(Cow::Borrowed(self.checked(start, start + length)?));
        }
        let mut text = String::new();
        let mut at = start;
        loop {
            let rest = &self.bytes[at..];
            let length = rest.iter().position(special).ok_or(Stop::Incomplete)?;
            text.push_str(self.checked(at, at + length)?);
            at += length;
            if rest[length] == b'"' {
                self.at = at + 1;
                return Ok(Cow::Owned(text));
            }
            let (character, after) = self.escape(at)?;
            text.push(character);
            at = after;
        }
    }

    /// The character of the escape at `at`, and the offset behind it.
    fn escape(&self, at: usize) -> Scan<(char, usize)> {
        let byte = *self.bytes.get(at + 1).ok_or(Stop::Incomplete)?;
        let character = match byte {
            b'"' | b'\\' | b'/' | b'\'' => byte as char,
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'u' => return self.unicode(at),
            _ => {
                let problem = "an escape that is none of \\\" \\\\ \\/ \\n \\t \\r \\b \\f and \\u";
                return Self::wrong(at, problem);
            }
        };
        Ok((character, at + 2))
    }

    fn unicode(&self, at: usize) -> Scan<(char, usize)> {
        let four = |at: usize| -> Scan<u32> {
            let digits = self.bytes.get(at..at + 4).ok_or(Stop::Incomplete)?;
            let code = std::str::from_utf8(digits).ok();
            let code = code.and_then(|digits| u32::from_str_radix(digits, 16).ok());
            code.map_or_else(|| Self::wrong(at, "expected four hexadecimal digits"), Ok)
        };
        let high = four(at + 2)?;
        let (code, after) = if (0xD800..0xDC00).contains(&high) {
            let low = match self.bytes.get(at + 6..at + 8) {
                Some(b"\\u") => four(at + 8)?,
                Some(_) => return Self::wrong(at, "half of a surrogate pair"),
                None => return Err(Stop::Incomplete),
            };
            (0x10000 + ((high - 0xD800) << 10) + low.wrapping_sub(0xDC00), at + 12)
        } else {
            (high, at + 6)
        };
        match char::from_u32(code) {
            Some(character) => Ok((character, after)),
            None => Self::wrong(at, "an escape that is no character"),
        }
    }
}

/// Whether `byte` ends a name or a number.
pub(super) fn ends_name(byte: u8) -> bool {
    matches!(byte, b' ' | b',' | b'}' | b']' | b')' | b'\n' | b'\t' | b'\r' | b'{' | b'[' | b'(')
        || matches!(byte, b'"' | b';' | b'\x0b' | b'\x0c' | 0)
}

/// A key of a JSON object: a number where it is written like one, so that JSON and EDN agree.
pub(crate) fn key_of(text: &str) -> Value {
    let number = text.parse::<i64>().ok().filter(|number| number.to_string() == text);
    number.map_or_else(|| Value::Text(text.into()), Value::Int)
}

/// What is said of a text that may be long.
pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(40) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// A key that stands twice.
fn repeated(entries: &[(Value, Value)]) -> Option<&Value> {
    if entries.len() < 16 {
        let twice =
            |place: &usize| entries[..*place].iter().any(|(key, _)| *key == entries[*place].0);
        return (1..entries.len()).find(twice).map(|place| &entries[place].0);
    }
    let mut keys = rustc_hash::FxHashSet::default();
    entries.iter().map(|(key, _)| key).find(|key| !keys.insert(*key))
}
