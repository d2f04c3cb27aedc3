//! What clients complained of: those that their own library gave up, and members of groups that were
//! given nothing to read. Heard while a run is recorded, so that the system is asked about it before it
//! goes down, and again when its history is judged.

use std::time::Duration;

use rustc_hash::{FxHashMap, FxHashSet};
use schism_history::{Code, Event, F, Kind, MopKind, Op, Outcome, Process, Time, Value};
use schism_targets::Complaint;

/// A group that distributes its logs anew gives nobody anything for as long as it waits for a member
/// that has died, which is 6 s by default: what is over sooner is no complaint …
const SETTLES_WITHIN: Duration = Duration::from_secs(10);
/// … and neither are fewer polls than this.
const REFUSALS_MIN: usize = 10;

/// What an operation under way has to do with groups.
#[derive(Clone, Copy, Debug)]
enum Asked {
    /// The process is to be a member of a group.
    Subscribes,
    /// It is to read logs of its own choice.
    Assigns,
    /// It polls, in a transaction or by itself.
    Polls,
}

/// Polls of members that were refused since one was answered last.
#[derive(Clone, Debug)]
struct Refused {
    since: Time,
    until: Time,
    polls: usize,
    members: FxHashSet<Process>,
    last: String,
}

/// What was heard so far.
#[derive(Clone, Debug)]
pub struct Complaints {
    poll: F,
    txn: F,
    assign: F,
    subscribe: F,
    open: FxHashMap<Process, Asked>,
    /// The processes whose logs a group chooses.
    members: FxHashSet<Process>,
    /// How many clients their own library gave up, and when and why the first.
    fatal: usize,
    first_fatal: Option<(Time, String)>,
    /// Whether one of them was so while it polled as a member of a group, and one otherwise.
    lost_member: bool,
    lost_other: bool,
    /// When a member was answered last.
    answered: Option<Time>,
    refused: Option<Refused>,
}

impl Default for Complaints {
    fn default() -> Self {
        let [poll, txn, assign, subscribe] = ["poll", "txn", "assign", "subscribe"].map(F::new);
        Self {
            poll,
            txn,
            assign,
            subscribe,
            open: FxHashMap::default(),
            members: FxHashSet::default(),
            fatal: 0,
            first_fatal: None,
            lost_member: false,
            lost_other: false,
            answered: None,
            refused: None,
        }
    }
}

impl Complaints {
    /// Takes note of the next event.
    pub fn hear(&mut self, event: &Event) {
        match &event.kind {
            Kind::Invoke { op, .. } => {
                if let Some(asked) = self.asked(op) {
                    self.open.insert(event.process, asked);
                }
            }
            Kind::Complete(outcome) => {
                let asked = self.open.remove(&event.process);
                self.completed(event.process, asked, outcome, event.time);
            }
            Kind::Fault(_) => {}
        }
    }

    fn asked(&self, op: &Op) -> Option<Asked> {
        let polls = || match &op.value {
            Value::Mops(mops) => mops.iter().any(|mop| mop.kind == MopKind::Poll),
            _ => false,
        };
        match op.f {
            f if f == self.subscribe => Some(Asked::Subscribes),
            f if f == self.assign => Some(Asked::Assigns),
            f if f == self.poll => Some(Asked::Polls),
            f if f == self.txn && polls() => Some(Asked::Polls),
            _ => None,
        }
    }

    fn completed(&mut self, process: Process, asked: Option<Asked>, outcome: &Outcome, time: Time) {
        let is_member = self.members.contains(&process);
        if let Outcome::Fail(reason) | Outcome::Info(reason) = outcome
            && reason.code == Code::Fatal
        {
            self.fatal += 1;
            self.first_fatal.get_or_insert_with(|| (time, reason.text.to_string()));
            let as_member = is_member && matches!(asked, Some(Asked::Polls));
            self.lost_member |= as_member;
            self.lost_other |= !as_member;
        }
        match (asked, outcome) {
            (Some(Asked::Subscribes), Outcome::Ok(_)) => {
                self.members.insert(process);
            }
            (Some(Asked::Assigns), Outcome::Ok(_)) => {
                self.members.remove(&process);
            }
            (Some(Asked::Polls), Outcome::Ok(_)) if is_member => {
                self.answered = Some(time);
                self.refused = None;
            }
            (Some(Asked::Polls), Outcome::Fail(reason) | Outcome::Info(reason)) if is_member => {
                self.refuse(process, time, reason.to_string());
            }
            _ => {}
        }
        if matches!(outcome, Outcome::Info(_)) {
            // The process is over.
            self.members.remove(&process);
        }
    }

    fn refuse(&mut self, process: Process, time: Time, last: String) {
        let refused = self.refused.get_or_insert_with(|| Refused {
            since: time,
            until: time,
            polls: 0,
            members: FxHashSet::default(),
            last: String::new(),
        });
        refused.polls += 1;
        refused.until = time;
        refused.members.insert(process);
        refused.last = last;
    }

    /// The refusals that are too many to be a passing state.
    fn unsettled(&self) -> Option<&Refused> {
        let lasts = |refused: &Refused| refused.until >= refused.since + SETTLES_WITHIN;
        self.refused.as_ref().filter(|refused| refused.polls >= REFUSALS_MIN && lasts(refused))
    }

    /// What the system is to be asked about.
    pub fn complaint(&self) -> Complaint {
        let unsettled = self.unsettled().is_some() || self.lost_member;
        Complaint { unsettled, fatal: self.lost_other }
    }

    /// Each complaint as part of a sentence.
    pub fn words(&self) -> Vec<String> {
        let seconds = |time: &Time| format!("{:.1} s", time.as_secs_f64());
        let mut words = Vec::new();
        if let Some((time, why)) = &self.first_fatal {
            let clients = match self.fatal {
                1 => "one client was".to_owned(),
                count => format!("{count} clients were"),
            };
            let first = seconds(time);
            words.push(format!("{clients} given up for good, the first after {first}: {why}"));
        }
        if let Some(Refused { until, polls, members, last, .. }) = self.unsettled() {
            let when = match &self.answered {
                None => "ever given anything to read".to_owned(),
                Some(time) => format!("given anything to read after {}", seconds(time)),
            };
            let again = if self.answered.is_some() { " again" } else { "" };
            let members = match members.len() {
                1 => "one member".to_owned(),
                count => format!("{count} members"),
            };
            words.push(format!(
                "the group never settled{again}: no member was {when}; {polls} polls of {members} failed, \
                 the last after {} ({last})",
                seconds(until),
            ));
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use schism_history::History;

    use super::*;

    fn heard(text: &str) -> Complaints {
        let history = History::from_text(text).expect("a history");
        let mut complaints = Complaints::default();
        history.events().iter().for_each(|event| complaints.hear(event));
        complaints
    }

    /// A subscriber whose polls are all refused, one a second.
    fn refused(seconds: std::ops::Range<u32>) -> String {
        let poll = |second| {
            format!(
                "{second}000ms p0 invoke poll x \n {second}001ms p0 fail unavailable no partition\n"
            )
        };
        seconds.map(poll).collect()
    }

    const SUBSCRIBES: &str = "0ms p0 invoke subscribe _ [\"x\"] \n 0ms p0 ok\n";

    #[test]
    fn a_group_that_gives_its_members_nothing_has_never_settled() {
        let all = heard(&format!("{SUBSCRIBES}{}", refused(1..15)));
        assert!(all.complaint().unsettled);
        let words = all.words();
        let expected = "the group never settled: no member was ever given anything to read; 14 polls of one \
                        member failed, the last after 14.0 s (unavailable: no partition)";
        assert_eq!(words, [expected]);
    }

    #[test]
    fn a_group_that_gives_something_late_or_waits_for_a_while_has_settled() {
        let polled = "20s p0 invoke poll x \n 20s p0 ok [0 1]\n".replace("20s", "20000ms");
        let late = heard(&format!("{SUBSCRIBES}{}{polled}", refused(1..19)));
        assert_eq!((late.complaint(), late.words()), (Complaint::default(), vec![]));
        let waits = heard(&format!("{SUBSCRIBES}{}", refused(1..9)));
        assert_eq!(waits.complaint(), Complaint::default());
        let again = heard(&format!("{SUBSCRIBES}{polled}{}", refused(21..40)));
        let words = again.words();
        assert!(words[0].starts_with("the group never settled again"), "{words:?}");
        assert!(words[0].contains("given anything to read after 20.0 s"), "{words:?}");
    }

    #[test]
    fn polls_of_logs_that_a_client_chose_itself_are_no_complaint() {
        let assigns = SUBSCRIBES.replace("subscribe", "assign");
        assert!(!heard(&format!("{assigns}{}", refused(1..20))).complaint().unsettled);
    }

    #[test]
    fn a_member_that_was_given_up_is_a_matter_of_its_group() {
        let lost = heard(&format!("{SUBSCRIBES}5ms p0 invoke poll x \n 6ms p0 info fatal fenced"));
        assert_eq!(lost.complaint(), Complaint { unsettled: true, fatal: false });
    }

    #[test]
    fn clients_that_were_given_up_are_counted_with_the_first_reason() {
        let text = "0ms p0 invoke send x 1 \n 1500ms p0 info fatal fenced by another \n \
                    2000ms p1 invoke send x 2 \n 2001ms p1 fail fatal out of order";
        let complaints = heard(text);
        assert_eq!(complaints.complaint(), Complaint { unsettled: false, fatal: true });
        let expected = "2 clients were given up for good, the first after 1.5 s: fenced by another";
        assert_eq!(complaints.words(), [expected]);
    }
}
