//! A program on a node whose streams the caller holds, wherever the node stands.

use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

/// What ends a program, or tells that it has ended.
#[async_trait]
pub trait Control: Send {
    /// Returns when the program has ended, also when it is asked again.
    async fn wait(&mut self) -> io::Result<ExitStatus>;

    /// Has the program killed, and does not wait for it.
    fn start_kill(&mut self) -> io::Result<()>;
}

/// A program that runs on a node. Dropping it kills it.
///
/// Its fields and methods are named as those of [`tokio::process::Child`], which it is on the nodes
/// of the local lab.
pub struct Running {
    /// What is written here the program reads; dropping it ends its input.
    pub stdin: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    /// What the program writes to its standard output.
    pub stdout: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// What it writes to its standard error.
    pub stderr: Option<Box<dyn AsyncRead + Send + Unpin>>,
    control: Box<dyn Control>,
}

impl Running {
    /// A program with its streams.
    pub fn new(
        stdin: impl AsyncWrite + Send + Unpin + 'static,
        stdout: impl AsyncRead + Send + Unpin + 'static,
        stderr: impl AsyncRead + Send + Unpin + 'static,
        control: impl Control + 'static,
    ) -> Self {
        Self {
            stdin: Some(Box::new(stdin)),
            stdout: Some(Box::new(stdout)),
            stderr: Some(Box::new(stderr)),
            control: Box::new(control),
        }
    }

    /// Ends the program's input, and returns when it has ended.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        self.control.wait().await
    }

    /// Has the program killed, and does not wait for it.
    pub fn start_kill(&mut self) -> io::Result<()> {
        self.control.start_kill()
    }

    /// Kills the program, and returns when it is dead.
    pub async fn kill(&mut self) -> io::Result<()> {
        self.start_kill()?;
        self.wait().await.map(drop)
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Running").finish_non_exhaustive()
    }
}

#[async_trait]
impl Control for tokio::process::Child {
    async fn wait(&mut self) -> io::Result<ExitStatus> {
        tokio::process::Child::wait(self).await
    }

    fn start_kill(&mut self) -> io::Result<()> {
        tokio::process::Child::start_kill(self)
    }
}

impl TryFrom<tokio::process::Child> for Running {
    type Error = io::Error;

    /// Fails where a stream of the child is no pipe.
    fn try_from(mut child: tokio::process::Child) -> io::Result<Self> {
        let unpiped = || io::Error::other("a stream of the program is no pipe");
        let stdin = child.stdin.take().ok_or_else(unpiped)?;
        let stdout = child.stdout.take().ok_or_else(unpiped)?;
        let stderr = child.stderr.take().ok_or_else(unpiped)?;
        Ok(Self::new(stdin, stdout, stderr, child))
    }
}

/// The exit status behind a code of [`crate::Output`]: 128 + n is signal n.
pub(crate) fn status_of(code: i32) -> ExitStatus {
    match code {
        0..=128 => ExitStatus::from_raw(code << 8),
        signal => ExitStatus::from_raw((signal - 128) & 0x7f),
    }
}
