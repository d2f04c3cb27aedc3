//! Makes one cluster of fresh nodes, by the same commands as `redis-cli --cluster create`.
//!
//! Each node gets a configuration epoch of its own and each primary its share of the slots; then every
//! node meets every other one at once, since gossip alone would take seconds to spread; and as soon as
//! all know each other, the replicas are given their primaries.

use std::net::SocketAddr;
use std::time::Duration;

use schism_lab::NodeId;
use tokio::time::Instant;

use super::connection::Connection;
use super::nodes::View;
use super::resp::Reply;
use super::slot::SLOTS;

/// How long one command may take on a node at rest.
const COMMAND_WITHIN: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// With fewer there is no majority that could tell that one of them has failed.
const PRIMARIES_MIN: usize = 3;

/// What a node is to be at first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Serves these slots, from the first to the last.
    Primary(u16, u16),
    /// Copies the node in this place.
    ReplicaOf(usize),
}

/// The roles of so many nodes, in their order: first the primaries, then their replicas in turn.
pub(super) fn roles(nodes: usize, replicas: usize) -> Result<Vec<Role>, String> {
    let primaries = nodes / (replicas + 1);
    if primaries < PRIMARIES_MIN {
        return Err(format!(
            "needs {PRIMARIES_MIN} primaries for a majority, and {nodes} nodes with {replicas} \
             replica(s) each make {primaries}: use {} nodes, or fewer `replicas`",
            PRIMARIES_MIN * (replicas + 1)
        ));
    }
    let bound = |part: usize| (usize::from(SLOTS) * part / primaries) as u16;
    let role = |place: usize| match place.checked_sub(primaries) {
        None => Role::Primary(bound(place), bound(place + 1) - 1),
        Some(replica) => Role::ReplicaOf(replica % primaries),
    };
    Ok((0..nodes).map(role).collect())
}

/// Whether so many nodes are primaries with as many replicas each, and none is left over.
pub(super) fn whole(nodes: usize, replicas: usize) -> Result<(), String> {
    roles(nodes, replicas)?;
    let over = nodes % (replicas + 1);
    if over == 0 {
        return Ok(());
    }
    let less = nodes - over;
    let more = less + replicas + 1;
    Err(format!(
        "{nodes} nodes are not primaries with {replicas} replica(s) each: use {less} or {more}"
    ))
}

/// A node that could not take part: which, and what went wrong.
pub(super) type Problem = (NodeId, String);

/// A node on its way into the cluster.
struct Recruit {
    node: NodeId,
    address: SocketAddr,
    connection: Connection,
    /// The identity that it gave itself.
    id: String,
}

/// Forms the cluster, until `deadline`.
pub(super) async fn form(
    nodes: &[(NodeId, SocketAddr)],
    roles: &[Role],
    deadline: Instant,
) -> Result<(), Problem> {
    let mut recruits = Vec::new();
    for &(node, address) in nodes {
        recruits.push(Recruit::enlist(node, address, deadline).await?);
    }
    for (place, (recruit, role)) in recruits.iter_mut().zip(roles).enumerate() {
        // Whoever takes over later must have a higher one, so that no two claims are equal.
        let epoch = (place + 1).to_string();
        recruit.tell(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await.map_err(
            |(node, problem)| {
                let remedy = "nodes must be empty: remove their data, or name others";
                (node, format!("{problem}; {remedy}"))
            },
        )?;
        if let Role::Primary(from, to) = *role {
            recruit.take_slots(from, to).await?;
        }
    }
    let ends: Vec<SocketAddr> = recruits.iter().map(|recruit| recruit.address).collect();
    for (place, recruit) in recruits.iter_mut().enumerate() {
        for end in &ends[place + 1..] {
            let (host, port) = (end.ip().to_string(), end.port().to_string());
            recruit.tell(&["CLUSTER", "MEET", &host, &port]).await?;
        }
    }
    for recruit in &mut recruits {
        recruit.know_all(nodes.len(), deadline).await?;
    }
    let ids: Vec<String> = recruits.iter().map(|recruit| recruit.id.clone()).collect();
    for (recruit, role) in recruits.iter_mut().zip(roles) {
        if let Role::ReplicaOf(primary) = role {
            recruit.tell(&["CLUSTER", "REPLICATE", &ids[*primary]]).await?;
        }
    }
    Ok(())
}

impl Recruit {
    /// Waits until the node answers.
    async fn enlist(node: NodeId, address: SocketAddr, deadline: Instant) -> Result<Self, Problem> {
        let mut last = format!("did not answer on port {}", address.port());
        loop {
            let within = (Instant::now() + COMMAND_WITHIN).min(deadline);
            if let Ok(mut connection) = Connection::open(address, node.to_string(), within).await {
                match connection.command(&["CLUSTER", "MYID"], within).await {
                    Ok(Reply::Bulk(id)) => {
                        let id = String::from_utf8_lossy(&id).into_owned();
                        return Ok(Self { node, address, connection, id });
                    }
                    Ok(other) => last = format!("answered CLUSTER MYID by {}", other.shown()),
                    Err(trouble) => trouble.text().clone_into(&mut last),
                }
            }
            if Instant::now() + LOOK_EVERY >= deadline {
                return Err((node, last));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn ask(&mut self, words: &[&str]) -> Result<Reply, Problem> {
        let reply = self.connection.command(words, Instant::now() + COMMAND_WITHIN).await;
        reply.map_err(|trouble| (self.node, format!("{}: {}", words.join(" "), trouble.text())))
    }

    /// Gives an order, which must be followed.
    async fn tell(&mut self, words: &[&str]) -> Result<(), Problem> {
        match self.ask(words).await? {
            Reply::Status(_) => Ok(()),
            // Slots one by one make a long command.
            other => {
                let order: Vec<&str> = words.iter().take(5).copied().collect();
                Err((self.node, format!("{}: {}", order.join(" "), other.shown())))
            }
        }
    }

    /// Takes the slots `from` to `to`: as a range since 7.0, before that one by one.
    async fn take_slots(&mut self, from: u16, to: u16) -> Result<(), Problem> {
        let (first, last) = (from.to_string(), to.to_string());
        match self.ask(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]).await? {
            Reply::Status(_) => Ok(()),
            Reply::Error(error) if error.to_ascii_lowercase().contains("unknown subcommand") => {
                let slots: Vec<String> = (from..=to).map(|slot| slot.to_string()).collect();
                let mut words = vec!["CLUSTER", "ADDSLOTS"];
                words.extend(slots.iter().map(String::as_str));
                self.tell(&words).await
            }
            other => Err((self.node, format!("slots {first} to {last}: {}", other.shown()))),
        }
    }

    /// Waits until the node has shaken hands with all `nodes`.
    async fn know_all(&mut self, nodes: usize, deadline: Instant) -> Result<(), Problem> {
        loop {
            let text = self.ask(&["CLUSTER", "NODES"]).await?.text().unwrap_or_default();
            let members = View::new(&text, &[]).map(|view| view.members).unwrap_or_default();
            if members.len() == nodes && members.iter().all(|member| !member.is("handshake")) {
                return Ok(());
            }
            if Instant::now() + LOOK_EVERY >= deadline {
                let problem = format!("met {} of {nodes} nodes; {text}", members.len());
                return Err((self.node, problem));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_all_slots_among_the_primaries() {
        let roles = roles(6, 1).expect("enough nodes");
        assert_eq!(
            roles,
            [
                Role::Primary(0, 5460),
                Role::Primary(5461, 10921),
                Role::Primary(10922, 16383),
                Role::ReplicaOf(0),
                Role::ReplicaOf(1),
                Role::ReplicaOf(2),
            ]
        );
        let mut next = 0;
        for role in super::roles(7, 0).expect("enough nodes") {
            let Role::Primary(from, to) = role else { panic!("all are primaries") };
            assert_eq!(from, next);
            next = to + 1;
        }
        assert_eq!(next, SLOTS);
    }

    #[test]
    fn one_node_too_many_is_a_replica_more() {
        let roles = roles(7, 1).expect("enough nodes");
        assert_eq!(roles[3..], [0, 1, 2, 0].map(Role::ReplicaOf));
    }

    #[test]
    fn refuses_nodes_that_are_left_over() {
        assert_eq!(whole(6, 1), Ok(()));
        let problem = whole(7, 1).expect_err("one is left over");
        assert!(problem.ends_with("use 6 or 8"), "{problem}");
        assert!(whole(4, 1).is_err(), "too few primaries");
    }

    #[test]
    fn refuses_too_few_nodes_and_says_how_many_there_must_be() {
        let problem = roles(5, 1).expect_err("two primaries have no majority");
        assert!(problem.contains("5 nodes with 1 replica(s) each make 2"), "{problem}");
        assert!(problem.contains("use 6 nodes"), "{problem}");
        assert!(roles(2, 0).is_err());
        assert!(roles(8, 2).is_err());
        assert!(roles(9, 2).is_ok());
    }
}
