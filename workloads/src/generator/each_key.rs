//! Every key its own generator.

use schism_history::{Event, Key, Kind};

use super::KeyWindow;
use super::handed::Handed;
use crate::{Context, Generator, Next};

/// Draws a live key for every operation, and asks the generator that was made for that key.
///
/// When the window retires a key, its generator goes with it, and the key that takes its place
/// gets a fresh one. A key whose generator is done is retired as well; if the fresh generator is
/// done from the start, so is the whole.
///
/// The generator of a key is told of the operations that it handed out, and of the marks of
/// faults; events of other keys are kept from it, so that an event costs the same however many
/// keys are live.
///
/// ```
/// # use schism_workloads::{Context, Generator, Next};
/// # use schism_workloads::generator::{Always, EachKey, KeyWindow, KeysOpened};
/// # use schism_history::{F, Op, Value};
/// # use rand::SeedableRng;
/// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
/// let window = KeyWindow::new(1, Some(2), KeysOpened::default());
/// let mut reads = EachKey::new(window, |key| {
///     Box::new(Always(Op { f: F::new("read"), key: Some(key), value: Value::Nil }))
/// });
/// let mut context = Context::of_thread(0, 1, &mut rng);
/// for key in ["0", "0", "1", "1", "2"] {
///     let read = Op::new("read", Some(key), Value::Nil);
///     assert_eq!(reads.next(&mut context), Next::Op(read));
/// }
/// ```
pub struct EachKey<M> {
    window: KeyWindow,
    generators: Vec<Box<dyn Generator>>,
    make: M,
    /// The place in the window and the number of the key of each operation.
    handed: Handed<(usize, u32)>,
}

impl<M: FnMut(Key) -> Box<dyn Generator> + Send> EachKey<M> {
    /// A generator for each key of `window`, made by `make`.
    pub fn new(window: KeyWindow, mut make: M) -> Self {
        let generators = (0..window.width()).map(|slot| make(window.key(slot))).collect();
        Self { window, generators, make, handed: Handed::default() }
    }

    /// What the key in the place `slot` has for the client.
    fn ask(&mut self, slot: usize, context: &mut Context<'_>) -> Next {
        let mut next = self.generators[slot].next(context);
        if next == Next::Done {
            self.window.retire(slot);
            self.generators[slot] = (self.make)(self.window.key(slot));
            next = self.generators[slot].next(context);
        }
        if let Next::Op(op) = &next {
            self.handed.hand(context.process, op, (slot, self.window.number(slot)));
            if self.window.used(slot) {
                self.generators[slot] = (self.make)(self.window.key(slot));
            }
        }
        next
    }
}

impl<M: FnMut(Key) -> Box<dyn Generator> + Send> Generator for EachKey<M> {
    fn next(&mut self, context: &mut Context<'_>) -> Next {
        let drawn = self.window.draw(context.rng);
        let mut otherwise = Next::Done;
        for step in 0..self.window.width() {
            match self.ask((drawn + step) % self.window.width(), context) {
                op @ Next::Op(_) => return op,
                Next::Done => return Next::Done,
                later => otherwise = otherwise.sooner(later),
            }
        }
        otherwise
    }

    fn observe(&mut self, event: &Event) {
        if matches!(event.kind, Kind::Fault(_)) {
            for generator in &mut self.generators {
                generator.observe(event);
            }
        } else if let Some((slot, number)) = self.handed.owner(event)
            && self.window.number(slot) == number
        {
            self.generators[slot].observe(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use schism_history::{F, Op, Value};

    use super::*;
    use crate::generator::driver::{Driver, numbered_on};
    use crate::generator::{KeysOpened, Limit};

    #[test]
    fn retires_a_key_after_its_operations() {
        let opened = KeysOpened::default();
        let window = KeyWindow::new(3, Some(10), opened.clone());
        let mut each = EachKey::new(window, |key| numbered_on("read", key));
        let mut uses: BTreeMap<Key, Vec<i64>> = BTreeMap::new();
        for op in Driver::new(4, 7).ops(&mut each, 100) {
            let Value::Int(number) = op.value else { panic!("numbered") };
            uses.entry(op.key.expect("each has a key")).or_default().push(number);
        }
        let ten: Vec<i64> = (1..=10).collect();
        assert!(uses.values().filter(|numbers| **numbers == ten).count() >= 7);
        assert!(uses.values().all(|numbers| ten.starts_with(numbers)));
        let mut keys = opened.keys();
        keys.sort();
        keys.retain(|key| !uses.contains_key(key));
        assert!(keys.len() <= 3, "only live keys may be without a use: {keys:?}");
    }

    #[test]
    fn retires_a_key_whose_generator_is_done() {
        let window = KeyWindow::new(2, None, KeysOpened::default());
        let mut each =
            EachKey::new(window, |key| Box::new(Limit::operations(numbered_on("read", key), 4)));
        let asked = Driver::new(4, 7).ops(&mut each, 40);
        assert_eq!(asked.len(), 40);
        let mut keys: Vec<Key> = asked.iter().filter_map(|op| op.key).collect();
        keys.sort();
        keys.dedup();
        assert!(keys.len() >= 10);
    }

    /// Reads of one key, which must be told of every event of that key and of no other.
    struct Strict {
        key: Key,
        told: usize,
    }

    impl Generator for Strict {
        fn next(&mut self, _: &mut Context<'_>) -> Next {
            Next::Op(Op { f: F::new("read"), key: Some(self.key), value: Value::Nil })
        }

        fn observe(&mut self, event: &Event) {
            match &event.kind {
                Kind::Invoke { op, .. } => {
                    assert_eq!(op.key, Some(self.key));
                    self.told += 1;
                }
                Kind::Complete(_) => {
                    assert!(self.told > 0, "a completion without its invocation");
                    self.told -= 1;
                }
                Kind::Fault(_) => {}
            }
        }
    }

    #[test]
    fn tells_a_key_of_its_own_operations_only() {
        let window = KeyWindow::new(3, Some(5), KeysOpened::default());
        let mut each = EachKey::new(window, |key| Box::new(Strict { key, told: 0 }));
        assert_eq!(Driver::new(8, 7).ops(&mut each, 500).len(), 500);
    }

    #[test]
    fn is_done_when_a_fresh_key_has_nothing() {
        let window = KeyWindow::new(2, None, KeysOpened::default());
        let mut each =
            EachKey::new(window, |key| Box::new(Limit::operations(numbered_on("read", key), 0)));
        assert_eq!(Driver::new(4, 7).ops(&mut each, 40), []);
    }
}
