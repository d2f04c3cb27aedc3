//! The nemesis on nodes that are made up, so that their healing can fail as wanted.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use async_trait::async_trait;
use schism_history::{FaultId, Process};
use schism_lab::{
    Command, Host, HostError, LinkRules, NetworkError, Node, NodeId, Output, Platform, ProcessState,
};
use schism_targets::{Client, TargetError};
use serde_json::{Value, json};

use super::*;

mod damage;
mod restarts;
mod scenarios;

/// A node on which one process runs, or none.
struct FakeHost {
    node: Node,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The number and the state of the process.
    process: Option<(i32, char)>,
    starts: i32,
    /// So many acts of healing fail.
    failures: i32,
    /// Programs that are started end at once.
    dies: bool,
    /// The only file.
    log: Vec<u8>,
    /// Nothing becomes of what is to be held.
    idle: bool,
}

impl FakeHost {
    fn new(number: u16, failures: i32, dies: bool) -> Self {
        let node = Node {
            id: NodeId(number),
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            data: PathBuf::new(),
            logs: PathBuf::new(),
            platform: Platform { os: String::new(), arch: String::new() },
        };
        let state = State { process: Some((100, 'S')), failures, dies, ..State::default() };
        Self { node, state: Mutex::new(state) }
    }

    fn heal(&self, deed: impl FnOnce(&mut State)) -> Result<(), HostError> {
        let mut state = self.state.lock().expect("the state");
        state.failures -= 1;
        if state.failures >= 0 {
            return Err(HostError { node: self.node.id, problem: "fails".into(), source: None });
        }
        deed(&mut state);
        Ok(())
    }
}

#[async_trait]
impl Host for FakeHost {
    fn node(&self) -> &Node {
        &self.node
    }

    async fn run(&self, command: &Command, _: Duration) -> Result<Output, HostError> {
        Ok(damage::look(&self.state.lock().expect("the state"), command))
    }

    async fn hold(&self, _: &str, effect: &Effect) -> Result<(), HostError> {
        damage::hold(&mut self.state.lock().expect("the state"), effect);
        Ok(())
    }

    async fn spawn(&self, _: &Command) -> Result<schism_lab::Running, HostError> {
        unreachable!("no program is run")
    }

    async fn upload(&self, _: &Path, _: &Path) -> Result<(), HostError> {
        unreachable!("no file is copied")
    }

    async fn download(&self, _: &Path, _: &Path) -> Result<(), HostError> {
        unreachable!("no file is copied")
    }

    async fn start(&self, _: &str, _: &Command) -> Result<(), HostError> {
        self.heal(|state| {
            state.starts += 1;
            state.process = (!state.dies).then_some((100 + state.starts, 'S'));
        })
    }

    async fn kill_all(&self) -> Result<(), HostError> {
        self.state.lock().expect("the state").process = None;
        Ok(())
    }

    async fn stop_all(&self, _: Duration) -> Result<bool, HostError> {
        let mut state = self.state.lock().expect("the state");
        state.process = None;
        Ok(!state.idle)
    }

    async fn pause_all(&self) -> Result<(), HostError> {
        let mut state = self.state.lock().expect("the state");
        state.process = state.process.map(|(pid, _)| (pid, 'T'));
        Ok(())
    }

    async fn resume_all(&self) -> Result<(), HostError> {
        self.heal(|state| state.process = state.process.map(|(pid, _)| (pid, 'S')))
    }

    async fn processes(&self) -> Result<Vec<ProcessState>, HostError> {
        let process = self.state.lock().expect("the state").process;
        let state = |(pid, state)| ProcessState {
            pid,
            name: "raft".into(),
            state,
            cpu_ns: 0,
            started: pid as u64,
        };
        Ok(process.map(state).into_iter().collect())
    }

    async fn datagrams(&self) -> Result<Arc<dyn schism_lab::Datagrams>, HostError> {
        let socket = tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await;
        Ok(Arc::new(socket.expect("a socket")))
    }
}

/// A system whose incarnation is its process; one that does not run takes as long as it may.
struct FakeTarget(Vec<Arc<FakeHost>>);

#[async_trait]
impl Target for FakeTarget {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn describe(&self) -> String {
        "fake".into()
    }

    async fn start(&self, cluster: &Cluster, node: &Node) -> Result<(), TargetError> {
        let host = cluster.host(node.id).expect("a host");
        Ok(host.start("fake", &Command::new(["fake"])).await?)
    }

    /// When every node runs.
    async fn ready(&self, _: &Cluster, within: Duration) -> Result<(), TargetError> {
        let runs = |host: &Arc<FakeHost>| {
            let state = host.state.lock().expect("the state");
            matches!(state.process, Some((_, 'S')))
        };
        if let Some(silent) = self.0.iter().find(|host| !runs(host)) {
            let (who, what) = (silent.node.id.to_string(), "did not answer".into());
            return Err(TargetError::NotReady { who, what, within, log: String::new() });
        }
        Ok(())
    }

    async fn incarnation(
        &self,
        _: &Cluster,
        node: &Node,
        within: Duration,
    ) -> Result<Option<String>, TargetError> {
        let host = &self.0[usize::from(node.id.0) - 1];
        let process = host.state.lock().expect("the state").process;
        if let Some((pid, 'S')) = process {
            return Ok(Some(pid.to_string()));
        }
        tokio::time::sleep(within).await;
        Ok(None)
    }

    /// The first that runs.
    async fn primaries(&self, cluster: &Cluster, _: Duration) -> Result<Vec<NodeId>, TargetError> {
        let runs = |node: &&Node| {
            let state = self.0[usize::from(node.id.0) - 1].state.lock().expect("the state");
            matches!(state.process, Some((_, 'S')))
        };
        Ok(cluster.nodes().filter(runs).map(|node| node.id).take(1).collect())
    }

    /// The last that runs.
    async fn playing(
        &self,
        cluster: &Cluster,
        role: &str,
        within: Duration,
    ) -> Result<Vec<NodeId>, TargetError> {
        assert_eq!(role, "controller");
        let mut others = cluster.clone();
        let mut last = Vec::new();
        while let [node] = self.primaries(&others, within).await?[..] {
            others.hosts.retain(|host| host.node().id > node);
            last = vec![node];
        }
        Ok(last)
    }

    async fn connect(
        &self,
        _: &Cluster,
        _: &Node,
        _: Process,
    ) -> Result<Box<dyn Client>, TargetError> {
        Err(TargetError::Unsupported { target: "fake", what: "be asked" })
    }
}

/// A switch that takes rules and heeds none.
#[derive(Default)]
struct FakeNetwork(Mutex<LinkRules>);

#[async_trait]
impl Network for FakeNetwork {
    async fn set(&self, rules: &LinkRules) -> Result<(), NetworkError> {
        *self.0.lock().expect("the rules") = rules.clone();
        Ok(())
    }
}

/// Marks, and the milliseconds at which they came.
struct Marks(Instant, Mutex<Vec<(u128, FaultMark)>>);

impl Recorder for Marks {
    fn record(&self, mark: FaultMark) {
        self.1.lock().expect("the marks").push((self.elapsed().as_millis(), mark));
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Carries out faults `(from, to, fault)`, in milliseconds; what was recorded and noted.
fn carry_out(
    hosts: Vec<FakeHost>,
    faults: &[(u64, u64, Value)],
) -> (Vec<(u128, String)>, Vec<String>) {
    let hosts: Vec<Arc<FakeHost>> = hosts.into_iter().map(Arc::new).collect();
    let dynamic = hosts.iter().map(|host| host.clone() as Arc<dyn Host>);
    let cluster = Cluster { hosts: dynamic.collect() };
    let planned = |((start, stop, spec), number): (&(u64, u64, Value), u32)| Planned {
        fault: FaultId(number),
        start: Duration::from_millis(*start),
        stop: Duration::from_millis(*stop),
        spec: spec.clone(),
        seed: 1,
    };
    let schedule = Schedule { entries: faults.iter().zip(1..).map(planned).collect() };
    let marks = Arc::new(Marks(Instant::now(), Mutex::default()));
    let target = Arc::new(FakeTarget(hosts));
    let network = Arc::new(FakeNetwork::default());
    let nemesis = Nemesis::new(cluster, target, network.clone(), schedule, marks.clone());
    let nemesis = nemesis.hearing(Ear::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let healing = runtime.expect("a runtime").block_on(nemesis.run(CancellationToken::new()));
    assert_eq!(*network.0.lock().expect("the rules"), LinkRules::default(), "a rule is left");
    let words = |(at, mark): &(u128, FaultMark)| {
        let words = match mark {
            FaultMark::Start { fault, name, detail, victims, .. } => {
                let victims: Vec<String> = victims.iter().map(ToString::to_string).collect();
                format!("{fault} starts: {name} {detail}: {}", victims.join(", "))
            }
            FaultMark::Step { fault, step, detail, .. } => format!("{fault} step {step}: {detail}"),
            FaultMark::Stop { fault } => format!("{fault} stops"),
            FaultMark::Probe { fault, phase: Phase::Bites, evidence } => {
                format!("{fault} bites {}: {}", evidence.seen, evidence.text)
            }
            FaultMark::Probe { fault, phase: Phase::Gone, evidence } => {
                format!("{fault} gone {}: {}", evidence.seen, evidence.text)
            }
            FaultMark::Healed => "healed".to_owned(),
        };
        (*at, words)
    };
    let recorded = marks.1.lock().expect("the marks").iter().map(words).collect();
    (recorded, healing.notes())
}

/// The marks begin with these words, in this order.
fn check(recorded: &[(u128, String)], expected: &[&str]) {
    let words: Vec<&str> = recorded.iter().map(|(_, words)| words.as_str()).collect();
    let fits = words.len() == expected.len()
        && words.iter().zip(expected).all(|(words, expected)| words.starts_with(expected));
    assert!(fits, "{words:#?}\nare not\n{expected:#?}");
}

#[test]
fn a_node_whose_healing_failed_is_healed_again_before_its_fault_stops() {
    for fault in [json!({"kill": "n1"}), json!({"pause": "n1"})] {
        let hosts = vec![FakeHost::new(1, 2, false)];
        let (recorded, notes) = carry_out(hosts, &[(0, 700, fault)]);
        let gone = "F1 gone true: n1: answers as";
        check(&recorded, &["F1 starts", "F1 bites true", "F1 stops", gone]);
        // Two pauses before the third try.
        assert!(recorded[2].0 >= 1_300, "{recorded:?}");
        assert!(notes.is_empty(), "{notes:?}");
    }
}

#[test]
fn whoever_plays_a_role_is_struck_and_both_are_named() {
    let hosts = (1..=3).map(|number| FakeHost::new(number, 0, false)).collect();
    // The second controller is whoever was given that when the first was killed.
    let faults =
        [(0, 1_500, json!({"kill": "controller"})), (500, 1_400, json!({"pause": "controller"}))];
    let (recorded, notes) = carry_out(hosts, &faults);
    let said = |part: &str| recorded.iter().any(|(_, words)| words.starts_with(part));
    assert!(said("F1 starts: kill controller: n3"), "{recorded:?}");
    assert!(said("F2 starts: pause controller: n2"), "{recorded:?}");
    assert!(said("F1 gone true: n3") && said("F2 gone true: n2"), "{recorded:?}");
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn what_could_not_be_healed_is_tried_again_at_the_end_and_said() {
    let hosts = vec![FakeHost::new(1, 3, false)];
    let (recorded, notes) = carry_out(hosts, &[(0, 700, json!({"kill": "n1"}))]);
    let gone = "F1 gone true: healed at the end of the run alone";
    check(&recorded, &["F1 starts", "F1 bites true", "F1 stops", gone]);
    assert_eq!(notes, ["Healing of F1: n1: fails."]);
}

#[test]
fn a_node_on_which_nothing_runs_after_its_start_is_not_healed() {
    let hosts = vec![FakeHost::new(1, 0, true)];
    let (recorded, notes) = carry_out(hosts, &[(0, 700, json!({"kill": "n1"}))]);
    check(&recorded, &["F1 starts", "F1 bites true", "F1 stops", "F1 gone false: never healed"]);
    let problem = "n1: nothing runs there after its start.";
    assert_eq!(notes, [format!("Healing of F1: {problem}"), format!("Healing: {problem}")]);
}

#[test]
fn a_slow_probe_makes_no_fault_longer() {
    // A node that is dead takes the probe a quarter of a second.
    let hosts = (1..=3).map(|number| FakeHost::new(number, 0, false)).collect();
    let (recorded, _) = carry_out(hosts, &[(0, 100, json!({"kill": "all"}))]);
    let bites = "F1 bites false: the fault ended before it could be looked at";
    check(&recorded, &["F1 starts", bites, "F1 stops", "F1 gone true"]);
    assert!(recorded[2].0 < 200, "{recorded:?}");
}

#[test]
fn victims_are_looked_at_together() {
    let hosts = (1..=5).map(|number| FakeHost::new(number, 0, false)).collect();
    let (recorded, _) = carry_out(hosts, &[(0, 900, json!({"kill": "all"}))]);
    check(&recorded, &["F1 starts", "F1 bites true", "F1 stops", "F1 gone true"]);
    assert!(recorded[1].0 < 600, "{recorded:?}");
}

#[test]
fn a_node_that_another_fault_strikes_before_it_answers_counts_as_healed() {
    let hosts = vec![FakeHost::new(1, 0, false)];
    // The first heals as the second, which waits for the same moment, begins.
    let faults = [(0, 500, json!({"pause": "n1"})), (500, 1_500, json!({"kill": "n1"}))];
    let (recorded, notes) = carry_out(hosts, &faults);
    let of = |fault: &str| -> Vec<(u128, String)> {
        recorded.iter().filter(|(_, words)| words.starts_with(fault)).cloned().collect()
    };
    check(&of("F1"), &["F1 starts", "F1 bites true", "F1 stops", "F1 gone true"]);
    assert!(notes.is_empty(), "{notes:?}");
}
