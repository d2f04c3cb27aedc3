//! Connections of clients: a JSON line a request, a JSON line a reply.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::driver::Job;
use super::metrics::{Metrics, Outcome};
use super::wire;
use crate::store::Answer;

/// Requests of one connection that may be under way.
const PIPELINE: usize = 256;
/// A line that is longer is no request.
const LINE_MAX: u64 = 4 << 20;

/// Takes connections of clients.
pub(super) async fn accept(listener: TcpListener, jobs: SyncSender<Job>, metrics: Arc<Metrics>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(serve(stream, jobs.clone(), metrics.clone()));
            }
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    }
}

async fn serve(
    stream: TcpStream,
    jobs: SyncSender<Job>,
    metrics: Arc<Metrics>,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let (replies, mut outgoing) = mpsc::channel::<Vec<u8>>(PIPELINE);
    let room = Arc::new(Semaphore::new(PIPELINE));
    let writing = tokio::spawn(async move {
        while let Some(line) = outgoing.recv().await {
            if writer.write_all(&line).await.is_err() {
                return;
            }
        }
    });
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut reader).take(LINE_MAX).read_until(b'\n', &mut line).await?;
        if read == 0 || !line.ends_with(b"\n") {
            break;
        }
        let Ok(permit) = room.clone().acquire_owned().await else { break };
        let (asked, replies, metrics) = (ask(&line, &jobs), replies.clone(), metrics.clone());
        tokio::spawn(async move {
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
    drop(replies);
    let _ = writing.await;
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
