//! The lines of Redis' protocol (RESP2), as far as a client needs them.
//!
//! ```text
//! *3\r\n$3\r\nSET\r\n$1\r\nx\r\n$1\r\n4\r\n
//! +OK\r\n
//! -MOVED 3999 10.0.0.2:6379\r\n
//! :12\r\n
//! $1\r\n4\r\n
//! *2\r\n$1\r\na\r\n$-1\r\n
//! ```

use std::io::Write as _;

/// A reply longer than this is taken for nonsense.
pub(crate) const REPLY_BYTES_MAX: usize = 64 << 20;
/// Statuses, errors and lengths are short.
const LINE_BYTES_MAX: usize = 64 << 10;
const ELEMENTS_MAX: i64 = 1 << 24;
/// Nothing that is asked here is answered by deeper arrays.
const DEPTH_MAX: usize = 8;

/// What a node answers to one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// `OK`, `QUEUED`, `PONG` …
    Status(String),
    /// A refusal; its first word is its class.
    Error(String),
    Integer(i64),
    Bulk(Vec<u8>),
    /// No value: an absent key.
    Nil,
    Array(Vec<Reply>),
}

impl Reply {
    /// The text of a bulk reply; `None` of any other.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Reply::Bulk(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        }
    }

    /// As an error of ours says it; long ones are cut.
    pub(crate) fn shown(&self) -> String {
        let shown = match self {
            Reply::Status(text) | Reply::Error(text) => text.clone(),
            other => format!("{other:?}"),
        };
        shown.chars().take(200).collect()
    }
}

/// Appends the command made of `words` to `bytes`.
pub(crate) fn write_command<W: AsRef<[u8]>>(bytes: &mut Vec<u8>, words: &[W]) {
    let head = |bytes: &mut Vec<u8>, kind: char, number: usize| {
        write!(bytes, "{kind}{number}\r\n").expect("memory takes every write");
    };
    head(bytes, '*', words.len());
    for word in words {
        let word = word.as_ref();
        head(bytes, '$', word.len());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
}

/// The reply at the beginning of `bytes` and how long it is; `None` if its end has yet to come. An
/// error says why this can be no reply.
pub(crate) fn read_reply(bytes: &[u8]) -> Result<Option<(Reply, usize)>, String> {
    let mut reader = Reader { bytes, at: 0 };
    Ok(reader.reply(0)?.map(|reply| (reply, reader.at)))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn reply(&mut self, depth: usize) -> Result<Option<Reply>, String> {
        let Some(line) = self.line()? else { return Ok(None) };
        let Some((kind, rest)) = line.split_first() else {
            return Err("an empty line in the place of a reply".into());
        };
        let text = || String::from_utf8_lossy(rest).into_owned();
        match kind {
            b'+' => Ok(Some(Reply::Status(text()))),
            b'-' => Ok(Some(Reply::Error(text()))),
            b':' => Ok(Some(Reply::Integer(number(rest)?))),
            b'$' => self.bulk(number(rest)?),
            b'*' => self.array(number(rest)?, depth),
            other => Err(format!("a reply that begins with {:?}", char::from(*other))),
        }
    }

    /// The next line without its end.
    fn line(&mut self) -> Result<Option<&'a [u8]>, String> {
        let rest = &self.bytes[self.at..];
        match rest.windows(2).take(LINE_BYTES_MAX).position(|pair| pair == b"\r\n") {
            Some(end) => {
                self.at += end + 2;
                Ok(Some(&rest[..end]))
            }
            None if rest.len() > LINE_BYTES_MAX => {
                Err(format!("a line beyond {LINE_BYTES_MAX} bytes"))
            }
            None => Ok(None),
        }
    }

    fn bulk(&mut self, length: i64) -> Result<Option<Reply>, String> {
        if length == -1 {
            return Ok(Some(Reply::Nil));
        }
        let length = usize::try_from(length).ok().filter(|length| *length <= REPLY_BYTES_MAX);
        let Some(length) = length else { return Err("a text of an absurd length".into()) };
        let rest = &self.bytes[self.at..];
        if rest.len() < length + 2 {
            return Ok(None);
        }
        if &rest[length..length + 2] != b"\r\n" {
            return Err("a text that does not end where it should".into());
        }
        self.at += length + 2;
        Ok(Some(Reply::Bulk(rest[..length].to_vec())))
    }

    fn array(&mut self, count: i64, depth: usize) -> Result<Option<Reply>, String> {
        if count == -1 {
            return Ok(Some(Reply::Nil));
        }
        if !(0..=ELEMENTS_MAX).contains(&count) || depth >= DEPTH_MAX {
            return Err("an array of an absurd length or depth".into());
        }
        let mut elements = Vec::new();
        for _ in 0..count {
            match self.reply(depth + 1)? {
                Some(element) => elements.push(element),
                None => return Ok(None),
            }
        }
        Ok(Some(Reply::Array(elements)))
    }
}

fn number(digits: &[u8]) -> Result<i64, String> {
    let text = String::from_utf8_lossy(digits);
    text.parse().map_err(|_| format!("`{text}` in the place of a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &str, expected: Reply) {
        let length = bytes.len();
        assert_eq!(read_reply(bytes.as_bytes()), Ok(Some((expected.clone(), length))));
        let followed = format!("{bytes}+OK\r\n");
        assert_eq!(read_reply(followed.as_bytes()), Ok(Some((expected, length))));
        // Whatever has arrived of it so far is no reply, and no nonsense.
        for end in 0..length {
            assert_eq!(read_reply(&bytes.as_bytes()[..end]), Ok(None), "{bytes:?} up to {end}");
        }
    }

    #[test]
    fn reads_replies_however_they_arrive() {
        check("+OK\r\n", Reply::Status("OK".into()));
        check("-ERR no such thing\r\n", Reply::Error("ERR no such thing".into()));
        check(":-12\r\n", Reply::Integer(-12));
        check("$4\r\na\r\nb\r\n", Reply::Bulk(b"a\r\nb".to_vec()));
        check("$0\r\n\r\n", Reply::Bulk(Vec::new()));
        check("$-1\r\n", Reply::Nil);
        check("*-1\r\n", Reply::Nil);
        check("*0\r\n", Reply::Array(Vec::new()));
        let inner = Reply::Array(vec![Reply::Bulk(b"a".to_vec()), Reply::Nil]);
        check("*2\r\n:1\r\n*2\r\n$1\r\na\r\n$-1\r\n", Reply::Array(vec![Reply::Integer(1), inner]));
    }

    fn check_not(bytes: &[u8], problem: &str) {
        let found = read_reply(bytes).expect_err("nonsense");
        assert!(found.contains(problem), "{found}");
    }

    #[test]
    fn refuses_what_can_be_no_reply() {
        check_not(b"\r\n", "an empty line");
        check_not(b"HTTP/1.1 200 OK\r\n", "begins with 'H'");
        check_not(b":twelve\r\n", "`twelve` in the place of a number");
        check_not(b"$3\r\nabcde", "does not end where it should");
        check_not(b"$-2\r\n", "absurd");
        check_not(b"*99999999999\r\n", "absurd");
        check_not(&b"*1\r\n".repeat(20), "absurd");
        check_not(&vec![b'+'; LINE_BYTES_MAX + 2], "a line beyond");
    }

    #[test]
    fn writes_commands_whatever_their_words_hold() {
        let mut bytes = b"before".to_vec();
        write_command(&mut bytes, &["SET", "a\r\nb", ""]);
        assert_eq!(bytes, b"before*3\r\n$3\r\nSET\r\n$4\r\na\r\nb\r\n$0\r\n\r\n");
    }
}
