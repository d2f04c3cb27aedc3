//! Operations in words.

use schism_history::{Mop, MopKind, Op, Operation, Value};

/// How a value is written.
type Shown = fn(&str) -> String;

/// `write 412`, `read → 401`, `cas 412→418`, `append x 3, r y → [1 2]`; of long values the end.
pub fn words(operation: &Operation<'_>) -> String {
    say(operation, operation.op.f.as_str(), cut, mop)
}

/// The same with the key and whole values: `write x 412`.
pub fn whole_words(operation: &Operation<'_>) -> String {
    let Op { f, key, .. } = operation.op;
    let name = key.map_or_else(|| f.as_str().to_owned(), |key| format!("{f} {key}"));
    let answered = operation.ok().is_some();
    say(operation, &name, str::to_owned, |mop| whole_mop(mop, answered))
}

fn say(
    operation: &Operation<'_>,
    name: &str,
    shown: Shown,
    mop: impl Fn(&Mop) -> String,
) -> String {
    let Op { f, value, .. } = operation.op;
    let reply = operation.ok().map(|reply| &reply.value);
    match (f.as_str(), value, reply) {
        (_, Value::Mops(asked), _) => {
            let mops = match reply {
                Some(Value::Mops(answered)) => answered,
                _ => asked,
            };
            mops.iter().map(mop).collect::<Vec<_>>().join(", ")
        }
        ("cas", Value::List(pair), _) if pair.len() == 2 => {
            format!("{name} {}→{}", pair[0], pair[1])
        }
        (_, Value::Nil, Some(reply)) => format!("{name} → {}", shown(&reply.to_string())),
        (_, Value::Nil, None) => name.to_owned(),
        (_, value, _) => format!("{name} {}", shown(&value.to_string())),
    }
}

/// One micro-operation of a transaction.
pub fn mop(mop: &Mop) -> String {
    say_mop(mop, cut)
}

/// The same with its whole value; a read that was answered may have found nothing: `r x → _`.
pub fn whole_mop(mop: &Mop, answered: bool) -> String {
    if answered && mop.kind == MopKind::Read && mop.value == Value::Nil {
        return format!("r {} → _", mop.key);
    }
    say_mop(mop, str::to_owned)
}

fn say_mop(mop: &Mop, shown: Shown) -> String {
    match (mop.kind, &mop.value) {
        (MopKind::Read, Value::Nil) => format!("r {}", mop.key),
        (MopKind::Read, value) => format!("r {} → {}", mop.key, shown(&value.to_string())),
        (MopKind::Append, value) => format!("append {} {value}", mop.key),
        (MopKind::Write, value) => format!("w {} {value}", mop.key),
        (MopKind::Send, value) => format!("send {} {}", mop.key, shown(&value.to_string())),
        (MopKind::Poll, value) => format!("poll {} → {}", mop.key, shown(&value.to_string())),
    }
}

/// The end of a long text: of a list, what was added last.
fn cut(text: &str) -> String {
    const SHOWN_MAX: usize = 28;
    let length = text.chars().count();
    if length <= SHOWN_MAX {
        return text.to_owned();
    }
    let end: String = text.chars().skip(length - SHOWN_MAX).collect();
    format!("[… {end}")
}
