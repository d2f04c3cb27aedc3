//! Whole runs against a real etcd, in the local lab and over SSH: what it promises is upheld under
//! faults that are proven, and what it does not promise is found.

mod place;

use place::{Place, Way, archived, plan, word};

const ETCD: &[(&str, &str)] = &[("etcd", "etcd-server")];
const ETCD_AND_CURL: &[(&str, &str)] = &[("etcd", "etcd-server"), ("curl", "curl")];

fn stays_linearizable(way: Way) {
    let Some(place) = Place::new("etcd_stays_linearizable", way, ETCD) else { return };
    let faults = "faults=[ { at: 2s, for: 3s, partition: { isolate: leader } }, \
        { at: 9s, for: 2s, kill: leader } ]";
    let claims = "claims=[ linearizable, acknowledged-writes-survive ]";
    let settings = ["load.duration=13s", faults, claims];
    let (exit, verdict, said) = place.run(&plan("etcd-partition.yaml"), way, &settings);
    assert_eq!(exit, 0, "{said}\n{verdict}");
    assert_eq!((&verdict["faults"], &verdict["faults_proven"]), (&2.into(), &2.into()), "{said}");
    let log = place.latest().join("nodes/n1/etcd.log");
    assert!(log.metadata().expect("a log").len() > 0);
}

#[test]
fn etcd_stays_linearizable_under_proven_faults() {
    stays_linearizable(Way::Local);
}

#[test]
fn etcd_stays_linearizable_under_proven_faults_over_ssh() {
    stays_linearizable(Way::Ssh);
}

#[test]
fn serializable_reads_of_etcd_are_found_to_be_stale() {
    let Some(place) = Place::new("serializable_reads_of_etcd", Way::Local, ETCD) else { return };
    let faults = "faults=[ { at: 2s, for: 6s, partition: { isolate: leader } } ]";
    let settings = ["load.duration=12s", faults];
    let (exit, verdict, said) = place.run(&plan("etcd-serializable.yaml"), Way::Local, &settings);
    assert_eq!(exit, 1, "{said}\n{verdict}");
    assert_eq!(word(&verdict, "linearizable"), "violated", "{said}");
    assert_eq!(word(&verdict, "bounded-staleness"), "violated", "{said}");
    assert_eq!(word(&verdict, "acknowledged-writes-survive"), "upheld", "{said}");
}

#[test]
fn watches_of_etcd_miss_nothing_while_nodes_fail_and_the_past_is_compacted() {
    let Some(place) = Place::new("watches_of_etcd", Way::Local, ETCD) else { return };
    let faults = "faults=[ { at: 2s, for: 3s, kill: one }, { at: 8s, for: 3s, compact: {} }, \
        { at: 12s, for: 5s, defragment: all } ]";
    let claims = "claims=[ ordered, unique, reliable, atomic, resumable ]";
    let settings = ["load.duration=18s", faults, claims];
    let (exit, verdict, said) = place.run(&plan("etcd-watch.yaml"), Way::Local, &settings);
    assert_eq!(exit, 0, "{said}\n{verdict}");
    assert_eq!((&verdict["faults"], &verdict["faults_proven"]), (&3.into(), &3.into()), "{said}");
}

#[test]
fn an_archive_is_refused_where_its_checksum_is_another() {
    let Some(place) = Place::new("an_archive_is_refused", Way::Local, ETCD) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let archive = folder.path().join("etcd.tar.gz");
    std::fs::write(&archive, b"no archive").expect("a file");
    let path = archive.display();
    let target =
        format!("target={{ etcd: {{ archive: '{path}', sha256: '{}' }} }}", "0".repeat(64));
    let (exit, _, said) = place.run(
        &plan("etcd-watch.yaml"),
        Way::Local,
        &["load.duration=14s", &target, "faults=[]"],
    );
    assert_eq!(exit, 3, "{said}");
    assert!(said.contains("its checksum is") && said.contains("the plan wants 0000"), "{said}");
}

/// Runs the plan of leaving members on three nodes, with other settings; what its history says.
fn leaves(place: &Place, way: Way, settings: &[&str]) -> (i32, serde_json::Value, String) {
    let all = [&["lab.local.nodes=3", "load.rate=100/s"], settings].concat();
    let (exit, verdict, said) = place.run(&plan("etcd-members.yaml"), way, &all);
    let history = std::fs::read_to_string(place.latest().join("history.jsonl"));
    (exit, verdict, history.unwrap_or_default() + &said)
}

#[test]
fn a_leader_of_etcd_leaves_and_another_member_comes_in_its_place() {
    let Some(place) = Place::new("a_leader_of_etcd_leaves", Way::Local, ETCD) else { return };
    let settings = ["load.duration=10s", "faults=[ { at: 2s, for: 6s, leave: leader } ]"];
    let (exit, verdict, told) = leaves(&place, Way::Local, &settings);
    assert_eq!((exit, &verdict["faults_proven"]), (0, &1.into()), "{told}\n{verdict}");
    assert!(told.contains("others that answer say") && told.contains("in the place of"), "{told}");
}

#[test]
fn a_program_from_a_url_is_brought_to_hosts_whose_members_leave_and_come_back() {
    let Some(place) = Place::new("a_program_from_a_url", Way::Ssh, ETCD_AND_CURL) else { return };
    let target = format!("target={{ etcd: {{ {} }} }}", archived(&place, "etcd"));
    let settings = ["load.duration=10s", &target, "faults=[ { at: 2s, for: 6s, leave: one } ]"];
    let (exit, verdict, told) = leaves(&place, Way::Ssh, &settings);
    assert_eq!((exit, &verdict["faults_proven"]), (0, &1.into()), "{told}\n{verdict}");
    assert!(told.contains("in the place of"), "{told}");
}

#[test]
#[ignore = "a long run: `make nightly` does it"]
fn a_member_of_etcd_that_the_majority_needs_is_not_let_go() {
    let Some(place) = Place::new("a_member_that_is_needed", Way::Local, ETCD) else { return };
    let faults = "faults=[ { at: 1s, for: 8s, kill: n1 }, { at: 3s, for: 4s, leave: n2 } ]";
    let (exit, _, told) = leaves(&place, Way::Local, &["load.duration=10s", faults]);
    assert_eq!(exit, 2, "{told}");
    assert!(
        told.contains("n2: was not let go: of the 2 members that would stay 1 answer"),
        "{told}"
    );
}

/// Two pauses of clients that hold a lock, each far longer than its lease.
const PAUSES: &str = "faults=[ { at: 2s, for: 6s, pause: { clients: holder } }, \
    { at: 12s, for: 6s, pause: { clients: holder } } ]";

fn locks_do_not_exclude(way: Way) {
    let Some(place) = Place::new("locks_of_etcd_do_not_exclude", way, ETCD) else { return };
    let settings = ["load.duration=20s", PAUSES];
    let (exit, verdict, said) = place.run(&plan("etcd-lock.yaml"), way, &settings);
    assert_eq!(exit, 1, "{said}\n{verdict}");
    assert_eq!(word(&verdict, "mutual-exclusion"), "violated", "{said}");
    assert_eq!(verdict["faults_proven"], 2, "{said}");
}

#[test]
fn locks_of_etcd_do_not_exclude_a_holder_that_was_stopped() {
    locks_do_not_exclude(Way::Local);
}

#[test]
fn locks_of_etcd_do_not_exclude_a_holder_that_was_stopped_over_ssh() {
    locks_do_not_exclude(Way::Ssh);
}

#[test]
#[ignore = "a long run: `make nightly` does it"]
fn locks_of_etcd_do_not_exclude_a_holder_that_was_cut_off() {
    let Some(place) = Place::new("locks_of_etcd_and_a_cut", Way::Local, ETCD) else { return };
    let cut = "faults=[ { at: 2s, for: 6s, partition: { isolate: { clients: holder } } } ]";
    let settings = ["load.duration=12s", cut];
    let (exit, verdict, said) = place.run(&plan("etcd-lock.yaml"), Way::Local, &settings);
    assert_eq!(exit, 1, "{said}\n{verdict}");
    assert_eq!(word(&verdict, "mutual-exclusion"), "violated", "{said}");
}

#[test]
fn fenced_data_of_etcd_is_safe_from_a_holder_that_was_stopped() {
    let Some(place) = Place::new("fenced_data_of_etcd_is_safe", Way::Local, ETCD) else { return };
    let settings = ["load.duration=20s", PAUSES];
    let (exit, verdict, said) = place.run(&plan("etcd-lock-fenced.yaml"), Way::Local, &settings);
    assert_eq!(exit, 0, "{said}\n{verdict}");
    let history = std::fs::read_to_string(place.latest().join("history.jsonl"));
    let refused = history.expect("the history").matches("is too old").count();
    assert!(refused > 0, "no late write came, so that the fence was not tested");
}
