//! Threads set apart for a generator of their own.

use schism_history::Event;

use crate::{Context, Generator, Next};

/// Gives each of several ranges of threads its own generator, and the threads that are left one
/// more.
///
/// Inside its range a generator sees threads counted from 0, and only as many as the range holds.
/// A range that is done waits for the others. Ranges beyond the last thread are left out; the
/// remainder has no thread if the ranges take them all.
///
/// ```
/// # use schism_workloads::{Context, Generator, Next, generator::{Always, Reserve}};
/// # use schism_history::{Op, Value};
/// # use rand::SeedableRng;
/// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
/// let write = Op::new("write", Some("x"), Value::Int(1));
/// let read = Op::new("read", Some("x"), Value::Nil);
/// let mut reserve = Reserve::new(
///     vec![(2, Box::new(Always(write.clone())) as Box<dyn Generator>)],
///     Box::new(Always(read.clone())),
/// );
/// assert_eq!(reserve.next(&mut Context::of_thread(1, 5, &mut rng)), Next::Op(write));
/// assert_eq!(reserve.next(&mut Context::of_thread(2, 5, &mut rng)), Next::Op(read));
/// ```
pub struct Reserve {
    /// The last takes the threads that are left.
    ranges: Vec<Range>,
}

struct Range {
    threads: u32,
    done: bool,
    generator: Box<dyn Generator>,
}

impl Reserve {
    /// The first threads for the first of `ranges`, as many as it says, and so on; the others for
    /// `rest`.
    pub fn new(ranges: Vec<(u32, Box<dyn Generator>)>, rest: Box<dyn Generator>) -> Self {
        let range = |(threads, generator)| Range { threads, done: threads == 0, generator };
        Self { ranges: ranges.into_iter().chain([(u32::MAX, rest)]).map(range).collect() }
    }

    /// The position of the range of `thread`, its first thread, and how many it holds of
    /// `threads`.
    fn range_of(&self, thread: u32, threads: u32) -> (usize, u32, u32) {
        let mut first = 0;
        for (position, range) in self.ranges.iter().enumerate() {
            let held = range.threads.min(threads - first);
            if thread < first + held {
                return (position, first, held);
            }
            first += held;
        }
        unreachable!("the last range holds all threads that are left")
    }

    /// Whether every range that holds any of `threads` is done.
    fn all_done(&self, threads: u32) -> bool {
        let mut left = threads;
        self.ranges.iter().all(|range| {
            let done = range.done || left == 0;
            left = left.saturating_sub(range.threads);
            done
        })
    }
}

impl Generator for Reserve {
    fn next(&mut self, context: &mut Context<'_>) -> Next {
        // Whoever asks for a thread beyond the last (there is one for arrivals that no client is free
        // to take) gets what the last would get.
        let thread = context.thread.min(context.threads.saturating_sub(1));
        let (position, first, held) = self.range_of(thread, context.threads);
        let range = &mut self.ranges[position];
        if !range.done {
            let mut inside = Context {
                time: context.time,
                thread: thread - first,
                threads: held,
                process: context.process,
                rng: &mut *context.rng,
            };
            match range.generator.next(&mut inside) {
                Next::Done => range.done = true,
                next => return next,
            }
        }
        if self.all_done(context.threads) { Next::Done } else { Next::Pending }
    }

    fn observe(&mut self, event: &Event) {
        for range in self.ranges.iter_mut().filter(|range| !range.done) {
            range.generator.observe(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use schism_history::Kind;

    use super::*;
    use crate::generator::Limit;
    use crate::generator::driver::{Driver, numbered};

    fn check(threads: u32, expected: &[(&str, u32)]) {
        let limited = |f| Box::new(Limit::operations(numbered(f), 30)) as Box<dyn Generator>;
        let mut reserve = Reserve::new(vec![(2, limited("a")), (1, limited("b"))], limited("c"));
        let mut seen: Vec<(&str, u32)> = Vec::new();
        for event in Driver::new(threads, 7).events(&mut reserve, 1000) {
            if let Kind::Invoke { op, .. } = event.kind {
                seen.push((op.f.as_str(), event.process.0));
            }
        }
        assert_eq!(seen.len(), 30 * if threads < 3 { 1 } else { threads.min(4) as usize - 1 });
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, expected);
    }

    #[test]
    fn keeps_every_thread_in_its_range() {
        check(5, &[("a", 0), ("a", 1), ("b", 2), ("c", 3), ("c", 4)]);
    }

    #[test]
    fn gives_a_thread_beyond_the_last_what_the_last_would_get() {
        use rand::SeedableRng;
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        for (threads, expected) in [(1, "a"), (2, "a"), (3, "b"), (4, "c")] {
            let boxed = |f| Box::new(numbered(f)) as Box<dyn Generator>;
            let mut reserve = Reserve::new(vec![(2, boxed("a")), (1, boxed("b"))], boxed("c"));
            let Next::Op(op) = reserve.next(&mut Context::of_thread(threads, threads, &mut rng))
            else {
                panic!("a generator without end has an operation")
            };
            assert_eq!(op.f.as_str(), expected, "{threads} threads");
        }
    }

    #[test]
    fn ends_though_ranges_have_no_threads() {
        check(2, &[("a", 0), ("a", 1)]);
        check(3, &[("a", 0), ("a", 1), ("b", 2)]);
    }
}
