//! Connections between the members: one in each direction, frames of `length, postcard`.
//!
//! Messages may be lost, so nothing is queued for long: a connection that makes no progress is
//! given up soon, since after a partition TCP would otherwise wait out its backoff.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Options;
use super::connection;
use super::driver::Job;
use crate::raft::{Message, NodeId};

/// Messages that wait for a connection.
const QUEUE: usize = 512;
const CONNECT_WITHIN: Duration = Duration::from_millis(250);
const RECONNECT_AFTER: Duration = Duration::from_millis(50);
/// A connection on which the other side has confirmed nothing for this long is given up.
const PROGRESS_WITHIN: Duration = Duration::from_millis(600);
/// Whoever connects says at once who it is.
const HELLO_WITHIN: Duration = Duration::from_secs(2);
/// A frame that was begun is sent and received within this, even a snapshot.
const FRAME_WITHIN: Duration = Duration::from_secs(20);
/// Connections at a time. Each member has one, and those that it lost end within seconds.
const CONNECTIONS: usize = 100;
/// A frame that claims more than this is no frame.
const FRAME_MAX: usize = 64 << 20;

/// Starts one task for each other member, and returns the ways to them, and the tasks.
pub(super) fn connect(
    options: &Options,
    port: u16,
) -> (BTreeMap<NodeId, mpsc::Sender<Message>>, JoinSet<()>) {
    let mut sending = JoinSet::new();
    let others = options.peers.iter().filter(|(id, _)| *id != options.id);
    let ways = others
        .map(|&(id, address)| {
            let (sender, messages) = mpsc::channel(QUEUE);
            let to = SocketAddr::new(address, port);
            sending.spawn(keep_sending(options.id, options.address, to, messages));
            (id, sender)
        })
        .collect();
    (ways, sending)
}

async fn keep_sending(
    id: NodeId,
    own: IpAddr,
    to: SocketAddr,
    mut messages: mpsc::Receiver<Message>,
) {
    loop {
        let connected = timeout(CONNECT_WITHIN, open(id, own, to)).await;
        if let Ok(Ok(stream)) = connected {
            // What waited for the connection is old: the next message says it better.
            while messages.try_recv().is_ok() {}
            if send_all(stream, &mut messages).await.is_none() {
                return;
            }
        }
        tokio::time::sleep(RECONNECT_AFTER).await;
    }
}

async fn open(id: NodeId, own: IpAddr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(own, 0))?;
    let mut stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_user_timeout(Some(PROGRESS_WITHIN))?;
    stream.write_all(&id.0.to_le_bytes()).await?;
    Ok(stream)
}

/// Sends until the connection breaks; `None` when there will be nothing more to send.
async fn send_all(mut stream: TcpStream, messages: &mut mpsc::Receiver<Message>) -> Option<()> {
    let (mut reader, mut writer) = stream.split();
    let mut frames = Vec::new();
    let mut nothing = [0];
    loop {
        let message = tokio::select! {
            message = messages.recv() => message?,
            // The other side never sends: what comes is the end.
            _ = reader.read(&mut nothing) => return Some(()),
        };
        frames.clear();
        push_frame(&mut frames, &message);
        while let Ok(message) = messages.try_recv() {
            push_frame(&mut frames, &message);
        }
        if !matches!(timeout(FRAME_WITHIN, writer.write_all(&frames)).await, Ok(Ok(()))) {
            return Some(());
        }
    }
}

fn push_frame(frames: &mut Vec<u8>, message: &Message) {
    let payload = postcard::to_allocvec(message).expect("a message has a finite encoding");
    frames.extend((payload.len() as u32).to_le_bytes());
    frames.extend(payload);
}

/// Takes connections of the other members.
pub(super) async fn accept(listener: TcpListener, jobs: SyncSender<Job>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = listener.accept().await;
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((_, from)) if connections.len() >= CONNECTIONS => {
                tracing::warn!(%from, "too many connections of members: one is refused");
            }
            Ok((stream, _)) => {
                connections.spawn(receive_all(stream, jobs.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "no connection of a member can be taken");
                tokio::time::sleep(RECONNECT_AFTER).await;
            }
        }
    }
}

async fn receive_all(stream: TcpStream, jobs: SyncSender<Job>) -> std::io::Result<()> {
    connection::give_up_when_dead(&stream)?;
    let mut reader = BufReader::with_capacity(1 << 16, stream);
    let from = NodeId(timeout(HELLO_WITHIN, reader.read_u16_le()).await??);
    let mut payload = Vec::new();
    loop {
        let length = reader.read_u32_le().await? as usize;
        if length > FRAME_MAX {
            return Ok(());
        }
        payload.resize(length, 0);
        timeout(FRAME_WITHIN, reader.read_exact(&mut payload)).await??;
        let Ok(message) = postcard::from_bytes(&payload) else { return Ok(()) };
        // A driver that does not keep up loses messages; the protocol sends them again.
        let _ = jobs.try_send(Job::Message { from, message });
    }
}
