//! Whether the final reads agree.

use schism_history::{History, Value};

use super::registers::{NEVER, Read, Register};

/// What the final reads of one key say.
#[derive(Debug)]
pub(super) enum Finding {
    /// They agree on a value that was written; so many of them, beyond what one replica says.
    Agrees(usize),
    /// There is none.
    Unread,
    /// These two differ, and nothing explains that.
    Differs(u32, u32),
    /// This one returned what cannot be there.
    Unwritten(u32),
    /// They differ, but an indeterminate write may have come between.
    Late,
    /// They differ, or are not new, but nothing says that the system had been given time.
    Unsettled,
}

/// Judges one register, by reads after everything was healed, if there is such a mark, and after its
/// last acknowledged write.
pub(super) fn converges(register: &Register<'_>, initial: &Value, history: &History) -> Finding {
    let healed = history.healed().map(|(index, _)| index);
    let ok = || register.writes.iter().filter(|write| write.completed != NEVER);
    let written = ok().map(|write| write.completed).max();
    let quiet = healed.unwrap_or(0).max(written.unwrap_or(0));
    let is_final = |read: &Read<'_>| {
        !read.writes && (read.invoked > quiet || (healed, written) == (None, None))
    };
    let reads: Vec<(u32, &Read<'_>)> =
        (0..).zip(&register.reads).filter(|(_, read)| is_final(read)).collect();
    let Some(&(_, one)) = reads.first() else { return Finding::Unread };
    // No time brings back what nobody wrote.
    let unwritten = |read: &Read<'_>| !register.may_be(read.value) && read.value != initial;
    if let Some(&(place, _)) = reads.iter().find(|(_, read)| unwritten(read)) {
        return Finding::Unwritten(place);
    }
    let lost = |read: &Read<'_>| written.is_some() && !register.may_be(read.value);
    if let Some(&(place, _)) = reads.iter().find(|(_, read)| lost(read)) {
        return if healed.is_some() { Finding::Unwritten(place) } else { Finding::Unsettled };
    }
    if reads.iter().any(|(_, read)| read.value != one.value) {
        let settled: Vec<(u32, &Value)> = reads
            .iter()
            .map(|(place, read)| (*place, read.value))
            .filter(|(_, value)| !register.late(value))
            .collect();
        let differs = settled.iter().find(|(_, value)| *value != settled[0].1);
        return match differs {
            _ if healed.is_none() => Finding::Unsettled,
            Some(&(place, _)) => Finding::Differs(settled[0].0, place),
            None => Finding::Late,
        };
    }
    let nodes: Option<Vec<_>> = reads.iter().map(|(_, read)| read.node).collect();
    let one_node = nodes.is_some_and(|nodes| nodes.iter().all(|node| *node == nodes[0]));
    let shows = !one_node && !register.writes.is_empty();
    Finding::Agrees(if shows { reads.len() - 1 } else { 0 })
}
