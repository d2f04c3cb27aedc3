//! Generators one after another.

use std::collections::VecDeque;

use schism_history::Event;

use super::handed::Handed;
use crate::{Context, Generator, Next};

/// Generators one after another: the next begins when the former is done and every operation that
/// it handed out has completed.
///
/// ```
/// # use schism_workloads::{Context, Generator, Next, generator::{Always, Limit, Phases}};
/// # use schism_history::{Op, Value};
/// # use rand::SeedableRng;
/// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
/// let write = Op::new("write", Some("x"), Value::Int(1));
/// let read = Op::new("read", Some("x"), Value::Nil);
/// let mut phases = Phases::new([
///     Box::new(Limit::operations(Always(write.clone()), 1)) as Box<dyn Generator>,
///     Box::new(Always(read)),
/// ]);
/// let mut context = Context::of_thread(0, 1, &mut rng);
/// assert_eq!(phases.next(&mut context), Next::Op(write));
/// assert_eq!(phases.next(&mut context), Next::Pending, "the write has not completed");
/// ```
pub struct Phases {
    phases: VecDeque<Box<dyn Generator>>,
    handed: Handed<()>,
}

impl Phases {
    /// `phases` in their order.
    pub fn new(phases: impl IntoIterator<Item = Box<dyn Generator>>) -> Self {
        Self { phases: phases.into_iter().collect(), handed: Handed::default() }
    }
}

impl Generator for Phases {
    fn next(&mut self, context: &mut Context<'_>) -> Next {
        while let Some(phase) = self.phases.front_mut() {
            match phase.next(context) {
                Next::Op(op) => {
                    self.handed.hand(context.process, &op, ());
                    return Next::Op(op);
                }
                Next::Done if self.handed.all_completed() => {
                    self.phases.pop_front();
                }
                Next::Done => return Next::Pending,
                later => return later,
            }
        }
        Next::Done
    }

    fn observe(&mut self, event: &Event) {
        self.handed.owner(event);
        // Later phases learn from what happens before their turn.
        for phase in &mut self.phases {
            phase.observe(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use schism_history::Kind;

    use super::*;
    use crate::generator::Limit;
    use crate::generator::driver::{Driver, numbered};

    #[test]
    fn begins_a_phase_when_the_former_has_been_answered() {
        let limited =
            |f, count| Box::new(Limit::operations(numbered(f), count)) as Box<dyn Generator>;
        let mut phases =
            Phases::new([limited("first", 40), limited("second", 0), limited("third", 40)]);
        let events = Driver::new(7, 3).events(&mut phases, 1000);
        let (former, latter) = events.split_at(80);
        let invoked = |f: &str, events: &[Event]| {
            let of_f = |event: &&Event| matches!(&event.kind, Kind::Invoke { op, .. } if op.f.as_str() == f);
            events.iter().filter(of_f).count()
        };
        assert_eq!((invoked("first", former), invoked("third", former)), (40, 0));
        assert_eq!((invoked("first", latter), invoked("third", latter)), (0, 40));
        assert_eq!(events.len(), 160);
    }
}
