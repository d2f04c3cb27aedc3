//! Text in a picture: how wide it may get, how it is broken or cut, and how it becomes XML.
//!
//! Nobody knows which font a reader has. So widths are upper bounds over the usual ones, and a text
//! that fits by them is neither clipped nor written over another.

/// A kind of letters, as `style.css` sets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letters {
    /// Sentences, 13 px.
    Prose,
    /// Sentences that stand out, 13 px.
    Bold,
    /// The title, 17 px.
    Title,
    /// Remarks, 11 px.
    Small,
    /// Operations and values, 12 px, all of one width.
    Code,
}

impl Letters {
    /// The classes of `style.css`.
    pub fn class(self) -> &'static str {
        match self {
            Self::Prose => "p",
            Self::Bold => "b",
            Self::Title => "h",
            Self::Small => "s",
            Self::Code => "m",
        }
    }

    /// At most so many pixels.
    pub fn width(self, text: &str) -> f64 {
        text.chars().map(|letter| self.letter(letter)).sum()
    }

    fn letter(self, letter: char) -> f64 {
        let size = match self {
            Self::Prose | Self::Bold => 13.0,
            Self::Title => 17.0,
            Self::Small => 11.0,
            Self::Code => 12.0,
        };
        // Han, Kana, Hangul, symbols and pictures are as wide as they are high, or wider.
        if u32::from(letter) >= 0x1100 && !('\u{2010}'..='\u{2027}').contains(&letter) {
            return size * 1.25;
        }
        let share = match (self, letter) {
            (Self::Code, _) => 0.62,
            (_, ' ' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | 'i' | 'j' | 'l') => 0.4,
            (_, 'm' | 'w' | 'M' | 'W' | '%' | '@' | '—' | '…') => 1.0,
            (_, 'A'..='Z' | '+' | '=' | '<' | '>' | '→') => 0.85,
            _ => 0.64,
        };
        let heavy = matches!(self, Self::Bold | Self::Title);
        size * share * if heavy { 1.1 } else { 1.0 }
    }

    /// The beginning of a text that fits into `room` pixels, with `…` if something was cut off.
    pub fn cut(self, text: &str, room: f64) -> String {
        // A room that was measured by this text, and went through a subtraction, is wide enough.
        const ROUNDING: f64 = 0.01;
        if self.width(text) <= room + ROUNDING {
            return text.to_owned();
        }
        let mut left = room - self.letter('…');
        let fits = |letter: &char| {
            left -= self.letter(*letter);
            left >= 0.0
        };
        let mut kept: String = text.chars().take_while(fits).collect();
        kept.push('…');
        kept
    }

    /// The same, but what is cut off is in the middle: the end says what an operation returned.
    pub fn cut_inside(self, text: &str, room: f64) -> String {
        const END: usize = 14;
        let length = text.chars().count();
        if self.width(text) <= room || length <= END {
            return self.cut(text, room);
        }
        let end: String = text.chars().skip(length - END).collect();
        let start = self.cut(text, room - self.width(&end));
        self.cut(&format!("{start}{end}"), room)
    }

    /// The lines of a text, each at most `room` pixels wide. A word that is wider than a line is
    /// broken anywhere.
    pub fn lines(self, text: &str, room: f64) -> Vec<String> {
        let mut lines = vec![String::new()];
        let mut used = 0.0;
        for word in text.split_whitespace() {
            let (wide, space) = (self.width(word), self.letter(' '));
            if used > 0.0 && used + space + wide <= room {
                let line = lines.last_mut().expect("there is a line");
                line.push(' ');
                line.push_str(word);
                used += space + wide;
                continue;
            }
            if used > 0.0 {
                lines.push(String::new());
                used = 0.0;
            }
            for letter in word.chars() {
                let wide = self.letter(letter);
                if used > 0.0 && used + wide > room {
                    lines.push(String::new());
                    used = 0.0;
                }
                used += wide;
                lines.last_mut().expect("there is a line").push(letter);
            }
        }
        lines
    }
}

/// The text as a reader can see it: what XML forbids, what turns the direction of writing and what
/// would break a line becomes a visible sign.
pub fn visible(text: &str) -> String {
    let sign = |letter: char| match letter {
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + u32::from(letter)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fffe}'
        | '\u{ffff}' => '\u{fffd}',
        letter => letter,
    };
    text.chars().map(sign).collect()
}

/// The visible text as the content of an XML element or attribute.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in visible(text).chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_its_room() {
        let text = format!("a few words {} and 漢字かな", "unbroken".repeat(40));
        for letters in [Letters::Prose, Letters::Code, Letters::Title] {
            for room in [40.0, 120.0, 500.0] {
                let lines = letters.lines(&text, room);
                assert!(lines.iter().all(|line| letters.width(line) <= room), "{lines:?}");
                let put_together: String = lines.concat().split_whitespace().collect();
                assert_eq!(put_together, text.split_whitespace().collect::<String>());
                assert!(letters.width(&letters.cut(&text, room)) <= room);
                assert!(letters.width(&letters.cut_inside(&text, room)) <= room);
            }
        }
    }

    #[test]
    fn nothing_that_xml_forbids_is_left() {
        let hostile = "<a b=\"c\">&\u{0}\n\u{1b}[2J\u{7f}\u{202e}\u{ffff}";
        let safe = escaped(hostile);
        assert!(safe.starts_with("&lt;a b=&quot;c&quot;&gt;&amp;␀␊␛[2J␡"), "{safe}");
        assert!(safe.chars().all(|letter| (' '..'\u{fffe}').contains(&letter)), "{safe}");
    }
}
