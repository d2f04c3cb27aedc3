//! The end of damage: whether a node comes up on what is left of its files is its own answer.

use schism_history::Evidence;
use schism_targets::last_lines;

use super::Act;
use crate::probe::evidence;
use crate::probe::processes::{Before, Launched};
use crate::standing::Tick;

impl Act {
    /// What became of the nodes that were started on damaged files. One whose program ends has refused
    /// them, as many systems do for good reasons: it stays down, and that is no doubt of the run.
    pub(super) async fn came_up(&self, before: &Before, ended: Tick) -> Evidence {
        let (hands, fault) = (&self.hands, self.planned.fault);
        let standing = hands.clone();
        let silenced = move |node| standing.standing().silenced_since(ended, node, fault);
        let mut texts = vec!["what is damaged stays damaged".to_owned()];
        let mut all = true;
        for (node, launched) in hands.processes().launched(before, silenced).await {
            let text = match launched {
                Launched::Up(text) => {
                    hands.standing().is_up(node);
                    text
                }
                Launched::Struck(text) => text,
                Launched::Refused => {
                    hands.standing().stays_down(node);
                    let log = self.last_lines_of(node).await;
                    hands.note(format!(
                        "{node} refused to start on damaged files, and stays down{log}."
                    ));
                    "refused to start on damaged files, and stays down".into()
                }
                Launched::Silent(text) => {
                    // It runs: whatever else is to be done to it can be.
                    hands.standing().is_up(node);
                    all = false;
                    text
                }
            };
            texts.push(format!("{node}: {text}"));
        }
        evidence(all, texts.join("; "))
    }

    async fn last_lines_of(&self, node: schism_lab::NodeId) -> String {
        let Some(host) = self.hands.cluster().host(node) else { return String::new() };
        match self.hands.target().logs() {
            [first, ..] => last_lines(&host.node().logs.join(first)).await,
            [] => String::new(),
        }
    }
}
