//! The lease: what an agent does lasts only for as long as its controller is heard.
//!
//! Every line from the controller renews it. The agent looks itself, and the watcher looks at the
//! agent: each renewal is one byte in a pipe between both.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Without `--lease`.
pub const USUAL: Duration = Duration::from_secs(10);
/// How much longer than the lease the watcher waits: the agent itself comes first.
pub const GRACE: Duration = Duration::from_secs(1);

/// How long the controller may be silent, and since when it is.
pub struct Lease {
    length: Duration,
    renewed: Mutex<Instant>,
    watcher: Leash,
}

/// The agent's end of the pipe to its watcher, which does not block.
pub struct Leash(pub(crate) OwnedFd);

impl Lease {
    /// It begins now.
    pub fn begin(length: Duration, watcher: Leash) -> Self {
        let lease = Self { length, renewed: Mutex::new(Instant::now()), watcher };
        lease.renew();
        lease
    }

    /// The controller was heard.
    pub fn renew(&self) {
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        let pipe = self.watcher.0.as_raw_fd();
        // A pipe that is full says all that the watcher has to know, once it reads again.
        // SAFETY: the descriptor is open for as long as `self` lives, and one byte is read.
        unsafe { libc::write(pipe, c"x".as_ptr().cast(), 1) };
    }

    /// Returns when the controller was not heard for the lease's length.
    pub fn wait_for_its_end(&self) {
        loop {
            let renewed = *self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
            let left = self.length.saturating_sub(renewed.elapsed());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left);
        }
    }
}

/// `1500ms`, `10s` or `2m`.
pub fn parse(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => number,
        "s" => number.checked_mul(1_000)?,
        "m" => number.checked_mul(60_000)?,
        _ => return None,
    };
    (millis > 0).then(|| Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lengths_with_their_units() {
        assert_eq!(parse("1500ms"), Some(Duration::from_millis(1500)));
        assert_eq!(parse("10s"), Some(Duration::from_secs(10)));
        assert_eq!(parse("2m"), Some(Duration::from_mins(2)));
        for wrong in ["", "10", "s", "0s", "1h", "-1s", "1.5s", "99999999999999999999s"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ends_when_nobody_renews_it_and_not_before() {
        let (_watcher, pipe) = nix::unistd::pipe().expect("a pipe");
        let length = Duration::from_millis(60);
        let lease = Lease::begin(length, Leash(pipe));
        let began = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..5 {
                    std::thread::sleep(length / 3);
                    lease.renew();
                }
            });
            lease.wait_for_its_end();
        });
        assert!(began.elapsed() >= length * 2, "{:?}", began.elapsed());
    }
}
