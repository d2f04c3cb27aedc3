//! Random histories of a few texts: simulated replicas, and now and then a lie.

use std::fmt::Write as _;

use schism_history::History;

use crate::chance::Chance;

/// What may happen in a history.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub operations: usize,
    pub clients: usize,
    pub keys: usize,
    /// One in so many updates is a put; every one if that is 1.
    pub puts: usize,
    /// One in so many gets is a lie.
    pub lies: usize,
    /// One in so many updates is indeterminate, and one in so many fails.
    pub lost: usize,
}

pub(super) const SMALL: Shape =
    Shape { operations: 6, clients: 3, keys: 2, puts: 3, lies: 6, lost: 9 };

#[derive(Clone)]
struct Update {
    number: usize,
    key: usize,
    put: bool,
}

fn text(updates: &[Update], key: usize) -> String {
    let mut text = String::new();
    for update in updates.iter().filter(|it| it.key == key) {
        if update.put {
            text.clear();
        }
        let _ = write!(text, "{};", update.number);
    }
    text
}

/// A random history, in which clients do not overlap: only their own order matters.
pub(super) fn history(chance: &mut Chance, shape: Shape) -> History {
    let mut replicas: Vec<Vec<Update>> = vec![Vec::new(); shape.clients];
    let mut messages: Vec<(usize, Update)> = Vec::new();
    let mut processes: Vec<usize> = (0..shape.clients).collect();
    let (shared, sorted) = (chance.one_in(4), chance.one_in(2));
    let lies = if chance.one_in(3) { 0 } else { shape.lies };
    // Each client puts and appends to a key of its own.
    let apart = chance.one_in(4);
    let mut lines = String::new();
    for number in 1..=shape.operations {
        while !messages.is_empty() && (shared || chance.below(3) > 0) {
            let late = lies > 0 && chance.one_in(lies);
            let place = if late && !shared { chance.below(messages.len()) } else { 0 };
            let (to, update) = messages.remove(place);
            replicas[to].push(update);
            if sorted {
                replicas[to].sort_by_key(|it| it.number);
            }
        }
        let (client, key) = (chance.below(shape.clients), chance.below(shape.keys));
        let (process, name) = (processes[client], ["x", "y"][key]);
        if chance.below(5) < 3 {
            let mut seen = replicas[client].clone();
            if lies > 0 && chance.one_in(lies) && !seen.is_empty() {
                let place = chance.below(seen.len());
                match chance.below(4) {
                    0 => drop(seen.remove(place)),
                    1 => seen.swap(0, place),
                    2 => seen.truncate(place),
                    _ => seen.push(Update {
                        number: 1 + chance.below(shape.operations),
                        key,
                        put: false,
                    }),
                }
            }
            let _ = writeln!(
                lines,
                "p{process} invoke get {name}\np{process} ok \"{}\"",
                text(&seen, key)
            );
            continue;
        }
        let key = if apart { client % shape.keys } else { key };
        let (put, name) = (chance.one_in(shape.puts), ["x", "y"][key]);
        let f = if put { "put" } else { "append" };
        let fate = if shape.lost > 0 { chance.below(shape.lost) } else { 9 };
        let answer = ["info timeout", "fail refused", "ok"][fate.min(2)];
        let _ = writeln!(lines, "p{process} invoke {f} {name} \"{number};\"\np{process} {answer}");
        if fate == 0 {
            processes[client] += shape.clients;
        }
        if fate != 1 || lies > 0 && chance.one_in(lies) {
            let update = Update { number, key, put };
            replicas[client].push(update.clone());
            let others = (0..shape.clients).filter(|&it| it != client);
            messages.extend(others.map(|it| (it, update.clone())));
        }
    }
    History::from_text(&lines).expect("the simulation makes histories")
}
