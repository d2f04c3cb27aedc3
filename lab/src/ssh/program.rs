//! A program on a node whose streams come over the agent's channel.

use std::io;
use std::process::ExitStatus;
use std::sync::Arc;

use async_trait::async_trait;
use schism_agent::protocol::{Answer, Bytes, Deed, Program, Stream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::agent::{Agent, Answers};
use crate::running::status_of;
use crate::{Control, Running};

/// What may wait on this side for a reader, or for the node.
const BUFFER: usize = 64 << 10;

/// How a program ended: not yet, with a code, or with its connection.
#[derive(Clone, Debug)]
enum End {
    NotYet,
    Code(i32),
    Lost,
}

/// Starts `program`, and connects its streams.
pub(super) async fn spawn(agent: &Arc<Agent>, program: Program) -> Result<Running, String> {
    let (id, mut answers) = agent.open(Deed::Spawn { program }).await?;
    match timeout(agent.answer_within(), answers.recv()).await {
        Ok(Some(Answer::Started { .. })) => {}
        other => {
            agent.forget(id);
            agent.tell(Deed::Kill { of: id });
            return Err(match other {
                Ok(Some(Answer::Refused(problem))) => problem,
                Ok(_) => "the connection was lost".into(),
                Err(_) => {
                    format!("its agent started no program within {:?}", agent.answer_within())
                }
            });
        }
    }
    let (stdin, fed) = duplex(BUFFER);
    let (stdout, out) = duplex(BUFFER);
    let (stderr, err) = duplex(BUFFER);
    let (say_end, end) = watch::channel(End::NotYet);
    tokio::spawn(feed(agent.clone(), id, fed));
    let stdout_pieces = forward(agent.clone(), id, Stream::Stdout, out);
    let stderr_pieces = forward(agent.clone(), id, Stream::Stderr, err);
    let hearing = agent.clone();
    tokio::spawn(async move {
        hear(&mut answers, &say_end, [Some(stdout_pieces), Some(stderr_pieces)]).await;
        hearing.forget(id);
        // Without a code there will be none.
        say_end.send_if_modified(|end| {
            let lost = matches!(end, End::NotYet);
            if lost {
                *end = End::Lost;
            }
            lost
        });
    });
    Ok(Running::new(stdin, stdout, stderr, Remote { agent: agent.clone(), id, end }))
}

/// Sorts what comes of a program, until it has ended and so have both its outputs.
async fn hear(
    answers: &mut Answers,
    say_end: &watch::Sender<End>,
    mut outputs: [Option<mpsc::UnboundedSender<Vec<u8>>>; 2],
) {
    let mut over = false;
    while !over || outputs.iter().any(Option::is_some) {
        match answers.recv().await {
            // The agent sends no more than the window before it hears that some was taken.
            Some(Answer::Output { stream, bytes }) => {
                let output = &mut outputs[usize::from(stream == Stream::Stderr)];
                if bytes.0.is_empty() {
                    *output = None;
                } else if let Some(output) = output {
                    let _ = output.send(bytes.0);
                }
            }
            Some(Answer::Ended { code, .. }) => {
                over = true;
                let _ = say_end.send(End::Code(code));
            }
            Some(_) => {}
            None => return,
        }
    }
}

/// Hands a stream's pieces on, and says how much was taken; it ends with the last sender.
fn forward(
    agent: Arc<Agent>,
    of: u64,
    stream: Stream,
    mut sink: DuplexStream,
) -> mpsc::UnboundedSender<Vec<u8>> {
    let (sender, mut pieces) = mpsc::unbounded_channel::<Vec<u8>>();
    tokio::spawn(async move {
        while let Some(piece) = pieces.recv().await {
            // Who reads no more lets the program go on as if it were read.
            let _ = sink.write_all(&piece).await;
            let bytes = piece.len();
            // Without room for it the program waits a little longer; others are told the same.
            while !agent.tell(Deed::Took { of, stream, bytes }) && !agent.is_lost() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        }
    });
    sender
}

/// Sends what is written, one piece after the other, each when the program has taken the last.
async fn feed(agent: Arc<Agent>, of: u64, mut source: DuplexStream) {
    let mut piece = vec![0; BUFFER / 2];
    while let Ok(length @ 1..) = source.read(&mut piece).await {
        let deed = Deed::Input { of, bytes: Bytes(piece[..length].to_vec()) };
        let Ok((id, mut answers)) = agent.open(deed).await else { return };
        // However long the program takes to read: it may be paused.
        let answer = answers.recv().await;
        agent.forget(id);
        if !matches!(answer, Some(Answer::Done)) {
            return;
        }
    }
    agent.tell(Deed::CloseInput { of });
}

struct Remote {
    agent: Arc<Agent>,
    id: u64,
    end: watch::Receiver<End>,
}

#[async_trait]
impl Control for Remote {
    async fn wait(&mut self) -> io::Result<ExitStatus> {
        let over = self.end.wait_for(|end| !matches!(end, End::NotYet)).await;
        match over.as_deref() {
            Ok(End::Code(code)) => Ok(status_of(*code)),
            _ => Err(io::Error::other("the connection was lost while the program ran")),
        }
    }

    fn start_kill(&mut self) -> io::Result<()> {
        if self.agent.tell(Deed::Kill { of: self.id }) {
            Ok(())
        } else {
            Err(io::Error::other("the connection was lost"))
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        if matches!(*self.end.borrow(), End::NotYet) {
            let _ = self.start_kill();
        }
    }
}
