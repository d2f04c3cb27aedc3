//! How much a check may cost before it must answer `Unknown`.

use std::time::{Duration, Instant};

/// A bound on time and memory. Checkers with exponential worst cases ask it as they go.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// When the check must have ended.
    pub deadline: Instant,
    /// Bytes that the check may hold beyond the history itself.
    pub memory_bytes: usize,
}

impl Budget {
    /// A budget of `time` from now, and `memory_bytes`.
    pub fn new(time: Duration, memory_bytes: usize) -> Self {
        Self { deadline: Instant::now() + time, memory_bytes }
    }

    /// How much time is left.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Whether the time is over.
    pub fn expired(&self) -> bool {
        Instant::now() >= self.deadline
    }
}

impl Default for Budget {
    /// A minute and 4 GiB.
    fn default() -> Self {
        Self::new(Duration::from_mins(1), 4 << 30)
    }
}
