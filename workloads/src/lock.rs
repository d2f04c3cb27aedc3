//! Locks: take one, write what it guards, give it back.

use std::time::Duration;

use rand::RngExt;
use rustc_hash::FxHashMap;
use schism_checkers::Claim;
use schism_history::{Code, Event, F, Key, Kind, Op, OptionError, Outcome, Process, Time, Value};

use crate::{Context, Expect, Generator, Next, Step, Workload, WorkloadEntry, options};

/// The row of this workload.
pub(crate) const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "lock",
    summary: "takes locks, holds them for a while, writes what they guard, and gives them back",
    operations: &["acquire", "release", "write"],
    claims: &[Claim::MutualExclusion, Claim::Fencing],
    options: &[
        ("keys", "how many locks there are; default 3"),
        ("hold", "how long a client keeps a lock; default 2s"),
        (
            "writes",
            "how often it writes meanwhile, the first time at once and the last time just before \
             it gives the lock back; default 2",
        ),
        ("pause", "how long it waits before it asks for the next one; default 100ms"),
    ],
    construct,
};

/// A holder believes that it holds the lock from the grant until it gives it back, and does nothing
/// in between but write what the lock guards, under the token of the grant. That it sleeps for most
/// of the time is the point: whatever takes the lock away from it meanwhile, it is not told.
#[derive(Debug)]
struct Lock {
    keys: u32,
    hold: Duration,
    writes: u32,
    pause: Duration,
}

fn construct(given: &serde_json::Value) -> Result<Box<dyn Workload>, OptionError> {
    let given = options::read(given, ENTRY.options)?;
    Ok(Box::new(Lock {
        keys: options::keys(&given, 3)?,
        hold: given.span("hold")?.unwrap_or(Duration::from_secs(2)),
        writes: given.count("writes", 1..=1000)?.map_or(2, |writes| writes as u32),
        pause: given.span("pause")?.unwrap_or(Duration::from_millis(100)),
    }))
}

impl Workload for Lock {
    fn load(&self) -> Box<dyn Generator> {
        Box::new(Holders {
            keys: (0..self.keys).map(|number| Key::new(&number.to_string())).collect(),
            hold: self.hold,
            writes: self.writes,
            pause: self.pause,
            f: Functions::default(),
            value: 0,
            clients: FxHashMap::default(),
        })
    }

    /// None: what locks promise is about the time while they are held.
    fn final_reads(&self) -> Box<dyn Generator> {
        Box::new(Nothing)
    }

    /// A lock is granted, what it guards can be written, and it is granted again once it was given
    /// back.
    fn preflight(&self, token: u32) -> Vec<Step> {
        let key = format!("preflight-{token}");
        let step = |f, value| Step { op: Op::new(f, Some(&key), value), expect: Expect::Ok };
        let (acquire, release) = (step("acquire", Value::Nil), step("release", Value::Nil));
        // The token of the grant is not known here; one below every real one is as good, where
        // nothing was written before.
        let write = step("write", written(0, 0));
        vec![acquire.clone(), write, release.clone(), acquire, release]
    }

    fn initial(&self) -> Value {
        Value::Nil
    }
}

struct Nothing;

impl Generator for Nothing {
    fn next(&mut self, _: &mut Context<'_>) -> Next {
        Next::Done
    }
}

struct Functions {
    acquire: F,
    release: F,
    write: F,
}

impl Default for Functions {
    fn default() -> Self {
        let [acquire, release, write] = ["acquire", "release", "write"].map(F::new);
        Self { acquire, release, write }
    }
}

/// What each client is to do next.
struct Holders {
    keys: Vec<Key>,
    hold: Duration,
    writes: u32,
    pause: Duration,
    f: Functions,
    /// The last value that was handed out: each is written once.
    value: i64,
    /// By process: what a retired one held is no longer its successor's.
    clients: FxHashMap<Process, Client>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Client {
    /// An operation was handed out, and its end was not seen.
    waits: bool,
    /// The operation, once its invocation was seen.
    asked: Option<(F, Key)>,
    /// Nothing before.
    earliest: Time,
    /// What it holds, as far as it knows.
    hold: Option<Hold>,
}

#[derive(Clone, Copy, Debug)]
struct Hold {
    key: Key,
    token: i64,
    since: Time,
    /// How often it has written.
    written: u32,
}

fn written(token: i64, value: i64) -> Value {
    Value::List([Value::Int(token), Value::Int(value)].into())
}

impl Holders {
    fn op(&mut self, hold: Option<Hold>, context: &mut Context<'_>) -> Op {
        let op = |f, key, value| Op { f, key: Some(key), value };
        match hold {
            None => {
                let key = self.keys[context.rng.random_range(0..self.keys.len())];
                op(self.f.acquire, key, Value::Nil)
            }
            Some(hold) if hold.written < self.writes => {
                self.value += 1;
                op(self.f.write, hold.key, written(hold.token, self.value))
            }
            Some(hold) => op(self.f.release, hold.key, Value::Nil),
        }
    }

    /// When a holder is to write for the next time, or to give the lock back: writes stand evenly
    /// over the hold, the last one at its end.
    fn due(&self, hold: &Hold) -> Time {
        let gaps = self.writes.saturating_sub(1).max(1);
        hold.since + self.hold / gaps * hold.written.min(gaps)
    }

    /// What a client knows after `outcome` of an operation on `key`.
    fn learn(&self, client: &mut Client, f: F, key: Key, now: Time, outcome: &Outcome) {
        client.earliest = now + self.pause;
        match outcome {
            // Whoever the process was, it is no more.
            Outcome::Info(_) => client.hold = None,
            Outcome::Ok(reply) if f == self.f.acquire => {
                // A system without tokens grants the lock, too; it is held as long, and there is
                // nothing to write meanwhile.
                let (token, written) = match reply.value {
                    Value::Int(token) => (token, 0),
                    _ => (0, self.writes),
                };
                let hold = Hold { key, token, since: now, written };
                client.earliest = self.due(&hold);
                client.hold = Some(hold);
            }
            Outcome::Fail(_) if f == self.f.acquire => {}
            Outcome::Ok(_) if f == self.f.release => client.hold = None,
            // The request has not arrived: the lock is still to be given back.
            Outcome::Fail(reason) if f == self.f.release => {
                if !matches!(reason.code, Code::Refused | Code::Unavailable) {
                    client.hold = None;
                }
            }
            // A newer token was seen: the client learns that the lock is lost, and lets go.
            Outcome::Fail(reason) if reason.code == Code::Mismatch => client.hold = None,
            Outcome::Ok(_) | Outcome::Fail(_) => {
                if let Some(hold) = &mut client.hold {
                    hold.written += 1;
                    client.earliest = self.due(hold);
                }
            }
        }
    }
}

impl Generator for Holders {
    fn next(&mut self, context: &mut Context<'_>) -> Next {
        let client = self.clients.entry(context.process).or_default();
        if client.waits {
            return Next::Pending;
        }
        if client.earliest > context.time {
            return Next::At(client.earliest);
        }
        client.waits = true;
        let hold = client.hold;
        Next::Op(self.op(hold, context))
    }

    fn observe(&mut self, event: &Event) {
        match &event.kind {
            Kind::Invoke { op, .. } => {
                if let (Some(client), Some(key)) = (self.clients.get_mut(&event.process), op.key) {
                    client.asked = Some((op.f, key));
                }
            }
            Kind::Complete(outcome) => {
                let Some(mut client) = self.clients.get(&event.process).copied() else { return };
                let Some((f, key)) = client.asked.take() else { return };
                client.waits = false;
                self.learn(&mut client, f, key, event.time, outcome);
                self.clients.insert(event.process, client);
            }
            Kind::Fault(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use schism_history::{Reason, Reply};
    use serde_json::json;

    use super::*;
    use crate::generator::driver::Driver;

    /// The operations of one client whose system answers as `answer` says.
    fn ops(count: usize, answer: impl FnMut(&Op) -> Outcome + 'static) -> Vec<Event> {
        let given = json!({ "keys": 1, "hold": "1s", "writes": 3, "pause": "10ms" });
        let workload = construct(&given).expect("options are right");
        let mut driver = Driver::new(1, 7);
        driver.answer = Box::new(answer);
        driver.events(&mut *workload.load(), count)
    }

    fn granted(op: &Op) -> Outcome {
        let value = if op.f.as_str() == "acquire" { Value::Int(7) } else { op.value.clone() };
        Outcome::Ok(Reply { value, version: None })
    }

    fn names(events: &[Event]) -> Vec<&'static str> {
        let name = |event: &Event| match &event.kind {
            Kind::Invoke { op, .. } => Some(op.f.as_str()),
            _ => None,
        };
        events.iter().filter_map(name).collect()
    }

    #[test]
    fn a_holder_writes_under_its_token_at_the_begin_and_at_the_end() {
        let events = ops(5, granted);
        assert_eq!(names(&events), ["acquire", "write", "write", "write", "release"]);
        let at = |name: &str, which: usize| {
            let is = |event: &&Event| matches!(&event.kind, Kind::Invoke { op, .. } if op.f.as_str() == name);
            events.iter().filter(is).nth(which).expect("it was asked").time.0 / 1_000_000
        };
        let begin = at("write", 0);
        assert!((495..=510).contains(&(at("write", 1) - begin)));
        assert!((995..=1010).contains(&(at("write", 2) - begin)));
        assert!(at("release", 0) - at("write", 2) < 20);
        let tokens = events.iter().filter_map(|event| match &event.kind {
            Kind::Invoke { op: Op { value: Value::List(parts), .. }, .. } => parts.first().cloned(),
            _ => None,
        });
        assert!(tokens.into_iter().all(|token| token == Value::Int(7)));
    }

    #[test]
    fn a_lock_without_a_token_is_held_as_long() {
        let events = ops(2, |_| Outcome::Ok(Reply::default()));
        assert_eq!(names(&events), ["acquire", "release"]);
        let invoked = events.iter().filter(|event| matches!(event.kind, Kind::Invoke { .. }));
        let times: Vec<u64> = invoked.map(|event| event.time.0 / 1_000_000).collect();
        assert!((995..=1010).contains(&(times[1] - times[0])), "{times:?}");
    }

    #[test]
    fn a_holder_that_learns_of_a_newer_token_lets_go() {
        let events = ops(4, |op| match op.f.as_str() {
            "write" => Outcome::Fail(Reason::new(Code::Mismatch, "too old")),
            _ => granted(op),
        });
        assert_eq!(names(&events), ["acquire", "write", "acquire", "write"]);
    }

    #[test]
    fn a_release_that_did_not_arrive_is_asked_again() {
        let mut refusals = 2;
        let events = ops(7, move |op| match op.f.as_str() {
            "release" if refusals > 0 => {
                refusals -= 1;
                Outcome::Fail(Reason::new(Code::Refused, "no connection"))
            }
            _ => granted(op),
        });
        assert_eq!(names(&events)[4..], ["release", "release", "release"]);
    }

    #[test]
    fn a_process_that_is_retired_leaves_nothing_to_the_next() {
        let events = ops(4, |op| match op.f.as_str() {
            "write" => Outcome::Info(Reason::new(Code::Timeout, "late")),
            _ => granted(op),
        });
        assert_eq!(names(&events), ["acquire", "write", "acquire", "write"]);
    }
}
