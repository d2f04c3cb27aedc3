//! How long a run may wait for what, in one place of the plan.

use std::time::Duration;

use schism_history::Span;

use super::document::Node;
use super::read::Reader;

const KEYS: &[&str] = &["form", "act", "back", "settle", "final-reads", "reach", "copy", "logs"];
const MOST: Duration = Duration::from_hours(1);

/// The longest waits of a run; each ends in a report that says what did not come in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// For all nodes to be installed and started, and for the cluster to be formed and ready, each;
    /// 30 s.
    pub form: Duration,
    /// For one deed on a node: a start, a kill, a change of links; 8 s.
    pub act: Duration,
    /// For a node to answer again after its fault was healed; 10 s.
    pub back: Duration,
    /// For the cluster to answer again after everything was healed, and for what is left of an act of
    /// upkeep to be finished or undone; 15 s.
    pub settle: Duration,
    /// For all final reads; 10 s.
    pub final_reads: Duration,
    /// For a host to be connected to, and to be reached again; 10 s.
    pub reach: Duration,
    /// For a file to be copied to or from a host; 5 min.
    pub copy: Duration,
    /// For the last of a host's logs; 30 s.
    pub logs: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            form: seconds(30),
            act: seconds(8),
            back: seconds(10),
            settle: seconds(15),
            final_reads: seconds(10),
            reach: seconds(10),
            copy: Duration::from_mins(5),
            logs: seconds(30),
        }
    }
}

impl Reader {
    pub(super) fn bounds(&mut self, document: &Node) -> Bounds {
        let mut bounds = Bounds::default();
        let Some(node) = document.get("bounds") else { return bounds };
        self.keys(node, KEYS, "bounds");
        for (key, bound) in [
            ("form", &mut bounds.form),
            ("act", &mut bounds.act),
            ("back", &mut bounds.back),
            ("settle", &mut bounds.settle),
            ("final-reads", &mut bounds.final_reads),
            ("reach", &mut bounds.reach),
            ("copy", &mut bounds.copy),
            ("logs", &mut bounds.logs),
        ] {
            let Some(span) = self.quantity::<Span>(node, key) else { continue };
            if span.0 < Duration::from_millis(100) || span.0 > MOST {
                let title = format!("{key} is a bound from 100ms to {}", Span(MOST));
                self.problem(node.place_of(&[key.into()]), title);
            }
            *bound = span.0;
        }
        bounds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Bounds, String) {
        let document = Node::parse(text).expect("a document");
        let mut reader = Reader { problems: Vec::new() };
        let bounds = reader.bounds(&document);
        (bounds, format!("{:?}", reader.problems))
    }

    #[test]
    fn each_has_a_default_and_can_be_set() {
        assert_eq!(read("name: x\n").0, Bounds::default());
        let (bounds, problems) = read("bounds: { back: 3s, copy: 10m }\n");
        let expected = Bounds {
            back: Duration::from_secs(3),
            copy: Duration::from_mins(10),
            ..Bounds::default()
        };
        assert_eq!((bounds, problems.as_str()), (expected, "[]"));
    }

    #[test]
    fn refuses_what_is_no_bound() {
        assert!(read("bounds: { bak: 3s }\n").1.contains("did you mean `back`"));
        assert!(read("bounds: { back: 3 }\n").1.contains("back: "));
        assert!(read("bounds: { back: 0s }\n").1.contains("from 100ms to 1h"));
        assert!(read("bounds: [ 3s ]\n").1.contains("bounds is a map"));
    }
}
