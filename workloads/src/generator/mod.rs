//! Generators that are made of generators.
//!
//! - [`Always`], [`Make`]: the leaves, one operation for ever or one made anew each time.
//! - [`Mix`]: one of several, by weight.
//! - [`Stagger`]: not faster than a mean interval.
//! - [`Limit`]: so many operations, or so long.
//! - [`Phases`]: one after another, each when the former is over and answered.
//! - [`Reserve`]: each range of threads its own.
//! - [`EachKey`]: each key its own, over a [`KeyWindow`] that moves on.
//! - [`FinalReads`]: every object read by several threads, then nothing more.
//!
//! Every combinator passes every event on to every part of it that may want to know, whether or
//! not the part made the operation; the one exception is said at [`EachKey`].

#[cfg(test)]
pub(crate) mod driver;
mod each_key;
mod final_reads;
pub(crate) mod handed;
mod limit;
mod mix;
mod phases;
mod reserve;
mod source;
mod stagger;
mod window;

pub use each_key::EachKey;
pub use final_reads::{FinalRead, FinalReads};
pub use limit::Limit;
pub use mix::Mix;
pub use phases::Phases;
pub use reserve::Reserve;
pub use source::{Always, Make};
pub use stagger::Stagger;
pub use window::{KeyWindow, KeysOpened};

use schism_history::Event;

use crate::{Context, Generator, Next};

impl<G: Generator + ?Sized> Generator for Box<G> {
    fn next(&mut self, context: &mut Context<'_>) -> Next {
        (**self).next(context)
    }

    fn observe(&mut self, event: &Event) {
        (**self).observe(event);
    }
}

impl Next {
    /// Of two answers that bring no operation, the one after which to ask again sooner: a time
    /// beats waiting for an event, and both beat the end.
    pub(crate) fn sooner(self, other: Next) -> Next {
        match (self, other) {
            (Next::At(one), Next::At(other)) => Next::At(one.min(other)),
            (at @ Next::At(_), _) | (_, at @ Next::At(_)) => at,
            (Next::Pending, _) | (_, Next::Pending) => Next::Pending,
            (one, _) => one,
        }
    }
}
