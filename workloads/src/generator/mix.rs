//! One of several generators, by weight.

use rand::RngExt;
use schism_history::Event;

use crate::{Context, Generator, Next};

/// Draws for every operation which of its parts makes it, in proportion to their weights.
///
/// A part that has nothing for the client now is passed over for this once, and the draw is
/// repeated among the rest; a part that is done is never drawn again. So the weights hold among
/// the parts that have something to give. The mix is done when all its parts are.
///
/// ```
/// # use schism_workloads::{Context, Generator, Next, generator::{Always, Mix}};
/// # use schism_history::{Op, Value};
/// # use rand::SeedableRng;
/// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
/// let read = Op::new("read", Some("x"), Value::Nil);
/// let write = Op::new("write", Some("x"), Value::Int(1));
/// let mut mix = Mix::new(vec![
///     (3, Box::new(Always(read.clone())) as Box<dyn Generator>),
///     (1, Box::new(Always(write))),
/// ]);
/// let mut context = Context::of_thread(0, 1, &mut rng);
/// let reads = (0..400).filter(|_| mix.next(&mut context) == Next::Op(read.clone())).count();
/// assert!((270..330).contains(&reads));
/// ```
pub struct Mix {
    parts: Vec<Part>,
}

struct Part {
    /// Zero once the part is done.
    weight: u64,
    /// Whether it has been passed over in the present draw.
    passed: bool,
    generator: Box<dyn Generator>,
}

impl Mix {
    /// A mix of generators, each with its weight; one of weight 0 is never drawn.
    pub fn new(parts: Vec<(u32, Box<dyn Generator>)>) -> Self {
        let part =
            |(weight, generator)| Part { weight: u64::from(weight), passed: false, generator };
        Self { parts: parts.into_iter().map(part).collect() }
    }

    /// The part that is drawn from those not passed over, or `None` if there is none.
    fn draw(&mut self, context: &mut Context<'_>) -> Option<&mut Part> {
        let eligible = |part: &Part| if part.passed { 0 } else { part.weight };
        let total: u64 = self.parts.iter().map(eligible).sum();
        if total == 0 {
            return None;
        }
        let mut point = context.rng.random_range(0..total);
        self.parts.iter_mut().find(|part| {
            let weight = eligible(part);
            let drawn = point < weight;
            point = point.saturating_sub(weight);
            drawn
        })
    }
}

impl Generator for Mix {
    fn next(&mut self, context: &mut Context<'_>) -> Next {
        for part in &mut self.parts {
            part.passed = false;
        }
        let mut otherwise = Next::Done;
        while let Some(part) = self.draw(context) {
            match part.generator.next(context) {
                op @ Next::Op(_) => return op,
                Next::Done => part.weight = 0,
                later => {
                    part.passed = true;
                    otherwise = otherwise.sooner(later);
                }
            }
        }
        otherwise
    }

    fn observe(&mut self, event: &Event) {
        for part in self.parts.iter_mut().filter(|part| part.weight > 0) {
            part.generator.observe(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::driver::{Driver, numbered};
    use crate::generator::{Limit, Stagger};
    use std::time::Duration;

    fn count(f: &str, asked: &[schism_history::Op]) -> usize {
        asked.iter().filter(|op| op.f.as_str() == f).count()
    }

    #[test]
    fn respects_the_weights() {
        let mut mix = Mix::new(vec![
            (2, numbered("read")),
            (1, numbered("write")),
            (1, numbered("cas")),
            (0, numbered("never")),
        ]);
        let asked = Driver::new(5, 7).ops(&mut mix, 4000);
        assert!((1850..2150).contains(&count("read", &asked)));
        assert!((850..1150).contains(&count("write", &asked)));
        assert_eq!(count("never", &asked), 0);
    }

    #[test]
    fn goes_on_with_the_rest_when_a_part_is_done() {
        let mut mix = Mix::new(vec![
            (9, Box::new(Limit::operations(numbered("few"), 3)) as Box<dyn Generator>),
            (1, Box::new(Limit::operations(numbered("many"), 50))),
        ]);
        let asked = Driver::new(3, 7).ops(&mut mix, 1000);
        assert_eq!((count("few", &asked), count("many", &asked)), (3, 50));
    }

    #[test]
    fn passes_over_a_part_that_has_nothing_now() {
        let slow = Stagger::new(numbered("slow"), Duration::from_hours(1));
        let mut mix = Mix::new(vec![
            (1_000_000, Box::new(slow) as Box<dyn Generator>),
            (1, numbered("quick")),
        ]);
        let asked = Driver::new(3, 7).ops(&mut mix, 100);
        assert!(count("quick", &asked) >= 99);
    }
}
