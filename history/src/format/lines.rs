//! Lines of a text of which none may be long.

use std::io::{self, BufRead, BufReader, Read};

use super::error::ReadError;

/// No line of these formats is as long as this.
const LONGEST: u64 = 1 << 16;

/// The lines of a file.
pub(super) struct Lines<'a, R> {
    input: BufReader<R>,
    file: &'a str,
    buffer: Vec<u8>,
    /// The number of the last line, from 1.
    pub line: u64,
}

impl<'a, R: Read> Lines<'a, R> {
    /// The lines of `input`; `file` is its name in errors.
    pub fn new(input: R, file: &'a str) -> Self {
        Self { input: BufReader::with_capacity(1 << 18, input), file, buffer: Vec::new(), line: 0 }
    }

    /// The next line without its end, and whether it had one; `None` at the end of the file.
    pub fn next_line(&mut self) -> Result<Option<(&[u8], bool)>, ReadError> {
        self.buffer.clear();
        let read = io::Read::take(&mut self.input, LONGEST)
            .read_until(b'\n', &mut self.buffer)
            .map_err(|source| ReadError::Io { file: self.file.to_owned(), source })?;
        if read == 0 {
            return Ok(None);
        }
        self.line += 1;
        let whole = self.buffer.ends_with(b"\n");
        if !whole && read as u64 == LONGEST {
            let expected = "expected one operation";
            return Err(self.error(1, format!("a line of more than {LONGEST} bytes; {expected}")));
        }
        Ok(Some((self.buffer.trim_ascii(), whole)))
    }

    /// That something is wrong with the last line, at `column` from 1.
    pub fn error(&self, column: usize, problem: String) -> ReadError {
        ReadError::Line { file: self.file.to_owned(), line: self.line, column, problem }
    }

    /// What the last line says, for an error.
    pub fn said(&self) -> String {
        let line = String::from_utf8_lossy(self.buffer.trim_ascii()).into_owned();
        let said: String = line.chars().take(40).flat_map(char::escape_debug).collect();
        if line.chars().nth(40).is_some() { format!("{said}…") } else { said }
    }
}

/// `digits` as a number.
pub(super) fn number(digits: &[u8]) -> Option<i64> {
    let (negative, digits) = match digits.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, digits),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut number = 0;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + i64::from(digit);
    }
    Some(if negative { -number } else { number })
}
