//! Words, and when they must be quoted.

use std::borrow::Cow;
use std::fmt;

/// A text in quotes, with the escapes of JSON.
pub(crate) struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&serde_json::to_string(self.0).map_err(|_| fmt::Error)?)
    }
}

/// A name, in quotes where it would not be read as one word.
pub(crate) struct Word<'a>(pub &'a str);

impl fmt::Display for Word<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.0;
        let strange = |c: char| c.is_whitespace() || c.is_control() || c == '"';
        let plain = !matches!(word, "" | "_") && !word.starts_with(['@', '[', '#']);
        if plain && !word.contains(strange) {
            formatter.write_str(word)
        } else {
            Quoted(word).fmt(formatter)
        }
    }
}

/// A text that goes on to the end of its line, in quotes where it would not come back as it is.
pub(crate) struct Phrase<'a>(pub &'a str);

impl fmt::Display for Phrase<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0;
        let plain = text.trim() == text && without_comment(text) == text;
        if plain && !text.contains(|c: char| c.is_control() || c == '"') {
            formatter.write_str(text)
        } else {
            Quoted(text).fmt(formatter)
        }
    }
}

/// The line without what follows a `#` at the beginning of a word, outside quotes.
pub(super) fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    let mut rest = line;
    while let Some(next) = rest.chars().next() {
        let place = line.len() - rest.len();
        if next == '#' && before.is_whitespace() {
            return &line[..place];
        }
        let begins = next == '"' && (before.is_whitespace() || matches!(before, '[' | '{'));
        // A quote without its second is a character as any other.
        rest = match read_quoted(rest).filter(|_| begins) {
            Some((_, after)) => after,
            None => &rest[next.len_utf8()..],
        };
        before = next;
    }
    line
}

/// The first word of `text`, up to the next space, and what follows it.
pub(super) fn split(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (text, ""),
    }
}

/// A quoted text at the beginning of `text`, and what follows it.
pub(super) fn read_quoted(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start();
    if !text.starts_with('"') {
        return None;
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let value = values.next()?.ok()?;
    Some((value, &text[values.byte_offset()..]))
}

/// The first word of `text`, quoted or not, and what follows it.
pub(super) fn read_word(text: &str) -> (Cow<'_, str>, &str) {
    if let Some((quoted, rest)) = read_quoted(text) {
        return (Cow::Owned(quoted), rest.trim_start());
    }
    let (word, rest) = split(text);
    (Cow::Borrowed(word), rest)
}

/// What the rest of a line says: what stands in the quotes if they enclose all of it.
pub(super) fn read_phrase(text: &str) -> Cow<'_, str> {
    match read_quoted(text) {
        Some((quoted, "")) => Cow::Owned(quoted),
        _ => Cow::Borrowed(text),
    }
}
