//! Operations at intervals.

use std::time::Duration;

use rand::RngExt;
use schism_history::{Event, Time};

use crate::{Context, Generator, Next};

/// Spaces the operations of a generator, over all clients together: the gaps are drawn evenly from
/// nothing to twice the mean interval.
///
/// A gap begins when the operation before it was handed out. A client that asks late is not made
/// up for by a burst, so the mean interval is a floor; for a rate that holds whatever the system
/// does, arrivals are fixed in advance, see [`crate::arrivals`].
///
/// ```
/// # use std::time::Duration;
/// # use schism_workloads::{Context, Generator, Next, generator::{Always, Stagger}};
/// # use schism_history::{Op, Value};
/// # use rand::SeedableRng;
/// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
/// let read = Op::new("read", Some("x"), Value::Nil);
/// let mut reads = Stagger::new(Always(read), Duration::from_millis(10));
/// let mut context = Context::of_thread(0, 1, &mut rng);
/// assert!(matches!(reads.next(&mut context), Next::Op(_)));
/// assert!(matches!(reads.next(&mut context), Next::At(_)));
/// ```
pub struct Stagger<G> {
    inner: G,
    mean: Duration,
    /// Nothing is handed out before this.
    due: Time,
}

impl<G: Generator> Stagger<G> {
    /// The operations of `inner`, `mean` apart on the average.
    pub fn new(inner: G, mean: Duration) -> Self {
        Self { inner, mean, due: Time::ZERO }
    }
}

impl<G: Generator> Generator for Stagger<G> {
    fn next(&mut self, context: &mut Context<'_>) -> Next {
        if context.time < self.due {
            return Next::At(self.due);
        }
        let next = self.inner.next(context);
        if matches!(next, Next::Op(_)) {
            let longest = Time::from(self.mean).0.saturating_mul(2);
            self.due = context.time + Duration::from_nanos(context.rng.random_range(0..=longest));
        }
        next
    }

    fn observe(&mut self, event: &Event) {
        self.inner.observe(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::driver::{Driver, numbered};

    #[test]
    fn keeps_the_mean_interval() {
        let mut reads = Stagger::new(numbered("read"), Duration::from_secs(1));
        let mut driver = Driver::new(4, 7);
        let asked = driver.ops(&mut reads, 1000);
        assert_eq!(asked.len(), 1000);
        let seconds = driver.now().as_secs_f64();
        assert!((900.0..1100.0).contains(&seconds), "1000 operations took {seconds} s");
    }
}
