//! A node: the machine with real sockets, files and clocks.
//!
//! One thread drives the machine and syncs its log, since both are in its way; the sockets have a
//! small runtime of their own. Ports: 7000 clients, 7001 peers, 7002 HTTP (`/health`, `/metrics`).

mod clients;
mod connection;
mod driver;
mod http;
mod metrics;
mod peers;
mod wire;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot::error::RecvError;

use self::driver::Driver;
use self::http::Health;
use self::metrics::Metrics;
use crate::raft::{Bug, Config, Machine, NodeId};
use crate::storage::{FolderDisk, Storage, StorageError};

const CLIENT_PORT: u16 = 7000;
const PEER_PORT: u16 = 7001;
const HTTP_PORT: u16 = 7002;
/// Entries in one message between members.
const APPEND_BATCH: usize = 256;

/// What a node needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who it is.
    pub id: NodeId,
    /// Where it listens.
    pub address: IpAddr,
    /// All members with their addresses, itself among them.
    pub peers: Vec<(NodeId, IpAddr)>,
    /// Where it keeps its files.
    pub data: PathBuf,
    /// The seed of its timers.
    pub seed: u64,
    /// A planted bug.
    pub bug: Option<Bug>,
    /// A snapshot is taken after so many entries.
    pub snapshot_every: u64,
    /// The pause between heartbeats.
    pub heartbeat: Duration,
    /// The least time without a leader before a campaign; the most is twice that.
    pub election: Duration,
}

/// Why a node could not come up or go on.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Its files.
    #[error("{folder}: {source}")]
    Storage {
        /// Where they are.
        folder: String,
        /// What is wrong.
        source: StorageError,
    },
    /// Its snapshot's content.
    #[error("{folder}: the snapshot's state cannot be read: {source}")]
    Snapshot {
        /// Where it is.
        folder: String,
        /// What is wrong.
        source: postcard::Error,
    },
    /// A socket.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The thread that drives the machine.
    #[error("the thread of the protocol has panicked; its message stands above")]
    Panicked,
}

/// Runs a node until it is killed. Returns an exit code only when it cannot go on.
pub fn run(options: &Options) -> i32 {
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_target(false)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info")),
        )
        .init();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let served = runtime
        .map_err(|source| NodeError::Io { what: "a runtime".into(), source })
        .and_then(|runtime| runtime.block_on(serve(options)));
    match served {
        Ok(()) => 0,
        Err(error) => {
            tracing::error!(node = %options.id, "{error}");
            eprintln!("{}: {error}", options.id);
            1
        }
    }
}

async fn serve(options: &Options) -> Result<(), NodeError> {
    let metrics = Arc::new(Metrics::default());
    let health = Arc::new(Health::new(options.id));
    let (machine, storage) = come_up(options)?;
    let listen = |port| listen(options.address, port);
    let (clients, peers, http) =
        (listen(CLIENT_PORT).await?, listen(PEER_PORT).await?, listen(HTTP_PORT).await?);
    let (jobs, queue) = driver::queue();
    // The tasks that send end when this does.
    let (outgoing, _sending) = peers::connect(options, PEER_PORT);
    let driver =
        Driver::new(options.id, machine, storage, outgoing, metrics.clone(), health.clone());
    let ended = driver.start(queue)?;
    let serving = async {
        tokio::join!(
            peers::accept(peers, jobs.clone()),
            clients::accept(clients, jobs.clone(), metrics.clone(), clients::CONNECTIONS),
            http::serve(http, health, metrics),
        )
    };
    tokio::select! {
        _ = serving => Ok(()),
        failure = ended => Err(why_it_ended(failure, options)),
    }
}

/// The driver ends only when its disk fails, and says so, or when it panics: in either case nothing
/// can be promised any more.
fn why_it_ended(failure: Result<StorageError, RecvError>, options: &Options) -> NodeError {
    match failure {
        Ok(source) => NodeError::Storage { folder: folder(options), source },
        Err(_) => NodeError::Panicked,
    }
}

fn folder(options: &Options) -> String {
    options.data.display().to_string()
}

fn come_up(options: &Options) -> Result<(Machine, Storage<FolderDisk>), NodeError> {
    let failed = |source| NodeError::Storage { folder: folder(options), source };
    let disk = FolderDisk::new(options.data.clone())
        .map_err(|source| NodeError::Io { what: folder(options), source })?;
    let (storage, found) = Storage::recover(disk, options.bug).map_err(failed)?;
    let snapshot = found.snapshot.as_ref().map_or(0, |snapshot| snapshot.index);
    tracing::info!(
        node = %options.id,
        term = found.state.term,
        snapshot,
        last = found.log.last_index(),
        torn_bytes = found.torn_bytes,
        "started"
    );
    let election = options.election.as_micros() as u64;
    let config = Config {
        id: options.id,
        members: options.peers.iter().map(|(id, _)| *id).collect(),
        heartbeat: options.heartbeat.as_micros() as u64,
        election: (election, election * 2),
        snapshot_every: options.snapshot_every,
        batch: APPEND_BATCH,
        seed: options.seed,
        bug: options.bug,
    };
    let machine = Machine::new(config, found.state, found.snapshot, found.log, 0)
        .map_err(|source| NodeError::Snapshot { folder: folder(options), source })?;
    Ok((machine, storage))
}

async fn listen(address: IpAddr, port: u16) -> Result<TcpListener, NodeError> {
    TcpListener::bind((address, port))
        .await
        .map_err(|source| NodeError::Io { what: format!("{address}:{port}"), source })
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    /// How a node ends whose driver's thread did `thread` with its word.
    fn check(thread: impl FnOnce(oneshot::Sender<StorageError>) + Send + 'static, expected: &str) {
        let options = Options {
            id: NodeId(1),
            address: IpAddr::from([127, 0, 0, 1]),
            peers: Vec::new(),
            data: PathBuf::from("/data"),
            seed: 1,
            bug: None,
            snapshot_every: 1,
            heartbeat: Duration::ZERO,
            election: Duration::ZERO,
        };
        let (word, failure) = oneshot::channel();
        let _ = std::thread::spawn(move || thread(word)).join();
        let error = why_it_ended(failure.blocking_recv(), &options).to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn ends_with_an_error_when_the_protocol_panics() {
        check(|_word| panic!("as a bug would"), "panicked");
    }

    #[test]
    fn ends_with_an_error_when_the_disk_fails() {
        let full = || std::io::Error::from(std::io::ErrorKind::StorageFull);
        let error = move || StorageError::Io { file: "log", source: full() };
        check(move |word| drop(word.send(error())), "/data: log: ");
    }
}
