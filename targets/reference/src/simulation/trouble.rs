//! The adversary: trouble at random times, and strikes where the protocol is in danger.
//!
//! Random trouble alone seldom reaches the orders of events that elections must be safe against.
//! So some styles watch the members, and strike at the moment when it would hurt: a leader that has
//! just been elected, voters in the middle of an election.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use super::cluster::{Cluster, Happening, LOSS, MS};
use crate::raft::{NodeId, Note};

/// What kind of trouble a seed makes.
pub(super) struct Style {
    /// Trouble comes in quick succession, and strikes leaders.
    pub restless: bool,
    /// Of a thousand messages so many are late enough to overtake elections.
    pub late: u64,
    /// The members' timers run out nearly together, so that several campaign at once.
    pub tied: bool,
    /// Most requests for votes are slower than other messages.
    pub slow_votes: bool,
    /// Entries in one message.
    pub batch: usize,
    pub snapshot_every: u64,
    prey: Prey,
}

/// Whom the adversary waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prey {
    Nobody,
    /// Leaders that were just elected: short reigns leave entries of many terms behind, on few
    /// members (figure 8 of the Raft paper).
    Leaders,
    /// Whoever votes: it is gone for a moment in the middle of an election.
    Voters,
}

/// What is done to a prey when its time comes.
pub(super) enum Strike {
    /// It crashes.
    Crash(NodeId),
    /// It crashes and is back at once.
    Blink(NodeId),
    /// It reaches one other member only.
    Isolate(NodeId),
}

impl Style {
    pub(super) fn draw(rng: &mut ChaCha8Rng) -> Self {
        let mut one_of = |choices: u32| rng.next_u32() % choices;
        let prey = [Prey::Nobody, Prey::Leaders, Prey::Voters][one_of(3) as usize];
        let (hunts_leaders, hunts_voters) = (prey == Prey::Leaders, prey == Prey::Voters);
        Self {
            restless: one_of(2) == 0,
            late: if hunts_voters { 10 } else { [10, 10, 200][one_of(3) as usize] },
            tied: hunts_voters || one_of(3) == 0,
            slow_votes: hunts_voters,
            // With one entry in a message, a member can have those of old terms alone.
            batch: if hunts_leaders { 1 } else { [1, 2, 256][one_of(3) as usize] },
            snapshot_every: [15, 1000][one_of(2) as usize],
            prey,
        }
    }
}

impl Cluster {
    pub(super) fn make_trouble(&mut self) {
        let pause = if self.style.restless { 20 + self.draw(180) } else { 150 + self.draw(500) };
        self.at(self.now + pause * MS, Happening::Trouble);
        let kind = if self.style.restless { 3 + self.draw(6) } else { self.draw(7) };
        match kind {
            0 | 1 => self.part(),
            2 => {
                self.loss = 250;
                self.say(|| "a quarter of all messages is lost".into());
                self.heal_after(200, 600);
            }
            3 => self.ids().into_iter().for_each(|id| self.crash(id)),
            4 | 5 => self.leaders().into_iter().for_each(|id| self.crash(id)),
            7 | 8 => self.leaders().into_iter().take(1).for_each(|id| self.isolate(id)),
            _ => {
                let id = self.any();
                self.crash(id);
            }
        }
    }

    /// A member said something of itself: perhaps the adversary waited for that.
    pub(super) fn provoke(&mut self, id: NodeId, note: &Note) {
        match (self.style.prey, note) {
            (Prey::Leaders, Note::Elected { .. }) => {
                let soon = self.now + self.draw(12 * MS);
                match self.draw(4) {
                    0 => {}
                    1 => self.at(soon, Happening::Strikes { strike: Strike::Crash(id) }),
                    _ => {
                        let later = soon + self.draw(12 * MS);
                        self.at(soon, Happening::Strikes { strike: Strike::Isolate(id) });
                        self.at(later, Happening::Strikes { strike: Strike::Crash(id) });
                    }
                }
            }
            (Prey::Voters, Note::Campaign { .. }) => {
                let strike = Strike::Blink(self.any());
                let soon = self.now + self.draw(8 * MS);
                self.at(soon, Happening::Strikes { strike });
                // Two candidates of one term that do not hear of each other.
                let rival = self.any();
                self.cut.extend([(id, rival), (rival, id)]);
                self.heal_after(5, 40);
            }
            // The next election comes soon.
            (Prey::Voters, Note::Elected { .. }) => {
                let later = self.now + (20 + self.draw(80)) * MS;
                self.at(later, Happening::Strikes { strike: Strike::Blink(id) });
            }
            _ => {}
        }
    }

    pub(super) fn strike(&mut self, strike: Strike) {
        match strike {
            Strike::Crash(id) => self.crash(id),
            Strike::Blink(id) => {
                let away = 100 + self.draw(2 * MS);
                self.crash_for(id, away);
            }
            Strike::Isolate(id) => self.isolate(id),
        }
    }

    fn ids(&self) -> Vec<NodeId> {
        (1..=self.count()).map(NodeId).collect()
    }

    fn any(&mut self) -> NodeId {
        let count = u64::from(self.count());
        NodeId(1 + self.draw(count) as u16)
    }

    /// Two sides, perhaps in one direction only.
    fn part(&mut self) {
        let ids = self.ids();
        let side = self.draw(1 << ids.len());
        let inside = |id: NodeId| side >> (id.0 - 1) & 1 == 1;
        let one_way = self.draw(4) == 0;
        for &from in &ids {
            for &to in &ids {
                if inside(from) != inside(to) && !(one_way && inside(to)) {
                    self.cut.push((from, to));
                }
            }
        }
        self.say(|| format!("partition {side:b}, one way: {one_way}"));
        self.heal_after(200, 1200);
    }

    /// A leader that reaches one member only leaves entries behind that few have.
    fn isolate(&mut self, leader: NodeId) {
        let friend = self.any();
        for id in self.ids() {
            if id != leader && id != friend {
                self.cut.extend([(leader, id), (id, leader)]);
            }
        }
        self.say(|| format!("{leader} reaches only {friend}"));
        self.heal_after(20, 300);
    }

    /// All links heal after `least` milliseconds and up to `more` on top.
    fn heal_after(&mut self, least: u64, more: u64) {
        let after = least + self.draw(more);
        self.at(self.now + after * MS, Happening::Heals);
    }

    /// All links are whole again.
    pub(super) fn heal(&mut self) {
        self.cut.clear();
        self.loss = LOSS;
        self.say(|| "all links heal".into());
    }
}
