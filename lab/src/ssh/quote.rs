//! Words for a shell that nobody can avoid: sshd hands every command to the user's own.

/// One word, which every shell of the POSIX family reads as itself.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    // Inside single quotes nothing means anything but the quote itself.
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Words with spaces between them.
pub fn words<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| quote(word.as_ref())).collect();
    quoted.join(" ")
}

/// A script for /bin/sh, whatever shell the user has.
pub fn script(script: &str) -> String {
    words(["exec", "/bin/sh", "-c", script])
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const HOSTILE: &[&str] = &[
        "",
        " ",
        "plain",
        "two words",
        "it's",
        "'",
        "''",
        "\"double\"",
        "line\nbreak",
        "$(touch /tmp/never)",
        "`id`",
        "$HOME",
        "-rf",
        "--",
        "*",
        "~",
        "a;b|c&d",
        "back\\slash",
        "trailing\\",
        "#comment",
        "!history",
        "{a,b}",
        "tab\tand\r",
        "grün ☃",
    ];

    #[test]
    fn a_shell_reads_hostile_words_as_themselves() {
        let line = format!("printf '%s\\0' {}", words(HOSTILE));
        for shell in ["sh", "bash"] {
            let output = Command::new(shell).args(["-c", &line]).output();
            let Ok(output) = output else { continue };
            let mut read: Vec<&[u8]> = output.stdout.split(|&byte| byte == 0).collect();
            assert_eq!(read.pop(), Some(&b""[..]));
            let expected: Vec<&[u8]> = HOSTILE.iter().map(|word| word.as_bytes()).collect();
            assert_eq!(read, expected, "{shell}");
        }
    }

    #[test]
    fn a_script_survives_the_users_shell() {
        let inner = format!("printf %s {}", quote("it's \"$HOME\""));
        let output = Command::new("sh").args(["-c", &script(&inner)]).output().expect("a shell");
        assert_eq!(output.stdout, b"it's \"$HOME\"");
    }
}
