//! The report as a reader opens it: in a browser, wide and narrow, and with hostile values.
//!
//! Each test makes a run's folder from a short history, judges it and draws its report. Where this
//! machine has no Chromium, what only a browser can tell is skipped in words.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use schism::store::{RunFolder, RunRecord, Scrape};
use schism::{judge, report};
use schism_checkers::{Asked, Budget, Claim, Question};
use schism_history::{History, jsonl};
use serde_json::Value;

/// A browser that hangs is a failure, not a wait.
const LIMIT_S: &str = "60";
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];
/// What would run a script, were it ever taken for markup.
const HOSTILE: &str = "</script><img/src=x/onerror=alert(1)>";

const PLAN: &str = "
name: made-up
target: memory
workload: register
load: { clients: 3, duration: 5s, rate: 10/s }
claims: [linearizable]
";

/// A stale read under a partition, a compare-and-set that found another value, an operation without
/// an answer, and hostile texts wherever a system under test can put some.
const STALE: &str = "
0.100s p0 invoke write xHOSTILE 1 @n1 due=0.09s
0.110s p0 ok
0.200s p1 invoke read xHOSTILE @n2
0.210s p1 ok 1
0.900s nemesis start F1 partition n1 isolate leader
0.910s nemesis bites F1 yes HOSTILE
1.000s p1 invoke write xHOSTILE 2 @n2
1.020s p1 ok
1.100s p1 invoke read xHOSTILE @n2
1.110s p1 ok 2
1.200s p2 invoke cas xHOSTILE [7 8] @n3
1.210s p2 fail mismatch HOSTILE
1.300s p2 invoke write y 5 @n3
1.400s p0 invoke read xHOSTILE @n1
1.410s p0 ok 1
2.000s nemesis stop F1
2.010s nemesis gone F1 yes all links pass
2.300s p2 info timeout HOSTILE
3.000s p3 invoke read xHOSTILE @n3
3.010s p3 ok 2
5.600s nemesis healed
5.700s p3 invoke read xHOSTILE @n3
5.710s p3 ok 2
";

/// A run's folder that a test made.
struct Run {
    /// Removed with the run.
    place: tempfile::TempDir,
    path: PathBuf,
}

impl Run {
    /// A run of `plan` in which `history` was seen.
    fn new(plan: &str, workload: &str, claims: &[Claim], history: &str) -> Self {
        let place = tempfile::tempdir().expect("a folder");
        let folder = RunFolder::create(place.path(), "made-up", "then").expect("a run's folder");
        folder.write("plan.yaml", plan.as_bytes()).expect("a plan");
        folder.write_json("run.json", &record(workload)).expect("a record");
        let history = History::from_text(history).expect("a history");
        let file = File::create(folder.join("history.jsonl")).expect("a file");
        let mut writer = jsonl::Writer::new(file).expect("a writer");
        for event in history.events() {
            writer.write(event).expect("an event");
        }
        writer.flush().expect("a file");
        let claims = claims.iter().map(|claim| Asked::new(*claim)).collect();
        let question = Question::new(workload, claims);
        let verdict = judge::judge_folder(&folder, &question, &Budget::default());
        folder.write_json("verdict.json", &verdict.expect("a verdict")).expect("a verdict");
        Self { path: folder.path().to_owned(), place }
    }

    fn stale_read() -> Self {
        let history = STALE.replace("HOSTILE", HOSTILE);
        let run = Self::new(PLAN, "register", &[Claim::Linearizable], &history);
        // Registers hold numbers; what a checker writes into its proof may be any text.
        let path = run.path.join("verdict.json");
        let verdict = fs::read_to_string(&path).expect("a verdict");
        let hostile = format!("\"needs\": \"1 {HOSTILE}\"");
        fs::write(&path, verdict.replace("\"needs\": \"1\"", &hostile)).expect("a verdict");
        run
    }

    fn redraw(&self) -> String {
        report::redraw(&self.path).expect("a report");
        fs::read_to_string(self.path.join("report.html")).expect("the report")
    }

    /// The data that the page draws.
    fn data(&self) -> Value {
        let page = self.redraw();
        let (_, rest) = page.split_once("id=\"report-data\">").expect("the data");
        let (data, _) = rest.split_once("</script>").expect("its end");
        serde_json::from_str(data).expect("JSON")
    }
}

fn record(workload: &str) -> RunRecord {
    RunRecord {
        configuration: Vec::new(),
        version: 1,
        name: "made-up".into(),
        seed: 1,
        target: "made up".into(),
        workload: workload.into(),
        lab: "none".into(),
        nodes: ["n1", "n2", "n3"].map(str::to_owned).into(),
        started: "2026-01-01T00:00:00Z".into(),
        load_started: Some("2026-01-01T00:00:01Z".into()),
        load_s: 5.0,
        interrupted: false,
        loaded_s: Some(5.02),
        clients: 3,
        rate: Some(10.0),
        timeout_s: 1.0,
        wall_s: Some(7.0),
        schism: "0.0.0".into(),
        machine: "made up".into(),
        lateness_ms: Vec::new(),
        sabotage: None,
        notes: Vec::new(),
        unwell: Vec::new(),
        lost: Vec::new(),
        dirty: Vec::new(),
    }
}

fn browser() -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&paths).collect();
    let all = BROWSERS.iter().flat_map(|name| folders.iter().map(move |at| at.join(name)));
    all.into_iter().find(|path| path.is_file())
}

/// The page as a browser of this width has drawn it, and how many images it holds; `None`, said in
/// words, without a browser.
///
/// A window cannot be as narrow as a phone, but a frame can.
fn open(test: &str, run: &Run, width: u32) -> Option<String> {
    let Some(browser) = browser() else {
        let _ = writeln!(std::io::stderr(), "skipped: {test}: no Chromium on this machine");
        return None;
    };
    let page = run.redraw().replace('&', "&amp;").replace('"', "&quot;");
    let frame = run.path.join("frame.html");
    let html = format!(
        "<!doctype html><meta charset=utf-8><body style=margin:0>\
         <iframe style='width:{width}px;height:3000px;border:0' srcdoc=\"{page}\"></iframe>\
         <script>addEventListener('load', () => {{\
           const inner = document.querySelector('iframe').contentDocument;\
           inner.documentElement.dataset.images = inner.querySelectorAll('img').length;\
           document.body.replaceChildren(document.importNode(inner.documentElement, true));\
         }});</script>"
    );
    fs::write(&frame, html).expect("a file");
    let home = tempfile::tempdir().expect("a folder");
    let mut command = Command::new("timeout");
    command.args(["-k", "5", LIMIT_S]).arg(browser).args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        "--window-size=1400,3000",
        "--virtual-time-budget=5000",
        "--dump-dom",
    ]);
    command.arg(format!("--user-data-dir={}", home.path().display()));
    command.arg(format!("file://{}", frame.display()));
    let output = command.output().expect("the browser");
    let drawn = String::from_utf8_lossy(&output.stdout).into_owned();
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(drawn.contains("report-data"), "the browser drew nothing: {problem}");
    Some(drawn)
}

/// Opens the report at laptop's and phone's width: `figures` must be drawn, without an error, and
/// nothing may be wider than the page.
fn check(test: &str, run: &Run, figures: &[&str]) {
    for width in [1280, 390] {
        let Some(drawn) = open(test, run, width) else { return };
        assert!(!drawn.contains("data-failed="), "a script failed: {drawn}");
        assert!(
            drawn.contains("data-drawn=\"yes\""),
            "the scripts did not end at {width}: {drawn}"
        );
        let fits = format!("data-overflow=\"0 of {width}\"");
        let (_, start) = drawn.split_once("data-overflow").expect("a width");
        assert!(drawn.contains(&fits), "something is too wide: {}", &start[..40]);
        assert!(drawn.contains("data-images=\"0\""), "a value became markup at {width}");
        for figure in figures {
            let label = format!("aria-label=\"{figure}");
            assert!(drawn.contains(&label), "{figure} is not drawn at {width}");
        }
    }
}

#[test]
fn draws_a_stale_read_wide_and_narrow_and_keeps_hostile_values_text() {
    let run = Run::stale_read();
    let logs = run.path.join("nodes/n1");
    fs::create_dir_all(&logs).expect("a folder");
    let log = format!("2026-01-01T00:00:02.100Z  INFO n1 answers {HOSTILE}\n");
    fs::write(logs.join("node.log"), log).expect("a log");
    let scrape = |time: u64, node: &str, leads: u64| Scrape {
        time: time * 1_000_000_000,
        node: node.into(),
        text: Some(format!("is_leader {leads}\n_term 3\ncommit_index {time}\n")),
    };
    let scrapes = [scrape(1, "n1", 1), scrape(2, "n1", 1), scrape(2, "n2", 0)];
    let lines = scrapes.map(|one| serde_json::to_string(&one).expect("JSON") + "\n").concat();
    fs::write(run.path.join("metrics.jsonl"), lines).expect("metrics");
    let figures = [
        "The run at a glance",
        "Timeline of the",
        "F1: n1 partition",
        "F1: share of operations that were answered",
        "Faults",
        "Latency from the intended start",
        "Latency of ok",
        "Throughput",
        "Share answered by node",
        "Who says that it leads",
        "Commit index",
    ];
    check("draws_a_stale_read", &run, &figures);
    let page = run.redraw();
    assert!(!page.contains(HOSTILE), "a hostile value is markup");
    assert!(page.contains("n1 answers &#60;/script&#62;"), "the log line is not shown");
}

#[test]
fn draws_a_circle_of_transactions() {
    let history = "
        p0 invoke txn [append x 1, append y 1] \n p1 invoke txn [r x _, r y _]
        p0 ok [append x 1, append y 1] \n p1 ok [r x [1], r y []]
        p2 invoke txn [r x _, r y _] \n p2 ok [r x [1], r y [1]] \n nemesis healed";
    let plan = PLAN.replace("workload: register", "workload: list-append");
    let plan = plan.replace("linearizable", "serializable");
    let run = Run::new(&plan, "list-append", &[Claim::Serializable], history);
    let data = run.data();
    assert_eq!(data["violations"][0]["kind"], "cycle", "{data}");
    check("draws_a_circle", &run, &["Circle of 2 transactions", "Throughput"]);
}

#[test]
fn takes_a_compare_and_set_that_found_another_value_for_an_answer() {
    let data = Run::stale_read().data();
    // The first that is not answered is the write of y, which timed out at 2.3 s.
    let first_error = data["faults"][0]["first_error_ms"].as_f64().expect("a time");
    assert!((first_error - 1400.0).abs() < 1.0, "{first_error}");
    assert_eq!(data["charts"]["operations"]["counts"]["mismatch"], 1);
    // From 1 s to 1.5 s four of the five operations were answered.
    let answered = data["charts"]["throughput"]["answered"][2].as_f64().expect("a rate");
    assert!((answered - 8.0).abs() < 1e-9, "{answered}");
}

#[test]
fn ends_the_load_where_the_plan_ended_it() {
    let run = Run::stale_read();
    assert_eq!(run.data()["charts"]["to_s"], 5.0);
    let page = run.redraw();
    assert!(page.contains("5.0 s of load, 7.0 s in all"), "the length");
    assert!(page.contains("9 sent, 1 of them final reads"), "the operations");
}

#[test]
fn a_run_without_load_says_so_and_has_no_charts() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = RunFolder::create(place.path(), "made-up", "then").expect("a run's folder");
    let record = RunRecord { load_started: None, loaded_s: None, ..record("register") };
    let claims = [Asked::new(Claim::Linearizable)];
    let verdict = judge::preflight_failed(&claims, "n1 answered a read with nothing", &record);
    folder.write("plan.yaml", PLAN.as_bytes()).expect("a plan");
    folder.write_json("run.json", &record).expect("a record");
    folder.write_json("verdict.json", &verdict).expect("a verdict");
    let run = Run { path: folder.path().to_owned(), place };
    let page = run.redraw();
    assert!(page.contains("<dd>no load, 7.0 s in all</dd>"), "the length");
    assert!(page.contains("<dd>none sent</dd>") && page.contains("<dd>no fault</dd>"));
    assert!(!page.contains("cannot be read") && !page.contains("id=\"times\""));
    assert!(!run.path.join("plots").exists(), "plots of nothing");
    check("a_run_without_load", &run, &[]);
}

#[test]
fn shows_both_values_that_a_register_would_have_to_hold_at_once() {
    let data = Run::stale_read().data();
    let timeline = &data["violations"][0]["timeline"];
    let holds = timeline["must_hold"].as_array().expect("values");
    assert_eq!(holds.len(), 2, "{timeline}");
    let ends = |hold: &Value| (hold["from_index"].as_u64(), hold["to_index"].as_u64());
    assert!(holds.iter().all(|hold| ends(hold).0 < ends(hold).1), "{timeline}");
    // Nothing was asked of x before the first write, so that it held what every register begins with.
    assert_eq!(timeline["initial"], "_");
}

#[test]
fn tells_how_many_violations_are_not_drawn() {
    let stale = |key: u32| {
        format!(
            "p0 invoke write k{key} 1\np0 ok\np0 invoke write k{key} 2\np0 ok\n\
             p1 invoke read k{key}\np1 ok 1\n"
        )
    };
    let history = (0..5).map(stale).collect::<Vec<_>>().concat();
    let run = Run::new(PLAN, "register", &[Claim::Linearizable], &history);
    assert_eq!(run.data()["violations"].as_array().map(Vec::len), Some(3));
    assert!(run.redraw().contains("2 more in <a href=\"verdict.json\">"), "the two others");
}

#[test]
fn the_command_that_repeats_a_run_works_from_anywhere() {
    let run = Run::new(PLAN, "register", &[Claim::Linearizable], STALE);
    let moved = run.path.with_file_name("it's here");
    fs::rename(&run.path, &moved).expect("a folder");
    let nameless = PLAN.replace("name: made-up", "");
    fs::write(moved.join("plan.yaml"), nameless).expect("a plan");
    let run = Run { path: moved, place: run.place };
    let page = run.redraw();
    let path = fs::canonicalize(&run.path).expect("a path").join("plan.yaml");
    let quoted = path.display().to_string().replace('\'', r"'\''").replace('\'', "&#39;");
    let command = format!("<code>schism run &#39;{quoted}&#39; --set name=made-up</code>");
    assert!(page.contains(&command), "{command}");
}

#[test]
fn the_page_may_load_and_send_nothing() {
    let page = Run::stale_read().redraw();
    for rule in ["default-src 'none'", "base-uri 'none'", "form-action 'none'"] {
        assert!(page.contains(rule), "{rule}");
    }
    assert!(page.len() < 400_000, "{} bytes", page.len());
}

#[test]
fn a_thinned_plot_says_that_it_is_thinned() {
    let write = |number: u32| format!("p0 invoke write x {number}\np0 ok\n");
    let history = (0..20_001).map(write).collect::<Vec<_>>().concat();
    let run = Run::new(PLAN, "register", &[], &history);
    run.redraw();
    let plot = fs::read_to_string(run.path.join("plots/latency.svg")).expect("a plot");
    assert!(plot.contains("the slowest operation of each 2 neighbours"), "its caption");
}

#[test]
fn each_violation_of_a_run_has_a_diagram_in_its_folder() {
    let run = Run::stale_read();
    let diagrams = report::redraw(&run.path).expect("a report");
    let folder = run.path.join("anomalies");
    let path = folder.join("linearizable-1-nonlinearizable.svg");
    assert_eq!(diagrams.iter().map(|it| &it.path).collect::<Vec<_>>(), [&path]);
    let svg = fs::read_to_string(&path).expect("the diagram");
    assert!(svg.contains("F1 partition") && !svg.contains(HOSTILE), "{svg}");
    // What an earlier verdict found is no part of this one.
    fs::copy(&path, folder.join("serializable-1-G2.svg")).expect("a copy");
    report::redraw(&run.path).expect("a report");
    assert_eq!(fs::read_dir(&folder).expect("the folder").count(), 1);
}
