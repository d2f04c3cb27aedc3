//! What a leader sends, message by message.

use super::*;

const MS: Micros = 1000;

/// A leader of term 1 among three, at 1 s, whose log holds `entries` entries and ends with its own
/// first; n2 elected it, and n3 is silent.
fn leader(entries: u64, snapshot: Option<Snapshot>) -> Machine {
    let config = Config {
        id: NodeId(1),
        members: (1..=3).map(NodeId).collect(),
        heartbeat: 30 * MS,
        election: (100 * MS, 200 * MS),
        snapshot_every: 1000,
        batch: 1,
        seed: 1,
        bug: None,
    };
    let base = snapshot.as_ref().map_or(0, |snapshot| snapshot.index);
    let base_term = snapshot.as_ref().map_or(0, |snapshot| snapshot.term);
    let entry = |index| Entry { index, term: 1, request: None };
    let log = Log::new(base, base_term, (base + 1..=base + entries).map(entry).collect());
    let state = HardState { term: 1, vote: None };
    let mut machine = Machine::new(config, state, snapshot, log, 0).expect("a sound snapshot");
    machine.step(1000 * MS, Input::Tick);
    reply(&mut machine, 2, Message::PreVoteReply { term: 2, granted: true });
    reply(&mut machine, 2, Message::VoteReply { term: 2, granted: true });
    assert_eq!(*machine.role(), Role::Leader);
    machine
}

fn reply(machine: &mut Machine, from: u16, message: Message) -> Effects {
    machine.step(1000 * MS, Input::Message { from: NodeId(from), message })
}

/// How many of the messages to n3 are entries, and how many snapshots.
fn count(messages: &[(NodeId, Message)]) -> (usize, usize) {
    let to = messages.iter().filter(|(to, _)| *to == NodeId(3)).map(|(_, message)| message);
    let (mut entries, mut snapshots) = (0, 0);
    for message in to {
        match message {
            Message::Append { entries: sent, .. } if !sent.is_empty() => entries += 1,
            Message::Install { .. } => snapshots += 1,
            _ => {}
        }
    }
    (entries, snapshots)
}

#[test]
fn answers_many_refusals_with_one_message() {
    let mut machine = leader(50, None);
    let mut sent = 0;
    for _ in 0..20 {
        let refusal = Message::AppendReply { term: 2, accepted: false, index: 10, round: 1 };
        sent += count(&reply(&mut machine, 3, refusal).messages).0;
    }
    assert_eq!(sent, 1);
}

#[test]
fn sends_a_snapshot_once_until_an_elections_time_has_passed() {
    let state = postcard::to_allocvec(&crate::store::Store::default()).expect("a store");
    let mut machine = leader(1, Some(Snapshot { index: 100, term: 1, state }));
    let refusal = Message::AppendReply { term: 2, accepted: false, index: 0, round: 1 };
    let (_, mut snapshots) = count(&reply(&mut machine, 3, refusal).messages);
    let mut heartbeats = 0;
    for time in 0..190 {
        // n2 answers, so that the leader stays one.
        let message = Message::AppendReply { term: 2, accepted: true, index: 0, round: 1 };
        let input = Input::Message { from: NodeId(2), message };
        let effects = machine.step((1000 + time) * MS, input);
        heartbeats += effects.messages.iter().filter(|(to, _)| *to == NodeId(3)).count();
        snapshots += count(&effects.messages).1;
    }
    assert_eq!(snapshots, 1, "within an election's time");
    assert!(heartbeats >= 5, "n3 must not take the silence for a dead leader: {heartbeats}");
    let effects = machine.step(1300 * MS, Input::Tick);
    assert_eq!(count(&effects.messages).1, 1, "the first may be lost");
}
