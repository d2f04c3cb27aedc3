//! Words in which verdicts speak of operations and times.

use std::time::Duration;

use schism_history::Operation;

/// A duration for reading: `295 ms`, `1.2 s`, `40 µs`.
pub(crate) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match duration.as_micros() {
        0..1_000 => format!("{} µs", duration.as_micros()),
        1_000..10_000 => format!("{:.1} ms", seconds * 1e3),
        10_000..1_000_000 => format!("{:.0} ms", seconds * 1e3),
        1_000_000..10_000_000 => format!("{seconds:.2} s"),
        _ => format!("{seconds:.0} s"),
    }
}

/// Who asked whom: `p15 on n1`, or `p15` where the node is not known.
pub(crate) fn who(operation: &Operation<'_>) -> String {
    match operation.node {
        Some(node) => format!("{} on {node}", operation.process),
        None => operation.process.to_string(),
    }
}

/// A count with its noun: `1 key`, `3 keys`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// `5`, `5 and 2`, `5, 2 and 7`; after so many names, `and 12 more`.
pub(crate) fn list(names: &[String]) -> String {
    const NAMED_MAX: usize = 8;
    match names {
        [] => String::new(),
        [one] => one.clone(),
        names if names.len() > NAMED_MAX => {
            let more = names.len() - NAMED_MAX;
            format!("{} and {more} more", names[..NAMED_MAX].join(", "))
        }
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// A small number in words, as in `the other six hold`.
pub(crate) fn in_words(number: usize) -> String {
    const WORDS: [&str; 13] = [
        "none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
        "eleven", "twelve",
    ];
    WORDS.get(number).map_or_else(|| number.to_string(), |word| (*word).to_owned())
}
