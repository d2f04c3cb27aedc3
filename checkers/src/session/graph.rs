//! What must come before what, and how far the past of each step reaches.

use std::collections::VecDeque;

use super::step::{Source, Steps, Writers};

/// No step, no edge.
pub(crate) const NONE: u32 = u32::MAX;

/// Why one step comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Its session did it before.
    Session,
    /// The other one read its version.
    ReadsFrom(u32),
    /// Both write a key of which `read` read `version`, which the other one wrote; and this one
    /// comes before that read.
    Overwritten {
        /// The step that read.
        read: u32,
        /// What it read.
        version: u32,
    },
    /// It read this version, which comes before the one that the other step wrote.
    ReplacedLater(u32),
    /// Of texts: this get shows its piece before that of the other one.
    Shown(u32),
    /// Of texts: it comes before this get, which does not show it; the other one is the put that the
    /// text begins with.
    Hidden(u32),
    /// Of texts: it is a get whose text begins with what was there first, and does not show the
    /// other one.
    NotShown,
}

/// An edge beyond those of sessions and of what was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extra {
    /// The step that comes before.
    pub from: u32,
    /// The step that comes after.
    pub to: u32,
    /// The reason.
    pub why: Why,
    next_in: u32,
    next_out: u32,
}

/// An edge of a path or a circle: from, why, to.
pub(crate) type Hop = (u32, Why, u32);

/// Who reads from each step, and which steps write each key: what all graphs of a history share.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    /// The steps.
    pub steps: &'a Steps<'a>,
    /// Who writes what.
    pub writers: Writers,
    readers: Vec<(u32, u32)>,
    reader_starts: Vec<u32>,
    /// Of each session its dimension in clocks; [`NONE`] if it has none, since it never writes.
    pub dimensions: Vec<u32>,
    /// How many sessions have a dimension.
    pub width: usize,
}

impl<'a> Frame<'a> {
    /// Sorts the reads by what they read. O(n log n).
    pub fn of(steps: &'a Steps<'a>) -> Self {
        Self::with(steps, false)
    }

    /// The same, with clocks that count sessions that never write, too.
    pub fn complete(steps: &'a Steps<'a>) -> Self {
        Self::with(steps, true)
    }

    fn with(steps: &'a Steps<'a>, all: bool) -> Self {
        let mut readers: Vec<(u32, u32, u32)> = Vec::with_capacity(steps.read.len());
        for step in 0..steps.all.len() as u32 {
            for &version in steps.reads(step) {
                if let Some(writer) = steps.writer(version) {
                    readers.push((writer, step, version));
                }
            }
        }
        readers.sort_unstable();
        let mut reader_starts = vec![0; steps.all.len() + 1];
        for &(writer, ..) in &readers {
            reader_starts[writer as usize + 1] += 1;
        }
        for place in 1..reader_starts.len() {
            reader_starts[place] += reader_starts[place - 1];
        }
        let mut width = 0;
        let mut dimension = |session: &super::step::Session| {
            let counts =
                all || (session.from..session.to).any(|step| !steps.writes(step).is_empty());
            if counts {
                width += 1;
                width - 1
            } else {
                NONE
            }
        };
        let dimensions = steps.sessions.iter().map(&mut dimension).collect();
        let readers = readers.into_iter().map(|(_, step, version)| (step, version)).collect();
        let writers = Writers::of(steps);
        Self { steps, writers, readers, reader_starts, dimensions, width: width as usize }
    }

    /// The steps that read what `step` wrote, with what they read.
    pub fn readers(&self, step: u32) -> &[(u32, u32)] {
        let [from, to] = [step as usize, step as usize + 1].map(|at| self.reader_starts[at]);
        &self.readers[from as usize..to as usize]
    }

    /// The bytes of one set of clocks.
    pub fn clock_bytes(&self) -> usize {
        self.steps.all.len() * (self.width * 4 + 32)
    }
}

/// Steps and what must come before what.
#[derive(Debug)]
pub(crate) struct Graph<'a> {
    /// The steps.
    pub frame: &'a Frame<'a>,
    /// Only what this session read is an edge; `None`: what anyone read.
    viewer: Option<u32>,
    /// The edges that were inferred.
    pub extra: Vec<Extra>,
    heads_in: Vec<u32>,
    heads_out: Vec<u32>,
}

impl<'a> Graph<'a> {
    /// The order of sessions, and of what was read by `viewer`, or by all.
    pub fn new(frame: &'a Frame<'a>, viewer: Option<u32>) -> Self {
        let heads = vec![NONE; frame.steps.all.len()];
        Self { frame, viewer, extra: Vec::new(), heads_in: heads.clone(), heads_out: heads }
    }

    /// The same without what was inferred.
    pub fn observed(&self) -> Self {
        Self::new(self.frame, self.viewer)
    }

    /// Adds an inferred edge.
    pub fn add(&mut self, from: u32, to: u32, why: Why) {
        let place = self.extra.len() as u32;
        let next_in = std::mem::replace(&mut self.heads_in[to as usize], place);
        let next_out = std::mem::replace(&mut self.heads_out[from as usize], place);
        self.extra.push(Extra { from, to, why, next_in, next_out });
    }

    fn sees(&self, step: u32) -> bool {
        self.viewer.is_none_or(|session| self.frame.steps.all[step as usize].session == session)
    }

    /// Calls `visit` with each step that comes directly before `step`.
    pub fn before(&self, step: u32, mut visit: impl FnMut(u32, Why)) {
        let steps = self.frame.steps;
        if let Some(previous) = steps.previous(step) {
            visit(previous, Why::Session);
        }
        if self.sees(step) {
            for &version in steps.reads(step) {
                if let Source::Step(writer) = steps.versions[version as usize].source {
                    visit(writer, Why::ReadsFrom(version));
                }
            }
        }
        let mut edge = self.heads_in[step as usize];
        while edge != NONE {
            let extra = &self.extra[edge as usize];
            visit(extra.from, extra.why);
            edge = extra.next_in;
        }
    }

    /// Calls `visit` with each step that comes directly after `step`.
    pub fn after(&self, step: u32, mut visit: impl FnMut(u32, Why)) {
        if let Some(next) = self.frame.steps.next(step) {
            visit(next, Why::Session);
        }
        for &(reader, version) in self.frame.readers(step) {
            if self.sees(reader) {
                visit(reader, Why::ReadsFrom(version));
            }
        }
        let mut edge = self.heads_out[step as usize];
        while edge != NONE {
            let extra = &self.extra[edge as usize];
            visit(extra.to, extra.why);
            edge = extra.next_out;
        }
    }

    /// An order that agrees with all edges (Kahn 1962), or a circle. O(n + e).
    pub fn order(&self) -> Result<Vec<u32>, Vec<Hop>> {
        let total = self.frame.steps.all.len();
        let mut open = vec![0u32; total];
        let mut order: Vec<u32> = Vec::with_capacity(total);
        for step in 0..total as u32 {
            self.before(step, |_, _| open[step as usize] += 1);
            if open[step as usize] == 0 {
                order.push(step);
            }
        }
        let mut done = 0;
        while done < order.len() {
            let step = order[done];
            done += 1;
            self.after(step, |next, _| {
                open[next as usize] -= 1;
                if open[next as usize] == 0 {
                    order.push(next);
                }
            });
        }
        if order.len() == total { Ok(order) } else { Err(self.circle(&open)) }
    }

    /// A short circle among the steps that are `open`: each of them has one before it that is, too.
    fn circle(&self, open: &[u32]) -> Vec<Hop> {
        /// From so many steps of a circle the shortest one through each is looked for.
        const STARTS_MAX: usize = 24;
        let total = open.len();
        let mut step = (0..total as u32).find(|&it| open[it as usize] > 0).unwrap_or(0);
        let back = |step: u32| {
            let mut found = NONE;
            self.before(step, |from, _| {
                if open[from as usize] > 0 {
                    found = from;
                }
            });
            found
        };
        for _ in 0..total {
            step = back(step);
        }
        let mut starts = vec![step];
        let mut other = back(step);
        while other != step && starts.len() < STARTS_MAX {
            starts.push(other);
            other = back(other);
        }
        let found = starts.iter().filter_map(|&start| self.path(start, start, Some(open)));
        found.min_by_key(Vec::len).unwrap_or_default()
    }

    /// A shortest path of at least one edge, through steps that are `open` if that is given. O(n + e).
    pub fn path(&self, from: u32, to: u32, open: Option<&[u32]>) -> Option<Vec<Hop>> {
        let mut came: Vec<Option<(u32, Why)>> = vec![None; self.frame.steps.all.len()];
        let mut queue = VecDeque::from([from]);
        while let Some(step) = queue.pop_front() {
            let mut arrived = false;
            self.after(step, |next, why| {
                if came[next as usize].is_none() && open.is_none_or(|it| it[next as usize] > 0) {
                    came[next as usize] = Some((step, why));
                    arrived |= next == to;
                    queue.push_back(next);
                }
            });
            if arrived {
                break;
            }
        }
        let mut path = Vec::new();
        let mut step = to;
        loop {
            let (previous, why) = came[step as usize]?;
            path.push((previous, why, step));
            step = previous;
            if step == from {
                path.reverse();
                return Some(path);
            }
        }
    }

    /// How far the past of each step reaches, in an order that agrees with all edges.
    pub fn clocks(&self, order: &[u32]) -> Clocks<'a> {
        let mut clocks = Clocks::none(self.frame);
        for &step in order {
            self.before(step, |from, _| {
                clocks.join(step, from);
            });
        }
        clocks
    }
}

/// Of each step: how many steps of each session that writes come before it.
#[derive(Clone, Debug)]
pub(crate) struct Clocks<'a> {
    frame: &'a Frame<'a>,
    width: usize,
    reach: Vec<u32>,
}

impl<'a> Clocks<'a> {
    /// Nothing comes before anything.
    pub fn none(frame: &'a Frame<'a>) -> Self {
        let width = frame.width;
        Self { frame, width, reach: vec![0; width * frame.steps.all.len()] }
    }

    /// How many steps of the sessions, by dimension, come before `step`.
    pub fn of(&self, step: u32) -> &[u32] {
        &self.reach[step as usize * self.width..][..self.width]
    }

    /// Takes the past of `from`, and it itself, into the past of `step`; whether that is news.
    pub fn join(&mut self, step: u32, from: u32) -> bool {
        let (step, source) = (step as usize * self.width, from as usize * self.width);
        let mut news = false;
        for place in 0..self.width {
            let other = self.reach[source + place];
            let own = &mut self.reach[step + place];
            news |= other > *own;
            *own = other.max(*own);
        }
        let steps = self.frame.steps;
        let dimension = self.frame.dimensions[steps.all[from as usize].session as usize];
        if dimension != NONE {
            let own = &mut self.reach[step + dimension as usize];
            let other = steps.position(from) + 1;
            news |= other > *own;
            *own = other.max(*own);
        }
        news
    }

    /// Says that so many steps of a session come before `step`.
    pub fn set(&mut self, step: u32, dimension: u32, reach: u32) {
        self.reach[step as usize * self.width + dimension as usize] = reach;
    }

    /// Whether `from`, of a session that writes, comes before `step`.
    pub fn precedes(&self, from: u32, step: u32) -> bool {
        let steps = self.frame.steps;
        let dimension = self.frame.dimensions[steps.all[from as usize].session as usize];
        dimension != NONE && self.of(step)[dimension as usize] > steps.position(from)
    }

    /// Of each session that writes `key` the last step before `step` that does.
    pub fn last_writes(&self, step: u32, key: u32) -> impl Iterator<Item = u32> {
        let (frame, reach) = (self.frame, self.of(step));
        frame.writers.of_key(key).filter_map(move |(session, writes)| {
            let reach = reach[frame.dimensions[session as usize] as usize];
            let from = frame.steps.sessions[session as usize].from;
            let place = writes.partition_point(|&it| it - from < reach);
            place.checked_sub(1).map(|last| writes[last])
        })
    }
}
