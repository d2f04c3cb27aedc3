//! Changes of the members: asked for until the members are as they should be.
//!
//! etcd sets no time of its own for such a request (`configure` waits for as long as its client
//! does), and a proposal that a member forwards to a leader who is dead, or that meets another change
//! that is under way, is lost without a word. So each request gets a short time, and is followed by a
//! look at the members: a request that was not answered may have been carried out all the same, or
//! may be yet, and asking twice for one change is refused and changes nothing.

use std::time::Duration;

use schism_lab::Node;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::gateway::Gateway;
use super::members::{Questions, peer_url, standing_on};
use super::trouble::Trouble;
use super::wire::Member;
use crate::Cluster;

/// How long a change may usually take in all: five seconds until a cluster at rest believes in its members'
/// health, an election, and a busy machine.
pub(super) const CHANGE: Duration = Duration::from_secs(45);
/// How long one request may take, or one look.
const TRY: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_millis(100);

/// What is to become of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A member that was none.
    Add,
    /// No member any more.
    Remove,
}

/// What is to be done next.
#[derive(Debug, PartialEq)]
enum Next {
    /// Nothing: the members are as they should be.
    Done,
    /// This.
    Ask(&'static str, Value),
}

/// Makes the change, and returns the members then.
pub(super) async fn change(
    questions: &Questions,
    cluster: &Cluster,
    node: &Node,
    wanted: Change,
    within: Duration,
) -> Result<Vec<Member>, String> {
    let deadline = Instant::now() + within;
    let (mut asked, mut problem) = (0, String::new());
    loop {
        let look = TRY.min(deadline.saturating_duration_since(Instant::now()));
        match questions.members(cluster, Some(node.id), look).await {
            Ok((members, gateway)) => match next(&members, node, wanted) {
                Next::Done if asked > 0 => return Ok(members),
                Next::Done => {
                    let not = if wanted == Change::Remove { "no" } else { "a" };
                    return Err(format!("{} lists it as {not} member already", gateway.node()));
                }
                Next::Ask(path, body) => {
                    asked += 1;
                    if let Err(trouble) = ask(&gateway, path, &body, deadline).await {
                        trouble.text().clone_into(&mut problem);
                    }
                }
            },
            Err(silent) => problem = silent,
        }
        if Instant::now() + PAUSE >= deadline {
            return Err(format!("{problem} (asked {asked} times within {within:.1?})"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What the answer says is of no interest: the look that follows tells what became of it.
async fn ask(
    gateway: &Gateway,
    path: &str,
    body: &Value,
    deadline: Instant,
) -> Result<serde::de::IgnoredAny, Trouble> {
    gateway.tell(path, body, deadline.min(Instant::now() + TRY)).await
}

fn next(members: &[Member], node: &Node, wanted: Change) -> Next {
    match (wanted, standing_on(members, node)) {
        (Change::Add, Some(_)) | (Change::Remove, None) => Next::Done,
        (Change::Add, None) => {
            Next::Ask("/v3/cluster/member/add", json!({ "peerURLs": [peer_url(node)] }))
        }
        (Change::Remove, Some(member)) => {
            Next::Ask("/v3/cluster/member/remove", json!({ "ID": member.id }))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::path::PathBuf;

    use schism_lab::{NodeId, Platform};

    use super::*;

    fn node() -> Node {
        let platform = Platform { os: "any".into(), arch: "any".into() };
        let address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 3));
        Node { id: NodeId(3), address, data: PathBuf::new(), logs: PathBuf::new(), platform }
    }

    fn member(name: &str, url: &str) -> Member {
        Member { id: "7".into(), name: name.into(), peer_urls: vec![url.into()] }
    }

    #[test]
    fn asks_until_the_members_are_as_they_should_be() {
        let others = [member("n1", "http://10.0.0.1:2380")];
        let listed = [member("n3", "http://10.0.0.3:2380")];
        let never_started = [member("", "http://10.0.0.3:2380")];
        let next = |members: &[Member], wanted| next(members, &node(), wanted);
        let add = json!({ "peerURLs": ["http://10.0.0.3:2380"] });
        assert_eq!(next(&others, Change::Add), Next::Ask("/v3/cluster/member/add", add));
        assert_eq!(next(&never_started, Change::Add), Next::Done);
        let remove = Next::Ask("/v3/cluster/member/remove", json!({ "ID": "7" }));
        assert_eq!(next(&listed, Change::Remove), remove);
        assert_eq!(next(&others, Change::Remove), Next::Done);
    }
}
