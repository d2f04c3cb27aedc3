//! `schism client`: one client of the load as a process of its own.
//!
//! It is told on its standard input whom to ask and what, one line each, and answers on its standard
//! output. It asks with the same clients as the controller does (`schism_targets`), does one
//! operation at a time, and nothing twice. It knows no clock but its own: when it is stopped, its
//! leases run out, and when it goes on, it does what it was told meanwhile.

pub mod lines;
mod nodes;

use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Instant;

use schism_history::{Call, Code, Outcome, Process, Reason};
use schism_lab::{Host, Node, NodeId};
use schism_targets::{Client, Cluster, TARGETS, Target};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::unix::pipe;

use self::lines::{Asked, Hello, Ready, VERSION};
use self::nodes::KnownNode;

/// The input has ended: nothing more is to be done.
const END: i32 = 0;
/// What the controller said cannot be done.
const REFUSED: i32 = 64;

/// Serves until the standard input ends, and returns the exit code.
pub fn main() -> i32 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let served = match runtime {
        Ok(runtime) => runtime.block_on(serve()),
        Err(error) => Err(error.to_string()),
    };
    match served {
        Ok(()) => END,
        Err(problem) => {
            eprintln!("schism client: {problem}");
            REFUSED
        }
    }
}

type Input = BufReader<pipe::Receiver>;

async fn serve() -> Result<(), String> {
    let mut input = open_input()?;
    let mut line = Vec::new();
    if !next(&mut input, &mut line).await? {
        return Ok(());
    }
    let mut program = Program::new(&line)?;
    say(&lines::line(&Ready { ready: VERSION }))?;
    while next(&mut input, &mut line).await? {
        let asked = Asked::read(&line)?;
        let outcome = program.perform(&asked).await;
        say(&lines::answer_line(asked.number, &outcome, lines::own_clock_us()))?;
    }
    Ok(())
}

fn open_input() -> Result<Input, String> {
    let wrong = |error| format!("standard input is to be a pipe: {error}");
    let own = std::io::stdin().as_fd().try_clone_to_owned().map_err(wrong)?;
    pipe::Receiver::from_owned_fd(own).map(BufReader::new).map_err(wrong)
}

/// The next line; `false` if there is none.
async fn next(input: &mut Input, line: &mut Vec<u8>) -> Result<bool, String> {
    line.clear();
    let read = input.read_until(b'\n', line).await;
    read.map(|length| length > 0).map_err(|error| format!("standard input: {error}"))
}

/// Answers are written at once and whole: the controller reads nothing else.
fn say(line: &[u8]) -> Result<(), String> {
    let mut output = std::io::stdout().lock();
    let said = output.write_all(line).and_then(|()| output.flush());
    said.map_err(|error| format!("standard output: {error}"))
}

/// A client, and who it is at the moment.
struct Program {
    target: Arc<dyn Target>,
    cluster: Cluster,
    node: Node,
    process: Option<Process>,
    client: Option<Box<dyn Client>>,
    started: Instant,
}

impl Program {
    fn new(line: &[u8]) -> Result<Self, String> {
        let hello: Hello = serde_json::from_slice(line)
            .map_err(|error| format!("the first line is no greeting: {error}"))?;
        if hello.version != VERSION {
            return Err(format!("lines of version {} are not known here", hello.version));
        }
        let entry = TARGETS.iter().find(|entry| entry.name == hello.target);
        let entry = entry.ok_or_else(|| format!("there is no target `{}`", hello.target))?;
        let target = (entry.construct)(&hello.options).map_err(|error| error.to_string())?;
        let mut hosts: Vec<Arc<dyn Host>> = Vec::new();
        for node in &hello.nodes {
            let id: schism_history::NodeId = node.node.parse()?;
            hosts.push(Arc::new(KnownNode::new(NodeId(id.0), node.address)));
        }
        let own = hosts.iter().find(|host| host.node().id.to_string() == hello.node);
        let own = own.ok_or_else(|| format!("{} is none of the nodes", hello.node))?;
        let node = own.node().clone();
        let (cluster, started) = (Cluster { hosts }, Instant::now());
        Ok(Self { target, cluster, node, process: None, client: None, started })
    }

    async fn perform(&mut self, asked: &Asked) -> Outcome {
        if self.process != Some(asked.process) {
            // Another process is another client: it holds nothing of what the one before held.
            self.client = None;
            self.process = Some(asked.process);
        }
        let client = match &mut self.client {
            Some(client) => client,
            none => match connect(&*self.target, &self.cluster, &self.node, asked).await {
                Ok(client) => none.insert(client),
                Err(problem) => return Outcome::Fail(Reason::new(Code::Refused, problem)),
            },
        };
        let Asked { number, op, timeout, trace, .. } = asked;
        // By this process' own clock: there is no other here.
        let deadline = (self.started.elapsed() + *timeout).into();
        let call = Call { op, index: *number, deadline, timeout: *timeout, trace: *trace };
        client.invoke(&call).await
    }
}

async fn connect(
    target: &dyn Target,
    cluster: &Cluster,
    node: &Node,
    asked: &Asked,
) -> Result<Box<dyn Client>, String> {
    let connecting = target.connect(cluster, node, asked.process);
    match tokio::time::timeout(asked.timeout, connecting).await {
        Ok(client) => client.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no connection within {:?}", asked.timeout)),
    }
}
