//! The clients of a plan: how many there are, and where they run.

use schism_lab::local::CLIENTS_MAX;
use serde_json::Value;

use super::document::{Content, Node};
use super::read::Reader;
use super::{ClientHost, LabPlan, Load};

impl Reader {
    /// `host: controller | process`, and the `command` of a process.
    pub(super) fn client_host(&mut self, load: &Node) -> ClientHost {
        let command = load.get("command").map(|node| (self.command(node), node.place.clone()));
        let host = match load.get("host").map(|node| (&node.content, node.place.clone())) {
            None => ClientHost::Controller,
            Some((Content::Scalar(Value::String(host)), _)) if host == "controller" => {
                ClientHost::Controller
            }
            Some((Content::Scalar(Value::String(host)), _)) if host == "process" => {
                let command = command.as_ref().and_then(|(command, _)| command.clone());
                return ClientHost::Process { command };
            }
            Some((_, place)) => {
                let help = "process: each client is a process that faults can strike";
                self.problem_with_help(place, "host is `controller` or `process`", help);
                return ClientHost::Controller;
            }
        };
        if let Some((_, place)) = command {
            let title = "a `command` is run by clients that are processes";
            self.problem_with_help(place, title, "add `host: process`");
        }
        host
    }

    fn command(&mut self, node: &Node) -> Option<Vec<String>> {
        let word = |item: &Node| match &item.content {
            Content::Scalar(Value::String(word)) if !word.is_empty() => Some(word.clone()),
            _ => None,
        };
        let words = match &node.content {
            Content::List(items) => items.iter().map(word).collect::<Option<Vec<String>>>(),
            _ => None,
        };
        let words = words.filter(|words| !words.is_empty());
        if words.is_none() {
            let title = "command is a program with its arguments: `[python3, client.py]`";
            self.problem(node.place.clone(), title);
        }
        words
    }

    /// Whether the lab has places for clients that are processes.
    pub(super) fn fits_clients(&mut self, document: &Node, load: &Load, lab: &LabPlan) {
        if load.host == ClientHost::Controller {
            return;
        }
        let place = |key: &str| document.place_of(&["load".into(), key.into()]);
        let (title, help) = match lab {
            LabPlan::Local { .. } => {
                if load.clients > u32::from(CLIENTS_MAX) {
                    let title = format!("a lab has places for {CLIENTS_MAX} clients at most");
                    let help = "lower `clients`, or leave `host: process` out";
                    self.problem_with_help(place("clients"), title, help);
                }
                return;
            }
            LabPlan::None => (
                "this target lives inside the controller, and so do its clients",
                "leave `host: process` out",
            ),
            LabPlan::Ssh { .. } => (
                "clients that are processes stand on the local lab's network, which given hosts \
                 are no part of",
                "leave `host: process` out, or take `lab: { local: { ssh: true } }`",
            ),
        };
        self.problem_with_help(place("host"), title, help);
    }
}

#[cfg(test)]
mod tests {
    use schism_lab::ssh::{Source, USUAL_LEASE};

    use super::*;

    fn local() -> LabPlan {
        LabPlan::Local { nodes: 3, ssh: true, lease: USUAL_LEASE }
    }

    fn check(load: &str, lab: &LabPlan, expected: Result<ClientHost, &str>) {
        let document = Node::parse(&format!("load: {load}\n")).expect("a document");
        let mut reader = Reader { problems: Vec::new() };
        let read = reader.load(&document).expect("a load");
        reader.fits_clients(&document, &read, lab);
        let said = format!("{:?}", reader.problems);
        match expected {
            Ok(host) => {
                assert!(reader.problems.is_empty(), "{said}");
                assert_eq!(read.host, host);
            }
            Err(words) => assert!(said.contains(words), "{said}"),
        }
    }

    #[test]
    fn says_where_clients_run() {
        let local = local();
        check("{ duration: 9s }", &LabPlan::None, Ok(ClientHost::Controller));
        check("{ duration: 9s, host: controller }", &local, Ok(ClientHost::Controller));
        let own = ClientHost::Process { command: None };
        check("{ duration: 9s, host: process }", &local, Ok(own));
        let command = Some(vec!["python3".to_owned(), "client.py".to_owned()]);
        let load = "{ duration: 9s, host: process, command: [python3, client.py] }";
        check(load, &local, Ok(ClientHost::Process { command }));
    }

    #[test]
    fn refuses_processes_where_they_have_no_place() {
        let local = local();
        let source = Source::Nodes(vec!["h1".into()]);
        let hosts = LabPlan::Ssh { source, lease: USUAL_LEASE };
        let load = "{ duration: 9s, host: process }";
        check(load, &LabPlan::None, Err("so do its clients"));
        check(load, &hosts, Err("which given hosts"));
        check("{ duration: 9s, clients: 101, host: process }", &local, Err("100 clients at most"));
        check("{ duration: 9s, host: proces }", &local, Err("`controller` or `process`"));
        check("{ duration: 9s, command: [a] }", &local, Err("add `host: process`"));
        check("{ duration: 9s, host: process, command: [] }", &local, Err("[python3"));
        check("{ duration: 9s, host: process, command: a }", &local, Err("[python3"));
    }
}
