//! The leaves: generators that are not made of others.

use schism_history::Op;

use crate::{Context, Generator, Next};

/// The same operation for ever, for every client.
///
/// ```
/// # use schism_workloads::{Context, Generator, Next, generator::Always};
/// # use schism_history::{Op, Value};
/// # use rand::SeedableRng;
/// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
/// let read = Op::new("read", Some("x"), Value::Nil);
/// let mut reads = Always(read.clone());
/// assert_eq!(reads.next(&mut Context::of_thread(0, 1, &mut rng)), Next::Op(read));
/// ```
#[derive(Clone, Debug)]
pub struct Always(
    /// The operation.
    pub Op,
);

impl Generator for Always {
    fn next(&mut self, _: &mut Context<'_>) -> Next {
        Next::Op(self.0.clone())
    }
}

/// An operation made anew for every client that asks, without end.
///
/// ```
/// # use schism_workloads::{Context, Generator, Next, generator::Make};
/// # use schism_history::{Op, Value};
/// # use rand::SeedableRng;
/// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
/// let mut last = 0;
/// let mut writes = Make(move |_: &mut Context<'_>| {
///     last += 1;
///     Op::new("write", Some("x"), Value::Int(last))
/// });
/// let first = Op::new("write", Some("x"), Value::Int(1));
/// assert_eq!(writes.next(&mut Context::of_thread(0, 1, &mut rng)), Next::Op(first));
/// ```
pub struct Make<M>(
    /// Makes the operation.
    pub M,
);

impl<M: FnMut(&mut Context<'_>) -> Op + Send> Generator for Make<M> {
    fn next(&mut self, context: &mut Context<'_>) -> Next {
        Next::Op((self.0)(context))
    }
}
