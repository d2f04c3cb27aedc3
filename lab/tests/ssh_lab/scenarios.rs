//! What happens inside the processes of these tests.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use schism_lab::Command;
use schism_lab::local::{self, Ended, supervise};
use schism_lab::ssh::{self, Access};

use super::look::Victim;
use super::{leases, links, programs, speed, ways};

pub(crate) const SOON: Duration = Duration::from_secs(5);

pub(crate) type Done = Result<(), String>;
type Scenario = fn() -> Done;

/// Every scenario, by the claim that it tests.
pub(crate) const ALL: &[(&str, Scenario)] = &[
    ("commands_reach_a_node_word_by_word", || in_lab(1, async |lab| programs::words(lab).await)),
    ("a_file_goes_there_and_back_and_is_sent_once", || {
        in_lab(1, async |lab| programs::files(lab).await)
    }),
    ("streams_carry_more_than_any_window", || in_lab(1, async |lab| programs::streams(lab).await)),
    ("what_was_started_is_killed_paused_and_resumed", || {
        in_lab(2, async |lab| programs::lives(lab).await)
    }),
    ("a_link_is_cut_in_one_direction_and_nothing_else_is_touched", || {
        in_lab(2, async |lab| links::cut(lab).await)
    }),
    ("a_broken_connection_is_made_again_and_said", || {
        in_lab(2, async |lab| links::broken(lab).await)
    }),
    ("an_agent_takes_everything_with_it", || {
        in_lab(1, async |lab| links::leaves_nothing(lab).await)
    }),
    ("a_wrong_and_an_unknown_host_key_are_refused", || {
        in_lab(1, async |lab| ways::host_keys(lab).await)
    }),
    ("a_node_that_is_down_or_silent_is_named_in_one_line", || {
        in_lab(3, async |lab| ways::down(lab).await)
    }),
    ("a_second_run_is_refused", || in_lab(1, async |lab| ways::second(lab).await)),
    ("a_node_behind_another_is_reached_and_given_the_program_once", || {
        in_lab(2, async |lab| ways::jump(lab).await)
    }),
    ("a_killed_controller_leaves_nothing", || {
        in_lab(3, async |lab| leases::killed_controller(lab).await)
    }),
    ("a_killed_agent_leaves_nothing", || {
        in_lab(3, async |lab| leases::killed(lab, Victim::Agent).await)
    }),
    ("a_killed_watcher_leaves_nothing", || {
        in_lab(3, async |lab| leases::killed(lab, Victim::Watcher).await)
    }),
    ("a_killed_connection_leaves_nothing", || {
        in_lab(3, async |lab| leases::killed(lab, Victim::Connection).await)
    }),
    ("an_agent_that_is_stopped_is_ended_by_its_watcher", || {
        in_lab(2, async |lab| leases::stopped(lab, Victim::Agent).await)
    }),
    ("a_frozen_connection_ends_with_the_lease", || {
        in_lab(2, async |lab| leases::stopped(lab, Victim::Connection).await)
    }),
    ("an_agent_without_a_watcher_is_cleaned_up_after_by_the_next", || {
        in_lab(1, async |lab| leases::without_watcher(lab).await)
    }),
    ("what_cannot_be_cleaned_is_told_with_its_command", || {
        in_lab(1, async |lab| leases::dirty(lab).await)
    }),
    ("it_is_as_fast_as_promised", || in_lab(5, async |lab| speed::speed(lab).await)),
];

/// A local lab whose nodes run sshd.
pub(crate) struct Nodes {
    pub(crate) local: local::Lab,
    pub(crate) access: Vec<Access>,
    pub(crate) folder: PathBuf,
    /// How long all of it took, up to here.
    pub(crate) began: Instant,
}

impl Nodes {
    pub(crate) fn options(&self) -> ssh::Options {
        ssh::Options {
            hosts: self.access.clone(),
            logs: self.folder.join("logs"),
            shared: std::env::current_exe().ok(),
            places: Vec::new(),
            bounds: ssh::Bounds::default(),
            tell: Arc::new(|_| {}),
        }
    }

    pub(crate) async fn up(&self) -> Result<ssh::Lab, String> {
        ssh::Lab::up(self.options()).await.map_err(text)
    }

    /// What a program prints that runs on a node beside everything that goes over SSH.
    pub(crate) async fn aside(&self, node: usize, words: &[&str]) -> Result<String, String> {
        let command = Command::new(words.iter().copied());
        let output = self.local.hosts()[node].run(&command, SOON).await.map_err(text)?;
        Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }
}

/// Runs a scenario; 0 if all was as it should be, otherwise the reason is on standard output.
pub(crate) fn run(name: &str) -> i32 {
    let found = ALL.iter().find(|(other, _)| *other == name);
    match found.map_or(Err("there is no such scenario".into()), |(_, scenario)| scenario()) {
        Ok(()) => 0,
        Err(problem) => {
            println!("{problem}");
            1
        }
    }
}

pub(crate) fn same<T: PartialEq + std::fmt::Debug>(seen: T, expected: T) -> Done {
    if seen == expected { Ok(()) } else { Err(format!("{seen:?} instead of {expected:?}")) }
}

pub(crate) fn holds(text: &str, part: &str) -> Done {
    if text.contains(part) { Ok(()) } else { Err(format!("no `{part}` in: {text}")) }
}

pub(crate) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn in_lab(nodes: u16, body: impl AsyncFnOnce(&Nodes) -> Done) -> Done {
    let folder = tempfile::tempdir().map_err(text)?;
    let root: PathBuf = folder.path().into();
    let ended = supervise(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let done = runtime.map_err(text).and_then(|runtime| {
            runtime.block_on(async {
                let began = Instant::now();
                let (data, logs) = (root.join("data"), root.join("logs"));
                let options = local::Options { nodes, clients: 0, data, logs, seed: 1 };
                let local = local::Lab::up(options).await.map_err(text)?;
                let access = local.serve_ssh().await.map_err(text)?;
                body(&Nodes { local, access, folder: root.clone(), began }).await
            })
        });
        match done {
            Ok(()) => 0,
            Err(problem) => {
                println!("{problem}");
                1
            }
        }
    });
    same(ended.map_err(text)?, Ended::Exit(0))
}
