//! The objects of histories that are not about single registers.

use rustc_hash::FxHashMap;
use schism_history::{F, History, Key, MopKind, Operation, Value};

use super::extract::Alien;
use super::model::{Model, Values};
use super::multi_register::{Effect, MultiRegister};
use super::objects::{Item, Object};
use super::operations::{NEVER, is_content};
use super::queue::{Bag, FifoQueue, QueueAction};
use super::summary::{Evidence, Label};
use super::text::{TextAction, Texts};

/// What is done, if nobody knows the result; and what was done, if it is ok.
type Done<A> = (Option<A>, Option<A>);

/// The objects of a history, each of one key.
struct ByKey<M: Model> {
    noun: &'static str,
    objects: Vec<Object<M>>,
    places: FxHashMap<Option<Key>, usize>,
    keyed: Option<bool>,
    cut: u64,
    alien: Option<Alien>,
}

impl<M: Model> ByKey<M> {
    /// `noun`: what an object is called that has no key.
    fn new(noun: &'static str) -> Self {
        let (objects, places) = (Vec::new(), FxHashMap::default());
        Self { noun, objects, places, keyed: None, cut: NEVER, alien: None }
    }

    /// Takes an operation. Either all operations name a key, or none does.
    fn take(
        &mut self,
        operation: &Operation<'_>,
        new: impl FnOnce() -> M,
        read: impl FnOnce(&mut M) -> Result<Done<M::Action>, Alien>,
    ) {
        let key = operation.op.key;
        let keyed = *self.keyed.get_or_insert(key.is_some());
        if key.is_some() != keyed {
            let problem = if keyed { "has no key" } else { "has a key, and others have none" };
            let alien = Alien::invoked(operation, problem);
            self.cut = self.cut.min(alien.rank);
            self.report(alien);
            return;
        }
        let place = *self.places.entry(key).or_insert_with(|| {
            let label = match key {
                Some(key) => Label { noun: "key", name: key.to_string() },
                None => Label { noun: self.noun, name: String::new() },
            };
            self.objects.push(Object { label, model: new(), items: Vec::new(), cut: NEVER });
            self.objects.len() - 1
        });
        let object = &mut self.objects[place];
        match read(&mut object.model) {
            Ok((None, None)) => {}
            Ok((asked, answered)) => object.items.push(Item::new(operation, asked, answered)),
            Err(alien) => {
                object.cut = object.cut.min(alien.rank);
                self.report(alien);
            }
        }
    }

    fn report(&mut self, alien: Alien) {
        self.alien = self.alien.take().into_iter().chain([alien]).min_by_key(|it| it.rank);
    }

    /// The objects in the order of their keys, and the first malformed event.
    fn finish(mut self) -> (Vec<Object<M>>, Option<Alien>) {
        for object in &mut self.objects {
            object.cut = object.cut.min(self.cut);
        }
        self.objects.sort_by(|one, other| one.label.name.cmp(&other.label.name));
        (self.objects, self.alien)
    }
}

/// The texts of a history of get, put and append. They are empty at first, unless `initial` says
/// otherwise; a get that returns nil found the empty text.
pub(crate) fn texts(history: &History, initial: &Value) -> (Vec<Object<Texts>>, Evidence) {
    let [get, put, append] = ["get", "put", "append"].map(F::new);
    let mut texts = ByKey::new("the text");
    let mut evidence = Evidence::default();
    let initial = match initial {
        Value::Nil => "",
        Value::Text(text) => text,
        other => {
            let problem = format!("the initial value {other} is no text");
            evidence.alien = Some(Alien { of: "text", rank: 0, problem });
            return (Vec::new(), evidence);
        }
    };
    let (mut gets, mut writes) = (0, 0);
    for operation in history.operations() {
        texts.take(
            &operation,
            || Texts::new(initial),
            |model| {
                let f = operation.op.f;
                if f == get {
                    let Some(reply) = operation.ok() else { return Ok((None, None)) };
                    let text = match &reply.value {
                        Value::Nil => "",
                        Value::Text(text) => text,
                        other => return Err(Alien::completed(&operation, other).among("text")),
                    };
                    gets += 1;
                    return Ok((None, Some(TextAction::Get(model.number(text)))));
                }
                if f != put && f != append {
                    let problem = "is no operation of a text (get, put, append)";
                    return Err(Alien::invoked(&operation, problem).among("text"));
                }
                let Value::Text(text) = &operation.op.value else {
                    return Err(Alien::invoked(&operation, "is given no text").among("text"));
                };
                writes += usize::from(operation.ok().is_some());
                let action = if f == put {
                    TextAction::Put(model.number(text))
                } else {
                    TextAction::Append(model.appended(text))
                };
                Ok((Some(action), Some(action)))
            },
        );
    }
    let (objects, alien) = texts.finish();
    evidence.ok = vec![(gets, "get"), (writes, "write")];
    (evidence.telling, evidence.tested, evidence.alien) = (gets, gets, alien);
    (objects, evidence)
}

/// A model of a queue that knows its values.
pub(crate) trait QueueModel<'a>: Model<Action = QueueAction> + Default + Send {
    /// The values.
    fn values(&mut self) -> &mut Values<'a>;

    /// Somebody found it empty.
    fn is_found_empty(&mut self) {}
}

impl<'a> QueueModel<'a> for FifoQueue<'a> {
    fn values(&mut self) -> &mut Values<'a> {
        &mut self.values
    }
}

impl<'a> QueueModel<'a> for Bag<'a> {
    fn values(&mut self) -> &mut Values<'a> {
        &mut self.values
    }

    fn is_found_empty(&mut self) {
        self.found_empty = true;
    }
}

/// The queues of a history of enqueue and dequeue.
///
/// A dequeue that is ok with nil found the queue empty. One that failed had no effect, and says
/// nothing: it may have been refused. One of which nobody knows may have taken whatever was there.
pub(crate) fn queues<'a, M: QueueModel<'a>>(history: &'a History) -> (Vec<Object<M>>, Evidence) {
    let [enqueue, dequeue] = ["enqueue", "dequeue"].map(F::new);
    let mut queues = ByKey::<M>::new("the queue");
    let (mut enqueues, mut dequeues) = (0, 0);
    for operation in history.operations() {
        queues.take(&operation, M::default, |model| {
            let value = &operation.op.value;
            if operation.op.f == enqueue {
                if *value == Value::Nil {
                    return Err(Alien::invoked(&operation, "is given nothing").among("queue"));
                }
                enqueues += usize::from(operation.ok().is_some());
                let action = Some(QueueAction::Enqueue(model.values().number(value)));
                return Ok((action, action));
            }
            if operation.op.f != dequeue {
                let problem = "is no operation of a queue (enqueue, dequeue)";
                return Err(Alien::invoked(&operation, problem).among("queue"));
            }
            let answered = operation.ok().map(|reply| match &reply.value {
                Value::Nil => {
                    model.is_found_empty();
                    QueueAction::Empty
                }
                value => QueueAction::Dequeue(model.values().number(value)),
            });
            dequeues += usize::from(answered.is_some());
            Ok((Some(QueueAction::Take), answered))
        });
    }
    let (mut objects, alien) = queues.finish();
    for object in &mut objects {
        drop_useless(object);
    }
    let ok = vec![(dequeues, "dequeue"), (enqueues, "enqueue")];
    (objects, Evidence { ok, telling: dequeues, tested: dequeues, alien })
}

/// Drops the indeterminate enqueues of values that no ok dequeue returned: if one of them took
/// effect, its value stayed or was taken by a dequeue of which nobody knows, and the history is
/// explained without both of them, too.
fn drop_useless<'a, M: QueueModel<'a>>(object: &mut Object<M>) {
    let answers = object.items.iter().filter_map(|item| item.answered);
    let taken: rustc_hash::FxHashSet<QueueAction> = answers.collect();
    object.items.retain(|item| match (item.fate, item.asked) {
        (super::operations::Fate::Indeterminate, Some(QueueAction::Enqueue(value))) => {
            taken.contains(&QueueAction::Dequeue(value))
        }
        _ => true,
    });
}

/// The groups of registers that transactions join; registers of different groups never meet, so
/// that each group is an object of its own.
pub(crate) fn multi_registers<'a>(
    history: &'a History,
    initial: &'a Value,
) -> (Vec<Object<MultiRegister<'a>>>, Evidence) {
    let mut joined = Joined::default();
    let mut read = Vec::new();
    let mut evidence = Evidence::default();
    let mut cut = NEVER;
    let (mut telling, mut ok) = (0, 0);
    for operation in history.operations() {
        match transaction(&operation) {
            Ok((asked, answered)) => {
                let both = [&asked, &answered];
                let keys =
                    both.into_iter().flatten().flat_map(|it| it.reads.iter().chain(&it.writes));
                joined.join(keys.map(|&(key, _)| key));
                let tells = answered.as_ref().is_some_and(|it| !it.reads.is_empty());
                telling += usize::from(tells);
                ok += usize::from(operation.ok().is_some());
                read.push((operation, asked, answered));
            }
            Err(alien) => {
                cut = cut.min(alien.rank);
                evidence.alien = evidence.alien.into_iter().chain([alien]).min_by_key(|it| it.rank);
            }
        }
    }
    evidence.ok = vec![(ok, "transaction")];
    (evidence.telling, evidence.tested) = (telling, telling);
    let mut objects = joined.groups(initial, cut);
    for (operation, asked, answered) in read {
        let seen = answered.as_ref().or(asked.as_ref());
        let Some(&(key, _)) = seen.and_then(|it| it.reads.first().or(it.writes.first())) else {
            // It neither read nor wrote, or contradicts itself in what it wrote.
            continue;
        };
        let (group, _) = joined.places[&key];
        let model = &mut objects[group].model;
        let mut number = |it: Touched<'a>| {
            let mut numbered = |list: Vec<(Key, &'a Value)>| {
                let mut list: Vec<(u32, u32)> = list
                    .into_iter()
                    .map(|(key, value)| (joined.places[&key].1, model.values.number(value)))
                    .collect();
                list.sort_unstable();
                list
            };
            let (reads, writes) = (numbered(it.reads), numbered(it.writes));
            let contradicts_itself = it.contradicts_itself;
            model.effect(Effect { reads, writes, contradicts_itself })
        };
        let (asked, answered) = (asked.map(&mut number), answered.map(&mut number));
        objects[group].items.push(Item::new(&operation, asked, answered));
    }
    (objects, evidence)
}

/// What a transaction reads from others, and leaves.
#[derive(Clone, Debug, Default)]
struct Touched<'a> {
    reads: Vec<(Key, &'a Value)>,
    writes: Vec<(Key, &'a Value)>,
    contradicts_itself: bool,
}

/// What a transaction may have done if nobody knows, and what it did if it is ok.
fn transaction<'a>(operation: &Operation<'a>) -> Result<Done<Touched<'a>>, Alien> {
    let alien = |problem: &str| Alien::invoked(operation, problem).among("group of register");
    let asked = touched(operation, &operation.op.value, false)?;
    let Some(reply) = operation.ok() else {
        return Ok(((!asked.writes.is_empty()).then_some(asked), None));
    };
    let answered = touched(operation, &reply.value, true)?;
    let keys = |it: &Touched<'a>| it.writes.clone();
    if keys(&asked) != keys(&answered) {
        return Err(alien("completed as another transaction than was asked"));
    }
    Ok(((!asked.writes.is_empty()).then_some(asked), Some(answered)))
}

/// What the micro-operations of `value` do; `known`: what they read is known.
fn touched<'a>(
    operation: &Operation<'a>,
    value: &'a Value,
    known: bool,
) -> Result<Touched<'a>, Alien> {
    let alien = |problem: &str| Alien::invoked(operation, problem).among("group of register");
    let f = operation.op.f.as_str();
    if !matches!(f, "txn" | "read" | "write") {
        return Err(alien("is no transaction (txn)"));
    }
    let Value::Mops(mops) = value else {
        return Err(alien("is no list of micro-operations"));
    };
    let mut touched = Touched::default();
    for mop in mops {
        if !is_content(&mop.value) {
            return Err(alien("reads or writes what a register cannot hold"));
        }
        let find = |list: &[(Key, &Value)]| list.iter().position(|&(key, _)| key == mop.key);
        let own = find(&touched.writes);
        match mop.kind {
            MopKind::Read if !known => {}
            MopKind::Read => {
                let before = own.map(|at| touched.writes[at].1);
                let before = before.or_else(|| find(&touched.reads).map(|at| touched.reads[at].1));
                match before {
                    Some(before) => touched.contradicts_itself |= *before != mop.value,
                    None => touched.reads.push((mop.key, &mop.value)),
                }
            }
            MopKind::Write => match own {
                Some(at) => touched.writes[at].1 = &mop.value,
                None => touched.writes.push((mop.key, &mop.value)),
            },
            _ => return Err(alien("does more than read and write registers")),
        }
    }
    Ok(touched)
}

/// Registers, joined into groups.
#[derive(Default)]
struct Joined {
    keys: Vec<Key>,
    numbers: FxHashMap<Key, u32>,
    /// The parent of each, as in union-find.
    parents: Vec<u32>,
    /// The group of each register, and its place there.
    places: FxHashMap<Key, (usize, u32)>,
}

impl Joined {
    fn root(&mut self, mut at: u32) -> u32 {
        while self.parents[at as usize] != at {
            let above = self.parents[self.parents[at as usize] as usize];
            self.parents[at as usize] = above;
            at = above;
        }
        at
    }

    fn join(&mut self, keys: impl Iterator<Item = Key>) {
        let mut first = None;
        for key in keys {
            let new = self.keys.len() as u32;
            let number = *self.numbers.entry(key).or_insert(new);
            if number == new {
                self.keys.push(key);
                self.parents.push(new);
            }
            let root = self.root(number);
            let first = *first.get_or_insert(root);
            let first = self.root(first);
            self.parents[root as usize] = first;
        }
    }

    /// The groups in the order of their first registers.
    fn groups<'a>(&mut self, initial: &'a Value, cut: u64) -> Vec<Object<MultiRegister<'a>>> {
        let mut keys = self.keys.clone();
        keys.sort_unstable();
        let mut groups: Vec<Object<MultiRegister<'a>>> = Vec::new();
        let mut of_root: FxHashMap<u32, usize> = FxHashMap::default();
        for key in keys {
            let root = self.root(self.numbers[&key]);
            let group = *of_root.entry(root).or_insert_with(|| {
                let label = Label { noun: "group", name: String::new() };
                let model = MultiRegister::default();
                groups.push(Object { label, model, items: Vec::new(), cut });
                groups.len() - 1
            });
            let object = &mut groups[group];
            let known = match initial {
                Value::Nil => None,
                Value::Map(entries) => {
                    let named = |name: &Value| match name {
                        Value::Text(text) => **text == *key.as_str(),
                        name => name.to_string() == key.as_str(),
                    };
                    entries.iter().find(|(name, _)| named(name)).map(|(_, value)| value)
                }
                all => Some(all),
            };
            let known = known.map(|value| object.model.values.number(value));
            object.model.initial.push(known);
            self.places.insert(key, (group, object.model.names.len() as u32));
            object.model.names.push(key.as_str());
        }
        for object in &mut groups {
            let names: Vec<String> =
                object.model.names.iter().map(|&name| name.to_owned()).collect();
            object.label.name = crate::phrase::list(&names);
        }
        groups
    }
}
