//! What a node says of the cluster (`CLUSTER NODES`), and of itself (`INFO`).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::Instant;

use super::connection::Connection;
use super::resp::{Reply, write_command};
use crate::ClockSight;
use crate::clock_sight::Asked;

/// A line of `CLUSTER NODES`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// The identity that the node gave itself.
    pub(crate) id: String,
    /// Where its clients reach it; `None` while the node that tells does not know.
    pub(crate) address: Option<SocketAddr>,
    flags: Vec<String>,
    /// The identity of the primary that it follows.
    pub(crate) primary: Option<String>,
    /// The configuration epoch: whoever took over last has the highest.
    pub(crate) epoch: u64,
    /// The slots that it serves, as ranges of both ends.
    pub(crate) slots: Vec<(u16, u16)>,
    /// The slots that are on their way; a node tells only its own.
    pub(crate) open: Vec<OpenSlot>,
}

/// A slot that is on its way from or to a node: `[93->-ID]`, `[77-<-ID]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenSlot {
    pub(crate) slot: u16,
    /// The identity of the other end.
    pub(crate) other: String,
    /// Whether it comes; otherwise it goes.
    pub(crate) importing: bool,
}

impl OpenSlot {
    fn parse(word: &str) -> Option<Self> {
        let word = word.strip_prefix('[')?.strip_suffix(']')?;
        let (importing, (slot, other)) = match word.split_once("-<-") {
            Some(parts) => (true, parts),
            None => (false, word.split_once("->-")?),
        };
        Some(Self { slot: slot.parse().ok()?, other: other.to_owned(), importing })
    }
}

impl Member {
    /// Whether it has the flag: `myself`, `master`, `slave`, `fail?`, `fail`, `handshake`, `noaddr` …
    pub(crate) fn is(&self, flag: &str) -> bool {
        self.flags.iter().any(|own| own == flag)
    }

    /// `ID IP:PORT@BUS[,HOST] FLAGS PRIMARY PING PONG EPOCH LINK [SLOT | FROM-TO | [MOVING] …]`.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let (id, end, flags) = (words.next()?.to_owned(), words.next()?, words.next()?);
        let primary = words.next().filter(|word| *word != "-").map(str::to_owned);
        let epoch = words.nth(2)?.parse().ok()?;
        let (host, port) = end.split('@').next()?.rsplit_once(':')?;
        let host: Option<IpAddr> = host.parse().ok();
        let address = host.and_then(|host| Some(SocketAddr::new(host, port.parse().ok()?)));
        let range = |word: &str| {
            let (from, to) = word.split_once('-').unwrap_or((word, word));
            Some((from.parse().ok()?, to.parse().ok()?))
        };
        // Slots on their way stand in brackets behind those that are served.
        let (open, served): (Vec<&str>, Vec<&str>) =
            words.skip(1).partition(|word| word.starts_with('['));
        let slots = served.into_iter().map(range).collect::<Option<Vec<_>>>()?;
        let open = open.into_iter().map(OpenSlot::parse).collect::<Option<Vec<_>>>()?;
        let flags = flags.split(',').map(str::to_owned).collect();
        Some(Self { id, address, flags, primary, epoch, slots, open })
    }
}

/// What a node says.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// The members of the cluster, as this node knows them.
    pub(crate) members: Vec<Member>,
    /// `CLUSTER INFO`, then `INFO`: lines of `name:value`.
    text: String,
}

impl View {
    /// Made of the texts that a node answered.
    pub(crate) fn new(nodes: &str, texts: &[String]) -> Option<Self> {
        let members = nodes.lines().map(Member::parse).collect::<Option<Vec<_>>>()?;
        Some(Self { members, text: texts.concat() })
    }

    /// The value of the field `name`.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let value = self.text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.map(str::trim)
    }

    /// The node itself.
    pub(crate) fn own(&self) -> Option<&Member> {
        self.members.iter().find(|member| member.is("myself"))
    }

    /// Whether it says that it serves slots as their primary, and in which epoch.
    pub(crate) fn leads(&self) -> Option<u64> {
        let own = self.own()?;
        (own.is("master") && !own.slots.is_empty()).then_some(own.epoch)
    }
}

/// What the node at `address` says; `None` unless it answers `within`, and to the point. It is asked
/// on a connection of its own: a node that is paused, cut off or killed must not spoil the question
/// after.
pub(crate) async fn view(address: SocketAddr, within: Duration) -> Option<View> {
    let deadline = Instant::now() + within;
    let mut connection = Connection::open(address, address.to_string(), deadline).await.ok()?;
    let mut request = Vec::new();
    write_command(&mut request, &["CLUSTER", "NODES"]);
    write_command(&mut request, &["CLUSTER", "INFO"]);
    write_command(&mut request, &["INFO"]);
    let replies = connection.ask(&request, 3, deadline).await.ok()?;
    let texts = replies.iter().map(Reply::text).collect::<Option<Vec<_>>>()?;
    View::new(&texts[0], &texts[1..])
}

/// What a server says of itself that is in no cluster; `None` unless it answers `within`.
pub(crate) async fn info(address: SocketAddr, within: Duration) -> Option<View> {
    let deadline = Instant::now() + within;
    let mut connection = Connection::open(address, address.to_string(), deadline).await.ok()?;
    let text = connection.command(&["INFO"], deadline).await.ok()?.text()?;
    View::new("", &[text])
}

/// How far the clock of the node at `address` is ahead of ours.
pub(crate) async fn clock(address: SocketAddr, within: Duration) -> Option<ClockSight> {
    let deadline = Instant::now() + within;
    let mut connection = Connection::open(address, address.to_string(), deadline).await.ok()?;
    let (asked, reply) = Asked::now(connection.command(&["TIME"], deadline)).await;
    Some(ClockSight::exact(asked, time(&reply.ok()?)?))
}

/// The answer to `TIME`: seconds since 1970, and microseconds.
fn time(reply: &Reply) -> Option<f64> {
    let Reply::Array(parts) = reply else { return None };
    let [seconds, micros] = parts.as_slice() else { return None };
    let number = |part: &Reply| part.text()?.parse::<u32>().ok().map(f64::from);
    Some(number(seconds)? + number(micros)? / 1e6)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Three of six, as n1 sees them.
    pub(in crate::redis_cluster) const NODES: &str = "\
07c37df 10.77.0.1:6379@16379 myself,master - 0 1426238316232 1 connected 0-5460 5500 [93->-292f8b3]
67ed2db 10.77.0.2:6379@16379,host-2 master,fail? - 1426238316232 1426238316 2 connected 5461-5499
e7d1eec :0@0 slave,noaddr 07c37df 0 1426238317741 7 disconnected
";

    pub(in crate::redis_cluster) const TEXTS: &str = "\
cluster_state:ok\r\ncluster_slots_ok:16384\r\n# Server\r\nredis_version:7.0.15\r\nrun_id:5c1\r\n\
role:master\r\nrole_of_another:3\r\n";

    pub(in crate::redis_cluster) fn view_of(nodes: &str, texts: &str) -> View {
        View::new(nodes, &[texts.to_owned()]).expect("it is to the point")
    }

    #[test]
    fn reads_the_members() {
        let view = view_of(NODES, TEXTS);
        let [one, two, three] = &view.members[..] else { panic!("three lines") };
        assert_eq!((one.id.as_str(), one.epoch), ("07c37df", 1));
        assert_eq!(one.address, Some("10.77.0.1:6379".parse().expect("an address")));
        assert_eq!(one.slots, [(0, 5460), (5500, 5500)]);
        let open = OpenSlot { slot: 93, other: "292f8b3".into(), importing: false };
        assert_eq!(one.open, [open]);
        assert!(one.is("myself") && one.is("master") && !one.is("fail"));
        assert_eq!(two.address, Some("10.77.0.2:6379".parse().expect("an address")));
        assert_eq!((one.primary.as_deref(), three.primary.as_deref()), (None, Some("07c37df")));
        assert!(two.is("fail?") && !two.is("fail"));
        assert_eq!((three.address, three.slots.len()), (None, 0));
        assert_eq!((view.leads(), view.own()), (Some(1), Some(one)));
    }

    #[test]
    fn reads_fields_by_their_whole_names() {
        let view = view_of(NODES, TEXTS);
        assert_eq!(view.field("cluster_state"), Some("ok"));
        assert_eq!(view.field("role"), Some("master"));
        assert_eq!(view.field("run_id"), Some("5c1"));
        assert_eq!(view.field("run"), None);
        assert_eq!(view.field("master_link_status"), None);
    }

    #[test]
    fn who_serves_no_slot_does_not_lead() {
        let replica = "a 10.77.0.1:6379@16379 myself,slave b 0 1 2 connected\n";
        assert_eq!(view_of(replica, TEXTS).leads(), None);
        let empty = "a 10.77.0.1:6379@16379 myself,master - 0 1 2 connected\n";
        assert_eq!(view_of(empty, TEXTS).leads(), None);
    }

    #[test]
    fn takes_nothing_else_for_a_list_of_members() {
        for wrong in ["ERR", "a b c", "a 10.77.0.1:6379@1 master - 0 1 two connected", "\n"] {
            assert!(View::new(wrong, &[]).is_none(), "{wrong}");
        }
        let slots = "a 10.77.0.1:6379@1 master - 0 1 2 connected many-slots";
        assert!(View::new(slots, &[]).is_none());
    }
}
