//! Where events stand from left to right, and the times below them.

use std::collections::BTreeMap;

use super::canvas::{Canvas, MARGIN};
use super::letters::Letters;
use crate::report::data::{Operation, Timeline};

/// Two events are at least so far apart, however little time was between them.
const STEP_MIN: f64 = 22.0;
/// What lasts beyond the picture is drawn so far beyond the last event.
const OPEN: f64 = 40.0;

/// The events of a picture by their index. Order is what proofs are about, so events never change
/// places; the distance between them is the time where there are times.
pub struct Axis {
    /// Where the rows begin.
    pub left: f64,
    /// Where they end.
    pub right: f64,
    /// Whether times were recorded.
    pub times: bool,
    /// Whether some distances are wider than their time.
    stretched: bool,
    /// The time and the place of each event.
    events: BTreeMap<u64, (f64, f64)>,
}

impl Axis {
    /// The axis of a picture in a drawing of some width.
    pub fn new(canvas: &Canvas, picture: &Timeline, times: bool) -> Self {
        let names = picture.operations.iter().map(|one| {
            let node = if one.node.is_empty() { 0.0 } else { 24.0 };
            Letters::Code.width(&one.process) + Letters::Prose.width(&one.node) + node
        });
        let names_max = if canvas.narrow() { 76.0 } else { 150.0 };
        let left = MARGIN + names.fold(30.0, f64::max).min(names_max) + 12.0;
        let right = canvas.right();
        let mut seen: BTreeMap<u64, f64> = BTreeMap::new();
        for one in &picture.operations {
            seen.insert(one.index[0], one.invoke_s);
            if let (Some(end), Some(index)) = (one.complete_s, one.index.get(1)) {
                seen.insert(*index, end);
            }
        }
        seen.extend(picture.marks.iter().map(|mark| (mark.index, mark.at_s)));
        let mut axis = Self { left, right, times, stretched: false, events: BTreeMap::new() };
        axis.place(&seen.into_iter().collect::<Vec<_>>());
        axis
    }

    /// Gives each event its place: a least step, and of what is left the share of its time.
    fn place(&mut self, seen: &[(u64, f64)]) {
        let steps = seen.len().saturating_sub(1).max(1) as f64;
        let room = self.right - OPEN - self.left - 6.0;
        let least = STEP_MIN.min(room / steps);
        let ends = (seen.first().map_or(0.0, |event| event.1), seen.last().map_or(0.0, |e| e.1));
        let span = ends.1 - ends.0;
        let timed = self.times && span > 0.0;
        self.stretched =
            timed && seen.windows(2).any(|pair| room * (pair[1].1 - pair[0].1) / span < least);
        let rest = if self.stretched { room - least * steps } else { room };
        let mut x = self.left + 6.0;
        let mut before: Option<f64> = None;
        for (index, time) in seen {
            if let Some(before) = before {
                x += match (timed, self.stretched) {
                    (true, true) => least + rest * (time - before).max(0.0) / span,
                    (true, false) => rest * (time - before) / span,
                    (false, _) => room / steps,
                };
            }
            before = Some(*time);
            self.events.insert(*index, (*time, x));
        }
    }

    /// Where the event of this index stands.
    pub fn x(&self, index: u64) -> f64 {
        self.events.range(..=index).next_back().map_or(self.left, |(_, (_, x))| *x)
    }

    /// Where an operation begins.
    pub fn start(&self, one: &Operation) -> f64 {
        self.x(one.index[0])
    }

    /// Where it ends, if it does.
    pub fn end(&self, one: &Operation) -> Option<f64> {
        one.complete_s?;
        Some(self.x(*one.index.get(1)?).max(self.start(one) + 4.0))
    }

    /// The numbers and times of as many events as have room, the impossible operation's first. Below
    /// them what they are.
    pub fn stamps(&self, canvas: &mut Canvas, picture: &Timeline, y: f64) {
        let first = picture.operations.iter().find(|one| one.impossible).map(|one| one.index[0]);
        let mut taken: Vec<(f64, f64)> = Vec::new();
        for index in first.iter().chain(self.events.keys()) {
            let (time, x) = self.events[index];
            let mut lines = vec![format!("#{index}")];
            lines.extend(self.times.then(|| self.time(time)));
            let wide = lines.iter().map(|line| Letters::Small.width(line)).fold(0.0, f64::max);
            let from = (x - wide / 2.0).min(self.right - wide).max(MARGIN);
            let apart =
                |(left, right): &(f64, f64)| from + wide + 6.0 < *left || right + 6.0 < from;
            if !taken.iter().all(apart) {
                continue;
            }
            taken.push((from, from + wide));
            canvas.line("row", (x, y), (x, y + 5.0));
            for (line, at) in lines.iter().zip([y + 17.0, y + 31.0]) {
                // The room is an upper bound: a shorter text stands in its middle.
                canvas.centred((Letters::Small, "mu"), (from + wide / 2.0, at), line);
            }
        }
        canvas.y = y + if self.times { 34.0 } else { 20.0 };
        let what = match (self.times, self.stretched) {
            (true, false) => "Numbers of events, and their times in seconds.",
            (true, true) => {
                "Numbers of events, and their times in seconds. Distances are stretched where events \
                 are close."
            }
            (false, _) => {
                "Numbers of events, in their order; how much time was between them is not known."
            }
        };
        canvas.paragraph((Letters::Small, "mu"), 0.0, what);
    }

    /// A time with as many digits as tell the events of the picture apart.
    fn time(&self, time: f64) -> String {
        let times: Vec<f64> = self.events.values().map(|(time, _)| *time).collect();
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0]).filter(|gap| *gap > 0.0);
        let least = gaps.fold(f64::MAX, f64::min);
        let digits = (-least.log10().floor()).clamp(3.0, 6.0);
        format!("{time:.0$}", digits as usize)
    }
}
