//! Contradictions and circles in words.

use std::collections::VecDeque;
use std::fmt::Write as _;

use schism_history::{History, Mop, MopKind, Value};

use super::decide::{Level, Rule};
use super::infer::Overwritten;
use super::order::{Edges, Order};
use super::resolve::{Finding, Kind};
use super::transactions::{INIT, NOBODY, Transactions};
use crate::phrase::{list, who};
use crate::verdict::{Edge, Transaction};
use crate::{Anomaly, Witness};

/// Tells what transactions prove.
pub(crate) struct Teller<'a> {
    /// The history.
    pub history: &'a History,
    /// Its transactions.
    pub transactions: &'a Transactions,
    /// What a key holds before its first write.
    pub initial: &'a Value,
}

/// The transactions of one story, in the order of their names.
pub(crate) struct Cast {
    members: Vec<u32>,
}

impl Cast {
    /// With these transactions first.
    pub fn new(members: &[u32]) -> Self {
        Self { members: members.to_vec() }
    }

    /// The name of a transaction, which belongs to the story from now on.
    pub fn name(&mut self, transaction: u32) -> String {
        let place = self.members.iter().position(|it| *it == transaction).unwrap_or_else(|| {
            self.members.push(transaction);
            self.members.len() - 1
        });
        format!("T{}", place + 1)
    }
}

impl Teller<'_> {
    /// The micro-operations of an operation, as far as they are known.
    fn mops(&self, operation: u32) -> &[Mop] {
        let operation = self.history.operation(operation as usize);
        let told = operation.ok().map(|reply| &reply.value);
        match told.unwrap_or(&operation.op.value) {
            Value::Mops(mops) => mops,
            _ => &[],
        }
    }

    /// The micro-operations of a transaction, as far as they are known.
    pub fn of(&self, transaction: u32) -> &[Mop] {
        self.mops(self.transactions.operations[transaction as usize])
    }

    /// The name of a key.
    pub fn key(&self, key: u32) -> &'static str {
        self.transactions.names[key as usize].as_str()
    }

    /// `x = 3`, as `writer` left it.
    pub fn written(&self, writer: u32, key: u32) -> String {
        let name = self.transactions.names[key as usize];
        let write = |mop: &&Mop| mop.kind == MopKind::Write && mop.key == name;
        let value = self.of(writer).iter().rfind(write).map(|mop| mop.value.to_string());
        format!("{name} = {}", value.unwrap_or_default())
    }

    /// `x = 3`, as `reader` read it from `writer`.
    pub fn read(&self, reader: u32, key: u32, writer: u32) -> String {
        let name = self.transactions.names[key as usize];
        let reads = || {
            let read = |mop: &&Mop| mop.kind == MopKind::Read && mop.key == name;
            self.of(reader).iter().filter(read)
        };
        let from = |mop: &&Mop| {
            if writer == INIT {
                return mop.value == *self.initial;
            }
            let wrote = |it: &Mop| it.kind == MopKind::Write && it.key == name;
            self.of(writer).iter().any(|it| wrote(it) && it.value == mop.value)
        };
        let mop = reads().find(from).or_else(|| reads().next());
        format!("{name} = {}", mop.map(|mop| mop.value.to_string()).unwrap_or_default())
    }

    /// `T1 is event 4 (p0 on n1).` for each of the story.
    pub fn legend(&self, cast: &Cast) -> String {
        let mut text = String::new();
        for (place, &transaction) in cast.members.iter().enumerate() {
            let operation = self.transactions.operation(self.history, transaction);
            let (index, who) = (operation.invoked, who(&operation));
            let _ = write!(text, " T{} is event {index} ({who}).", place + 1);
        }
        text
    }

    /// The indexes of the story's invocations, those of the circle last.
    fn events(&self, cast: &Cast, circle: usize) -> Vec<u64> {
        let (circle, others) = cast.members.split_at(circle.min(cast.members.len()));
        let invoked = |it: &u32| self.transactions.operation(self.history, *it).invoked;
        others.iter().chain(circle).map(invoked).collect()
    }

    /// A contradiction of a single read.
    pub fn finding(&self, finding: &Finding, name: &str) -> Anomaly {
        let reader = self.history.operation(finding.reader as usize);
        let mops = self.mops(finding.reader);
        let mop = &mops[finding.place as usize];
        let read = format!("{} = {}", mop.key, mop.value);
        let told =
            format!("The transaction of event {} ({}) read {read}", reader.invoked, who(&reader));
        let mut operations = Vec::new();
        let mut other = || {
            let other = self.history.operation(finding.other as usize);
            operations.push(other.invoked);
            format!("the transaction of event {} ({})", other.invoked, who(&other))
        };
        let key = mop.key;
        let explanation = match finding.kind {
            Kind::Unwritten => format!("{told}, which nobody wrote."),
            Kind::Aborted => {
                format!("{told}, which {} wrote, and that transaction failed.", other())
            }
            Kind::Intermediate => format!(
                "{told}, which {} wrote and then overwrote itself, before it committed.",
                other()
            ),
            Kind::Future => {
                format!("{told}, which it wrote itself, but only after that read.")
            }
            Kind::Internal => {
                let own = mops.get(finding.other as usize).map(|mop| mop.value.to_string());
                let own = own.unwrap_or_default();
                format!("{told}, although its own last write before that was {key} = {own}.")
            }
            Kind::Nonrepeatable => {
                let own = mops.get(finding.other as usize).map(|mop| mop.value.to_string());
                let own = own.unwrap_or_default();
                format!(
                    "{told}, although it had read {key} = {own} before, and wrote nothing to {key} between."
                )
            }
        };
        operations.push(reader.invoked);
        let (name, key) = (name.to_owned(), Some(key.to_string()));
        Anomaly { name, key, operations, explanation, witness: Witness::Operations }
    }

    /// An initial value that was read although it had been overwritten.
    pub fn overwritten(&self, rule: Rule, found: Overwritten) -> Anomaly {
        let Overwritten { reader, writer, key } = found;
        let mut cast = Cast::new(&[writer, reader]);
        let (seen, direct) = self.seen(rule, &mut cast, reader, writer);
        let (t, w) = (cast.name(reader), cast.name(writer));
        let name = if direct { "fractured-read" } else { "causal-cycle" };
        let explanation = format!(
            "{t} {seen}, and read {}, which is what {} held before anybody wrote it, although {w} \
             wrote {}: {name}.{}",
            self.read(reader, key, INIT),
            self.key(key),
            self.written(writer, key),
            self.legend(&cast),
        );
        let mut operations = self.events(&cast, 2);
        operations.dedup();
        let key = Some(self.key(key).to_owned());
        Anomaly { name: name.into(), key, operations, explanation, witness: Witness::Operations }
    }

    /// A circle of transactions each of which must commit before the next.
    pub fn circle(&self, rule: Rule, circle: &[u32], edges: &Edges) -> Anomaly {
        let order = Order::new(self.transactions, rule.sessions, edges);
        let members = self.told(rule, &order, circle);
        let mut cast = Cast::new(&members);
        let (mut direct, mut process, mut inferred) = (true, false, false);
        let mut key = None;
        let mut proofs = Vec::new();
        for (place, &from) in members.iter().enumerate() {
            let to = members[(place + 1) % members.len()];
            let (a, b) = (cast.name(from), cast.name(to));
            let (kind, says) = if let Some(read) = self.read_of(to, from) {
                ("wr", format!("{b} read {}, which {a} wrote.", self.read(to, read, from)))
            } else if self.in_session(rule, from, to) {
                process = true;
                let session = self.transactions.operation(self.history, to).process;
                ("process", format!("{a} came before {b} in the session of {session}."))
            } else {
                inferred = true;
                let (says, of, near) = self.inferred(rule, &mut cast, from, to);
                direct &= near;
                key = key.or(Some(of));
                ("ww", says)
            };
            proofs.push(Edge { from: a, to: b, kind: kind.into(), says });
        }
        let name = match (inferred, direct) {
            (false, _) if process => "G1c-process",
            (false, _) => "G1c",
            (true, true) => "fractured-read",
            (true, false) => "causal-cycle",
        };
        let says: Vec<&str> = proofs.iter().map(|edge| edge.says.as_str()).collect();
        let mut names: Vec<String> = proofs.iter().map(|edge| edge.from.clone()).collect();
        names.truncate(8);
        let explanation = format!(
            "{} So {} and again T1 would each have to commit before the next: {name}.{}",
            says.join(" "),
            names.join(", "),
            self.legend(&cast)
        );
        let operations = self.events(&cast, members.len());
        let transactions = cast.members.iter().enumerate().map(|(place, it)| Transaction {
            name: format!("T{}", place + 1),
            operation: self.transactions.operation(self.history, *it).invoked,
        });
        let witness = Witness::Cycle { transactions: transactions.collect(), edges: proofs };
        let key = key.map(|key| self.key(key).to_owned());
        Anomaly { name: name.into(), key, operations, explanation, witness }
    }

    /// The circle without those of whom only their session says something.
    fn told(&self, rule: Rule, order: &Order<'_>, circle: &[u32]) -> Vec<u32> {
        let length = circle.len();
        let by_session =
            |from: u32, to: u32| self.in_session(rule, from, to) && !order.reads_from(to, from);
        let kept = (0..length).filter(|&place| {
            let (before, it) = (circle[(place + length - 1) % length], circle[place]);
            let after = circle[(place + 1) % length];
            !(length > 2 && by_session(before, it) && by_session(it, after))
        });
        kept.map(|place| circle[place]).collect()
    }

    fn in_session(&self, rule: Rule, from: u32, to: u32) -> bool {
        let session = |it: u32| self.transactions.sessions[it as usize];
        rule.sessions && session(from) == session(to) && from < to
    }

    /// A key that `to` read from `from`.
    fn read_of(&self, to: u32, from: u32) -> Option<u32> {
        let reads = self.transactions.reads(to);
        reads.iter().find(|read| read.writer == from).map(|read| read.key)
    }

    /// Why `from` must commit before `to`: a reader that read from `to` and had seen `from`. Also the
    /// key, and whether the reader had seen it directly.
    fn inferred(&self, rule: Rule, cast: &mut Cast, from: u32, to: u32) -> (String, u32, bool) {
        let seen = (rule.level == Level::Causal).then(|| self.seers(rule, from));
        let mut best = None;
        for reader in 0..self.transactions.len() as u32 {
            let reads = self.transactions.reads(reader);
            for (place, read) in reads.iter().enumerate() {
                if read.writer != to || !self.transactions.wrote(from, read.key) || reader == from {
                    continue;
                }
                let direct = match rule.level {
                    Level::ReadCommitted => reads[..place].iter().any(|it| it.writer == from),
                    _ => {
                        reads.iter().any(|it| it.writer == from)
                            || self.in_session(rule, from, reader)
                    }
                };
                let indirect = seen.as_ref().is_some_and(|seen| seen[reader as usize]);
                if direct || (indirect && best.is_none()) {
                    best = Some((reader, read.key, direct));
                }
            }
            if best.is_some_and(|(_, _, direct)| direct) {
                break;
            }
        }
        let Some((reader, key, _)) = best else {
            return (String::new(), 0, true);
        };
        let (seen, direct) = self.seen(rule, cast, reader, from);
        let (t, a, b) = (cast.name(reader), cast.name(from), cast.name(to));
        let afterwards = if rule.level == Level::ReadCommitted { "afterwards " } else { "" };
        let says = format!(
            "{t} {seen}, and {afterwards}read {} from {b}, although {a} wrote {}; so {a} must commit \
             before {b}.",
            self.read(reader, key, to),
            self.written(from, key),
        );
        (says, key, direct)
    }

    /// How `reader` had seen `from`, and whether directly.
    fn seen(&self, rule: Rule, cast: &mut Cast, reader: u32, from: u32) -> (String, bool) {
        let name = cast.name(from);
        if let Some(key) = self.read_of(reader, from) {
            return (format!("read {} from {name}", self.read(reader, key, from)), true);
        }
        if self.in_session(rule, from, reader) {
            return (format!("came after {name} in one session"), true);
        }
        let between = self.way(rule, reader, from);
        let names: Vec<String> = between.iter().map(|it| cast.name(*it)).collect();
        (format!("had seen {name} by way of {}", list(&names)), false)
    }

    /// Whether each transaction has seen `from`.
    fn seers(&self, rule: Rule, from: u32) -> Vec<bool> {
        let none = Edges::new();
        let order = Order::new(self.transactions, rule.sessions, &none).find().unwrap_or_default();
        let mut seen = vec![false; self.transactions.len()];
        seen[from as usize] = true;
        for transaction in order {
            let before = self.transactions.before(transaction).filter(|_| rule.sessions);
            let reads = self.transactions.reads(transaction).iter().map(|read| read.writer);
            if before.into_iter().chain(reads).any(|it| it < NOBODY && seen[it as usize]) {
                seen[transaction as usize] = true;
            }
        }
        seen
    }

    /// Those by way of whom `reader` has seen `from`, from later to earlier; of a stretch of one
    /// session only the ends.
    fn way(&self, rule: Rule, reader: u32, from: u32) -> Vec<u32> {
        let mut came: Vec<u32> = vec![NOBODY; self.transactions.len()];
        let mut settled = vec![false; self.transactions.len()];
        let mut queue = VecDeque::from([reader]);
        while let Some(at) = queue.pop_front() {
            if std::mem::replace(&mut settled[at as usize], true) {
                continue;
            }
            if at == from {
                break;
            }
            for read in self.transactions.reads(at) {
                let writer = read.writer;
                if writer < NOBODY && !settled[writer as usize] && came[writer as usize] == NOBODY {
                    came[writer as usize] = at;
                    queue.push_back(writer);
                }
            }
            let before = self.transactions.before(at).filter(|_| rule.sessions);
            if let Some(before) = before.filter(|it| !settled[*it as usize]) {
                came[before as usize] = at;
                queue.push_front(before);
            }
        }
        let mut way = vec![from];
        let mut at = from;
        while at != reader && came[at as usize] != NOBODY {
            at = came[at as usize];
            way.push(at);
        }
        let mut told = Vec::new();
        for place in 1..way.len().saturating_sub(1) {
            let (earlier, it, later) = (way[place - 1], way[place], way[place + 1]);
            let one_session =
                self.in_session(rule, earlier, it) && self.in_session(rule, it, later);
            if !one_session || self.read_of(it, earlier).is_some() {
                told.push(it);
            }
        }
        told.reverse();
        told
    }
}
