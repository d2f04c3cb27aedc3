//! Links cut by the firewall: one table of our own, replaced as a whole, never another's rule.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use crate::children::{Children, Helped};
use crate::session::PATH;

/// Ours alone; whatever stands in it is from this agent or one before it.
pub const TABLE: &str = "inet schism";

/// How hosts find each other on a link of IPv6.
const NEIGHBOURS: &str = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n";

/// The connection that the agent speaks over, which no rule may touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifeline {
    /// Where the connection comes from.
    pub client: IpAddr,
    /// The port of sshd.
    pub port: u16,
}

impl Lifeline {
    /// From sshd's `SSH_CONNECTION`: client address and port, own address and port.
    pub fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [client, _, _, port] = words.as_slice() else { return None };
        // A link-local address names its interface, too.
        let client = client.split('%').next()?.parse().ok()?;
        Some(Self { client, port: port.parse().ok()? })
    }
}

/// Packets from and to these vanish, and no others.
pub fn cut(
    children: &Children,
    lifeline: Option<Lifeline>,
    from: &[IpAddr],
    to: &[IpAddr],
) -> Result<(), String> {
    let help = |command, input: &[u8]| children.help(command, input);
    if from.is_empty() && to.is_empty() {
        return apply(help, &removal());
    }
    let lifeline = lifeline.ok_or(
        "sshd did not say where the connection comes from (SSH_CONNECTION), so that a partition \
         could cut it off",
    )?;
    apply(help, &(removal() + &table(lifeline, from, to)))
}

/// Whether there is an `nft`.
pub fn has_nft() -> bool {
    PATH.split(':').any(|folder| Path::new(folder).join("nft").exists())
}

/// Takes the table away; `false` if there was none. `help` runs a program with its input.
pub fn remove(help: impl Fn(Command, &[u8]) -> std::io::Result<Helped>) -> Result<bool, String> {
    match apply(help, &format!("delete table {TABLE}\n")) {
        Ok(()) => Ok(true),
        Err(problem) if problem.contains("No such file or directory") => Ok(false),
        Err(problem) => Err(problem),
    }
}

/// A table that is made and removed at once is removed whether or not it was there.
fn removal() -> String {
    format!("add table {TABLE}\ndelete table {TABLE}\n")
}

/// What arrives is dropped before connection tracking sees it: the sender notices nothing but
/// silence. What leaves is dropped where the far end is not ours to tell, as the controller's.
fn table(lifeline: Lifeline, from: &[IpAddr], to: &[IpAddr]) -> String {
    let Lifeline { client, port } = lifeline;
    let family = |address: &IpAddr| if address.is_ipv4() { "ip" } else { "ip6" };
    // Who is no longer found on the link is unreachable, which is noticed at once, and the spared
    // connection would break with the rest. IPv4 asks for neighbours below the firewall.
    let neighbours = if from.iter().chain(to).any(IpAddr::is_ipv6) { NEIGHBOURS } else { "" };
    let mut arriving =
        format!("{neighbours}{} saddr {client} tcp dport {port} accept\n", family(&client));
    let mut leaving =
        format!("{neighbours}{} daddr {client} tcp sport {port} accept\n", family(&client));
    for (rules, side, all) in [(&mut arriving, "saddr", from), (&mut leaving, "daddr", to)] {
        for name in ["ip", "ip6"] {
            let own = all.iter().filter(|address| family(address) == name);
            let own: Vec<String> = own.map(IpAddr::to_string).collect();
            if !own.is_empty() {
                let _ = writeln!(rules, "{name} {side} {{ {} }} counter drop", own.join(", "));
            }
        }
    }
    format!(
        "table {TABLE} {{\nchain arriving {{\ntype filter hook input priority -310; policy accept;\n\
         {arriving}}}\nchain leaving {{\ntype filter hook output priority -310; policy accept;\n\
         {leaving}}}\n}}\n"
    )
}

/// All of it or nothing: nft takes its input as one transaction.
fn apply(
    help: impl Fn(Command, &[u8]) -> std::io::Result<Helped>,
    text: &str,
) -> Result<(), String> {
    let mut command = Command::new("nft");
    command.args(["-f", "-"]).env("PATH", PATH).env("LC_ALL", "C");
    let output = help(command, text.as_bytes()).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            "there is no `nft` here; `apt-get install nftables` brings it".to_owned()
        }
        _ => format!("nft: {error}"),
    })?;
    match output.code {
        0 => Ok(()),
        code => {
            let words = String::from_utf8_lossy(&output.stderr);
            Err(format!("nft ended with code {code}: {}", words.trim()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_connection_from_what_sshd_says() {
        let check = |text: &str, expected: Option<(&str, u16)>| {
            let expected =
                expected.map(|(client, port)| Lifeline { client: client.parse().unwrap(), port });
            assert_eq!(Lifeline::parse(text), expected, "{text}");
        };
        check("10.0.0.9 50123 10.0.0.1 22", Some(("10.0.0.9", 22)));
        check("fe80::9%eth0 50123 fe80::1%eth0 2222", Some(("fe80::9", 2222)));
        check("UNKNOWN 65535 UNKNOWN 65535", None);
        check("", None);
    }

    #[test]
    fn spares_the_connection_before_anything_is_dropped() {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let lifeline = Lifeline { client: address("10.0.0.9"), port: 22 };
        let text = table(lifeline, &[address("10.0.0.9"), address("fd00::2")], &[]);
        let lines: Vec<&str> = text.lines().collect();
        let expected = [
            "table inet schism {",
            "chain arriving {",
            "type filter hook input priority -310; policy accept;",
            NEIGHBOURS.trim(),
            "ip saddr 10.0.0.9 tcp dport 22 accept",
            "ip saddr { 10.0.0.9 } counter drop",
            "ip6 saddr { fd00::2 } counter drop",
            "}",
            "chain leaving {",
            "type filter hook output priority -310; policy accept;",
            NEIGHBOURS.trim(),
            "ip daddr 10.0.0.9 tcp sport 22 accept",
            "}",
            "}",
        ];
        assert_eq!(lines, expected);
    }
}
