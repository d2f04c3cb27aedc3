//! Operations in words.

use schism_history::{Mop, MopKind, Op, Operation, Value};

/// `write 412`, `read → 401`, `cas 412→418`, `append x 3, r y → [1 2]`.
pub fn words(operation: &Operation<'_>) -> String {
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
        ("cas", Value::List(pair), _) if pair.len() == 2 => format!("cas {}→{}", pair[0], pair[1]),
        (name, Value::Nil, Some(reply)) => format!("{name} → {}", cut(&reply.to_string())),
        (name, Value::Nil, None) => name.to_owned(),
        (name, value, _) => format!("{name} {}", cut(&value.to_string())),
    }
}

/// One micro-operation of a transaction.
pub fn mop(mop: &Mop) -> String {
    match (mop.kind, &mop.value) {
        (MopKind::Read, Value::Nil) => format!("r {}", mop.key),
        (MopKind::Read, value) => format!("r {} → {}", mop.key, cut(&value.to_string())),
        (MopKind::Append, value) => format!("append {} {value}", mop.key),
        (MopKind::Write, value) => format!("w {} {value}", mop.key),
        (MopKind::Send, value) => format!("send {} {}", mop.key, cut(&value.to_string())),
        (MopKind::Poll, value) => format!("poll {} → {}", mop.key, cut(&value.to_string())),
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
