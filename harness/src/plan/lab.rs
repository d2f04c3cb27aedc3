//! The lab of a plan: where the nodes stand, in one line of it.

use std::path::{Path, PathBuf};

use schism_lab::ssh::{Access, Source};
use schism_targets::TargetEntry;
use serde_json::Value;

use super::LabPlan;
use super::document::{Content, Node};
use super::read::Reader;

const DEFAULT_NODES: u16 = 5;
const LABS: &[&str] = &["local", "ssh", "vagrant"];

impl LabPlan {
    /// How many nodes, as far as the plan itself says that.
    pub fn nodes(&self) -> Option<u16> {
        match self {
            LabPlan::Local { nodes, .. } => Some(*nodes),
            LabPlan::Ssh(Source::Nodes(names)) => Some(names.len() as u16),
            LabPlan::Ssh(_) => None,
            LabPlan::None => Some(0),
        }
    }

    /// The hosts, where they stand outside this machine: reads the inventory, or asks Vagrant.
    pub fn hosts(&self) -> Result<Vec<Access>, String> {
        match self {
            LabPlan::Ssh(source) => source.hosts(),
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
        let usual = LabPlan::Local { nodes: DEFAULT_NODES, ssh: false };
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
            ("ssh", Some(ssh)) => self.ssh(ssh, folder).map_or(usual, LabPlan::Ssh),
            ("ssh", None) => {
                let help = "write `lab: { ssh: { inventory: hosts.yaml } }`";
                self.problem_with_help(node.place.clone(), "which hosts?", help);
                usual
            }
            ("vagrant", vagrant) => LabPlan::Ssh(self.vagrant(vagrant, folder)),
            _ => {
                let title = format!("lab has no key `{name}`");
                let place = node.place_of(std::slice::from_ref(&name));
                self.problem_with_help(place, title, super::read::nearest(&name, LABS));
                usual
            }
        }
    }

    fn local(&mut self, local: &Node) -> LabPlan {
        self.keys(local, &["nodes", "ssh"], "local");
        let nodes = self.count(local, "nodes", 1, 64).unwrap_or(u64::from(DEFAULT_NODES));
        let ssh = match local.get("ssh").map(|node| (&node.content, node.place.clone())) {
            None => false,
            Some((Content::Scalar(Value::Bool(ssh)), _)) => *ssh,
            Some((_, place)) => {
                self.problem(place, "ssh is true or false");
                false
            }
        };
        LabPlan::Local { nodes: nodes as u16, ssh }
    }

    /// The file is read when the run begins: a stored plan can be judged without it.
    fn ssh(&mut self, ssh: &Node, folder: &Path) -> Option<Source> {
        self.keys(ssh, &["inventory", "nodes"], "ssh");
        match (ssh.get("inventory"), ssh.get("nodes")) {
            (Some(inventory), None) => {
                Some(Source::File(folder.join(self.text(inventory, "inventory")?)))
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
                Some(Source::Nodes(names))
            }
            _ => {
                let title = "ssh has either an `inventory` or `nodes`";
                self.problem(ssh.place.clone(), title);
                None
            }
        }
    }

    fn vagrant(&mut self, vagrant: Option<&Node>, folder: &Path) -> Source {
        let mut place = PathBuf::from(".");
        if let Some(node) = vagrant.filter(|node| !is_nothing(node)) {
            self.keys(node, &["folder"], "vagrant");
            if let Some(text) = node.get("folder").and_then(|node| self.text(node, "folder")) {
                place = folder.join(text);
            }
        }
        Source::Vagrant(place)
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
        check("local", Ok(LabPlan::Local { nodes: 5, ssh: false }));
        check("{ local: { nodes: 3, ssh: true } }", Ok(LabPlan::Local { nodes: 3, ssh: true }));
        let file = Source::File("/plans/hosts.yaml".into());
        check("{ ssh: { inventory: hosts.yaml } }", Ok(LabPlan::Ssh(file)));
        let nodes = Source::Nodes(vec!["root@h1".into(), "root@[fd00::2]:2222".into()]);
        check("{ ssh: { nodes: [root@h1, 'root@[fd00::2]:2222'] } }", Ok(LabPlan::Ssh(nodes)));
        check("{ vagrant: {} }", Ok(LabPlan::Ssh(Source::Vagrant(".".into()))));
        check("vagrant", Ok(LabPlan::Ssh(Source::Vagrant(".".into()))));
    }

    #[test]
    fn refuses_a_lab_that_there_is_not() {
        check("{ lokal: {} }", Err("did you mean `local`"));
        check("ssh", Err("which hosts?"));
        check("{ ssh: {} }", Err("either an `inventory` or `nodes`"));
        check("{ ssh: { nodes: ['-x'] } }", Err("is no host"));
        check("{ local: { ssh: 1 } }", Err("true or false"));
        check("{ local: {}, ssh: {} }", Err("lab is one of"));
    }
}
