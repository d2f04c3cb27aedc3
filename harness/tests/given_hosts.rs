//! Whole runs on hosts as a user has them: each behind its own sshd, with its own network, firewall,
//! processes, users and folders, none of them made by schism (`given_hosts/world.sh`).
//!
//! The plans are those of the local lab, with one line that is different.

mod place;
#[path = "given_hosts/world.rs"]
mod world;

use std::io::Write as _;
use std::process::{Command, Stdio};

use place::{Place, plan, word};
use world::World;

/// One fault of links and one of processes.
const FAULTS: &str = "faults=[ { at: 1s, for: 3s, partition: { isolate: leader } }, \
    { at: 7s, for: 1s, kill: leader } ]";

#[test]
fn etcd_on_hosts_by_their_names_stays_linearizable_under_proven_faults() {
    let Some(place) = world::place("etcd_on_hosts_by_their_names") else { return };
    let world = World::new(&place, "world", 3);
    let claims = "claims=[ linearizable, acknowledged-writes-survive ]";
    let settings = ["--set", "load.duration=10s", "--set", FAULTS, "--set", claims];
    let words = [&["--nodes", "h1,root@h2,root@[fd88::3]:2222"], &settings[..]].concat();
    let (exit, verdict, said) = world.run(&plan("etcd-partition.yaml"), &words);
    assert_eq!(exit, 0, "{said}\n{verdict}");
    assert_eq!((&verdict["faults"], &verdict["faults_proven"]), (&2.into(), &2.into()), "{said}");
    // All of them were reached by one family, although the third was named by its other.
    let record = std::fs::read_to_string(world.latest().join("run.json")).expect("a record");
    assert!(record.contains("n1 10.88.0.1") && record.contains("n3 10.88.0.3"), "{record}");
    let log = world.latest().join("nodes/n1/etcd.log");
    assert!(log.metadata().expect("a log").len() > 0);
    world.assert_clean(&["h1", "h2", "h3"]);
}

/// A plan of a few seconds, for those who ask whether hosts are reached at all.
const SHORT: &str = "{ name: short, lab: { local: { nodes: 3 } },
    target: { reference: { protocol: raft } }, workload: { register: { keys: 4 } },
    load: { clients: 3, duration: 2s, rate: 100/s }, claims: [ linearizable ] }";

#[test]
#[ignore = "a long run: `make nightly` does it"]
fn redis_on_hosts_without_ipv4_loses_what_an_isolated_primary_acknowledged() {
    let Some(place) = world::place("redis_on_hosts_without_ipv4") else { return };
    let mut world = World::new(&place, "world", 6);
    for number in 1..=6 {
        world.order(&format!("only6 {number}"));
    }
    // Everything that an inventory can say at once, for a user who is not root.
    let inventory = world.write(
        "hosts.yaml",
        "user: ada\nkey: rsa\nport: 2222\nknown_hosts: .ssh/known_hosts\ndata: /srv/schism\nhosts:\n  \
         - fd88::1\n  - fd88::2\n  - '[fd88::3]'\n  - { host: '[fd88::4]:22' }\n  \
         - { host: fd88::5, user: root, port: 22, name: fifth }\n  - fd88::6\n",
    );
    let cut = "faults=[ { at: 2s, for: 7s, partition: { isolate: leader } } ]";
    let shorter = ["--set", "seed=2", "--set", "load.duration=11s", "--set", cut];
    let words = [&["--inventory", &inventory], &shorter[..]].concat();
    let (exit, verdict, said) = world.run(&plan("redis-lost-writes.yaml"), &words);
    assert_eq!(exit, 1, "{said}");
    assert_eq!((&verdict["faults"], &verdict["faults_proven"]), (&1.into(), &1.into()), "{said}");
    assert_eq!(word(&verdict, "acknowledged-writes-survive"), "violated", "{said}");
    world.assert_clean(&["h1", "h2", "h3", "h4", "h5", "h6"]);
}

#[test]
#[ignore = "a long run: `make nightly` does it"]
fn kafka_on_hosts_keeps_what_two_replicas_acknowledged_when_leaders_die_and_are_cut_off() {
    let name = "kafka_on_hosts";
    let Some(place) = world::place(name) else { return };
    let world = World::new(&place, "world", 3);
    // Whoever sits at the desk has it; the hosts get it from there, and have but their Java.
    let java = Command::new("java").arg("-version").output();
    let java = java.map(|_| ()).map_err(|error| format!("java: {error}"));
    if let Err(reason) = java.and_then(|()| place::kafka_in(&world.desk().join(".cache"))) {
        let _ = writeln!(std::io::stderr(), "skipped: {name} (given hosts): {reason}");
        return;
    }
    let faults = "faults=[ { at: 3s, for: 5s, kill: leader }, \
        { at: 16s, for: 5s, partition: { isolate: leader } } ]";
    let bounds = "bounds={ form: 90s, act: 20s, back: 60s, settle: 60s, final-reads: 60s }";
    let mut words = vec!["--nodes", "h1,ada@h2,root@[fd88::3]:2222"];
    for setting in ["load.duration=24s", "load.rate=100/s", faults, bounds] {
        words.extend(["--set", setting]);
    }
    let (exit, verdict, said) = world.run(&plan("kafka-acks-all.yaml"), &words);
    assert_eq!(exit, 0, "{said}\n{verdict}");
    assert_eq!((&verdict["faults"], &verdict["faults_proven"]), (&2.into(), &2.into()), "{said}");
    let log = world.latest().join("nodes/n2/kafka.log");
    assert!(log.metadata().expect("a log").len() > 0);
    world.assert_clean(&["h1", "h2", "h3"]);
}

#[test]
fn hosts_are_reached_through_a_jump_host_with_an_agent_and_as_vagrant_names_them() {
    let Some(place) = world::place("hosts_are_reached") else { return };
    let mut world = World::new(&place, "world", 4);
    let short = world.write("short.yaml", SHORT);
    let short = std::path::Path::new(&short);
    let all = ["h1", "h2", "h3"];

    let vagrant: String = (1..=3).map(|number| vagrant(&world, number)).collect();
    let path = world.write("ssh config", &vagrant);
    let (exit, _, said) = world.run(short, &["--inventory", &path]);
    assert_eq!(exit, 0, "as Vagrant names them: {said}");
    world.assert_clean(&all);

    // A home that has no key: whoever gets in has it from the ssh-agent.
    let home = world.desk().join("keyless");
    std::fs::create_dir_all(home.join(".ssh")).expect("a folder");
    let records = ".ssh/known_hosts";
    std::fs::copy(world.desk().join(records), home.join(records)).expect("a file");
    let socket = home.join("agent").display().to_string();
    let key = world.desk().join("lent").display().to_string();
    let mut agent = world.at_desk("ssh-agent");
    let mut agent =
        agent.args(["-D", "-a", &socket]).stdout(Stdio::null()).spawn().expect("an ssh-agent");
    let mut added = world.at_desk("sh");
    let script = "for n in $(seq 200); do ssh-add \"$0\" && exit; sleep 0.1; done; exit 1";
    added.args(["-c", script, &key]).env("SSH_AUTH_SOCK", &socket);
    assert!(added.status().expect("ssh-add").success());
    let nodes = ["--nodes", "h1,ada@h2,ada@[10.88.0.3]:2222"];
    let mut command = world.schism(short, &nodes);
    let output = command.env("HOME", &home).env("SSH_AUTH_SOCK", &socket).output();
    let (exit, _, said) = world.ended(&output.expect("the binary"));
    assert_eq!(exit, 0, "with the ssh-agent: {said}");
    let output = world.schism(short, &nodes).env("HOME", &home).output();
    let (exit, _, said) = world.ended(&output.expect("the binary"));
    assert!(exit == 3 && said.contains("start an ssh-agent"), "without it: {said}");
    let _ = agent.kill();
    let _ = agent.wait();

    world.order("behind 4 3");
    let inventory = world.write(
        "jump.yaml",
        "jump: bob@h4:2222\nkey: .ssh/id_ed25519\nhosts: [ h1, 'ada@h2', 'root@fd88::3' ]\n",
    );
    let set = "bounds={ reach: 2s }";
    let (exit, _, said) = world.run(short, &["--nodes", "h1,h2,h3", "--set", set]);
    assert!(exit == 3 && said.contains("h2: port 22 did not answer"), "{said}");
    let (exit, _, said) = world.run(short, &["--inventory", &inventory]);
    assert_eq!(exit, 0, "through a jump host: {said}");
    world.assert_clean(&all);
}

/// A host as `vagrant ssh-config` prints it.
fn vagrant(world: &World, number: u8) -> String {
    let folder = world.desk().join("my lab/.vagrant");
    std::fs::create_dir_all(&folder).expect("a folder");
    let key = folder.join("private_key");
    std::fs::copy(world.desk().join("lent"), &key).expect("a key");
    let key = key.display();
    format!(
        "Host n{number}\n  HostName 10.88.0.{number}\n  User ada\n  Port 2222\n  \
         UserKnownHostsFile /dev/null\n  StrictHostKeyChecking no\n  PasswordAuthentication no\n  \
         IdentityFile \"{key}\"\n  IdentitiesOnly yes\n  LogLevel FATAL\n  \
         PubkeyAcceptedKeyTypes +ssh-rsa\n  HostKeyAlgorithms +ssh-rsa\n\n"
    )
}

#[test]
fn strangers_changed_keys_and_users_who_may_not_are_refused_in_one_line() {
    let Some(place) = world::place("strangers_are_refused") else { return };
    let world = World::new(&place, "world", 3);
    let short = world.write("short.yaml", SHORT);
    let short = std::path::Path::new(&short);
    let records = world.desk().join(".ssh/known_hosts");
    let known = std::fs::read_to_string(&records).expect("records");
    let refused = |nodes: &str, records_now: &str, expected: &str| {
        std::fs::write(&records, records_now).expect("records");
        let (exit, _, said) = world.run(short, &["--nodes", nodes]);
        assert_eq!(exit, 3, "{said}");
        let line = said.lines().find(|line| line.contains(expected));
        line.unwrap_or_else(|| panic!("{expected}: {said}")).to_owned()
    };
    let nodes = "h1,root@h2:2222,h3";
    let of_h2 = |line: &&str| line.starts_with("[h2]:2222");
    let others: Vec<&str> = known.lines().filter(|line| !of_h2(line)).collect();
    let others = others.join("\n") + "\n";
    let line = refused(nodes, &others, "n2: root@h2:2222: its host key SHA256:");
    let (_, wanted) = line.split_once("add this line to ").expect("what helps");
    let (_, wanted) = wanted.split_once(": ").expect("the line");

    // The key of another host, where that of h2 was.
    let of_h3 = known.lines().find(|line| line.starts_with("[h3]:2222")).expect("a record");
    let key = of_h3.split_once(' ').expect("a record").1;
    let swapped = format!("{others}[h2]:2222 {key}\n");
    refused(nodes, &swapped, "n2: root@h2:2222: its host key has changed to SHA256:");

    // Bob gets in, and may do nothing there.
    let line = refused("h1,h2,bob@h3", &known, "n3: bob@h3: bob may not become root there");
    assert!(line.contains("links are cut") && line.contains("/etc/sudoers.d/bob"), "{line}");

    // What is written as it was told is enough.
    std::fs::write(&records, others + wanted + "\n").expect("records");
    let (exit, _, said) = world.run(short, &["--nodes", nodes]);
    assert_eq!(exit, 0, "{said}");
}

/// A run on three hosts in the middle of which something happens to the second: it ends in time and
/// undecided, with a report that names the node. What was said, and the world afterwards.
fn strikes(place: &Place, name: &str, before: &[&str], order: &str) -> (World, String) {
    let mut world = World::new(place, name, 3);
    for order in before {
        world.order(order);
    }
    let inventory =
        world.write("hosts.yaml", "hosts: [ h1, { host: h2, data: /srv/schism }, h3 ]\n");
    let faults = "faults=[ { at: 7s, for: 1s, kill: n2 } ]";
    let bounds = "bounds={ reach: 4s, act: 3s, back: 2s, settle: 3s, final-reads: 4s, logs: 2s }";
    let mut words = vec!["--inventory", &inventory];
    for setting in ["load.duration=9s", "claims=[ linearizable ]", faults, bounds] {
        words.extend(["--set", setting]);
    }
    let mut running = world.schism(&plan("quickstart.yaml"), &words).spawn().expect("the binary");
    world.wait_for_load(&mut running, 20_000);
    world.order(order);
    let (exit, verdict, said) = world.ended(&running.wait_with_output().expect("it ends"));
    assert_eq!(exit, 2, "{name}: {said}\n{verdict}");
    let report = std::fs::read_to_string(world.latest().join("report.html")).expect("a report");
    assert!(said.contains("n2") && report.contains("n2"), "{name}: {said}");
    (world, format!("{verdict}\n{said}"))
}

#[test]
fn hosts_that_reboot_fill_up_or_vanish_in_the_middle_of_a_run_end_in_reports() {
    let Some(place) = world::place("hosts_that_reboot_fill_up_or_vanish") else { return };
    let size = std::fs::metadata(env!("CARGO_BIN_EXE_schism")).expect("the binary").len() >> 20;
    let small = format!("small 2 {}", size + 20);
    // Nothing is decided here, so that they need not wait for each other.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (world, said) = strikes(&place, "reboots", &[], "reboot 2 2");
            assert!(said.contains("n2: the connection to root@h2 was lost"), "{said}");
            world.assert_clean(&["h1", "h2", "h3"]);
        });
        scope.spawn(|| {
            let (_, said) = strikes(&place, "vanishes", &[], "unplug 2");
            assert!(said.contains("node left dirty: n2: root@h2 was not reached"), "{said}");
        });
        scope.spawn(|| {
            let (world, said) = strikes(&place, "fills-up", &[&small, "reboot 2 0"], "fill 2");
            assert!(said.contains("n2: no room is left in /srv/schism"), "{said}");
            world.assert_clean(&["h1", "h2", "h3"]);
        });
    });
}
