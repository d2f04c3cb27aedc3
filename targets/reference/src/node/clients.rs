//! Connections of clients: a JSON line a request, a JSON line a reply.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::connection;
use super::driver::Job;
use super::metrics::{Metrics, Outcome};
use super::wire;
use crate::store::Answer;

/// Connections at a time: fewer than the descriptors that a process usually may open.
pub(super) const CONNECTIONS: usize = 800;
/// Requests of one connection that may be under way.
const PIPELINE: usize = 256;
/// A line that is longer is no request.
const LINE_MAX: u64 = 4 << 20;
/// A client that takes no reply for so long is given up.
const WRITE_WITHIN: Duration = Duration::from_secs(10);
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// Takes connections of clients, `most` at a time.
pub(super) async fn accept(
    listener: TcpListener,
    jobs: SyncSender<Job>,
    metrics: Arc<Metrics>,
    most: usize,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = listener.accept().await;
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((_, from)) if connections.len() >= most => {
                tracing::warn!(%from, most, "too many clients: one is refused");
            }
            Ok((stream, _)) => {
                connections.spawn(serve(stream, jobs.clone(), metrics.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "no connection of a client can be taken");
                sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

async fn serve(
    stream: TcpStream,
    jobs: SyncSender<Job>,
    metrics: Arc<Metrics>,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    connection::give_up_when_dead(&stream)?;
    let (reader, writer) = stream.into_split();
    let (replies, outgoing) = mpsc::channel::<Vec<u8>>(PIPELINE);
    let mut writing = std::pin::pin!(write_all(writer, outgoing));
    // A client that has asked all it wanted still gets its answers; one that takes none is left.
    tokio::select! {
        () = &mut writing => return Ok(()),
        read = read_all(reader, replies, jobs, metrics) => read?,
    }
    writing.await;
    Ok(())
}

/// Writes replies until there will be no more of them, or nobody takes them.
async fn write_all(mut writer: OwnedWriteHalf, mut outgoing: mpsc::Receiver<Vec<u8>>) {
    while let Some(line) = outgoing.recv().await {
        if !matches!(timeout(WRITE_WITHIN, writer.write_all(&line)).await, Ok(Ok(()))) {
            return;
        }
    }
}

/// Reads requests until there are no more, and waits until all are answered.
async fn read_all(
    reader: OwnedReadHalf,
    replies: mpsc::Sender<Vec<u8>>,
    jobs: SyncSender<Job>,
    metrics: Arc<Metrics>,
) -> std::io::Result<()> {
    let room = Arc::new(Semaphore::new(PIPELINE));
    let mut answering = JoinSet::new();
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut reader).take(LINE_MAX).read_until(b'\n', &mut line).await?;
        if read == 0 || !line.ends_with(b"\n") {
            break;
        }
        let Ok(permit) = room.clone().acquire_owned().await else { break };
        while answering.try_join_next().is_some() {}
        let (asked, replies, metrics) = (ask(&line, &jobs), replies.clone(), metrics.clone());
        answering.spawn(async move {
            let reply = match asked {
                Ok((id, answer)) => match answer.await {
                    Ok(answer) => wire::reply(id, &answer),
                    Err(_) => wire::reply(id, &Answer::Unknown { why: "the node ends".into() }),
                },
                Err(refusal) => refusal,
            };
            metrics.operations.get_or_create(&Outcome { outcome: reply.outcome }).inc();
            let _ = replies.send(reply.line).await;
            drop(permit);
        });
    }
    while answering.join_next().await.is_some() {}
    Ok(())
}

/// Hands a line to the driver, or says at once why not.
fn ask(
    line: &[u8],
    jobs: &SyncSender<Job>,
) -> Result<(u64, oneshot::Receiver<Answer>), wire::Reply> {
    let (id, request) = wire::parse(line)?;
    let (answer, answers) = oneshot::channel();
    match jobs.try_send(Job::Request { request, answer }) {
        Ok(()) => Ok((id, answers)),
        Err(_) => {
            Err(wire::reply(id, &Answer::Unavailable { why: "the node is overloaded".into() }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::driver::queue;

    /// What the last of so many connections reads, where two are allowed.
    async fn check(connections: usize, ask: &str, expected: &str) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port of loopback");
        let address = listener.local_addr().expect("a bound listener");
        let (jobs, _queue) = queue();
        let accepting = tokio::spawn(accept(listener, jobs, Arc::new(Metrics::default()), 2));
        let mut streams = Vec::new();
        for _ in 0..connections {
            streams.push(TcpStream::connect(address).await.expect("a listener"));
        }
        let mut last = streams.pop().expect("one connection at least");
        // The other side may have refused already.
        let _ = last.write_all(ask.as_bytes()).await;
        let _ = last.shutdown().await;
        let mut text = String::new();
        let read = timeout(Duration::from_secs(5), last.read_to_string(&mut text)).await;
        let refused = read.expect("an answer, or the end, within 5 s").is_err();
        assert_eq!(if refused { "" } else { &text }, expected, "connection {connections}");
        accepting.abort();
    }

    const NONSENSE: &str = "{\"id\":1,\"client\":\"x\",\"seq\":1,\"op\":{\"f\":\"read\"}}\n";

    #[tokio::test]
    async fn answers_all_that_was_asked_before_the_end() {
        let reply =
            "{\"id\":1,\"fail\":{\"code\":\"protocol\",\"text\":\"client is no number\"}}\n";
        check(2, NONSENSE, reply).await;
    }

    #[tokio::test]
    async fn refuses_a_connection_too_many() {
        check(3, NONSENSE, "").await;
    }
}
