//! What one operation says about logs, and which operations say nothing that is understood.

use std::fmt;

use schism_history::{F, Key, MopKind, Operation, Outcome, Value};

/// The first event that is none of a log's.
#[derive(Clone, Debug)]
pub(crate) struct Alien {
    /// Its index.
    pub index: u64,
    /// What is wrong with it.
    pub problem: String,
}

/// What became of a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was acknowledged.
    Ok,
    /// Nobody knows.
    Info,
    /// It was refused, or its transaction aborted.
    Fail,
}

/// A message: a number, or what else it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Message<'a> {
    /// A number.
    Number(i64),
    /// A text or a truth value.
    Other(&'a Value),
}

impl<'a> Message<'a> {
    /// The message that a value is; `None` if it is none.
    pub fn of(value: &'a Value) -> Option<Self> {
        match value {
            Value::Int(number) => Some(Self::Number(*number)),
            Value::Text(_) | Value::Bool(_) => Some(Self::Other(value)),
            _ => None,
        }
    }
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(formatter),
            Self::Other(value) => value.fmt(formatter),
        }
    }
}

/// A message that an operation sent or polled.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step<'a> {
    /// A message sent, with the offset that its acknowledgement names.
    Sent(Key, Option<i64>, Message<'a>),
    /// A message polled.
    Polled(Key, Option<i64>, Message<'a>),
}

/// What an operation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// It sends or polls.
    Messages,
    /// From now on its process reads these logs and no others: by choice (`assign`), or as the
    /// system distributes them (`subscribe`).
    Assignment {
        /// Whether the system distributes them.
        subscribed: bool,
        /// The logs.
        keys: Vec<Key>,
    },
    /// It says nothing about messages.
    Nothing,
}

/// The functions of logs.
pub(crate) struct Functions {
    send: F,
    poll: F,
    txn: F,
    assign: F,
    subscribe: F,
    silent: [F; 2],
}

impl Functions {
    pub fn new() -> Self {
        Self {
            send: F::new("send"),
            poll: F::new("poll"),
            txn: F::new("txn"),
            assign: F::new("assign"),
            subscribe: F::new("subscribe"),
            silent: [F::new("crash"), F::new("debug-topic-partitions")],
        }
    }

    /// Whether it asks for messages: an operation that returned none has no steps.
    pub fn polls(&self, operation: &Operation<'_>) -> bool {
        let asks = |value: &Value| match value {
            Value::Mops(mops) => mops.iter().any(|mop| mop.kind == MopKind::Poll),
            _ => false,
        };
        operation.op.f == self.poll
            || operation.op.f == self.txn && asks(&operation.op.value)
            || operation.ok().is_some_and(|reply| asks(&reply.value))
    }

    /// Hands each message of the operation to `take`, in order, or names what nobody understands.
    pub fn read<'a>(
        &self,
        operation: &Operation<'a>,
        mut take: impl FnMut(Step<'a>),
    ) -> Result<What, Alien> {
        let op = operation.op;
        if op.f == self.assign || op.f == self.subscribe {
            let keys = keys(&op.value)
                .ok_or_else(|| asked(operation, "names no list of logs".to_owned()))?;
            if operation.ok().is_none() {
                return Ok(What::Nothing);
            }
            return Ok(What::Assignment { subscribed: op.f == self.subscribe, keys });
        }
        if self.silent.contains(&op.f) {
            return Ok(What::Nothing);
        }
        if ![self.send, self.poll, self.txn].contains(&op.f) {
            let known = "is no operation of a log (send, poll, txn, assign, subscribe, crash)";
            return Err(asked(operation, known.to_owned()));
        }
        match op.key {
            Some(key) if op.f == self.send => single_send(operation, key, &mut take)?,
            Some(key) if op.f == self.poll => single_poll(operation, key, &mut take)?,
            _ => transaction(operation, &mut take)?,
        }
        Ok(What::Messages)
    }
}

fn asked(operation: &Operation<'_>, what: String) -> Alien {
    let (index, f) = (operation.invoked, operation.op.f);
    Alien { index, problem: format!("the {f} of event {index} {what}") }
}

fn answered(operation: &Operation<'_>, what: String) -> Alien {
    let index = operation.completed.unwrap_or(operation.invoked);
    let problem = format!("the {} of event {} {what}", operation.op.f, operation.invoked);
    Alien { index, problem }
}

fn keys(value: &Value) -> Option<Vec<Key>> {
    let Value::List(list) = value else { return (*value == Value::Nil).then(Vec::new) };
    list.iter()
        .map(|key| match key {
            Value::Int(number) => Some(Key::new(&number.to_string())),
            Value::Text(text) => Some(Key::new(text)),
            _ => None,
        })
        .collect()
}

/// The offset that an acknowledgement names, or an error if it is none of `message`.
fn acknowledged(reply: &Value, message: Message<'_>) -> Result<Option<i64>, ()> {
    let is_it = |sent: &Value| Message::of(sent) == Some(message);
    match reply {
        Value::Placed(offset, sent) if *offset >= 0 && message == Message::Number(*sent) => {
            Ok(Some(*offset))
        }
        Value::List(pair) => match &**pair {
            [Value::Int(offset), sent] if *offset >= 0 && is_it(sent) => Ok(Some(*offset)),
            [Value::Nil, sent] if is_it(sent) => Ok(None),
            _ => Err(()),
        },
        sent if is_it(sent) => Ok(None),
        _ => Err(()),
    }
}

fn single_send<'a>(
    operation: &Operation<'a>,
    key: Key,
    take: &mut impl FnMut(Step<'a>),
) -> Result<(), Alien> {
    let Some(message) = Message::of(&operation.op.value) else {
        return Err(asked(operation, "sends no number, text or truth value".to_owned()));
    };
    let offset = match operation.ok() {
        Some(reply) => acknowledged(&reply.value, message)
            .map_err(|()| answered(operation, "was answered with another message".to_owned()))?,
        None => None,
    };
    take(Step::Sent(key, offset, message));
    Ok(())
}

fn single_poll<'a>(
    operation: &Operation<'a>,
    key: Key,
    take: &mut impl FnMut(Step<'a>),
) -> Result<(), Alien> {
    if operation.op.value != Value::Nil {
        return Err(asked(operation, "has an argument, which nobody understands".to_owned()));
    }
    let Some(reply) = operation.ok() else { return Ok(()) };
    polled(operation, key, &reply.value, take)
}

/// The messages of one log in a reply.
fn polled<'a>(
    operation: &Operation<'a>,
    key: Key,
    value: &'a Value,
    take: &mut impl FnMut(Step<'a>),
) -> Result<(), Alien> {
    let strange = || answered(operation, "returned no list of offsets and messages".to_owned());
    if let Value::Polled(messages) = value {
        for &(offset, message) in messages {
            if offset < 0 {
                return Err(strange());
            }
            take(Step::Polled(key, Some(offset), Message::Number(message)));
        }
        return Ok(());
    }
    let Value::List(list) = value else {
        return if *value == Value::Nil { Ok(()) } else { Err(strange()) };
    };
    let (pairs, rest) = list.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(strange());
    }
    for [offset, message] in pairs {
        let offset = match offset {
            Value::Int(offset) if *offset >= 0 => Some(*offset),
            Value::Nil => None,
            _ => return Err(strange()),
        };
        let message = Message::of(message).ok_or_else(strange)?;
        take(Step::Polled(key, offset, message));
    }
    Ok(())
}

fn transaction<'a>(
    operation: &Operation<'a>,
    take: &mut impl FnMut(Step<'a>),
) -> Result<(), Alien> {
    let asks = match &operation.op.value {
        Value::Mops(mops) => &**mops,
        Value::List(list) if list.is_empty() => &[],
        _ => return Err(asked(operation, "holds no sends and polls".to_owned())),
    };
    if asks.iter().any(|mop| !matches!(mop.kind, MopKind::Send | MopKind::Poll)) {
        return Err(asked(operation, "holds what is neither send nor poll".to_owned()));
    }
    let sends = asks.iter().filter(|mop| mop.kind == MopKind::Send);
    if sends.clone().any(|mop| Message::of(&mop.value).is_none()) {
        return Err(asked(operation, "sends no number, text or truth value".to_owned()));
    }
    let mut sends = sends.filter_map(|mop| Some((mop.key, Message::of(&mop.value)?)));
    let Some(reply) = operation.ok() else {
        sends.for_each(|(key, message)| take(Step::Sent(key, None, message)));
        return Ok(());
    };
    let answers = match &reply.value {
        Value::Mops(mops) => &**mops,
        Value::List(list) if list.is_empty() => &[],
        _ => return Err(answered(operation, "was answered with no sends and polls".to_owned())),
    };
    for answer in answers {
        match answer.kind {
            MopKind::Poll => polled(operation, answer.key, &answer.value, take)?,
            MopKind::Send => {
                let send = sends.next().filter(|(key, _)| *key == answer.key);
                let other = || answered(operation, "was answered with other sends".to_owned());
                let (_, message) = send.ok_or_else(other)?;
                let offset = acknowledged(&answer.value, message).map_err(|()| other())?;
                take(Step::Sent(answer.key, offset, message));
            }
            _ => return Err(answered(operation, "returned neither send nor poll".to_owned())),
        }
    }
    if sends.next().is_some() {
        return Err(answered(operation, "left sends unanswered".to_owned()));
    }
    Ok(())
}

/// What became of the operation's sends.
pub(crate) fn fate(operation: &Operation<'_>) -> Fate {
    match operation.outcome {
        Some(Outcome::Ok(_)) => Fate::Ok,
        Some(Outcome::Fail(_)) => Fate::Fail,
        Some(Outcome::Info(_)) | None => Fate::Info,
    }
}
