//! Who led, in which term, and how far each node had committed: from what was scraped.

use std::collections::BTreeMap;

use prometheus_parse::{Scrape as Parsed, Value};

use super::data::{Leader, Metrics};
use super::stored::Stored;

/// The step of the scrapes, in seconds.
const STEP_S: f64 = 1.0;
/// A node that was silent for longer than this many steps no longer counts as what it was.
const SILENT_STEPS: f64 = 1.5;

/// One node's answer to one scrape.
struct Answer {
    time_s: f64,
    leads: Option<bool>,
    term: Option<f64>,
    commit: Option<f64>,
}

/// The figures, if any node told who leads or how far it had committed.
pub fn derive(stored: &Stored, to_s: f64) -> Option<Metrics> {
    let mut answers: BTreeMap<&str, Vec<Answer>> = BTreeMap::new();
    for scrape in &stored.scrapes {
        let time_s = scrape.time as f64 / 1e9;
        let answer = match &scrape.text {
            Some(text) => read(text, time_s),
            None => Answer { time_s, leads: None, term: None, commit: None },
        };
        answers.entry(&scrape.node).or_default().push(answer);
    }
    let mut metrics = Metrics { step_s: STEP_S, ..Metrics::default() };
    for node in &stored.run.nodes {
        let answers = answers.get(node.as_str()).map(Vec::as_slice).unwrap_or_default();
        metrics.leader.extend(reigns(node, answers, to_s));
        let within = answers.iter().filter(|answer| answer.time_s <= to_s);
        // Milliseconds are as much as a chart shows.
        let time_s = |answer: &Answer| (answer.time_s * 1e3).round() / 1e3;
        metrics.commit.push(within.map(|answer| (time_s(answer), answer.commit)).collect());
    }
    metrics.leader.sort_by(|a, b| a.from_s.total_cmp(&b.from_s));
    (!metrics.leader.is_empty() || metrics.tells_commits()).then_some(metrics)
}

impl Metrics {
    /// Whether any node told how far it had committed.
    pub fn tells_commits(&self) -> bool {
        self.commit.iter().flatten().any(|(_, index)| index.is_some())
    }
}

fn read(text: &str, time_s: f64) -> Answer {
    let lines = text.lines().map(|line| Ok(line.to_owned()));
    let samples = Parsed::parse(lines).map(|parsed| parsed.samples).unwrap_or_default();
    let find = |suffix: &str| {
        let sample = samples.iter().find(|sample| sample.metric.ends_with(suffix))?;
        match sample.value {
            Value::Gauge(value) | Value::Counter(value) | Value::Untyped(value) => Some(value),
            _ => None,
        }
    };
    Answer {
        time_s,
        leads: find("is_leader").map(|value| value > 0.0),
        term: find("_term"),
        commit: find("commit_index"),
    }
}

/// The times in which a node said that it leads. A scrape shows a moment; between two scrapes that
/// agree nothing is assumed to have changed.
fn reigns(node: &str, answers: &[Answer], to_s: f64) -> Vec<Leader> {
    let mut reigns: Vec<Leader> = Vec::new();
    let mut open: Option<Leader> = None;
    for answer in answers.iter().filter(|answer| answer.time_s <= to_s) {
        let term = answer.term.map(|term| term as u64);
        let leads = answer.leads == Some(true);
        if let Some(reign) = &mut open {
            let silent =
                answer.leads.is_none() && answer.time_s - reign.to_s <= STEP_S * SILENT_STEPS;
            if leads && reign.term == term {
                reign.to_s = answer.time_s;
                continue;
            }
            if silent {
                continue;
            }
            reign.to_s = answer.time_s.min(reign.to_s + STEP_S);
            reigns.extend(open.take());
        }
        if leads {
            let (from_s, to_s) = (answer.time_s, answer.time_s);
            open = Some(Leader { node: node.into(), term, from_s, to_s });
        }
    }
    if let Some(mut reign) = open {
        reign.to_s = (reign.to_s + STEP_S).min(to_s);
        reigns.push(reign);
    }
    reigns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_who_leads_and_breaks_where_a_node_is_silent() {
        let answer = |time_s, leads| Answer { time_s, leads, term: Some(2.0), commit: None };
        let answers = [
            answer(0.0, Some(true)),
            answer(1.0, Some(true)),
            answer(2.0, None),
            answer(3.0, None),
            answer(4.0, Some(true)),
            answer(5.0, Some(false)),
        ];
        let reigns = reigns("n1", &answers, 10.0);
        let times: Vec<(f64, f64)> =
            reigns.iter().map(|reign| (reign.from_s, reign.to_s)).collect();
        assert_eq!(times, [(0.0, 2.0), (4.0, 5.0)]);
    }

    #[test]
    fn reads_prometheus_text() {
        let text = "# TYPE x_is_leader gauge\nx_is_leader 1\n# TYPE x_term gauge\nx_term 7\nx_commit_index 12\n";
        let answer = read(text, 1.0);
        assert_eq!((answer.leads, answer.term, answer.commit), (Some(true), Some(7.0), Some(12.0)));
    }
}
