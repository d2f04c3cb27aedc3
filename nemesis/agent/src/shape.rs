//! Links slowed down by `tc netem`, below a root qdisc of our own, never in another's place.
//!
//! What leaves for the named addresses goes through a netem queue; everything else, the connection
//! of the agent included, through a band of its own. A root qdisc that the kernel made by itself has
//! the handle 0 and comes back when ours goes; any other is somebody's, and is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::children::Helped;
use crate::protocol::Slow;
use crate::session::PATH;

/// What runs a program with this on its standard input.
type Help<'a> = &'a dyn Fn(Command, &[u8]) -> io::Result<Helped>;

/// Ours alone: whatever root qdisc has it is from this agent or one before it.
const HANDLE: &str = "5c15:";
/// As many queues as a prio qdisc can have, less the one for everything else.
const QUEUES_MAX: usize = 15;
/// So many packets may wait in a queue.
const PACKETS_MAX: u32 = 100_000;

/// What leaves for these comes late, and nothing else. Replaces what was set before.
pub fn set(help: Help, slow: &[Slow]) -> Result<(), String> {
    remove(help)?;
    if slow.len() > QUEUES_MAX {
        return Err(format!(
            "{} different delays on one node; {QUEUES_MAX} are possible",
            slow.len()
        ));
    }
    let mut devices: BTreeMap<String, Vec<(&Slow, IpAddr)>> = BTreeMap::new();
    for one in slow {
        for &to in &one.to {
            devices.entry(device(help, to)?).or_default().push((one, to));
        }
    }
    for (device, links) in &devices {
        refuse_others(device, &ask(help, "tc", &["qdisc", "show", "dev", device])?)?;
        let done = feed(help, &batch(device, links));
        if let Err(problem) = done {
            // Half of it must not stay.
            remove(help)?;
            return Err(problem);
        }
    }
    Ok(())
}

/// Takes our qdiscs away, wherever they are; `false` if there were none, as on a node without `tc`.
pub fn remove(help: Help) -> Result<bool, String> {
    let shown = match run(help, "tc", &["qdisc", "show"], b"") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        shown => shown.map_err(|error| format!("tc: {error}"))?,
    };
    let devices = ours(&shown);
    for device in &devices {
        ask(help, "tc", &["qdisc", "del", "dev", device, "root", "handle", HANDLE])?;
    }
    Ok(!devices.is_empty())
}

/// Whether this kernel has netem: tried in a network namespace that is thrown away.
pub fn try_netem(help: Help) -> Result<(), String> {
    let mut command = Command::new("tc");
    command.args(["qdisc", "add", "dev", "lo", "root", "handle", HANDLE, "netem", "delay", "1ms"]);
    // SAFETY: between fork and exec only a system call is made.
    unsafe {
        command.pre_exec(|| match libc::unshare(libc::CLONE_NEWNET) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
    let tried = help(command, b"").map_err(missing)?;
    if tried.code == 0 {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&tried.stderr);
    Err(format!("this kernel has no netem (`modprobe sch_netem` loads it): {}", words.trim()))
}

fn missing(error: io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "there is no `tc` here; `apt-get install iproute2` brings it".into()
        }
        _ => format!("tc: {error}"),
    }
}

fn run(help: Help, name: &str, words: &[&str], input: &[u8]) -> io::Result<String> {
    let mut command = Command::new(name);
    command.args(words).env("PATH", PATH).env("LC_ALL", "C");
    let helped = help(command, input)?;
    if helped.code == 0 {
        return Ok(String::from_utf8_lossy(&helped.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&helped.stderr);
    Err(io::Error::other(format!("{}: {}", words.join(" "), said.trim())))
}

fn ask(help: Help, name: &str, words: &[&str]) -> Result<String, String> {
    run(help, name, words, b"").map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => missing(error),
        _ => format!("{name} {error}"),
    })
}

fn feed(help: Help, text: &str) -> Result<(), String> {
    run(help, "tc", &["-batch", "-"], text.as_bytes()).map(drop).map_err(missing)
}

/// The device over which packets leave for `to`.
fn device(help: Help, to: IpAddr) -> Result<String, String> {
    let shown = ask(help, "ip", &["-o", "route", "get", &to.to_string()])?;
    let mut words = shown.split_whitespace().skip_while(|word| *word != "dev");
    let device = words.nth(1).ok_or_else(|| format!("no route to {to}: {}", shown.trim()))?;
    Ok(device.to_owned())
}

/// Refuses a device whose root qdisc is neither the kernel's own nor ours.
fn refuse_others(device: &str, shown: &str) -> Result<(), String> {
    let root = shown.lines().find(|line| line.split_whitespace().any(|word| word == "root"));
    let words: Vec<&str> = root.unwrap_or_default().split_whitespace().collect();
    match words.as_slice() {
        ["qdisc", kind, handle, ..] if *handle != "0:" && *handle != HANDLE => Err(format!(
            "{device} has a root qdisc of somebody else ({kind} {handle}), which is left alone: \
             remove it, or leave `delay` out"
        )),
        _ => Ok(()),
    }
}

/// The devices that have a root qdisc of ours.
fn ours(shown: &str) -> BTreeSet<String> {
    let device = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["qdisc", _, HANDLE, "dev", device, "root", ..] => Some((*device).to_owned()),
            _ => None,
        }
    };
    shown.lines().filter_map(device).collect()
}

/// The commands for one device. A rate, which no link reaches, makes netem keep the order of packets
/// whose delays differ.
fn batch(device: &str, links: &[(&Slow, IpAddr)]) -> String {
    let mut kinds: Vec<(u64, u64)> =
        links.iter().map(|(slow, _)| (slow.delay_us, slow.jitter_us)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let map = ["0"; 16].join(" ");
    let bands = kinds.len() + 1;
    let mut text =
        format!("qdisc add dev {device} root handle {HANDLE} prio bands {bands} priomap {map}\n");
    for (number, (delay, jitter)) in (2..).zip(&kinds) {
        let _ = writeln!(
            text,
            "qdisc add dev {device} parent {HANDLE}{number:x} netem delay {delay}us {jitter}us rate \
             10gbit limit {PACKETS_MAX}"
        );
    }
    for (slow, to) in links {
        let kind = (slow.delay_us, slow.jitter_us);
        let number = kinds.iter().position(|other| *other == kind).unwrap_or_default() + 2;
        let (protocol, priority, word, bits) = match to {
            IpAddr::V4(_) => ("ip", 1, "ip", 32),
            IpAddr::V6(_) => ("ipv6", 2, "ip6", 128),
        };
        let _ = writeln!(
            text,
            "filter add dev {device} parent {HANDLE} protocol {protocol} prio {priority} u32 match \
             {word} dst {to}/{bits} flowid {HANDLE}{number:x}"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[ignore = "changes this machine's links: `make vm-test` runs it in a guest"]
    fn slows_what_leaves_for_one_address_and_nothing_else() {
        let sign = std::path::Path::new("/etc/schism-disposable");
        assert!(sign.exists(), "this machine's links are not to be touched");
        let children = crate::children::Children::adopt().expect("children");
        let help: Help = &|command, input| children.help(command, input);
        let [far, near] = ["10.0.2.2", "10.0.2.3"];
        // The mean of five, in milliseconds.
        let ping = |to: &str| -> f64 {
            let said = ask(help, "ping", &["-q", "-c", "5", "-i", "0.2", to]).expect("a ping");
            let line = said.lines().find(|line| line.starts_with("rtt")).expect("times").to_owned();
            line.split('/').nth(4).expect("a mean").parse().expect("a number")
        };
        try_netem(help).expect("netem");
        let before = ping(far);
        let to = vec![far.parse().expect("an address")];
        let slow = Slow { to, delay_us: 200_000, jitter_us: 10_000 };
        set(help, std::slice::from_ref(&slow)).expect("slowed down");
        let (slowed, other) = (ping(far), ping(near));
        assert!((180.0..400.0).contains(&slowed), "{slowed} ms, {before} ms before");
        assert!(other < 100.0, "{other} ms to another");
        set(help, &[]).expect("as before");
        assert!(ping(far) < 100.0);
        // Somebody else's qdisc is left as it is.
        let device = device(help, slow.to[0]).expect("a device");
        let words = ["qdisc", "add", "dev", &device, "root", "handle", "1:", "prio"];
        ask(help, "tc", &words).expect("another's qdisc");
        let refused = set(help, &[slow]).expect_err("it is refused");
        assert!(refused.contains("somebody else (prio 1:)"), "{refused}");
        let shown = ask(help, "tc", &["qdisc", "show", "dev", &device]).expect("shown");
        assert!(shown.starts_with("qdisc prio 1: root"), "{shown}");
        ask(help, "tc", &["qdisc", "del", "dev", &device, "root"]).expect("gone");
    }

    #[test]
    fn leaves_the_qdisc_of_somebody_else_alone() {
        let check = |shown: &str, refused: bool| {
            assert_eq!(refuse_others("eth0", shown).is_err(), refused, "{shown}");
        };
        check("qdisc noqueue 0: root refcnt 2\n", false);
        check("qdisc mq 0: root\nqdisc fq_codel 0: parent :1 limit 10240p\n", false);
        check("qdisc prio 5c15: root refcnt 2 bands 2\n", false);
        check("qdisc htb 1: root refcnt 2 r2q 10\n", true);
        check("", false);
    }

    #[test]
    fn finds_its_own_qdiscs_and_no_others() {
        let shown = "qdisc noqueue 0: dev lo root refcnt 2\n\
                     qdisc prio 5c15: dev eth0 root refcnt 2 bands 2 priomap 0 0\n\
                     qdisc netem 8001: dev eth0 parent 5c15:2 limit 1000\n\
                     qdisc htb 1: dev eth1 root refcnt 2\n";
        assert_eq!(ours(shown), ["eth0".to_owned()].into());
    }

    #[test]
    fn names_a_queue_for_each_delay_and_a_filter_for_each_address() {
        let to = |text: &str| text.parse::<IpAddr>().expect("an address");
        let slow = Slow { to: vec![], delay_us: 5000, jitter_us: 100 };
        let text = batch("eth0", &[(&slow, to("10.0.0.2")), (&slow, to("fd00::2"))]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(
            lines[0].starts_with("qdisc add dev eth0 root handle 5c15: prio bands 2 priomap 0")
        );
        assert!(lines[1].contains("parent 5c15:2 netem delay 5000us 100us rate"), "{text}");
        assert!(
            lines[2].ends_with("protocol ip prio 1 u32 match ip dst 10.0.0.2/32 flowid 5c15:2")
        );
        assert!(lines[3].contains("protocol ipv6 prio 2 u32 match ip6 dst fd00::2/128"), "{text}");
    }
}
