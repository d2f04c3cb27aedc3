//! The lab of a plan: where the nodes stand, in one line of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use schism_history::Span;
use schism_lab::ssh::{Access, Source, USUAL_LEASE};
use schism_targets::TargetEntry;
use serde_json::Value;

use super::LabPlan;
use super::document::{Content, Node};
use super::read::Reader;

const DEFAULT_NODES: u16 = 5;
const LABS: &[&str] = &["local", "ssh", "vagrant"];
/// Below a second a busy controller would lose its nodes, and for longer than this nobody waits.
const LEASE_MIN: Duration = Duration::from_secs(1);
const LEASE_MAX: Duration = Duration::from_mins(10);

impl LabPlan {
    /// How many nodes, as far as the plan itself says that.
    pub fn nodes(&self) -> Option<u16> {
        match self {
            LabPlan::Local { nodes, .. } => Some(*nodes),
            LabPlan::Ssh { source: Source::Nodes(names), .. } => Some(names.len() as u16),
            LabPlan::Ssh { .. } => None,
            LabPlan::None => Some(0),
        }
    }

    /// The hosts, where they stand outside this machine: reads the inventory, or asks Vagrant.
    pub fn hosts(&self) -> Result<Vec<Access>, String> {
        match self {
            LabPlan::Ssh { source, .. } => source.hosts(),
            LabPlan::Local { .. } | LabPlan::None => Ok(Vec::new()),
        }
    }
}

impl Reader {
    pub(super) fn lab(
        &mut self,
        document: &Node,
        file: &Path,
        target: Option<&TargetEntry>,
    ) -> LabPlan {
        let needs_lab = target.is_none_or(|target| target.needs_lab);
        let usual = LabPlan::Local { nodes: DEFAULT_NODES, ssh: false, lease: USUAL_LEASE };
        let Some(node) = document.get("lab") else {
            return if needs_lab { usual } else { LabPlan::None };
        };
        if let Content::Scalar(Value::String(text)) = &node.content
            && text == "none"
        {
            if needs_lab {
                self.problem(node.place.clone(), "this target stands on nodes: it needs a lab");
            }
            return LabPlan::None;
        }
        let (name, lab) = match &node.content {
            Content::Scalar(Value::String(name)) => (name.clone(), None),
            Content::Map(entries) if entries.len() == 1 => {
                (entries[0].0.clone(), Some(&entries[0].2))
            }
            _ => {
                let title = "lab is one of `{ local: … }`, `{ ssh: … }`, `{ vagrant: {} }`";
                self.problem(node.place.clone(), title);
                return usual;
            }
        };
        if !needs_lab {
            let title = "this target lives inside the controller and takes no lab";
            self.problem_with_help(node.place_of(&[name]), title, "leave `lab` out");
            return LabPlan::None;
        }
        let folder = file.parent().unwrap_or(Path::new("."));
        match (name.as_str(), lab) {
            ("local", None) => usual,
            ("local", Some(local)) => self.local(local),
            ("ssh", Some(ssh)) => self.ssh(ssh, folder).unwrap_or(usual),
            ("ssh", None) => {
                let help = "write `lab: { ssh: { inventory: hosts.yaml } }`";
                self.problem_with_help(node.place.clone(), "which hosts?", help);
                usual
            }
            ("vagrant", vagrant) => self.vagrant(vagrant, folder),
            _ => {
                let title = format!("lab has no key `{name}`");
                let place = node.place_of(std::slice::from_ref(&name));
                self.problem_with_help(place, title, super::read::nearest(&name, LABS));
                usual
            }
        }
    }

    fn local(&mut self, local: &Node) -> LabPlan {
        self.keys(local, &["nodes", "ssh", "lease"], "local");
        let nodes = self.count(local, "nodes", 1, 64).unwrap_or(u64::from(DEFAULT_NODES));
        let ssh = match local.get("ssh").map(|node| (&node.content, node.place.clone())) {
            None => false,
            Some((Content::Scalar(Value::Bool(ssh)), _)) => *ssh,
            Some((_, place)) => {
                self.problem(place, "ssh is true or false");
                false
            }
        };
        if let Some(lease) = local.get("lease").filter(|_| !ssh) {
            let title = "only nodes behind SSH have a lease";
            self.problem_with_help(lease.place.clone(), title, "add `ssh: true`, or leave it out");
        }
        LabPlan::Local { nodes: nodes as u16, ssh, lease: self.lease(local) }
    }

    /// How long an agent goes on alone.
    fn lease(&mut self, parent: &Node) -> Duration {
        let Some(lease) = self.quantity::<Span>(parent, "lease") else { return USUAL_LEASE };
        if !(LEASE_MIN..=LEASE_MAX).contains(&lease.0)
            && let Some(node) = parent.get("lease")
        {
            self.problem(node.place.clone(), "lease is a time from 1s to 10m");
        }
        lease.0
    }

    /// The file is read when the run begins: a stored plan can be judged without it.
    fn ssh(&mut self, ssh: &Node, folder: &Path) -> Option<LabPlan> {
        self.keys(ssh, &["inventory", "nodes", "lease"], "ssh");
        let lease = self.lease(ssh);
        let source = match (ssh.get("inventory"), ssh.get("nodes")) {
            (Some(inventory), None) => {
                Source::File(folder.join(self.text(inventory, "inventory")?))
            }
            (None, Some(nodes)) => {
                let Content::List(items) = &nodes.content else {
                    let title = "nodes is a list of hosts: `[root@h1, root@h2:2222]`";
                    self.problem(nodes.place.clone(), title);
                    return None;
                };
                let mut names = Vec::new();
                for item in items {
                    let name = self.text(item, "a host")?;
                    if let Err(problem) = Access::parse(&name) {
                        self.problem(item.place.clone(), problem);
                    }
                    names.push(name);
                }
                Source::Nodes(names)
            }
            _ => {
                let title = "ssh has either an `inventory` or `nodes`";
                self.problem(ssh.place.clone(), title);
                return None;
            }
        };
        Some(LabPlan::Ssh { source, lease })
    }

    fn vagrant(&mut self, vagrant: Option<&Node>, folder: &Path) -> LabPlan {
        let (mut place, mut lease) = (PathBuf::from("."), USUAL_LEASE);
        if let Some(node) = vagrant.filter(|node| !is_nothing(node)) {
            self.keys(node, &["folder", "lease"], "vagrant");
            lease = self.lease(node);
            if let Some(text) = node.get("folder").and_then(|node| self.text(node, "folder")) {
                place = folder.join(text);
            }
        }
        LabPlan::Ssh { source: Source::Vagrant(place), lease }
    }

    fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        if let Content::Scalar(Value::String(text)) = &node.content {
            Some(text.clone())
        } else {
            self.problem(node.place.clone(), format!("{what} is a text"));
            None
        }
    }
}

fn is_nothing(node: &Node) -> bool {
    matches!(&node.content, Content::Scalar(Value::Null))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lab: &str, expected: Result<LabPlan, &str>) {
        let document = Node::parse(&format!("lab: {lab}\n")).expect("a document");
        let mut reader = Reader { problems: Vec::new() };
        let plan = reader.lab(&document, Path::new("/plans/p.yaml"), None);
        match expected {
            Ok(expected) => {
                assert!(reader.problems.is_empty(), "{:?}", reader.problems);
                assert_eq!(plan, expected);
            }
            Err(words) => {
                let said = format!("{:?}", reader.problems);
                assert!(said.contains(words), "{said}");
            }
        }
    }

    #[test]
    fn one_line_says_where_the_nodes_stand() {
        let lease = USUAL_LEASE;
        let local = |nodes, ssh, lease| LabPlan::Local { nodes, ssh, lease };
        let over = |source| LabPlan::Ssh { source, lease };
        check("local", Ok(local(5, false, lease)));
        check("{ local: { nodes: 3, ssh: true } }", Ok(local(3, true, lease)));
        let short = Duration::from_millis(1500);
        check("{ local: { ssh: true, lease: 1500ms } }", Ok(local(5, true, short)));
        let file = Source::File("/plans/hosts.yaml".into());
        check("{ ssh: { inventory: hosts.yaml } }", Ok(over(file)));
        let nodes = Source::Nodes(vec!["root@h1".into(), "root@[fd00::2]:2222".into()]);
        check("{ ssh: { nodes: [root@h1, 'root@[fd00::2]:2222'] } }", Ok(over(nodes)));
        check("{ vagrant: {} }", Ok(over(Source::Vagrant(".".into()))));
        check("vagrant", Ok(over(Source::Vagrant(".".into()))));
    }

    #[test]
    fn refuses_a_lab_that_there_is_not() {
        check("{ lokal: {} }", Err("did you mean `local`"));
        check("ssh", Err("which hosts?"));
        check("{ ssh: {} }", Err("either an `inventory` or `nodes`"));
        check("{ ssh: { nodes: ['-x'] } }", Err("is no host"));
        check("{ local: { ssh: 1 } }", Err("true or false"));
        check("{ local: { ssh: true, lease: 10ms } }", Err("from 1s to 10m"));
        check("{ ssh: { nodes: [h1], lease: 1h } }", Err("from 1s to 10m"));
        check("{ ssh: { nodes: [h1], lease: soon } }", Err("soon"));
        check("{ local: { lease: 10s } }", Err("only nodes behind SSH have a lease"));
        check("{ local: {}, ssh: {} }", Err("lab is one of"));
    }
}
