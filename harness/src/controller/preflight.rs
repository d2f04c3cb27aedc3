//! The preflight: before the load, each node is asked something to which the answer is known.
//!
//! A client that lies or a node that refuses would otherwise be taken for evidence about the
//! system's behaviour under faults. What fails here, on a healthy system and with one client at a
//! time, makes every claim unknown.

use std::sync::Arc;
use std::time::Duration;

use schism_history::{Call, Code, MopKind, Outcome, Process, TraceId, Value};
use schism_lab::Node;
use schism_targets::Client;
use schism_workloads::{Expect, Step, Workload};

use super::client::{Load, connect};
use super::clock::Clock;

/// A system that has just formed may still settle: so often each node is tried.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(250);
/// So long may a message take to come, and so long is waited between two polls of it.
const MESSAGE_WITHIN: Duration = Duration::from_secs(10);
const BETWEEN_POLLS: Duration = Duration::from_millis(50);

/// Why no load can be put on a system.
#[derive(Debug, Default)]
pub struct Finding {
    /// What was wrong, in whole sentences.
    pub words: String,
    /// Whether a client was given up by its own library.
    pub fatal: bool,
}

impl From<String> for Finding {
    fn from(words: String) -> Self {
        Self { words, fatal: false }
    }
}

/// Asks every node, all at once.
pub async fn check(load: &Arc<Load>, workload: &Arc<dyn Workload>) -> Result<(), Finding> {
    let mut nodes: Vec<Option<Node>> = load.cluster.nodes().cloned().map(Some).collect();
    if nodes.is_empty() {
        nodes.push(None);
    }
    let checks: Vec<_> = nodes
        .into_iter()
        .enumerate()
        .map(|(place, node)| {
            let (load, workload) = (load.clone(), workload.clone());
            tokio::spawn(
                async move { check_node(&load, &*workload, node.as_ref(), place as u32).await },
            )
        })
        .collect();
    let mut problems = Vec::new();
    let mut fatal = false;
    for check in checks {
        match check.await {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => {
                fatal |= problem.fatal;
                problems.push(problem.words);
            }
            Err(error) => problems.push(format!("the preflight broke off: {error}.")),
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Finding { words: problems.join(" "), fatal }) }
}

async fn check_node(
    load: &Load,
    workload: &dyn Workload,
    node: Option<&Node>,
    place: u32,
) -> Result<(), Finding> {
    let name = node.map_or_else(|| load.target.name().to_owned(), |node| node.id.to_string());
    let mut last = Finding::default();
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        // Numbers above every process of the load, and objects that no attempt has touched.
        let token = place * ATTEMPTS + attempt;
        let process = Process(u32::MAX - 1 - token);
        let mut client = match connect(load, node, place, process).await {
            Ok(client) => client,
            Err(problem) => {
                last = problem.into();
                continue;
            }
        };
        match take_steps(load, &mut *client, &workload.preflight(token)).await {
            Ok(()) => return Ok(()),
            Err(problem) => last = problem,
        }
    }
    let words =
        format!("{name}, asked before any fault and with nothing else to do: {}.", last.words);
    Err(Finding { words, ..last })
}

async fn take_steps(load: &Load, client: &mut dyn Client, steps: &[Step]) -> Result<(), Finding> {
    let clock = Clock::start();
    for (index, step) in steps.iter().enumerate() {
        let give_up = clock.now() + MESSAGE_WITHIN;
        loop {
            let outcome = take_step(load, client, step, clock, index as u64).await?;
            if is_expected(&step.expect, &outcome) {
                break;
            }
            let answered =
                matches!(&outcome, Outcome::Ok(reply) if matches!(reply.value, Value::Mops(_)));
            if matches!(step.expect, Expect::Message(_)) && answered && clock.now() < give_up {
                tokio::time::sleep(BETWEEN_POLLS).await;
                continue;
            }
            let fatal = matches!(
                &outcome,
                Outcome::Fail(reason) | Outcome::Info(reason) if reason.code == Code::Fatal
            );
            let seen = match outcome {
                Outcome::Ok(reply) => format!("ok with {}", reply.value),
                Outcome::Fail(reason) => format!("fail ({reason})"),
                Outcome::Info(reason) => format!("info ({reason})"),
            };
            let words = format!("{} came back as {seen}, not as {}", said(step), wanted(step));
            return Err(Finding { words, fatal });
        }
    }
    Ok(())
}

async fn take_step(
    load: &Load,
    client: &mut dyn Client,
    step: &Step,
    clock: Clock,
    index: u64,
) -> Result<Outcome, String> {
    let (deadline, timeout) = (clock.now() + load.timeout, load.timeout);
    let trace = TraceId::derive(!load.run, index);
    let call = Call { op: &step.op, index, deadline, timeout, trace };
    let answer = tokio::time::timeout(timeout * 3, client.invoke(&call)).await;
    answer.map_err(|_| format!("{} got no answer", said(step)))
}

fn is_expected(expect: &Expect, outcome: &Outcome) -> bool {
    match (expect, outcome) {
        (Expect::Ok, Outcome::Ok(_)) => true,
        (Expect::Value(value), Outcome::Ok(reply)) => reply.value == *value,
        (Expect::Mismatch, Outcome::Fail(reason)) => reason.code == Code::Mismatch,
        (Expect::Message(message), Outcome::Ok(reply)) => holds(&reply.value, message),
        _ => false,
    }
}

/// Whether a poll returned this message.
fn holds(answer: &Value, message: &Value) -> bool {
    let Value::Mops(mops) = answer else { return false };
    mops.iter().filter(|mop| mop.kind == MopKind::Poll).any(|mop| match &mop.value {
        Value::Polled(messages) => {
            messages.iter().any(|(_, polled)| *message == Value::Int(*polled))
        }
        Value::List(list) => list.as_chunks::<2>().0.iter().any(|[_, polled]| polled == message),
        _ => false,
    })
}

fn said(step: &Step) -> String {
    let key = step.op.key.map(|key| format!(" {key}")).unwrap_or_default();
    format!("{}{key} {}", step.op.f, step.op.value)
}

fn wanted(step: &Step) -> String {
    match &step.expect {
        Expect::Ok => "ok".into(),
        Expect::Value(value) => format!("ok with {value}"),
        Expect::Mismatch => "a mismatch".into(),
        Expect::Message(message) => {
            format!("ok with the message {message} within {MESSAGE_WITHIN:?}")
        }
    }
}
