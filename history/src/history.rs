//! Events in order, paired into operations; well-formed by construction.

use rustc_hash::FxHashMap;

use crate::{
    Event, FaultId, FaultMark, FaultStep, FaultWindow, Key, Kind, Mop, NodeId, Op, Outcome, Phase,
    Process, Reply, Time, Value,
};

/// A well-formed history: indexes rise, every completion has its invocation, and no process has
/// two operations open at once. Operations may still be open at the end: the recording stopped.
#[derive(Clone, Debug, Default)]
pub struct History {
    events: Vec<Event>,
    /// Positions in `events` of each invocation and of its completion, in order of invocation.
    pairs: Vec<(u32, Option<u32>)>,
    /// Whether only the order within each process is known, and not that between processes.
    without_real_time: bool,
    /// Whether the times of events are only their order.
    without_times: bool,
}

/// Why a sequence of events is no history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Two events have one index, or the order of the events is not that of the indexes.
    #[error("event {index} comes after event {before}: indexes must rise")]
    Order {
        /// The event's index.
        index: u64,
        /// The index of the event before it.
        before: u64,
    },
    /// An index that leaves no room for those who count from 1 or want one that no event has.
    #[error("event {index}: indexes end at 2^64 - 4")]
    Beyond {
        /// The event's index.
        index: u64,
    },
    /// A process completed what it had not invoked.
    #[error("event {index}: {process} completes an operation that it has not invoked")]
    NotInvoked {
        /// The completion's index.
        index: u64,
        /// The process.
        process: Process,
    },
    /// A process invoked while its last operation was still open.
    #[error("event {index}: {process} invokes while its operation of event {open} is open")]
    StillOpen {
        /// The invocation's index.
        index: u64,
        /// The process.
        process: Process,
        /// The index of the open invocation.
        open: u64,
    },
    /// A process went on after an indeterminate completion.
    #[error("event {index}: {process} invokes after its indeterminate operation of event {info}")]
    Retired {
        /// The invocation's index.
        index: u64,
        /// The process.
        process: Process,
        /// The index of the indeterminate completion.
        info: u64,
    },
    /// More events than a position can count.
    #[error("a history holds at most 2^32 - 1 events")]
    TooLong,
}

/// One operation: its invocation, and its completion where there is one.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'a> {
    /// The place among the operations of the history, in order of invocation, from 0.
    pub number: usize,
    /// Who asked.
    pub process: Process,
    /// What was asked.
    pub op: &'a Op,
    /// The node asked, where there is one.
    pub node: Option<NodeId>,
    /// The intended start, in an open loop.
    pub due: Option<Time>,
    /// The invocation's index.
    pub invoked: u64,
    /// When it was invoked.
    pub start: Time,
    /// The completion's index; `None` if the recording ends before.
    pub completed: Option<u64>,
    /// When it completed; for an `Info`, when the client gave up.
    pub end: Option<Time>,
    /// What became of it; `None` is to be read as `Info`.
    pub outcome: Option<&'a Outcome>,
}

impl<'a> Operation<'a> {
    /// The reply, if it is known to have taken effect.
    pub fn ok(&self) -> Option<&'a crate::Reply> {
        match self.outcome {
            Some(Outcome::Ok(reply)) => Some(reply),
            _ => None,
        }
    }

    /// Whether it is known to have had no effect.
    pub fn failed(&self) -> bool {
        matches!(self.outcome, Some(Outcome::Fail(_)))
    }

    /// Whether nobody knows: an `Info`, or open at the end.
    pub fn indeterminate(&self) -> bool {
        matches!(self.outcome, None | Some(Outcome::Info(_)))
    }

    /// The intended start: when it was due in an open loop, otherwise when it was invoked.
    pub fn intended(&self) -> Time {
        self.due.unwrap_or(self.start)
    }
}

/// The first index that no event may have.
const BEYOND: u64 = u64::MAX - 2;

impl History {
    /// Pairs `events`, which must be in order of index, into a history. O(n).
    ///
    /// Indexes need not be dense: a history may be a part of another. What a transaction returned is
    /// read as micro-operations, whether or not its completion said that it is one, and messages with
    /// their offsets take their compact form ([`Value::Placed`], [`Value::Polled`]).
    pub fn from_events(mut events: Vec<Event>) -> Result<Self, Malformed> {
        if u32::try_from(events.len()).is_err() {
            return Err(Malformed::TooLong);
        }
        let mut pairs: Vec<(u32, Option<u32>)> = Vec::with_capacity(events.len() / 2 + 1);
        // What each process last did: the pair that it has open, or the index at which it retired.
        let mut open: FxHashMap<Process, usize> = FxHashMap::default();
        let mut retired: FxHashMap<Process, u64> = FxHashMap::default();
        let mut unread: Vec<usize> = Vec::new();
        let mut before: Option<u64> = None;
        for event in &mut events {
            if let Kind::Invoke { op: Op { value: Value::Mops(mops), .. }, .. }
            | Kind::Complete(Outcome::Ok(Reply { value: Value::Mops(mops), .. })) =
                &mut event.kind
            {
                mops.iter_mut().for_each(Mop::compact);
            }
        }
        for (position, event) in events.iter().enumerate() {
            let (index, process) = (event.index, event.process);
            if let Some(before) = before.filter(|&before| before >= index) {
                return Err(Malformed::Order { index, before });
            }
            before = Some(index);
            if index >= BEYOND {
                return Err(Malformed::Beyond { index });
            }
            match &event.kind {
                Kind::Invoke { .. } => {
                    if let Some(&info) = retired.get(&process) {
                        return Err(Malformed::Retired { index, process, info });
                    }
                    if let Some(pair) = open.insert(process, pairs.len()) {
                        let open = events[pairs[pair].0 as usize].index;
                        return Err(Malformed::StillOpen { index, process, open });
                    }
                    pairs.push((position as u32, None));
                }
                Kind::Complete(outcome) => {
                    let pair =
                        open.remove(&process).ok_or(Malformed::NotInvoked { index, process })?;
                    pairs[pair].1 = Some(position as u32);
                    if answers_a_transaction_with_a_list(&events[pairs[pair].0 as usize], outcome) {
                        unread.push(position);
                    }
                    if matches!(outcome, Outcome::Info(_)) {
                        retired.insert(process, index);
                    }
                }
                Kind::Fault(_) => {}
            }
        }
        for position in unread {
            if let Kind::Complete(Outcome::Ok(reply)) = &mut events[position].kind
                && let Some(Value::Mops(mut mops)) = reply.value.clone().into_mops()
            {
                mops.iter_mut().for_each(Mop::compact);
                reply.value = Value::Mops(mops);
            }
        }
        Ok(Self { events, pairs, without_real_time: false, without_times: false })
    }

    /// The same history, of which only the order within each process is known: some formats record
    /// no more. Nothing that depends on real time can be decided of it.
    pub fn without_real_time(self) -> Self {
        Self { without_real_time: true, ..self }
    }

    /// Whether the order of events of different processes means anything.
    pub fn has_real_time(&self) -> bool {
        !self.without_real_time
    }

    /// The same history, of which only the order of events is known and not how much time was
    /// between them: some formats record no times, and their events are a millisecond apart.
    pub fn without_times(self) -> Self {
        Self { without_times: true, ..self }
    }

    /// Whether the times of events were recorded.
    pub fn has_times(&self) -> bool {
        !self.without_times
    }

    /// The events, in order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// How many operations were invoked.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether no operation was invoked.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The operation with this number, counted from 0 in order of invocation.
    pub fn operation(&self, number: usize) -> Operation<'_> {
        let (invoke, complete) = self.pairs[number];
        let event = &self.events[invoke as usize];
        let Kind::Invoke { op, due, node } = &event.kind else {
            unreachable!("a pair begins with an invocation");
        };
        let completion = complete.map(|position| &self.events[position as usize]);
        Operation {
            number,
            process: event.process,
            op,
            node: *node,
            due: *due,
            invoked: event.index,
            start: event.time,
            completed: completion.map(|event| event.index),
            end: completion.map(|event| event.time),
            outcome: completion.map(|event| match &event.kind {
                Kind::Complete(outcome) => outcome,
                _ => unreachable!("a pair ends with a completion"),
            }),
        }
    }

    /// The operations, in order of invocation.
    pub fn operations(&self) -> impl ExactSizeIterator<Item = Operation<'_>> + '_ {
        (0..self.pairs.len()).map(|number| self.operation(number))
    }

    /// The operations of each key, both in order; operations without a key are left out.
    pub fn by_key(&self) -> Vec<(Key, Vec<Operation<'_>>)> {
        let mut places: FxHashMap<Key, usize> = FxHashMap::default();
        let mut groups: Vec<(Key, Vec<Operation<'_>>)> = Vec::new();
        for operation in self.operations() {
            let Some(key) = operation.op.key else { continue };
            let place = *places.entry(key).or_insert_with(|| {
                groups.push((key, Vec::new()));
                groups.len() - 1
            });
            groups[place].1.push(operation);
        }
        groups.sort_by_key(|(key, _)| *key);
        groups
    }

    /// The faults, in order of their starts.
    pub fn faults(&self) -> Vec<FaultWindow> {
        let mut windows: Vec<FaultWindow> = Vec::new();
        // Of several windows of one fault the last that is open, and otherwise the last.
        let find = |windows: &mut Vec<FaultWindow>, fault: FaultId| {
            let of = |window: &FaultWindow| window.fault == fault;
            let open = windows.iter().rposition(|window| of(window) && window.stop.is_none());
            open.or_else(|| windows.iter().rposition(of))
        };
        for event in &self.events {
            let Kind::Fault(mark) = &event.kind else { continue };
            match mark {
                FaultMark::Start { fault, name, detail, victims, injection } => {
                    windows.push(FaultWindow {
                        fault: *fault,
                        name: name.clone(),
                        detail: detail.clone(),
                        victims: victims.clone(),
                        injection: (**injection).clone(),
                        steps: Vec::new(),
                        start: event.time,
                        stop: None,
                        bites: None,
                        gone: None,
                    });
                }
                FaultMark::Probe { fault, phase, evidence } => {
                    if let Some(place) = find(&mut windows, *fault) {
                        let seen = Some((event.time, evidence.clone()));
                        match phase {
                            Phase::Bites => windows[place].bites = seen,
                            Phase::Gone => windows[place].gone = seen,
                        }
                    }
                }
                FaultMark::Step { fault, step, detail, injection, late_us } => {
                    if let Some(place) = find(&mut windows, *fault) {
                        windows[place].steps.push(FaultStep {
                            index: event.index,
                            time: event.time,
                            step: *step,
                            detail: detail.clone(),
                            injection: (**injection).clone(),
                            late_us: *late_us,
                        });
                    }
                }
                FaultMark::Stop { fault } => {
                    if let Some(place) = find(&mut windows, *fault) {
                        windows[place].stop = Some(event.time);
                    }
                }
                FaultMark::Healed => {}
            }
        }
        windows
    }

    /// The index and time at which everything was healed for good; reads invoked later are final.
    pub fn healed(&self) -> Option<(u64, Time)> {
        self.events
            .iter()
            .rev()
            .find(|event| matches!(event.kind, Kind::Fault(FaultMark::Healed)))
            .map(|event| (event.index, event.time))
    }
}

/// Whether what was returned has yet to be read as micro-operations.
fn answers_a_transaction_with_a_list(invoked: &Event, outcome: &Outcome) -> bool {
    let Kind::Invoke { op, .. } = &invoked.kind else { return false };
    let Outcome::Ok(reply) = outcome else { return false };
    matches!((&op.value, &reply.value), (Value::Mops(_), Value::List(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reply;

    fn invoke(index: u64, process: u32) -> Event {
        let op = Op::new("read", Some("x"), Value::Nil);
        let kind = Kind::Invoke { op, due: None, node: None };
        Event { index, time: Time(index), process: Process(process), kind }
    }

    fn ok(index: u64, process: u32) -> Event {
        let kind = Kind::Complete(Outcome::Ok(Reply::default()));
        Event { index, time: Time(index), process: Process(process), kind }
    }

    fn check<const N: usize>(events: [Event; N], expected: &Result<usize, Malformed>) {
        let length = History::from_events(events.to_vec()).map(|history| history.len());
        assert_eq!(&length, expected);
    }

    #[test]
    fn pairs_overlapping_operations() {
        check([invoke(0, 0), invoke(1, 1), ok(2, 0), ok(3, 1), invoke(9, 0)], &Ok(3));
    }

    #[test]
    fn rejects_a_completion_without_an_invocation() {
        check([ok(0, 0)], &Err(Malformed::NotInvoked { index: 0, process: Process(0) }));
    }

    #[test]
    fn rejects_two_open_operations_of_one_process() {
        let error = Malformed::StillOpen { index: 1, process: Process(0), open: 0 };
        check([invoke(0, 0), invoke(1, 0)], &Err(error));
    }

    #[test]
    fn rejects_indexes_beyond_which_nothing_can_be_counted() {
        check([invoke(0, 0), ok(BEYOND - 1, 0)], &Ok(1));
        check([invoke(0, 0), ok(BEYOND, 0)], &Err(Malformed::Beyond { index: BEYOND }));
        check([invoke(u64::MAX, 0)], &Err(Malformed::Beyond { index: u64::MAX }));
    }

    #[test]
    fn keeps_the_windows_of_a_fault_that_starts_twice_apart() {
        let marks = |text: &str| {
            let history = History::from_text(text).expect("the text is a history");
            let faults = history.faults();
            let seconds = |time: Time| time.0 / 1_000_000_000;
            let window = |it: &FaultWindow| (seconds(it.start), it.stop.map(seconds), it.proven());
            faults.iter().map(window).collect::<Vec<_>>()
        };
        let (start, bites) = ("nemesis start F1 kill n1 one", "nemesis bites F1 yes dead");
        let stop = "nemesis stop F1";
        let apart = format!("1s {start}\n1s {bites}\n2s {stop}\n3s {start}\n3s {bites}\n4s {stop}");
        assert_eq!(marks(&apart), [(1, Some(2), true), (3, Some(4), true)]);
        let open = format!("1s {start}\n2s {start}\n2s {bites}\n3s {stop}\n4s {stop}");
        assert_eq!(marks(&open), [(1, Some(4), false), (2, Some(3), true)]);
    }

    #[test]
    fn rejects_indexes_that_do_not_rise() {
        check([invoke(1, 0), ok(1, 0)], &Err(Malformed::Order { index: 1, before: 1 }));
    }
}
