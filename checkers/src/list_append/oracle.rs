//! The definitions themselves, by trying every order. Exponential: for small histories.

use schism_history::{History, MopKind, Value};

use super::transactions::{Fate, Transactions, elements};
use crate::transactional::Order;

/// An operation of a transaction, with lists and elements by numbers.
enum Step {
    Append { list: usize, element: i64 },
    Read { list: usize, elements: Vec<i64> },
}

struct One {
    steps: Vec<Step>,
    committed: bool,
    process: u32,
    invoked: u64,
    completed: u64,
}

/// A small history that can be tried.
pub(super) struct Trial {
    all: Vec<One>,
    lists: usize,
    /// What each transaction appends to each list.
    appends: Vec<Vec<Vec<i64>>>,
    /// Whether each transaction that is not committed was read from by one that is.
    observed: Vec<bool>,
    /// An element that was read, but was not appended by a transaction that took effect.
    dirty: bool,
}

type State = Vec<Vec<i64>>;

impl Trial {
    /// The committed and the indeterminate transactions of a history.
    pub fn of(history: &History) -> Self {
        let transactions = Transactions::of(history, true);
        let mut keys = Vec::new();
        let mut all = Vec::new();
        for one in transactions.all.iter().filter(|one| one.fate != Fate::Aborted) {
            let committed = one.fate == Fate::Committed;
            let mut steps = Vec::new();
            for mop in one.mops {
                let list = keys.iter().position(|key| *key == mop.key).unwrap_or_else(|| {
                    keys.push(mop.key);
                    keys.len() - 1
                });
                let number = |value: &Value| if let Value::Int(it) = value { *it } else { -1 };
                if mop.kind == MopKind::Append {
                    steps.push(Step::Append { list, element: number(&mop.value) });
                } else if committed {
                    let read = elements(&mop.value).unwrap_or_default();
                    steps.push(Step::Read { list, elements: read.iter().map(number).collect() });
                }
            }
            let completed = one.lifetime(true).completed;
            all.push(One {
                steps,
                committed,
                process: one.process.0,
                invoked: one.invoked,
                completed,
            });
        }
        let lists = keys.len();
        let appends = all.iter().map(|one| (0..lists).map(|list| appended(one, list)).collect());
        let appends = appends.collect();
        let observed = vec![false; all.len()];
        let mut trial = Self { lists, appends, observed, dirty: false, all };
        let read: Vec<(usize, i64)> = trial.elements_read();
        for (list, element) in read {
            match (0..trial.all.len()).find(|it| trial.appends(*it, list).contains(&element)) {
                Some(writer) => trial.observed[writer] = true,
                None => trial.dirty = true,
            }
        }
        trial
    }

    fn elements_read(&self) -> Vec<(usize, i64)> {
        let mut read = Vec::new();
        for step in self.all.iter().flat_map(|one| &one.steps) {
            if let Step::Read { list, elements } = step {
                read.extend(elements.iter().map(|element| (*list, *element)));
            }
        }
        read
    }

    fn appends(&self, one: usize, list: usize) -> &[i64] {
        &self.appends[one][list]
    }

    /// Whether `a` must come before `b` by time alone.
    fn before(&self, a: usize, b: usize, order: Order) -> bool {
        let (one, other) = (&self.all[a], &self.all[b]);
        let in_time = one.completed < other.invoked;
        match order {
            Order::Data => false,
            Order::Process => in_time && one.process == other.process,
            Order::Realtime => in_time,
        }
    }

    /// Whether some order of the committed transactions, and of any of the indeterminate ones,
    /// explains every read, and agrees with that of time.
    pub fn serializable(&self, order: Order) -> bool {
        let left: Vec<usize> = (0..self.all.len()).collect();
        self.extend(&left, &vec![Vec::new(); self.lists], order)
    }

    fn extend(&self, left: &[usize], state: &State, order: Order) -> bool {
        if !left.iter().any(|one| self.all[*one].committed) {
            return true;
        }
        left.iter().enumerate().any(|(number, &one)| {
            if left.iter().any(|&other| other != one && self.before(other, one, order)) {
                return false;
            }
            let Some(next) = self.apply(one, state) else { return false };
            let mut rest = left.to_vec();
            rest.remove(number);
            self.extend(&rest, &next, order)
        })
    }

    /// The lists after a transaction; `None` if it would read something else.
    fn apply(&self, one: usize, state: &State) -> Option<State> {
        let mut state = state.clone();
        for step in &self.all[one].steps {
            match step {
                Step::Append { list, element } => state[*list].push(*element),
                Step::Read { list, elements } if state[*list] != *elements => return None,
                Step::Read { .. } => {}
            }
        }
        Some(state)
    }

    /// Whether some order of beginnings and ends explains every read, each transaction reading the
    /// lists as they were at its beginning, and no two of them that append to one list being under
    /// way at once (Berenson et al. 1995); what comes before by time ends before the other begins.
    pub fn snapshot_isolated(&self, order: Order) -> bool {
        let waiting: Vec<usize> = (0..self.all.len()).collect();
        self.advance(&waiting, &[], &vec![Vec::new(); self.lists], order)
    }

    fn advance(&self, waiting: &[usize], open: &[usize], state: &State, order: Order) -> bool {
        if !waiting.iter().chain(open).any(|one| self.all[*one].committed) {
            return true;
        }
        let without = |all: &[usize], one| {
            all.iter().copied().filter(|other| *other != one).collect::<Vec<usize>>()
        };
        let writes_like = |one: usize, other: usize| {
            (0..self.lists).any(|list| {
                !self.appends(one, list).is_empty() && !self.appends(other, list).is_empty()
            })
        };
        let begins = waiting.iter().any(|&one| {
            // What conflicts with an open one cannot commit: it does not begin.
            let early = waiting.iter().chain(open).any(|&it| self.before(it, one, order));
            if early || open.iter().any(|other| writes_like(one, *other)) {
                return false;
            }
            let Some(after) = self.apply(one, state) else { return false };
            let waiting = without(waiting, one);
            // What only reads may as well end at once.
            if after == *state {
                return self.advance(&waiting, open, state, order);
            }
            let open: Vec<usize> = open.iter().copied().chain([one]).collect();
            self.advance(&waiting, &open, state, order)
        });
        begins
            || open.iter().any(|&one| {
                let mut state = state.clone();
                for (list, state) in state.iter_mut().enumerate() {
                    state.extend(self.appends(one, list));
                }
                self.advance(waiting, &without(open, one), &state, order)
            })
    }

    /// Whether some total order of commits fits the axioms of a weak level (Biswas and Enea 2019):
    /// it holds `wr`, for `causal` sessions too, and the versions of each list are in its order.
    pub fn weakly(&self, level: Weak) -> bool {
        let happened: Vec<usize> = (0..self.all.len())
            .filter(|it| self.all[*it].committed || self.observed[*it])
            .collect();
        let committed = matches!(level, Weak::ReadCommitted | Weak::ConsistentView);
        let inside = committed || (0..self.all.len()).all(|one| self.agrees_with_itself(one));
        let Some(causes) = self.causes(level).filter(|_| inside && !self.dirty) else {
            return false;
        };
        let shown = committed || causes.iter().all(|(cause, reader)| self.shows(*reader, *cause));
        shown && self.commit(&happened, &vec![Vec::new(); self.lists], &causes, level)
    }

    /// Whether the transactions that are left can commit in some order.
    fn commit(
        &self,
        left: &[usize],
        versions: &State,
        causes: &[(usize, usize)],
        level: Weak,
    ) -> bool {
        if !self.explained_by(versions, left.is_empty()) {
            return false;
        }
        if left.is_empty() {
            return level != Weak::ConsistentView || self.consistent(versions, causes);
        }
        left.iter().enumerate().any(|(number, &one)| {
            if causes.iter().any(|(cause, it)| *it == one && left.contains(cause)) {
                return false;
            }
            let mut versions = versions.clone();
            for (list, versions) in versions.iter_mut().enumerate() {
                versions.extend(self.appends(one, list));
            }
            let mut rest = left.to_vec();
            rest.remove(number);
            self.commit(&rest, &versions, causes, level)
        })
    }

    /// Whether no `rw` edge leads to what its reader depends on, where lists have these versions.
    fn consistent(&self, versions: &State, causes: &[(usize, usize)]) -> bool {
        let writer = |list: usize, element: &i64| {
            (0..self.all.len()).find(|it| self.appends(*it, list).contains(element))
        };
        let mut depends = vec![vec![false; self.all.len()]; self.all.len()];
        for &(from, to) in causes {
            depends[from][to] = true;
        }
        for (list, versions) in versions.iter().enumerate() {
            for two in versions.windows(2) {
                if let (Some(from), Some(to)) = (writer(list, &two[0]), writer(list, &two[1])) {
                    depends[from][to] |= from != to;
                }
            }
        }
        for by in 0..self.all.len() {
            for from in 0..self.all.len() {
                for to in 0..self.all.len() {
                    depends[from][to] |= depends[from][by] && depends[by][to];
                }
            }
        }
        self.all.iter().enumerate().all(|(reader, one)| {
            one.steps.iter().all(|step| {
                let Step::Read { list, elements } = step else { return true };
                let own = elements.last().and_then(|last| writer(*list, last)) == Some(reader);
                let next = versions[*list].get(elements.len());
                let next = next.and_then(|next| writer(*list, next));
                own || next.is_none_or(|next| next == reader || !depends[next][reader])
            })
        })
    }

    /// Whether every read is, or while there are more to come may become, a prefix of its list.
    fn explained_by(&self, versions: &State, all: bool) -> bool {
        self.all.iter().flat_map(|one| &one.steps).all(|step| match step {
            Step::Append { .. } => true,
            Step::Read { list, elements } => {
                let versions = &versions[*list];
                versions.starts_with(elements) || !all && elements.starts_with(versions)
            }
        })
    }

    fn agrees_with_itself(&self, one: usize) -> bool {
        let mut known: Vec<Option<Vec<i64>>> = vec![None; self.lists];
        let mut own: Vec<Vec<i64>> = vec![Vec::new(); self.lists];
        self.all[one].steps.iter().all(|step| match step {
            Step::Append { list, element } => {
                own[*list].push(*element);
                if let Some(known) = &mut known[*list] {
                    known.push(*element);
                }
                true
            }
            Step::Read { list, elements } => {
                let before = known[*list].replace(elements.clone());
                before.map_or(elements.ends_with(&own[*list]), |before| before == *elements)
            }
        })
    }

    /// Which transactions come before which by `wr`, and at `causal` by sessions, in one step or at
    /// `causal` in several; `None` if something was read that is not final.
    fn causes(&self, level: Weak) -> Option<Vec<(usize, usize)>> {
        let mut causes: Vec<(usize, usize)> = Vec::new();
        for (reader, one) in self.all.iter().enumerate() {
            for (number, step) in one.steps.iter().enumerate() {
                let Step::Read { list, elements } = step else { continue };
                let Some(last) = elements.last() else { continue };
                let writer =
                    (0..self.all.len()).find(|it| self.appends(*it, *list).contains(last))?;
                let own = |step: &Step| matches!(step, Step::Append { list: other, element } if other == list && element == last);
                if writer == reader {
                    one.steps[..number].iter().find(|step| own(step))?;
                    continue;
                }
                self.appends(writer, *list).last().filter(|final_one| *final_one == last)?;
                causes.push((writer, reader));
            }
        }
        if level != Weak::Causal {
            return Some(causes);
        }
        let all = 0..self.all.len();
        let pairs = all.clone().flat_map(|a| all.clone().map(move |b| (a, b)));
        causes.extend(pairs.filter(|(a, b)| self.before(*a, *b, Order::Process)));
        for _ in all {
            let steps = causes.iter().flat_map(|(a, b)| {
                causes.iter().filter(move |(c, _)| b == c).map(move |(_, d)| (*a, *d))
            });
            let mut more: Vec<(usize, usize)> = steps.chain(causes.iter().copied()).collect();
            more.sort_unstable();
            more.dedup();
            causes = more;
        }
        Some(causes)
    }

    /// Whether a transaction read of each list what another one appended to it.
    fn shows(&self, reader: usize, cause: usize) -> bool {
        self.all[reader].steps.iter().all(|step| match step {
            Step::Append { .. } => true,
            Step::Read { list, elements } => {
                self.appends(cause, *list).iter().all(|element| elements.contains(element))
            }
        })
    }
}

fn appended(one: &One, list: usize) -> Vec<i64> {
    let own = one.steps.iter().filter_map(|step| match step {
        Step::Append { list: other, element } if *other == list => Some(*element),
        _ => None,
    });
    own.collect()
}

/// A weak level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weak {
    /// Nothing that was aborted, or was not final, and no circles of reads.
    ReadCommitted,
    /// All of what another one wrote, or nothing.
    ReadAtomic,
    /// What comes before by sessions and reads is seen.
    Causal,
    /// Nobody misses what anything that it depends on was made of: no circle with one `rw`.
    ConsistentView,
}
