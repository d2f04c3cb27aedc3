//! The verdicts about logs in words.

use std::fmt::Write as _;
use std::time::Duration;

use super::checker::{Judge, forbidden};
use super::ending::EMPTY_MIN;
use super::findings::Kind;
use super::group_words;
use super::wider::{Wide, groups};
use crate::phrase::{count, list, span, who};
use crate::{Budget, Claim};

/// Why there is no answer when the time is over.
pub(crate) const TOO_SLOW: &str =
    "The time was over before the messages were read; more of it would help.";

/// Why there is no answer where memory is short.
pub(crate) fn too_large(bytes: usize, budget: &Budget) -> String {
    const MEGABYTE: usize = 1 << 20;
    format!(
        "The messages would take about {} MB to check, and {} MB are allowed; more memory would help.",
        bytes.div_ceil(MEGABYTE),
        budget.memory_bytes / MEGABYTE
    )
}

/// How a claim is violated, with figures.
pub(crate) fn violated(judge: &Judge<'_>, claim: Claim) -> String {
    let logs = judge
        .records
        .partitions
        .iter()
        .zip(&judge.findings)
        .filter(|(_, found)| forbidden(claim).iter().any(|&kind| found.of(kind).count > 0));
    let keys: Vec<String> = logs.map(|(partition, _)| partition.key.to_string()).collect();
    let of = format!("of log{} {}", if keys.len() == 1 { "" } else { "s" }, list(&keys));
    let number = |kind| judge.count(kind);
    let evidence = &judge.evidence;
    match claim {
        Claim::ConsistentOffsets => format!(
            "{} of {} hold more than one message, {of}.",
            number(Kind::InconsistentOffsets),
            count(evidence.offsets, "offset")
        ),
        Claim::NoDuplicates => {
            format!("{} at more than one offset, {of}.", stand(number(Kind::Duplicate)))
        }
        Claim::NoAbortedReads => format!(
            "{} of {} polled had been sent by operations that failed, {of}.",
            number(Kind::AbortedRead),
            count(evidence.polled, "message")
        ),
        Claim::NoPrecommittedReads => format!(
            "{} polled by the very operations that send them, {of}.",
            are(number(Kind::PrecommittedRead))
        ),
        Claim::NoLostWrites => format!(
            "{} of {} before the furthest polled one were never polled, {of}.",
            number(Kind::LostWrite),
            count(evidence.passed, "acknowledged message")
        ),
        Claim::NoUnseenWrites => format!(
            "{} of {} had never been polled at the end, {of}.{}",
            number(Kind::Unseen),
            count(evidence.acknowledged, "acknowledged message"),
            over_time(judge)
        ),
        Claim::NoGroupSkips => group_words::violated(judge, &of),
        _ => {
            let kinds = forbidden(claim).iter().filter(|&&kind| number(kind) > 0);
            let kinds: Vec<String> =
                kinds.map(|&kind| format!("{} {}", number(kind), kind.name())).collect();
            let pairs =
                if claim == Claim::PollOrder { evidence.poll_pairs } else { evidence.send_pairs };
            format!("Of {} in a row: {}, {of}.", count(pairs, "pair"), list(&kinds))
        }
    }
}

fn are(number: usize) -> String {
    format!("{} {}", count(number, "message"), if number == 1 { "was" } else { "were" })
}

fn stand(number: usize) -> String {
    format!("{} {}", count(number, "message"), if number == 1 { "stands" } else { "stand" })
}

/// Why nothing can be said about a claim that no violation disproves, or `None`: it is upheld.
pub(crate) fn undecided(judge: &Judge<'_>, claim: Claim) -> Option<String> {
    let (evidence, minimum) = (&judge.evidence, judge.question.evidence_min);
    if let Some(alien) = &judge.records.alien {
        return Some(format!("The history is not one of logs: {}.", alien.problem));
    }
    if evidence.polled == 0
        && minimum > 0
        && claim != Claim::NoUnseenWrites
        && claim != Claim::SendOrder
    {
        return Some("No poll returned a message, so that nothing was seen.".into());
    }
    let order = matches!(claim, Claim::ConsistentOffsets | Claim::PollOrder | Claim::SendOrder);
    let repeated = judge.findings.iter().filter_map(|found| found.repeated.as_ref());
    if let Some((_, first)) = repeated.clone().next().filter(|_| !order) {
        let number: usize = repeated.map(|(number, _)| number).sum();
        return Some(format!(
            "{} sent more than once, so that nobody can say which send was polled: {}.",
            are(number),
            first.story
        ));
    }
    let enough = |number: usize, what: &str| {
        (number < minimum).then(|| format!("Only {what}; at least {minimum} are wanted."))
    };
    match claim {
        Claim::ConsistentOffsets => enough(
            evidence.confirmed,
            &format!("{} seen more than once", offsets_were(evidence.confirmed)),
        ),
        Claim::PollOrder => few_polls(judge).or_else(|| {
            let pairs = count(evidence.poll_pairs, "pair");
            enough(evidence.poll_pairs, &format!("{pairs} of polled messages could be compared"))
        }),
        Claim::SendOrder => {
            let pairs = count(evidence.send_pairs, "pair");
            let what = format!(
                "{pairs} of messages that one process sent to one log could be compared, by known \
                 offsets"
            );
            enough(evidence.send_pairs, &what)
        }
        Claim::NoLostWrites => {
            let passed = count(evidence.passed, "acknowledged message");
            group_words::beyond(judge).or_else(|| {
                enough(evidence.passed, &format!("{passed} at known offsets, passed by polls"))
            })
        }
        Claim::NoGroupSkips => group_words::undecided(judge),
        Claim::NoUnseenWrites => unseen(judge).or_else(|| {
            let sent = are(evidence.acknowledged);
            enough(evidence.acknowledged, &format!("{sent} acknowledged"))
        }),
        Claim::NoAbortedReads => aborted(judge),
        Claim::NoCircularReads => circular(judge),
        _ => enough(evidence.polled, &format!("{} polled", are(evidence.polled))),
    }
}

fn offsets_were(number: usize) -> String {
    format!("{} {}", count(number, "offset"), if number == 1 { "was" } else { "were" })
}

fn few_polls(judge: &Judge<'_>) -> Option<String> {
    let evidence = &judge.evidence;
    (evidence.poll_pairs == 0 && evidence.free_pairs > 0).then(|| {
        format!(
            "All {} of polled messages are by subscribers, to whom the system may have assigned \
             other logs in between; polls under `assign` would decide it.",
            count(evidence.free_pairs, "pair")
        )
    })
}

fn unseen(judge: &Judge<'_>) -> Option<String> {
    let (evidence, number) = (&judge.evidence, judge.evidence.undecided);
    let of = count(evidence.acknowledged, "acknowledged message");
    (number > 0).then(|| {
        let verb = if number == 1 { "was" } else { "were" };
        format!(
            "{number} of {of} {verb} not polled, but nobody looked for the end of their logs: {} \
             polls in a row of each log that return nothing, by processes that were assigned it, \
             after the mark `healed`, would decide it.",
            crate::phrase::in_words(EMPTY_MIN)
        )
    })
}

fn unsent(judge: &Judge<'_>) -> Option<String> {
    let number = judge.evidence.unsent;
    (number > 0).then(|| {
        format!(
            "{} polled that nobody sent in this history, so that nobody can say what became of \
             their senders.",
            are(number)
        )
    })
}

fn aborted(judge: &Judge<'_>) -> Option<String> {
    let (evidence, minimum) = (&judge.evidence, judge.question.evidence_min);
    if evidence.failed < minimum {
        let failed = are(evidence.failed);
        return Some(format!(
            "Only {failed} sent by an operation that failed, and could have been polled wrongly; at \
             least {minimum} are wanted."
        ));
    }
    unsent(judge)
}

fn circular(judge: &Judge<'_>) -> Option<String> {
    // One alone makes no circle.
    let (both, minimum) = (judge.records.both.len(), judge.question.evidence_min.max(2));
    if both < minimum {
        let operations = count(both, "operation");
        return Some(format!(
            "Only {operations} sent messages and polled some, and could be in a circle; at least \
             {minimum} are wanted."
        ));
    }
    unsent(judge)
}

/// What was judged, with figures.
pub(crate) fn upheld(judge: &Judge<'_>, claim: Claim) -> String {
    let evidence = &judge.evidence;
    let logs = count(judge.records.partitions.len(), "log");
    let polled = are(evidence.polled);
    match claim {
        Claim::ConsistentOffsets => format!(
            "{} of {logs} hold one message each, seen again {} more.{}",
            count(evidence.offsets, "offset"),
            count(evidence.confirmed, "time"),
            allowed(judge)
        ),
        Claim::NoDuplicates => format!(
            "{polled} polled of {logs}, and none stands at two of the {}.",
            count(evidence.offsets, "offset")
        ),
        Claim::NoAbortedReads => format!(
            "{polled} polled, and none of the {} whose send had failed.",
            count(evidence.failed, "message")
        ),
        Claim::NoPrecommittedReads => match judge.records.both.len() {
            0 => format!(
                "{polled} polled, none by the operation that sent it; but no operation both sent and \
                 polled messages, so that only the plain case was tested."
            ),
            both => format!(
                "{polled} polled, none by the operation that sent it; {} both sent and polled.",
                count(both, "operation")
            ),
        },
        Claim::NoLostWrites => format!(
            "All {} before the furthest polled one were polled, too.{}{}",
            count(evidence.passed, "acknowledged message"),
            nowhere(evidence.nowhere),
            lag(judge)
        ),
        Claim::NoUnseenWrites => format!(
            "All {} had been polled at the end.{}",
            count(evidence.acknowledged, "acknowledged message"),
            over_time(judge)
        ),
        Claim::NoGroupSkips => group_words::upheld(judge),
        Claim::PollOrder => format!(
            "{} of polled messages follow each other in {logs} without a skip or a step back.{}{}",
            count(evidence.poll_pairs, "pair"),
            free(evidence.free_pairs),
            lag(judge)
        ),
        Claim::SendOrder => format!(
            "{} of messages that one process sent to one log stand in its order.{}",
            count(evidence.send_pairs, "pair"),
            skipped(judge)
        ),
        _ => format!(
            "{} both sent and polled messages, and no circle of them polled each other's.{}",
            count(judge.records.both.len(), "operation"),
            wider(judge)
        ),
    }
}

/// Circles that are allowed.
fn wider(judge: &Judge<'_>) -> String {
    let wide: Vec<&Wide> = judge.findings.iter().map(|found| &found.wide).collect();
    let groups = groups(&wide, judge.history).into_iter().filter(|(_, number)| *number > 0);
    let groups: Vec<String> = groups.map(|(name, number)| format!("{number} {name}")).collect();
    if groups.is_empty() {
        return String::new();
    }
    format!(" Groups in other circles, which are allowed: {}.", list(&groups))
}

fn nowhere(number: usize) -> String {
    if number == 0 {
        return String::new();
    }
    format!(" {} at no known offset, and could not be judged.", stand(number))
}

fn free(number: usize) -> String {
    if number == 0 {
        return String::new();
    }
    format!(" {} of subscribers were left out.", count(number, "pair"))
}

fn skipped(judge: &Judge<'_>) -> String {
    match judge.count(Kind::IntSendSkip) {
        0 => String::new(),
        number => format!(
            " {} inside one operation have others' messages between them, which is allowed.",
            count(number, "pair")
        ),
    }
}

/// What was seen that only claims forbid which were not asked.
fn allowed(judge: &Judge<'_>) -> String {
    let asked = |claim| judge.question.claims.iter().any(|asked| asked.claim == claim);
    let mut seen = Vec::new();
    for (claim, kind) in
        [(Claim::NoDuplicates, Kind::Duplicate), (Claim::NoAbortedReads, Kind::AbortedRead)]
    {
        let number = judge.count(kind);
        if number > 0 && !asked(claim) {
            seen.push(format!("{number} {} (forbidden by {claim})", kind.name()));
        }
    }
    if seen.is_empty() {
        return String::new();
    }
    format!(" Also seen, and not asked about: {}.", list(&seen))
}

/// The worst lag with its operation, and quantiles.
fn lag(judge: &Judge<'_>) -> String {
    let mut lags: Vec<(u64, u32)> =
        judge.findings.iter().flat_map(|found| &found.lags).copied().collect();
    if lags.is_empty() {
        return String::new();
    }
    lags.sort_unstable_by_key(|&(lag, operation)| (lag, std::cmp::Reverse(operation)));
    let at = |share: usize| span(Duration::from_nanos(lags[(lags.len() - 1) * share / 100].0));
    let worst = lags[lags.len() - 1];
    if worst.0 == 0 {
        return " No poll lagged behind.".into();
    }
    let operation = judge.history.operation(worst.1 as usize);
    format!(
        " Polls lagged {} (median), {} (p99) and {} at worst, in the {} of event {} ({}).",
        at(50),
        at(99),
        span(Duration::from_nanos(worst.0)),
        operation.op.f,
        operation.invoked,
        who(&operation)
    )
}

/// How many acknowledged messages were unseen at most at one time.
fn over_time(judge: &Judge<'_>) -> String {
    let (most, at) = judge.waiting.most();
    if most == 0 || !judge.history.has_real_time() {
        return String::new();
    }
    let seconds = Duration::from_nanos(at).as_secs_f64();
    format!(" At most {most} were unseen at one time, {seconds:.1} s after the beginning.")
}

/// `T1 …`: the sentence that proves an edge of a circle.
pub(crate) fn polled_from(judge: &Judge<'_>, from: u32, to: u32) -> String {
    let the = |number: u32| {
        let operation = judge.history.operation(number as usize);
        format!("the {} of event {} ({})", operation.op.f, operation.invoked, who(&operation))
    };
    let mut text = format!("T{}", &the(to)[1..]);
    for partition in &judge.records.partitions {
        let sends = partition.sends.iter().filter(|row| row.operation == from);
        let polls = || partition.polls.iter().filter(|row| row.operation == to);
        for send in sends {
            if polls().any(|poll| poll.token == send.token) {
                let message = judge.records.names.text(send.token);
                let _ = write!(
                    text,
                    " polled message {message} of log {}, which {} sends.",
                    partition.key,
                    the(from)
                );
                return text;
            }
        }
    }
    let _ = write!(text, " polled a message that {} sends.", the(from));
    text
}
