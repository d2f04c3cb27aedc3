//! What the command line changes in a plan, and how that is stored with the run.

use std::fmt::Write as _;

use super::document::{Content, Node, Problem};

/// The line behind which a stored plan holds what the command line had changed.
const OVERRIDES: &str = "# Overrides of the command line:";

/// Puts the value of one `--set` where its dotted path leads.
pub(super) fn override_one(document: &mut Node, key: &str, value: &str) -> Result<(), Problem> {
    let wrong = |problem: String| Problem::new(0..0, format!("--set {key}={value}: {problem}"));
    let mut value = Node::parse(value).map_err(|problem| wrong(problem.title))?;
    // Places inside the override are not places of the file.
    clear_places(&mut value);
    let path: Vec<&str> = key.split('.').collect();
    document.set(&path, value).map_err(wrong)
}

fn clear_places(node: &mut Node) {
    node.place = 0..0;
    match &mut node.content {
        Content::Scalar(_) => {}
        Content::List(items) => items.iter_mut().for_each(clear_places),
        Content::Map(entries) => {
            for (_, place, node) in entries {
                *place = 0..0;
                clear_places(node);
            }
        }
    }
}

/// The text that is stored with a run: a plan that reads the same again.
pub(super) fn with_overrides(text: &str, overrides: &[(String, String)]) -> String {
    if overrides.is_empty() {
        return text.to_owned();
    }
    let mut out = text.trim_end().to_owned();
    // At the end, so that what a stored plan was run with before comes first and is overridden.
    if stored_overrides(text).is_empty() {
        let _ = writeln!(out, "\n{OVERRIDES}");
    } else {
        out.push('\n');
    }
    for (key, value) in overrides {
        let _ = writeln!(out, "#! {key}={value}");
    }
    out
}

/// The overrides that the text of a stored plan ends with.
pub(super) fn stored_overrides(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().skip_while(|line| *line != OVERRIDES);
    lines
        .filter_map(|line| line.strip_prefix("#! "))
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}
