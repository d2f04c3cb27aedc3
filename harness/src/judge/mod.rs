//! Judges a history: asks the checkers, and lets no verdict be better than its evidence.

mod consumers;
mod story;
mod unwell;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use anyhow::Context as _;
use schism_checkers::{Asked, Budget, CHECKERS, CheckerEntry, Claim, Question, Validity, Verdict};
use schism_history::jsonl::{self, Reading};
use schism_history::{Evidence, FaultWindow, History, Time};
use schism_nemesis::Schedule;

use crate::machine;
use crate::store::{ClaimRecord, RunFolder, RunRecord, UnwellRecord, VerdictRecord, Word};

pub use story::grouped;

/// Every claim was upheld.
pub const UPHELD: i32 = 0;
/// A claim was violated.
pub const VIOLATED: i32 = 1;
/// Something is unknown.
pub const UNKNOWN: i32 = 2;
/// The run could not be carried out.
pub const NOT_CARRIED_OUT: i32 = 3;
/// The command line or a plan is wrong.
pub const BAD_USAGE: i32 = 64;

/// With fewer operations that could have shown a violation no run upholds a claim: a load that
/// hardly ran is a fault of the run.
pub const EVIDENCE_MIN: usize = 10;

/// Whether a violation of a prefix of a history is one of every history that begins with it. Claims
/// about time and about final reads are not like that, nor
/// those that a later read can still answer.
pub fn is_safety(claim: Claim) -> bool {
    !matches!(
        claim,
        Claim::AcknowledgedWritesSurvive
            | Claim::NoLostElements
            | Claim::NoLostWrites
            | Claim::NoUnseenWrites
            | Claim::NoGroupSkips
            | Claim::Recovers
            | Claim::Availability
    )
}

/// What the checkers say, without regard to the evidence of faults. A checker that panics says
/// nothing.
pub fn verdicts(question: &Question, history: &History, budget: &Budget) -> Vec<Verdict> {
    let answers = CHECKERS.iter().map(|entry| ask(entry, question, history, budget));
    answers.filter_map(Result::ok).flatten().collect()
}

/// The answers of one checker; an error is the message of its panic.
fn ask(
    entry: &CheckerEntry,
    question: &Question,
    history: &History,
    budget: &Budget,
) -> Result<Vec<Verdict>, (Vec<Asked>, String)> {
    let claims: Vec<Asked> = question
        .claims
        .iter()
        .filter(|asked| entry.concerns(&question.workload, asked.claim))
        .copied()
        .collect();
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    let question = Question { claims: claims.clone(), ..question.clone() };
    let check = AssertUnwindSafe(|| entry.check(&question, history, budget));
    catch_unwind(check).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked");
        (claims, format!("the checker {} broke off: {text}", entry.name))
    })
}

/// The exit code of several runs: the gravest. Every run is carried out.
pub fn worst_exit(codes: impl Iterator<Item = i32>) -> i32 {
    const BY_GRAVITY: [i32; 5] = [UPHELD, UNKNOWN, NOT_CARRIED_OUT, BAD_USAGE, VIOLATED];
    let gravity = |code: &i32| BY_GRAVITY.iter().position(|other| other == code);
    let codes: Vec<i32> = codes.collect();
    codes.into_iter().max_by_key(gravity).unwrap_or(UPHELD)
}

/// The verdict of a run that was not put under load: everything is unknown.
pub fn preflight_failed(claims: &[Asked], finding: &str, run: &RunRecord) -> VerdictRecord {
    let reason = format!("No load was put on the system, since before any fault {finding}");
    let claims = claims.iter().map(|asked| record(asked, Word::Unknown, &reason, 0)).collect();
    VerdictRecord {
        version: 1,
        verdict: Word::Unknown,
        exit: UNKNOWN,
        story: reason,
        torn: false,
        claims,
        configuration: run.configuration.clone(),
        unwell: run.unwell.clone(),
        consumers: None,
        faults_proven: 0,
        faults: 0,
        check_s: 0.0,
        peak_memory_bytes: machine::peak_memory_bytes(),
    }
}

/// What is known of how a history came about, besides what stands in it.
#[derive(Debug, Default)]
pub struct Circumstances {
    /// It ends before the run did.
    pub torn: bool,
    /// Somebody ended the run before its time.
    pub interrupted: bool,
    /// The faults that were to begin, where that is known.
    pub planned: Option<Schedule>,
    /// What was not well with the system when the load was over, as its nodes told.
    pub unwell: Vec<UnwellRecord>,
    /// Agents that were lost while it ran.
    pub lost: Vec<String>,
    /// What was left on nodes, each with the command that cleans it.
    pub dirty: Vec<String>,
    /// The settings of the system, as far as they are known.
    pub configuration: Vec<(String, String)>,
}

/// Judges the history of a stored run.
///
/// # Errors
///
/// When there is no history, or it is none, or what the store says of the run cannot be read.
pub fn judge_folder(
    folder: &RunFolder,
    question: &Question,
    budget: &Budget,
) -> anyhow::Result<VerdictRecord> {
    let (history, circumstances) = read_folder(folder)?;
    let question = with_lateness(question.clone(), folder)?;
    Ok(judge(&question, &history, &circumstances, budget))
}

/// The history of a stored run, and what the store says of how it came about.
///
/// # Errors
///
/// As for [`judge_folder`].
pub fn read_folder(folder: &RunFolder) -> anyhow::Result<(History, Circumstances)> {
    let path = folder.join("history.jsonl");
    let Reading { history, torn } = jsonl::read(&path).context("the history cannot be judged")?;
    let mut circumstances = Circumstances { torn, ..Circumstances::default() };
    // A run that was killed before it wrote its schedule had no faults either.
    if folder.join("schedule.json").exists() {
        circumstances.planned = Some(folder.read_json("schedule.json")?);
    }
    if folder.join("run.json").exists() {
        let record: RunRecord = folder.read_json("run.json")?;
        circumstances.interrupted = record.interrupted;
        circumstances.unwell = record.unwell;
        circumstances.lost = record.lost;
        circumstances.dirty = record.dirty;
        circumstances.configuration = record.configuration;
    }
    // The last line may be whole and the run killed all the same: it then never healed for good.
    circumstances.torn |= history.healed().is_none();
    Ok((history, circumstances))
}

/// The question, with how late the run's controller was.
///
/// # Errors
///
/// When the run's record cannot be read.
pub fn with_lateness(mut question: Question, folder: &RunFolder) -> anyhow::Result<Question> {
    if folder.join("run.json").exists() {
        question.lateness = folder.read_json::<RunRecord>("run.json")?.lateness();
    }
    Ok(question)
}

/// Judges a history.
pub fn judge(
    question: &Question,
    history: &History,
    circumstances: &Circumstances,
    budget: &Budget,
) -> VerdictRecord {
    let began = Instant::now();
    let faults = history.faults();
    let doubt = doubt(&faults, circumstances);
    // Where schism itself took a node down, nothing that was slow is the system's.
    let watched = !question.lateness.is_empty() && circumstances.lost.is_empty();
    let (mut claims, mut lags) = (Vec::new(), None);
    for entry in CHECKERS {
        match ask(entry, question, history, budget) {
            Ok(verdicts) => {
                lags = lags.or_else(|| verdicts.iter().find_map(|verdict| verdict.lags.clone()));
                let told = verdicts.iter().map(|verdict| tell(verdict, doubt.as_deref(), watched));
                claims.extend(told);
            }
            Err((asked, message)) => {
                let crashed = |asked| record(asked, Word::Crashed, &message, 0);
                claims.extend(asked.iter().map(crashed));
            }
        }
    }
    for asked in &question.claims {
        if !claims.iter().any(|claim| claim.name == asked.claim.name()) {
            claims.push(record(asked, Word::Unknown, "No checker decides this claim.", 0));
        }
    }
    let unwell = unwell::of(history, circumstances);
    unwell::explain(&mut claims, &unwell);
    // The sort is stable: within one verdict, claims stay in the order of the checkers' table.
    claims.sort_by_key(|claim| claim.verdict);
    let verdict = claims.first().map_or(Word::Unknown, |claim| claim.verdict);
    VerdictRecord {
        version: 1,
        verdict,
        exit: exit(verdict),
        story: unwell::mentioned(story::tell(&claims, &faults, history), verdict, &unwell),
        torn: circumstances.torn,
        faults_proven: faults.iter().filter(|fault| fault.proven()).count(),
        faults: faults.len(),
        claims,
        configuration: circumstances.configuration.clone(),
        unwell,
        consumers: consumers::of(&question.workload, history, budget, lags),
        check_s: began.elapsed().as_secs_f64(),
        peak_memory_bytes: machine::peak_memory_bytes(),
    }
}

fn exit(verdict: Word) -> i32 {
    match verdict {
        Word::Upheld => UPHELD,
        Word::Violated => VIOLATED,
        // A crashed checker has not decided anything.
        Word::Unknown | Word::Crashed => UNKNOWN,
    }
}

/// Why nothing of this history may be called upheld, if so.
fn doubt(faults: &[FaultWindow], circumstances: &Circumstances) -> Option<String> {
    if circumstances.torn {
        return Some("the recording ends before the run did".into());
    }
    if circumstances.interrupted {
        return Some("the run was interrupted".into());
    }
    let name = |fault: &FaultWindow| format!("{} ({} {})", fault.fault, fault.name, fault.detail);
    let seen = |phase: &Option<(Time, Evidence)>| match phase {
        Some((_, evidence)) => evidence.text.to_string(),
        None => "no probe answered".into(),
    };
    let mut doubts = Vec::new();
    for fault in faults {
        if !fault.proven() {
            doubts.push(format!("{} was not proven to bite: {}", name(fault), seen(&fault.bites)));
        } else if !fault.gone.as_ref().is_some_and(|(_, evidence)| evidence.seen) {
            // What was read after a fault that never ended is no final read.
            doubts.push(format!("{} was not proven healed: {}", name(fault), seen(&fault.gone)));
        }
    }
    // With an agent ends what its node ran and held: that was no fault of the plan, and whatever was
    // held there ended before its time.
    doubts.extend(circumstances.lost.iter().cloned());
    // What still stands on a node when the run is over was never healed, whatever the probes saw.
    doubts.extend(circumstances.dirty.iter().map(|dirty| format!("node left dirty: {dirty}")));
    if !doubts.is_empty() {
        return Some(doubts.join("; "));
    }
    let begun: BTreeSet<_> = faults.iter().map(|fault| fault.fault).collect();
    let missing: Vec<String> = circumstances
        .planned
        .iter()
        .flat_map(|schedule| &schedule.entries)
        .filter(|entry| !begun.contains(&entry.fault))
        .map(|entry| entry.fault.to_string())
        .collect();
    (!missing.is_empty()).then(|| format!("the run ended before {} began", missing.join(", ")))
}

/// The row of a claim. Without knowing the controller's own lateness, and that no agent was lost
/// (`watched`), nothing that was slow is held against the system.
fn tell(verdict: &Verdict, doubt: Option<&str>, watched: bool) -> ClaimRecord {
    let (word, reason) = match (verdict.validity, doubt) {
        (Validity::Invalid, _) if verdict.asked.claim.is_about_time() && !watched => (
            Word::Unknown,
            format!(
                "Schism itself was late or lost a node, or nobody knows whether. {}",
                verdict.reason
            ),
        ),
        (Validity::Invalid, _) => (Word::Violated, verdict.reason.clone()),
        (Validity::Unknown, _) => (Word::Unknown, verdict.reason.clone()),
        (Validity::Valid, None) => (Word::Upheld, verdict.reason.clone()),
        (Validity::Valid, Some(doubt)) => {
            (Word::Unknown, format!("Not violated, but {doubt}. {}", verdict.reason))
        }
    };
    let mut claim = record(&verdict.asked, word, &reason, verdict.judged);
    claim.anomalies.clone_from(&verdict.anomalies);
    claim
}

fn record(asked: &Asked, verdict: Word, reason: &str, judged: usize) -> ClaimRecord {
    ClaimRecord {
        claim: asked.to_string(),
        name: asked.claim.name().into(),
        verdict,
        reason: reason.into(),
        judged,
        anomalies: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "
        p0 invoke write x 1 \n p0 ok \n p1 invoke read x \n p1 ok 1
        p0 invoke write x 2 \n p0 ok \n p1 invoke read x \n p1 ok 2
        p0 invoke write x 3 \n p0 ok \n p1 invoke read x \n p1 ok 3
        p0 invoke write x 4 \n p0 ok \n p1 invoke read x \n p1 ok 4
        p0 invoke write x 5 \n p0 ok \n p1 invoke read x \n p1 ok 5";

    const BIT: &str = "nemesis start F1 kill n1 one \n nemesis bites F1 yes dead";

    fn check(text: &str, torn: bool, expected: (Word, i32), part: &str) {
        let history = History::from_text(text).expect("a history");
        let claims = vec![Asked::new(Claim::Linearizable)];
        let question = Question::new("register", claims);
        let circumstances = Circumstances { torn, ..Circumstances::default() };
        let verdict = judge(&question, &history, &circumstances, &Budget::default());
        assert_eq!((verdict.verdict, verdict.exit), expected, "{}", verdict.story);
        let said = format!("{} {}", verdict.claims[0].reason, verdict.story);
        assert!(said.contains(part), "{part} is not in: {said}");
    }

    #[test]
    fn upholds_what_was_tested() {
        let text = format!(
            "{GOOD}
{BIT}
 nemesis gone F1 yes alive 
 nemesis stop F1"
        );
        let story = "The claim linearizable was upheld by 10 operations, under one fault";
        check(&text, false, (Word::Upheld, 0), story);
    }

    #[test]
    fn counts_what_was_sent_as_evidence_and_nothing_else() {
        let shed = "p2 invoke write x 6 
 p2 fail shed queue full";
        let text = format!(
            "{GOOD}
{shed}"
        );
        check(&text, false, (Word::Upheld, 0), "by 10 operations, without a fault.");
    }

    #[test]
    fn no_verdict_is_better_than_its_evidence() {
        let fault = "nemesis start F1 kill n1 one \n nemesis bites F1 no still alive";
        check(
            &format!("{GOOD}\n{fault}"),
            false,
            (Word::Unknown, 2),
            "F1 (kill one) was not proven",
        );
        let silent = "nemesis start F1 kill n1 one";
        check(&format!("{GOOD}\n{silent}"), false, (Word::Unknown, 2), "no probe answered");
        check(GOOD, true, (Word::Unknown, 2), "the recording ends");
        let ill = format!("{GOOD}\n{BIT}\n nemesis gone F1 no it is dead \n nemesis stop F1");
        check(&ill, false, (Word::Unknown, 2), "F1 (kill one) was not proven healed: it is dead");
        let unheard = format!("{GOOD}\n{BIT}\n nemesis stop F1");
        check(&unheard, false, (Word::Unknown, 2), "not proven healed: no probe answered");
    }

    #[test]
    fn a_run_that_left_a_node_dirty_is_not_green() {
        let history = History::from_text(GOOD).expect("a history");
        let question = Question::new("register", vec![Asked::new(Claim::Linearizable)]);
        let dirty = vec!["n3: the firewall table inet schism: no; run: x --clean".to_owned()];
        let circumstances = Circumstances { dirty, ..Circumstances::default() };
        let verdict = judge(&question, &history, &circumstances, &Budget::default());
        assert_eq!((verdict.verdict, verdict.exit), (Word::Unknown, UNKNOWN));
        let reason = &verdict.claims[0].reason;
        assert!(reason.contains("node left dirty: n3: the firewall"), "{reason}");
        assert!(reason.contains("run: x --clean"), "{reason}");
    }

    #[test]
    fn a_run_that_lost_an_agent_is_not_green() {
        let history = History::from_text(GOOD).expect("a history");
        let question = Question::new("register", vec![Asked::new(Claim::Linearizable)]);
        let lost = vec!["n2: the connection to root@h2 was lost".to_owned()];
        let circumstances = Circumstances { lost, ..Circumstances::default() };
        let verdict = judge(&question, &history, &circumstances, &Budget::default());
        assert_eq!((verdict.verdict, verdict.exit), (Word::Unknown, UNKNOWN));
        assert!(verdict.claims[0].reason.contains("n2: the connection"));
    }

    #[test]
    fn nothing_is_said_of_time_where_the_controller_was_not_watched() {
        let mut slow = Verdict::unknown(Asked::new(Claim::Availability), 5, "It was slow.");
        slow.validity = Validity::Invalid;
        assert_eq!(tell(&slow, None, false).verdict, Word::Unknown);
        assert_eq!(tell(&slow, None, true).verdict, Word::Violated);
    }

    #[test]
    fn a_violation_stays_one_without_evidence_of_faults() {
        let stale = "nemesis start F1 kill n1 one \n p1 invoke read x \n p1 ok 1";
        check(&format!("{GOOD}\n{stale}"), true, (Word::Violated, 1), "during F1 (kill one)");
    }

    #[test]
    fn the_gravest_code_wins() {
        assert_eq!(worst_exit([0, 2, 0].into_iter()), 2);
        assert_eq!(worst_exit([3, 1, 2].into_iter()), 1);
        assert_eq!(worst_exit([0, 3, 2].into_iter()), 3);
    }
}
