//! Whether the nodes make one healthy cluster, by what each of them says.

use schism_lab::NodeId;

use super::nodes::{Member, View};

/// What each node said, or that it said nothing.
pub(super) type Views = Vec<(NodeId, Option<View>)>;

/// The first node that is not well, and what is wrong with it; `None` if all is well.
///
/// All is well where every node answers, holds the cluster to be whole, doubts none of the others and
/// agrees with them about who serves which slots, and where every replica is linked to its primary.
pub(super) fn problem(views: &[(NodeId, Option<View>)]) -> Option<(NodeId, String)> {
    let well = |(id, view): &(NodeId, Option<View>)| {
        let problem = match view {
            None => "did not answer".to_owned(),
            Some(view) => unwell(view, views.len())?,
        };
        Some((*id, problem))
    };
    views.iter().find_map(well).or_else(|| quarrel(views))
}

fn unwell(view: &View, nodes: usize) -> Option<String> {
    let state = view.field("cluster_state").unwrap_or("unknown");
    if view.members.len() != nodes {
        return Some(format!("knew {} of {nodes} nodes", view.members.len()));
    }
    let doubtful = |member: &&Member| {
        ["fail", "fail?", "handshake", "noaddr"].iter().any(|flag| member.is(flag))
    };
    if let Some(member) = view.members.iter().find(doubtful) {
        let end = member.address.map_or_else(|| member.id.clone(), |end| end.ip().to_string());
        return Some(format!("did not trust {end}"));
    }
    if state != "ok" {
        return Some(format!("was in the cluster state `{state}`"));
    }
    match (view.field("role"), view.field("master_link_status")) {
        (Some("master"), _) | (Some("slave"), Some("up")) => None,
        (Some("slave"), link) => {
            Some(format!("was linked to its primary as `{}`", link.unwrap_or("unknown")))
        }
        (role, _) => Some(format!("was in the role of `{}`", role.unwrap_or("unknown"))),
    }
}

/// Who serves which slots, in one order.
fn owners(view: &View) -> Vec<(&str, &[(u16, u16)])> {
    let serving = view.members.iter().filter(|member| !member.slots.is_empty());
    let mut owners: Vec<_> =
        serving.map(|member| (member.id.as_str(), member.slots.as_slice())).collect();
    owners.sort_unstable();
    owners
}

/// A node that does not see the slots where the first node sees them.
pub(super) fn quarrel(views: &[(NodeId, Option<View>)]) -> Option<(NodeId, String)> {
    let mut told = views.iter().filter_map(|(id, view)| Some((*id, owners(view.as_ref()?))));
    let (first, slots) = told.next()?;
    let (other, _) = told.find(|(_, other)| *other != slots)?;
    Some((other, format!("did not agree with {first} on who serves which slots")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis_cluster::nodes::tests::view_of;

    const PRIMARY: &str = "\
a 10.77.0.1:6379@16379 myself,master - 0 1 1 connected 0-16383
b 10.77.0.2:6379@16379 slave a 0 1 1 connected
";
    const REPLICA: &str = "\
b 10.77.0.2:6379@16379 myself,slave a 0 1 1 connected
a 10.77.0.1:6379@16379 master - 0 1 1 connected 0-16383
";
    const LEADS: &str = "cluster_state:ok\r\nrole:master\r\n";
    const FOLLOWS: &str = "cluster_state:ok\r\nrole:slave\r\nmaster_link_status:up\r\n";

    fn check(one: (&str, &str), two: Option<(&str, &str)>, expected: Option<&str>) {
        let view = |(nodes, texts)| Some(view_of(nodes, texts));
        let views = vec![(NodeId(1), view(one)), (NodeId(2), two.and_then(view))];
        let found = problem(&views).map(|(node, problem)| format!("{node} {problem}"));
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn is_well_when_all_agree() {
        check((PRIMARY, LEADS), Some((REPLICA, FOLLOWS)), None);
    }

    #[test]
    fn names_who_is_not_well() {
        let primary = (PRIMARY, LEADS);
        check(primary, None, Some("n2 did not answer"));
        let fail = FOLLOWS.replace("ok", "fail");
        check(primary, Some((REPLICA, &fail)), Some("n2 was in the cluster state `fail`"));
        let down = FOLLOWS.replace("up", "down");
        check(primary, Some((REPLICA, &down)), Some("n2 was linked to its primary as `down`"));
        let alone = REPLICA.lines().next().expect("a line");
        check(primary, Some((alone, FOLLOWS)), Some("n2 knew 1 of 2 nodes"));
        let doubts = REPLICA.replace(" master ", " master,fail? ");
        check(primary, Some((&doubts, FOLLOWS)), Some("n2 did not trust 10.77.0.1"));
    }

    #[test]
    fn sees_that_two_do_not_agree() {
        let both = REPLICA.replace("myself,slave a", "myself,master -").replace("0-16383", "");
        let both = both.replacen("connected", "connected 0-16383", 1);
        let text = "n2 did not agree with n1 on who serves which slots";
        check((PRIMARY, LEADS), Some((&both, LEADS)), Some(text));
    }
}
