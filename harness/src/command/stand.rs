//! The lab of a run, of whichever kind: brought up, used through the same traits, taken down.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;
use schism_lab::ssh::{self, Access, Tell};
use schism_lab::{Host, LinkRule, LinkRules, Network, NetworkError, local};

use super::warn;
use crate::plan::{Bounds, LabPlan, Plan};

/// Where the nodes of a run stand.
pub(super) enum Stand {
    /// Nowhere: the target lives inside the controller.
    None,
    /// Namespaces of this machine.
    Local(local::Lab),
    /// The same, reached over SSH alone.
    LocalOverSsh(local::Lab, ssh::Lab),
    /// Hosts that somebody has.
    Ssh(ssh::Lab),
}

/// What a lab is to be.
pub(super) struct Wanted<'a> {
    pub(super) plan: &'a LabPlan,
    /// How many places for clients.
    pub(super) clients: u16,
    pub(super) bounds: Bounds,
    /// The hosts, where the plan has some.
    pub(super) hosts: &'a [Access],
    pub(super) data: PathBuf,
    pub(super) logs: PathBuf,
    pub(super) seed: u64,
    pub(super) quiet: bool,
}

impl Stand {
    /// Brings it up.
    pub(super) async fn up(wanted: Wanted<'_>) -> anyhow::Result<Self> {
        let Wanted { plan, clients, bounds, hosts, data, logs, seed, quiet } = wanted;
        let bounds = |lease| ssh::Bounds {
            lease,
            reach: bounds.reach,
            // The deed itself has its bound, within which the agent's answer must come.
            answer: bounds.act * 7 / 8,
            copy: bounds.copy,
            logs: bounds.logs,
        };
        let shown: Tell =
            if quiet { Arc::new(|_| {}) } else { Arc::new(|line: String| warn(&line)) };
        match *plan {
            LabPlan::None => Ok(Stand::None),
            LabPlan::Local { nodes, ssh, lease } => {
                let options = local::Options { nodes, clients, data, logs: logs.clone(), seed };
                let lab = local::Lab::up(options).await?;
                if !ssh {
                    return Ok(Stand::Local(lab));
                }
                let hosts = lab.serve_ssh().await?;
                // The nodes share this machine's files, the program among them.
                let own = std::env::current_exe().ok().filter(|path| path.exists());
                let tell: Tell = Arc::new(|_| {});
                let place = |host: &Arc<dyn Host>| (host.node().id, host.node().address);
                let places = lab.clients().iter().map(place).collect();
                let bounds = bounds(lease);
                let over = ssh::Options { hosts, logs, shared: own, places, bounds, tell };
                let over = ssh::Lab::up(over).await.context("local lab over SSH")?;
                Ok(Stand::LocalOverSsh(lab, over))
            }
            LabPlan::Ssh { lease, .. } => {
                let hosts = hosts.to_vec();
                let (places, bounds) = (Vec::new(), bounds(lease));
                let options =
                    ssh::Options { hosts, logs, shared: None, places, bounds, tell: shown };
                Ok(Stand::Ssh(ssh::Lab::up(options).await?))
            }
        }
    }

    fn over_ssh(&self) -> Option<&ssh::Lab> {
        match self {
            Stand::LocalOverSsh(_, lab) | Stand::Ssh(lab) => Some(lab),
            Stand::None | Stand::Local(_) => None,
        }
    }

    /// The nodes, in order.
    pub(super) fn hosts(&self) -> Vec<Arc<dyn Host>> {
        match self {
            Stand::None => Vec::new(),
            Stand::Local(lab) => lab.hosts(),
            Stand::LocalOverSsh(_, lab) | Stand::Ssh(lab) => lab.hosts(),
        }
    }

    /// The places of clients, in order. They stand on this machine's switch alone.
    pub(super) fn clients(&self) -> Vec<Arc<dyn Host>> {
        match self {
            Stand::Local(lab) | Stand::LocalOverSsh(lab, _) => lab.clients(),
            Stand::None | Stand::Ssh(_) => Vec::new(),
        }
    }

    /// The links, where there are nodes.
    pub(super) fn network(&self) -> Option<Arc<dyn Network>> {
        match self {
            Stand::None => None,
            Stand::Local(lab) => Some(lab.network()),
            Stand::LocalOverSsh(below, lab) => {
                Some(Arc::new(Split { agents: lab.network(), switch: below.network() }))
            }
            Stand::Ssh(lab) => Some(lab.network()),
        }
    }

    /// Why links cannot be cut here, if they cannot.
    pub(super) fn cannot_cut(&self) -> Option<String> {
        self.over_ssh()?.cannot_cut()
    }

    /// Why links cannot be slowed down here, if they cannot.
    pub(super) async fn cannot_delay(&self) -> Option<String> {
        match self {
            Stand::Ssh(lab) => lab.cannot_delay().await,
            // The switch can.
            Stand::None | Stand::Local(_) | Stand::LocalOverSsh(..) => None,
        }
    }

    /// The lab in words.
    pub(super) fn describe(&self) -> String {
        match self {
            Stand::None => "none".into(),
            Stand::Local(lab) => lab.describe(),
            Stand::LocalOverSsh(lab, _) => format!("{}, over SSH", lab.describe()),
            Stand::Ssh(lab) => lab.describe(),
        }
    }

    /// Takes it down; what the reader of the report should know.
    pub(super) async fn down(self) -> ssh::Left {
        match self {
            // Namespaces go with their last process.
            Stand::None | Stand::Local(_) => ssh::Left::default(),
            Stand::LocalOverSsh(_, lab) | Stand::Ssh(lab) => lab.down().await,
        }
    }
}

/// The links of a local lab over SSH: cut by the nodes' own firewalls, as on hosts that somebody
/// has; whatever else happens to them, the switch does.
struct Split {
    agents: Arc<dyn Network>,
    switch: Arc<dyn Network>,
}

#[async_trait]
impl Network for Split {
    async fn set(&self, rules: &LinkRules) -> Result<(), NetworkError> {
        let (mut cut, mut rest) = (LinkRules::default(), LinkRules::default());
        for (&link, &rule) in &rules.0 {
            if rule.drop {
                cut.0.insert(link, LinkRule { drop: true, ..LinkRule::default() });
            }
            rest.0.insert(link, LinkRule { drop: false, ..rule });
        }
        // What was held goes out before anything is cut, as one switch would have it.
        self.switch.set(&rest).await?;
        self.agents.set(&cut).await
    }
}

/// The hosts of a plan's lab, and whether its faults fit onto so many.
pub(super) fn find_hosts(plan: &Plan) -> Result<Vec<Access>, String> {
    let hosts = plan.lab.hosts()?;
    if !hosts.is_empty() {
        for fault in &plan.faults {
            let checked = fault.check(hosts.len() as u16, plan.load.places(), plan.load.duration);
            checked.map_err(|error| format!("{} hosts: {}", hosts.len(), error.problem))?;
            let kept = hosts.iter().find(|host| !host.disposable);
            if let Some(kept) = kept.filter(|_| fault.needs_disposable()) {
                return Err(format!(
                    "{kept}: the plan does something to whole machines, and this one is not \
                     `disposable: true` in an inventory"
                ));
            }
        }
    }
    Ok(hosts)
}
