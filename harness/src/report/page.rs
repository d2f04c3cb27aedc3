//! The page: text and tables, which read without JavaScript, and the data that its scripts draw.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use askama::Template;

use super::consumers::{self, Consumers};
use super::data::{Charts, Data, Fault, Step, Violation};
use super::logs::{self, LogFile};
use super::staleness::{self, Staleness};
use super::stored::Stored;
use super::{charts, plots};
use crate::judge::grouped;
use crate::store::{ClaimRecord, RunFolder, Word};

const STYLE: &str = include_str!("style.css");
/// The scripts, in the order in which they need each other.
const SCRIPTS: [&str; 10] = [
    include_str!("script/shapes.js"),
    include_str!("script/glance.js"),
    include_str!("script/timeline.js"),
    include_str!("script/bars.js"),
    include_str!("script/cycle.js"),
    include_str!("script/faults.js"),
    include_str!("script/latency.js"),
    include_str!("script/panels.js"),
    include_str!("script/charts.js"),
    include_str!("script/start.js"),
];

/// Everything that the template shows; askama escapes every value.
#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    stored: &'a Stored,
    data: &'a Data,
    verdict: &'static str,
    again: String,
    claims: Vec<Claim<'a>>,
    tally: String,
    length: String,
    operations: String,
    faults: String,
    left_out: &'static str,
    staleness: Option<Staleness>,
    consumers: Option<Consumers>,
    lateness: String,
    notes: Vec<String>,
    logs: Vec<LogFile>,
    files: Vec<File>,
    style: &'static str,
    script: String,
    json: String,
}

/// A row of the claims table.
struct Claim<'a> {
    record: &'a ClaimRecord,
    word: &'static str,
    judged: String,
    /// Its violations, as (id, name).
    details: Vec<(&'a str, &'a str)>,
    /// How many more there are.
    undrawn: usize,
}

/// A file beside the report.
struct File {
    path: String,
    holds: String,
    size: String,
}

/// Writes `report.html`.
pub fn write(stored: &Stored, data: &Data) -> anyhow::Result<()> {
    let html = render(stored, data)?;
    RunFolder::open(&stored.path)?.write("report.html", html.as_bytes())?;
    Ok(())
}

/// The page.
pub fn render(stored: &Stored, data: &Data) -> anyhow::Result<String> {
    // The data stands inside a script element, which only `</` could end.
    let json = serde_json::to_string(data)?.replace('<', "\\u003c");
    let page = Page {
        stored,
        data,
        verdict: word(stored.verdict.verdict),
        again: again(stored),
        claims: stored.verdict.claims.iter().map(|record| claim(record, data)).collect(),
        tally: tally(&stored.verdict.claims),
        length: length(stored, data),
        operations: operations(stored),
        faults: match stored.verdict.faults {
            0 => "no fault".into(),
            all => format!("{} of {all}", stored.verdict.faults_proven),
        },
        left_out: data.charts.as_ref().map_or("", left_out),
        staleness: staleness::of(stored),
        consumers: consumers::of(stored),
        lateness: lateness(stored),
        notes: notes(stored, data),
        logs: logs::files(stored),
        files: files(stored, data),
        style: STYLE,
        script: SCRIPTS.join("\n"),
        json,
    };
    page.render().context("the report's template")
}

fn word(word: Word) -> &'static str {
    match word {
        Word::Violated => "violated",
        Word::Crashed => "crashed",
        Word::Unknown => "unknown",
        Word::Upheld => "upheld",
    }
}

fn claim<'a>(record: &'a ClaimRecord, data: &'a Data) -> Claim<'a> {
    let own = data.violations.iter().filter(|violation| violation.claims.contains(&record.claim));
    Claim {
        record,
        word: word(record.verdict),
        judged: if record.judged == 0 { "–".into() } else { grouped(record.judged) },
        details: own.map(|one| (one.id.as_str(), one.anomaly.as_str())).collect(),
        undrawn: data.undrawn.get(&record.claim).copied().unwrap_or(0),
    }
}

/// `2 violated, 1 unknown, 2 upheld`.
fn tally(claims: &[ClaimRecord]) -> String {
    let words = [Word::Violated, Word::Crashed, Word::Unknown, Word::Upheld];
    let count = |word: &Word| claims.iter().filter(|claim| claim.verdict == *word).count();
    let parts = words.iter().filter(|word| count(word) > 0);
    parts.map(|one| format!("{} {}", count(one), word(*one))).collect::<Vec<_>>().join(", ")
}

/// The command that does this run again, wherever it is typed.
fn again(stored: &Stored) -> String {
    if stored.bare {
        let claims = stored.verdict.claims.iter().map(|claim| format!(" --claim {}", claim.name));
        let (file, workload) = (quoted(&stored.path), &stored.run.workload);
        return format!("schism check {file} --workload {workload}{}", claims.collect::<String>());
    }
    let mut command = format!("schism run {}", quoted(&stored.path.join("plan.yaml")));
    // A plan without a name of its own bears its file's, and the stored file is called plan.yaml.
    if stored.asked.as_ref().is_some_and(|plan| plan.name != stored.run.name) {
        let _ = write!(command, " --set name={}", stored.run.name);
    }
    command
}

/// A path as one word of a shell's command.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if path.chars().all(plain) {
        return path;
    }
    format!("'{}'", path.replace('\'', r"'\''"))
}

fn length(stored: &Stored, data: &Data) -> String {
    let load = match &data.charts {
        Some(charts) => format!("{:.1} s of load", charts.to_s),
        None => "no load".into(),
    };
    match stored.run.wall_s {
        Some(wall) => format!("{load}, {wall:.1} s in all"),
        None => load,
    }
}

fn operations(stored: &Stored) -> String {
    let shed = stored.load().filter(|operation| charts::is_shed(operation.outcome)).count();
    let load = stored.load().count();
    let sent = stored.history.operations().len() - shed;
    if sent == 0 {
        return "none sent".into();
    }
    let mut text = format!("{} sent", grouped(sent));
    let reads = stored.history.operations().len() - load;
    if reads > 0 {
        let _ = write!(text, ", {} of them final reads", grouped(reads));
    }
    if shed > 0 {
        let _ = write!(text, "; {} shed", grouped(shed));
    }
    text
}

/// Which panels are missing, since the nodes did not tell.
fn left_out(charts: &Charts) -> &'static str {
    let (leads, commits) = charts
        .metrics
        .as_ref()
        .map_or((false, false), |metrics| (!metrics.leader.is_empty(), metrics.tells_commits()));
    match (leads, commits) {
        (true, true) => "",
        (false, true) => "No node told that it leads: that panel is left out.",
        (true, false) => "No node told how far it had committed: that panel is left out.",
        (false, false) => {
            "No node told who leads or how far it had committed: those panels are left out."
        }
    }
}

fn lateness(stored: &Stored) -> String {
    let worst = stored.run.lateness_ms.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    match worst {
        Some((second, ms)) => format!("worst {ms:.1} ms, {second} s into the load"),
        None => "not recorded".into(),
    }
}

fn notes(stored: &Stored, data: &Data) -> Vec<String> {
    let mut notes = stored.missing.clone();
    if stored.verdict.torn {
        notes.push("The recording ends before the run did: what came later nobody knows.".into());
    }
    let unproven: Vec<&str> =
        data.faults.iter().filter(|fault| !fault.proven).map(|fault| fault.id.as_str()).collect();
    if !unproven.is_empty() {
        notes.push(format!(
            "{} showed no effect. Had every claim been upheld, this run would still be unknown: a \
             fault that does not bite tests nothing.",
            unproven.join(", ")
        ));
    }
    if let Some(sabotage) = &stored.run.sabotage {
        notes.push(format!("This run was sabotaged ({sabotage}) to test schism itself."));
    }
    notes.extend(stored.run.notes.iter().cloned());
    notes
}

fn files(stored: &Stored, data: &Data) -> Vec<File> {
    let known = [
        ("history.jsonl", "every event, one a line; judged again by schism check"),
        ("verdict.json", "the claims table, with witnesses"),
        ("schedule.json", "the faults as planned"),
        ("metrics.jsonl", "Prometheus text of every node, once a second"),
        ("run.json", "versions, machine, times"),
        ("plan.yaml", "the plan; schism run does it again"),
    ];
    let mut files: Vec<File> = Vec::new();
    for (path, holds) in known {
        let Some(size) = size(&stored.path.join(path)) else { continue };
        files.push(File { path: path.into(), holds: holds.into(), size });
    }
    if let Some(charts) = &data.charts {
        for plot in plots::PLOTS {
            let path = format!("plots/{}", plot.file);
            files.push(File { path, holds: plot.caption(charts), size: "svg".into() });
        }
    }
    files
}

fn size(path: &Path) -> Option<String> {
    let bytes = std::fs::metadata(path).ok()?.len() as f64;
    Some(match bytes {
        bytes if bytes >= 1e6 => format!("{:.1} MB", bytes / 1e6),
        bytes if bytes >= 1e3 => format!("{:.0} kB", bytes / 1e3),
        bytes => format!("{bytes} B"),
    })
}

impl Violation {
    /// A heading for whoever does not know the anomaly's name.
    fn title(&self) -> &'static str {
        match (self.kind, self.anomaly.as_str()) {
            ("cycle", _) => "Transactions, each before the next, in a circle",
            ("bound", "lagging-read") => "A read of what had been replaced for too long",
            ("bound", "slow-recovery") => "A recovery that took too long",
            ("bound", _) => "Answers that came too late",
            (_, "lost-write") => "An acknowledged write that is gone",
            (_, "unseen") => "An acknowledged message that never came",
            (_, "group-skip") => "A message that a group passed over",
            (_, "inconsistent-offsets") => "Two messages at one place",
            (_, "G1a") => "A read of what was taken back",
            (_, name) if name.ends_with("poll-skip") => "A poll that left something out",
            (_, name) if name.ends_with("nonmonotonic-poll") => "A poll that went back",
            (_, name) if name.ends_with("nonmonotonic-send") => {
                "Messages in another order than sent"
            }
            (_, "stale-read") => "A read of what had been replaced",
            (_, "duplicate-elements" | "duplicate") => "An element that is there twice",
            _ => "An answer that no order of the operations explains",
        }
    }

    /// How far an order of the operations gets.
    fn placed(&self) -> Option<String> {
        let timeline = self.timeline.as_ref()?;
        let holds = timeline.holds.as_ref().filter(|holds| !holds.is_empty())?;
        let count = timeline.operations.iter().filter(|one| one.place.is_some()).count();
        let operations = match count {
            0 => return None,
            1 => "One operation can be placed".to_owned(),
            count => format!("{count} operations can be placed in an order"),
        };
        Some(format!("{operations}; the register then holds {holds}. What is left does not fit."))
    }

    fn has_figure(&self) -> bool {
        self.timeline.is_some() || self.cycle.is_some()
    }
}

impl Step {
    fn after(&self) -> String {
        format!("{:.3} s", self.after_ms / 1e3)
    }

    fn late(&self) -> String {
        format!("{:.1} ms", self.late_ms)
    }
}

impl Fault {
    fn window(&self) -> String {
        let end = if self.healed { format!("{:.1} s", self.stop_s) } else { "never healed".into() };
        format!("{:.1}–{end}", self.start_s)
    }

    fn struck(&self, nodes: usize) -> String {
        match self.victims.len() {
            0 => "no node".into(),
            all if all == nodes && all > 1 => "all nodes".into(),
            _ => self.victims.join(", "),
        }
    }

    /// The figures beside the chart: label and value.
    fn times(&self) -> [(&'static str, String); 5] {
        let recovered = match (self.recovered_ms, self.watched_ms) {
            (Some(ms), _) => milliseconds(Some(ms)),
            (None, watched) if watched < 1000.0 => "cannot tell".into(),
            (None, watched) => format!("not within {}", milliseconds(Some(watched))),
        };
        [
            ("bites", milliseconds(self.bites_ms)),
            ("first error", milliseconds(self.first_error_ms)),
            ("answers again", milliseconds(self.first_answer_ms)),
            ("new leader", milliseconds(self.detected_ms)),
            ("recovered", recovered),
        ]
    }
}

fn milliseconds(ms: Option<f64>) -> String {
    match ms {
        None => "–".into(),
        Some(ms) if ms >= 1000.0 => format!("{:.2} s", ms / 1e3),
        Some(ms) if ms >= 10.0 => format!("{ms:.0} ms"),
        Some(ms) => format!("{ms:.1} ms"),
    }
}
