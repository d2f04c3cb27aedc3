//! What sessions did, made small: steps that read and write versions of keys at one instant.

use schism_history::{History, Key, Process, Value};

/// Where a version comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// No operation that may have taken effect wrote it.
    Nobody,
    /// It was there before the first write.
    Initial,
    /// This step wrote it.
    Step(u32),
    /// Several operations may have written it, or one did and it is the initial value, too.
    Many,
}

/// A value of a key. Where values are unique, it is one version of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Version<'a> {
    /// The key, as a place in [`Steps::keys`].
    pub key: u32,
    /// The value.
    pub value: &'a Value,
    /// Who wrote it.
    pub source: Source,
    /// The number of an operation that would have written it, but failed.
    pub failed: Option<u32>,
    /// The numbers of the first two operations that may have written it.
    pub writers: [Option<u32>; 2],
    /// The system's own number of it, where a reply told one.
    pub number: Option<u64>,
}

/// One operation that took effect: it reads, then writes, and nothing comes between.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// The operation's number in the history.
    pub number: u32,
    /// The session, as a place in [`Steps::sessions`].
    pub session: u32,
    /// The versions that it read from others, a range of [`Steps::read`].
    pub reads: (u32, u32),
    /// The versions that it left behind, a range of [`Steps::written`].
    pub writes: (u32, u32),
}

/// The steps of one process, a range of [`Steps::all`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session {
    /// The process.
    pub process: Process,
    /// Its first step.
    pub from: u32,
    /// The step after its last.
    pub to: u32,
}

/// An operation that contradicts itself, or reads what nobody wrote.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Oddity {
    /// The operation's number in the history.
    pub number: u32,
    /// The version that it read.
    pub version: u32,
    /// The version that it should have read, where it had written or read one itself.
    pub instead: Option<u32>,
}

/// What the sessions of a history did.
#[derive(Debug)]
pub(crate) struct Steps<'a> {
    /// Where it comes from.
    pub history: &'a History,
    /// The steps, session by session, each in its order.
    pub all: Vec<Step>,
    /// Versions read, step by step.
    pub read: Vec<u32>,
    /// Versions written, step by step.
    pub written: Vec<u32>,
    /// The sessions, in the order of their processes.
    pub sessions: Vec<Session>,
    /// The keys, in the order of their first use.
    pub keys: Vec<Key>,
    /// The versions, in the order of their first mention.
    pub versions: Vec<Version<'a>>,
    /// Of each key the version that was there first.
    pub initial: Vec<u32>,
    /// Reads of what nobody wrote. They constrain nothing else.
    pub from_nowhere: Vec<Oddity>,
    /// Reads that contradict their own transaction.
    pub contradictions: Vec<Oddity>,
    /// Reads of what may come from several writes. They constrain nothing.
    pub ambiguous: Vec<Oddity>,
    /// Whether an event that is none of a register's cut the history: its index, and what is wrong.
    pub alien: Option<(u64, String)>,
}

impl Steps<'_> {
    /// The versions that a step read.
    pub fn reads(&self, step: u32) -> &[u32] {
        let (from, to) = self.all[step as usize].reads;
        &self.read[from as usize..to as usize]
    }

    /// The versions that a step left behind.
    pub fn writes(&self, step: u32) -> &[u32] {
        let (from, to) = self.all[step as usize].writes;
        &self.written[from as usize..to as usize]
    }

    /// The session of a step.
    pub fn session(&self, step: u32) -> Session {
        self.sessions[self.all[step as usize].session as usize]
    }

    /// A step's place in its session, from 0.
    pub fn position(&self, step: u32) -> u32 {
        step - self.session(step).from
    }

    /// The step before it in its session.
    pub fn previous(&self, step: u32) -> Option<u32> {
        (self.session(step).from < step).then(|| step - 1)
    }

    /// The step after it in its session.
    pub fn next(&self, step: u32) -> Option<u32> {
        (step + 1 < self.session(step).to).then_some(step + 1)
    }

    /// The step that wrote a version, where there is exactly one.
    pub fn writer(&self, version: u32) -> Option<u32> {
        match self.versions[version as usize].source {
            Source::Step(step) => Some(step),
            _ => None,
        }
    }

    /// How many versions were read that could have shown a violation: of keys that somebody wrote.
    pub fn evidence(&self) -> usize {
        let mut written = vec![false; self.keys.len()];
        for &version in &self.written {
            written[self.versions[version as usize].key as usize] = true;
        }
        let shows = |version: &&u32| written[self.versions[**version as usize].key as usize];
        self.read.iter().filter(shows).count()
    }
}

/// Which steps write each key, by session and in its order.
#[derive(Debug)]
pub(crate) struct Writers {
    steps: Vec<u32>,
    /// Of each key a range of `groups`.
    keys: Vec<(u32, u32)>,
    /// Session, and a range of `steps`.
    groups: Vec<(u32, u32, u32)>,
}

impl Writers {
    /// Sorts the writes of `steps`. O(w log w).
    pub fn of(steps: &Steps<'_>) -> Self {
        let mut pairs: Vec<(u32, u32)> = Vec::with_capacity(steps.written.len());
        for step in 0..steps.all.len() as u32 {
            let keys = steps.writes(step).iter().map(|&it| steps.versions[it as usize].key);
            pairs.extend(keys.map(|key| (key, step)));
        }
        // Steps stand session by session, so that this order is that of sessions, too.
        pairs.sort_unstable();
        let mut writers =
            Self { steps: Vec::new(), keys: vec![(0, 0); steps.keys.len()], groups: Vec::new() };
        for chunk in pairs.chunk_by(|one, other| one.0 == other.0) {
            let from = writers.groups.len() as u32;
            let session = |step: u32| steps.all[step as usize].session;
            for group in chunk.chunk_by(|one, other| session(one.1) == session(other.1)) {
                let start = writers.steps.len() as u32;
                writers.steps.extend(group.iter().map(|&(_, step)| step));
                writers.groups.push((session(group[0].1), start, writers.steps.len() as u32));
            }
            writers.keys[chunk[0].0 as usize] = (from, writers.groups.len() as u32);
        }
        writers
    }

    /// Of each session that writes `key`: the session, and its steps that do, in order.
    pub fn of_key(&self, key: u32) -> impl Iterator<Item = (u32, &[u32])> {
        let (from, to) = self.keys[key as usize];
        self.groups[from as usize..to as usize]
            .iter()
            .map(|&(session, from, to)| (session, &self.steps[from as usize..to as usize]))
    }

    /// The steps of one session that write `key`, in order.
    pub fn of_session(&self, key: u32, session: u32) -> &[u32] {
        let (from, to) = self.keys[key as usize];
        let groups = &self.groups[from as usize..to as usize];
        match groups.binary_search_by_key(&session, |group| group.0) {
            Ok(place) => {
                let (_, from, to) = groups[place];
                &self.steps[from as usize..to as usize]
            }
            Err(_) => &[],
        }
    }
}
