//! The clock of a run: monotonic, zero when the load begins.

use std::time::{Duration, Instant};

use schism_history::Time;

/// Reads the time of the history.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that shows zero now.
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Now.
    pub fn now(&self) -> Time {
        self.origin.elapsed().into()
    }

    /// How long ago the load began.
    pub fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }

    /// The moment `time` for tokio's timers.
    pub fn instant(&self, time: Time) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.origin + Duration::from_nanos(time.0))
    }
}
