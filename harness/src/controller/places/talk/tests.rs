//! A made-up client at the other end of the pipes, whose answers come when it is told.

use std::process::ExitStatus;

use async_trait::async_trait;
use schism_history::{Reply, Time, TraceId, Value};
use schism_lab::Control;
use tokio::io::{AsyncBufReadExt as _, BufReader, DuplexStream, ReadHalf, WriteHalf, split};
use tokio::time::timeout;

use super::*;

const SOON: Duration = Duration::from_millis(50);

struct Immortal;

#[async_trait]
impl Control for Immortal {
    async fn wait(&mut self) -> io::Result<ExitStatus> {
        Ok(ExitStatus::default())
    }

    fn start_kill(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The other end.
struct Far {
    lines: tokio::io::Lines<BufReader<ReadHalf<DuplexStream>>>,
    output: WriteHalf<DuplexStream>,
}

impl Far {
    async fn read(&mut self) -> String {
        self.lines.next_line().await.expect("a pipe").expect("a line")
    }

    async fn say(&mut self, line: &str) {
        self.output.write_all(line.as_bytes()).await.expect("a pipe");
        self.output.write_all(b"\n").await.expect("a pipe");
    }
}

/// Pipes that take `room` bytes before somebody reads.
fn talk(room: usize) -> (Talk, Far) {
    let (near, far) = tokio::io::duplex(room);
    let (output, input) = split(near);
    let running = Running::new(input, output, tokio::io::empty(), Immortal);
    let (lines, far_output) = split(far);
    let far = Far { lines: BufReader::new(lines).lines(), output: far_output };
    (Talk::new(running).expect("pipes"), far)
}

async fn ask(talk: &mut Talk, process: u32, value: i64) -> Result<Outcome, Lost> {
    let op = Op::new("write", Some("x"), Value::Int(value));
    let (deadline, trace) = (Time(0), TraceId::derive(0, 0));
    let call = Call { op: &op, index: 0, deadline, timeout: Duration::from_secs(1), trace };
    talk.ask(Process(process), &call).await
}

fn ok(value: i64) -> Outcome {
    Outcome::Ok(Reply { value: Value::Int(value), version: None })
}

#[tokio::test]
async fn a_late_answer_is_never_taken_for_that_of_another_call() {
    let (mut talk, mut far) = talk(1 << 16);
    // The process is stopped: the call is given up, and another one made in its place.
    assert!(timeout(SOON, ask(&mut talk, 1, 7)).await.is_err());
    assert!(talk.owes());
    let answers = tokio::spawn(async move {
        assert!(far.read().await.starts_with(r#"{"call":1,"process":1,"#));
        assert!(far.read().await.starts_with(r#"{"call":2,"process":9,"#));
        far.say(r#"{"call":1,"type":"ok","value":7}"#).await;
        far.say(r#"{"call":2,"type":"ok","value":8}"#).await;
        far
    });
    assert_eq!(ask(&mut talk, 9, 8).await.expect("an answer"), ok(8));
    assert!(!talk.owes());
    answers.await.expect("the other end");
}

#[tokio::test]
async fn what_is_owed_is_waited_for_and_forgotten() {
    let (mut talk, mut far) = talk(1 << 16);
    assert!(timeout(SOON, ask(&mut talk, 1, 7)).await.is_err());
    assert!(timeout(SOON, talk.settle()).await.is_err());
    far.say(r#"{"call":1,"type":"info","error":["timeout","late"]}"#).await;
    assert_eq!(talk.settle().await, Ok(()));
    assert!(!talk.owes());
}

#[tokio::test]
async fn a_call_that_was_given_up_half_sent_is_still_sent_whole() {
    let (mut talk, mut far) = talk(16);
    assert!(timeout(SOON, ask(&mut talk, 1, 7)).await.is_err());
    let answers = tokio::spawn(async move {
        let line = far.read().await;
        far.say(r#"{"call":1,"type":"ok"}"#).await;
        line
    });
    assert_eq!(talk.settle().await, Ok(()));
    let line = answers.await.expect("the other end");
    assert!(line.starts_with(r#"{"call":1,"#) && line.ends_with('}'), "{line}");
}

#[tokio::test]
async fn tells_what_was_never_sent_from_what_may_have_been_done() {
    let (mut one, far) = talk(1 << 16);
    drop(far);
    assert!(matches!(ask(&mut one, 1, 7).await, Err(Lost::Unsent(_))));
    let (mut other, mut far) = talk(1 << 16);
    let dies = tokio::spawn(async move { far.read().await });
    let lost = ask(&mut other, 1, 7).await;
    assert!(matches!(&lost, Err(Lost::Sent(why)) if why == "it is gone"), "{lost:?}");
    dies.await.expect("the other end");
}

#[tokio::test]
async fn nonsense_is_no_answer() {
    let check = async |line: &str, part: &str| {
        let (mut talk, mut far) = talk(1 << 16);
        far.say(line).await;
        let lost = ask(&mut talk, 1, 7).await;
        assert!(matches!(&lost, Err(Lost::Sent(why)) if why.contains(part)), "{lost:?}");
    };
    check("connected to n1", "said `connected to n1`, which is no answer").await;
    check(r#"{"call":5,"type":"ok"}"#, "answered call 5, which was never made").await;
}
