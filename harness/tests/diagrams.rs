//! Violations as SVG files: `schism check --svg` and `schism explain --svg`.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn schism(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_schism")).args(arguments).output().expect("schism runs")
}

/// What was printed, if the exit code is this.
fn said(arguments: &[&str], exit: i32) -> String {
    let output = schism(arguments);
    let [out, err] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
    assert_eq!(output.status.code(), Some(exit), "{out}{err}");
    format!("{out}{err}")
}

/// The name of a history in `folder`.
fn file(folder: &Path, name: &str, content: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, content).expect("the file is written");
    path.display().to_string()
}

/// A stale read of a key that would be markup, an escape and an end of a line.
const HOSTILE_KEY: &str = "</text><script>alert(1)</script>&amp;\\u001b[2J\\n\\u202e";

fn stale() -> String {
    let event = |process: u8, kind: &str, f: &str, value: &str| {
        format!("{{:process {process}, :type :{kind}, :f :{f}, :value [\"KEY\" {value}]}}\n")
            .replace("KEY", HOSTILE_KEY)
    };
    [
        (0, "invoke", "write", "1"),
        (0, "ok", "write", "1"),
        (0, "invoke", "write", "2"),
        (0, "ok", "write", "2"),
        (1, "invoke", "read", "nil"),
        (1, "ok", "read", "1"),
    ]
    .map(|(process, kind, f, value)| event(process, kind, f, value))
    .concat()
}

const SKEW: &str = "
{:process 0, :type :invoke, :f :txn, :value [[:r 1 nil] [:append 2 7]]}
{:process 1, :type :invoke, :f :txn, :value [[:r 2 nil] [:append 1 8]]}
{:process 0, :type :ok, :f :txn, :value [[:r 1 []] [:append 2 7]]}
{:process 1, :type :ok, :f :txn, :value [[:r 2 []] [:append 1 8]]}
";

/// Asserts that a text is well-formed XML of the kind that we write, and returns the names of its
/// elements. Comments and the declaration are skipped; attributes stand in double quotes.
fn elements(xml: &str) -> Vec<String> {
    let control = |letter: &char| (*letter < ' ' && *letter != '\n') || *letter == '\u{202e}';
    assert_eq!(xml.chars().find(control), None, "a control character");
    let (mut open, mut names) = (Vec::new(), Vec::new());
    let mut rest = xml;
    while let Some((text, tag)) = rest.split_once('<') {
        assert_text(text);
        let (tag, after) = tag.split_once('>').expect("a tag ends");
        rest = after;
        assert!(!tag.contains('<'), "{tag}");
        if tag.starts_with('?') || tag.starts_with("!--") {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name.to_owned()), "</{name}>");
            continue;
        }
        let (inside, empty) = tag.strip_suffix('/').map_or((tag, false), |inside| (inside, true));
        let name = inside.split_whitespace().next().expect("a name").to_owned();
        let attributes: Vec<&str> = inside[name.len()..].split('"').collect();
        assert_eq!(attributes.len() % 2, 1, "{tag}");
        for pair in attributes.chunks_exact(2) {
            let key = pair[0].trim().strip_suffix('=').expect("a name and =");
            assert!(key.chars().all(|it| it.is_ascii_alphanumeric() || it == '-'), "{tag}");
            assert!(!key.starts_with("on"), "{tag} would run a script");
            assert_text(pair[1]);
        }
        names.push(name.clone());
        if !empty {
            open.push(name);
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} stay open before `{rest}`");
    names
}

/// Every `&` of a text begins one of the entities that XML knows.
fn assert_text(text: &str) {
    for after in text.split('&').skip(1) {
        let known = ["lt;", "gt;", "quot;", "amp;"];
        assert!(known.iter().any(|entity| after.starts_with(entity)), "&{after}");
    }
}

/// Judges a history with `--svg`, and returns each anomaly with the text of its diagram.
fn drawn(history: &str, workload: &str) -> Vec<(Value, String)> {
    let place = tempfile::tempdir().expect("a folder");
    let history = file(place.path(), "history.edn", history);
    let folder = place.path().join("new/svg").display().to_string();
    let json = said(&["check", &history, "--workload", workload, "--json", "--svg", &folder], 1);
    let answer: Value = serde_json::from_str(&json).expect("JSON");
    let claims = answer["claims"].as_array().expect("claims");
    let anomalies = claims.iter().flat_map(|claim| claim["anomalies"].as_array().expect("a list"));
    let read = |anomaly: &Value| {
        let path = anomaly["diagram"].as_str().expect("a diagram");
        (anomaly.clone(), fs::read_to_string(path).expect("the diagram"))
    };
    anomalies.map(read).collect()
}

#[test]
fn every_operation_of_an_anomaly_is_in_its_diagram() {
    for (history, workload) in [(stale().as_str(), "register"), (SKEW, "list-append")] {
        let drawn = drawn(history, workload);
        assert!(!drawn.is_empty(), "{workload}: nothing is drawn");
        for (anomaly, svg) in drawn {
            elements(&svg);
            for operation in anomaly["operations"].as_array().expect("operations") {
                let named = svg.matches(&format!("data-operation=\"{operation}\"")).count();
                assert_eq!(named, 2, "{operation} in the wide and in the narrow drawing of\n{svg}");
            }
            let edges = anomaly["witness"]["cycle"]["edges"].as_array();
            for edge in edges.into_iter().flatten() {
                // A sentence may be broken into lines; its first words stand in one.
                let says = edge["says"].as_str().expect("a sentence");
                let words: Vec<&str> = says.split(' ').take(4).collect();
                assert!(svg.contains(&words.join(" ")), "{says} is not in\n{svg}");
            }
        }
    }
}

#[test]
fn values_of_the_system_are_never_markup() {
    let (_, svg) = drawn(&stale(), "register").remove(0);
    let known = ["svg", "title", "desc", "style", "g", "rect", "path", "circle", "text"];
    let strange: Vec<String> =
        elements(&svg).into_iter().filter(|name| !known.contains(&name.as_str())).collect();
    assert!(strange.is_empty(), "{strange:?}");
    assert!(svg.contains("&lt;script&gt;"), "the key is shown as it is:\n{svg}");
}

#[test]
fn nothing_but_a_diagram_is_overwritten() {
    let place = tempfile::tempdir().expect("a folder");
    let history = file(place.path(), "skew.edn", SKEW);
    let folder = place.path().join("svg").display().to_string();
    let check = ["check", &history, "--claim", "serializable", "--svg", &folder];
    let first = said(&check, 1);
    let name = "serializable-1-G2-item.svg";
    assert!(first.contains(&format!("Diagram: {folder}/{name}")), "{first}");
    let path = place.path().join("svg").join(name);
    let svg = fs::read(&path).expect("the diagram");
    said(&check, 1);
    assert_eq!(fs::read(&path).expect("the diagram"), svg, "it is drawn again, the same");
    fs::write(&path, "<svg>my own</svg>").expect("a file");
    let refused = said(&check, 64);
    assert!(refused.contains("violated") && refused.contains("no diagram of schism"), "{refused}");
    assert_eq!(fs::read_to_string(&path).expect("the file"), "<svg>my own</svg>");
}

#[test]
fn a_history_without_violations_has_no_diagrams() {
    let place = tempfile::tempdir().expect("a folder");
    let fine = SKEW.replace("[[:r 2 []] [:append 1 8]]", "[[:r 2 [7]] [:append 1 8]]");
    let history = file(place.path(), "fine.edn", &fine);
    let folder = place.path().join("svg").display().to_string();
    let said = said(&["check", &history, "--claim", "serializable", "--svg", &folder], 0);
    assert!(said.contains("Diagrams: none"), "{said}");
    assert!(!place.path().join("svg").exists());
}

#[test]
fn several_histories_would_mix_their_diagrams() {
    let place = tempfile::tempdir().expect("a folder");
    let history = file(place.path(), "skew.edn", SKEW);
    let folder = place.path().join("svg").display().to_string();
    let refused = said(&["check", &history, &history, "--svg", &folder], 64);
    assert!(refused.contains("--svg draws one history"), "{refused}");
}

#[test]
fn an_anomaly_is_taught_with_a_picture() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path().display().to_string();
    said(&["explain", "G-single", "--svg", &folder], 0);
    let path = place.path().join("consistent-view-1-G-single-item.svg");
    let svg = fs::read_to_string(path).expect("the diagram");
    assert!(elements(&svg).contains(&"path".to_owned()));
    assert!(said(&["explain", "serializable", "--svg", &folder], 64).contains("is a claim"));
}
