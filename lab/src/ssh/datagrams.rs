//! A socket for probes on a node, at the other end of the agent's channel.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use schism_agent::protocol::{Answer, Bytes, Deed};
use tokio::time::timeout;

use super::agent::{Agent, Answers};
use super::reach::Reach;
use crate::{Datagrams, HostError};

/// So often the channel is timed when a socket is opened.
const ECHOES: u32 = 5;

/// The socket; opened again when the connection was.
pub(super) struct RemoteDatagrams {
    reach: Arc<Reach>,
    address: SocketAddr,
    lag: Duration,
    open: Mutex<Open>,
    answers: tokio::sync::Mutex<Answers>,
}

/// The request that opened it, and the agent that was asked.
#[derive(Clone)]
struct Open {
    id: u64,
    agent: Arc<Agent>,
}

impl RemoteDatagrams {
    pub(super) async fn open(reach: Arc<Reach>, address: IpAddr) -> Result<Self, HostError> {
        let held = reach.held().await?;
        let lag = time(&held.agent).await.map_err(|problem| reach.error(problem))?;
        let (open, address, answers) =
            open(&held.agent, address).await.map_err(|problem| reach.error(problem))?;
        let (open, answers) = (Mutex::new(open), tokio::sync::Mutex::new(answers));
        Ok(Self { reach, address, lag, open, answers })
    }

    fn current(&self) -> Open {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A socket of a new connection, at the same port: others know no other.
    async fn open_again(&self) -> Result<Answers, String> {
        let held = self.reach.held().await.map_err(|error| error.to_string())?;
        let (open, address, answers) = open(&held.agent, self.address.ip()).await?;
        if address != self.address {
            return Err(format!("the socket for probes came back at {address}"));
        }
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = open;
        Ok(answers)
    }
}

async fn open(agent: &Arc<Agent>, address: IpAddr) -> Result<(Open, SocketAddr, Answers), String> {
    let (id, mut answers) = agent.open(Deed::Datagrams { address }).await?;
    let open = Open { id, agent: agent.clone() };
    match timeout(agent.answer_within(), answers.recv()).await {
        Ok(Some(Answer::Opened { address })) => Ok((open, address, answers)),
        Ok(Some(Answer::Refused(problem))) => Err(problem),
        _ => Err("its agent opened no socket for probes".into()),
    }
}

/// The longest of a few round trips.
async fn time(agent: &Agent) -> Result<Duration, String> {
    let mut longest = Duration::ZERO;
    for _ in 0..ECHOES {
        let start = Instant::now();
        agent.ask(Deed::Echo, agent.answer_within()).await?;
        longest = longest.max(start.elapsed());
    }
    Ok(longest)
}

#[async_trait]
impl Datagrams for RemoteDatagrams {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn send(&self, datagram: &[u8], to: SocketAddr) {
        let Open { id, agent } = self.current();
        agent.tell(Deed::Send { of: id, to, bytes: Bytes(datagram.to_vec()) });
    }

    async fn receive(&self) -> io::Result<(Vec<u8>, Instant)> {
        let mut answers = self.answers.lock().await;
        loop {
            match answers.recv().await {
                Some(Answer::Datagram { bytes }) => return Ok((bytes.0, Instant::now())),
                Some(_) => {}
                None => *answers = self.open_again().await.map_err(io::Error::other)?,
            }
        }
    }

    fn lag(&self) -> Duration {
        self.lag
    }
}

impl Drop for RemoteDatagrams {
    fn drop(&mut self) {
        let Open { id, agent } = self.current();
        agent.forget(id);
    }
}
