//! An end to a generator that has none.

use std::time::Duration;

use schism_history::{Event, Time};

use crate::{Context, Generator, Next};

/// A generator that is done after so many operations, or after so long.
///
/// ```
/// # use schism_workloads::{Context, Generator, Next, generator::{Always, Limit}};
/// # use schism_history::{Op, Value};
/// # use rand::SeedableRng;
/// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
/// let read = Op::new("read", Some("x"), Value::Nil);
/// let mut one = Limit::operations(Always(read.clone()), 1);
/// let mut context = Context::of_thread(0, 1, &mut rng);
/// assert_eq!(one.next(&mut context), Next::Op(read));
/// assert_eq!(one.next(&mut context), Next::Done);
/// ```
pub struct Limit<G> {
    inner: G,
    operations: u64,
    length: Option<Duration>,
    /// When the length is over; known from the first time that a client asks.
    end: Option<Time>,
}

impl<G: Generator> Limit<G> {
    /// The first `count` operations of `inner`.
    pub fn operations(inner: G, count: u64) -> Self {
        Self { inner, operations: count, length: None, end: None }
    }

    /// What `inner` hands out within `length` of the first time that a client asks.
    pub fn time(inner: G, length: Duration) -> Self {
        Self { inner, operations: u64::MAX, length: Some(length), end: None }
    }
}

impl<G: Generator> Generator for Limit<G> {
    fn next(&mut self, context: &mut Context<'_>) -> Next {
        if let Some(length) = self.length.take() {
            self.end = Some(context.time + length);
        }
        if self.operations == 0 || self.end.is_some_and(|end| context.time >= end) {
            return Next::Done;
        }
        let next = self.inner.next(context);
        match (&next, self.end) {
            (Next::Op(_), _) => self.operations -= 1,
            // Nothing comes before the end: the clients need not sleep beyond it.
            (Next::At(time), Some(end)) if *time > end => return Next::At(end),
            _ => {}
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
    use crate::generator::Stagger;
    use crate::generator::driver::{Driver, numbered};

    #[test]
    fn ends_after_the_count() {
        let mut limited = Limit::operations(numbered("read"), 17);
        assert_eq!(Driver::new(4, 7).ops(&mut limited, 1000).len(), 17);
    }

    #[test]
    fn ends_after_the_time_from_the_first_ask() {
        let mut limited = Limit::time(numbered("read"), Duration::from_secs(2));
        let mut driver = Driver::new(1, 7);
        driver.wait_until(Time::from_secs_f64(10.0));
        let asked = driver.ops(&mut limited, 1_000_000);
        assert!(!asked.is_empty());
        assert!((11.9..12.1).contains(&driver.now().as_secs_f64()), "ended at {}", driver.now());
    }

    #[test]
    fn does_not_let_a_client_sleep_beyond_the_end() {
        let rare = Stagger::new(numbered("read"), Duration::from_secs(1_000_000));
        let mut driver = Driver::new(2, 7);
        assert_eq!(driver.ops(&mut Limit::time(rare, Duration::from_secs(1)), 10).len(), 1);
        assert!(driver.now() < Time::from_secs_f64(1.1), "ended at {}", driver.now());
    }
}
