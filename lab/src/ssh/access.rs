//! How one host is reached: the name, the user, the keys, the way.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use super::quote::{script, words};

/// The port of SSH.
const PORT: u16 = 22;

/// What happens with a host of which no key is on record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownHosts {
    /// It is refused, with the line that would put its key on record.
    #[default]
    Refuse,
    /// It is taken as it is: for machines that are made anew each time.
    Accept,
}

/// How one host is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// What the host is called, in messages.
    pub name: String,
    /// The name or address to connect to.
    pub host: String,
    /// The port of its sshd.
    pub port: u16,
    /// The user to log in as: root, or one who may `sudo` without a password.
    pub user: String,
    /// Private keys to offer; none: the usual ones of the home folder.
    pub keys: Vec<PathBuf>,
    /// Whether the keys of the ssh-agent are offered, too.
    pub agent: bool,
    /// The host through which this one is reached.
    pub jump: Option<Box<Access>>,
    /// The address under which the other nodes and the clients reach it, where that is another.
    pub address: Option<IpAddr>,
    /// The folder for everything of schism on the node.
    pub data: Option<PathBuf>,
    /// Whether the machine's own clock may be set: it is there to be thrown away.
    pub disposable: bool,
    /// Files with host keys on record; none: the user's and the machine's.
    pub known_hosts: Vec<PathBuf>,
    /// What happens when none is.
    pub unknown_hosts: UnknownHosts,
}

impl Access {
    /// `user@host:port`, `host`, `user@[fd00::1]:2222`, `fd00::1`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| {
            format!(
                "`{text}` is no host: {what}; write user@host, user@host:2222 or user@[fd00::1]:2222"
            )
        };
        let (user, place) = match text.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, text),
        };
        let (host, port) = if let Some(rest) = place.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or_else(|| wrong("a `]` is missing"))?;
            (host, rest.strip_prefix(':').or(if rest.is_empty() { None } else { Some(rest) }))
        } else if place.matches(':').count() == 1 {
            place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port)))
        } else {
            (place, None)
        };
        let port = match port {
            Some(port) => port.parse().map_err(|_| wrong("the port is no number up to 65535"))?,
            None => PORT,
        };
        if host.is_empty() || user.is_some_and(str::is_empty) {
            return Err(wrong("a part is empty"));
        }
        if host.starts_with('-') || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(wrong("it has blanks, or begins with `-`"));
        }
        Ok(Self::new(host, port, user))
    }

    fn new(host: &str, port: u16, user: Option<&str>) -> Self {
        let user = user.map_or_else(own_user, str::to_owned);
        Self {
            name: host.to_owned(),
            host: host.to_owned(),
            port,
            user,
            keys: Vec::new(),
            agent: true,
            jump: None,
            address: None,
            data: None,
            disposable: false,
            known_hosts: Vec::new(),
            unknown_hosts: UnknownHosts::default(),
        }
    }

    /// The folder for everything of schism on the node.
    pub(super) fn folder(&self) -> PathBuf {
        let own = || PathBuf::from(format!("/var/tmp/schism-{}", self.user));
        self.data.clone().unwrap_or_else(own)
    }

    /// Whether programs are started through `sudo`.
    pub(super) fn needs_sudo(&self) -> bool {
        self.user != "root"
    }

    /// A script for /bin/sh that root runs, whoever logs in. It never asks for a password.
    pub(super) fn as_root(&self, line: &str) -> String {
        if self.needs_sudo() {
            words(["exec", "sudo", "-n", "--", "/bin/sh", "-c", line])
        } else {
            script(line)
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, host, port, .. } = self;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        match *port {
            PORT => write!(formatter, "{user}@{host}"),
            port => write!(formatter, "{user}@{host}:{port}"),
        }
    }
}

/// Whoever runs this: what the environment says may be somebody else's, after `sudo` or `su`.
fn own_user() -> String {
    let own = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten();
    let said = || std::env::var("USER").ok().filter(|user| !user.is_empty());
    own.map(|user| user.name).or_else(said).unwrap_or_else(|| "root".into())
}

/// A path of an inventory: `~/` is the home folder, and what is relative is so to `folder`.
pub(super) fn resolve(path: &str, folder: &std::path::Path) -> PathBuf {
    let home = std::env::home_dir();
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => folder.join(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_hosts_of_both_families_with_and_without_ports() {
        let check = |text: &str, expected: (&str, &str, u16)| {
            let access = Access::parse(text).expect(text);
            assert_eq!((access.user.as_str(), access.host.as_str(), access.port), expected);
        };
        check("root@h1", ("root", "h1", 22));
        check("admin@h1.example.org:2222", ("admin", "h1.example.org", 2222));
        check("root@10.0.0.1:22", ("root", "10.0.0.1", 22));
        check("root@fd00::1", ("root", "fd00::1", 22));
        check("root@[fd00::1]:2222", ("root", "fd00::1", 2222));
        check("root@[fd00::1]", ("root", "fd00::1", 22));
        assert_eq!(
            Access::parse("root@[fd00::1]:2222").expect("a host").to_string(),
            "root@[fd00::1]:2222"
        );
        assert_eq!(Access::parse("root@h1").expect("a host").to_string(), "root@h1");
    }

    #[test]
    fn refuses_what_is_no_host_with_an_example() {
        for text in
            ["", "@h1", "root@", "h1:ssh", "h1:70000", "-oProxyCommand=x", "a b", "[fd00::1"]
        {
            let error = Access::parse(text).expect_err(text);
            assert!(error.contains("user@host:2222"), "{error}");
        }
    }
}
