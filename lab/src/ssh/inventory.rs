//! Inventories: which hosts make the lab, from a file, a list of names, or Vagrant.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::access::{Access, UnknownHosts, resolve};
use super::{config_text, vagrant};

/// As many as the local lab takes.
const HOSTS_MAX: usize = 64;
/// An inventory that is longer is none.
const SIZE_MAX: u64 = 1 << 20;

/// Where the hosts of a lab are named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file: YAML, or what `vagrant ssh-config` prints.
    File(PathBuf),
    /// `user@host:port`, one a node.
    Nodes(Vec<String>),
    /// The running machines of the Vagrantfile in this folder.
    Vagrant(PathBuf),
}

impl Source {
    /// The hosts, in order: the first is n1. Starts no thread; asks Vagrant, for a minute at most.
    pub fn hosts(&self) -> Result<Vec<Access>, String> {
        let (hosts, what) = match self {
            Source::File(path) => {
                let shown = path.display().to_string();
                let text = read_file(path).map_err(|error| format!("{shown}: {error}"))?;
                let folder = path.parent().unwrap_or(Path::new("."));
                (parse(&text, folder).map_err(|error| format!("{shown}: {error}"))?, shown)
            }
            Source::Nodes(names) => {
                let hosts: Result<Vec<Access>, String> =
                    names.iter().map(|name| Access::parse(name)).collect();
                (hosts?, "the list of nodes".to_owned())
            }
            Source::Vagrant(folder) => (vagrant::hosts(folder)?, "Vagrant".to_owned()),
        };
        check(&hosts).map_err(|problem| format!("{what}: {problem}"))?;
        Ok(hosts)
    }
}

fn read_file(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > SIZE_MAX {
        return Err(format!("it is longer than an inventory needs ({SIZE_MAX} bytes)"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// Hosts that can make a lab: some, not too many, none twice.
fn check(hosts: &[Access]) -> Result<(), String> {
    if hosts.is_empty() {
        return Err("it names no host".into());
    }
    if hosts.len() > HOSTS_MAX {
        return Err(format!("{} hosts are more than the {HOSTS_MAX} of a lab", hosts.len()));
    }
    for (place, host) in hosts.iter().enumerate() {
        let same = |other: &&Access| {
            let way = |access: &Access| access.jump.as_ref().map(|jump| jump.host.clone());
            (&other.host, other.port, way(other)) == (&host.host, host.port, way(host))
        };
        if hosts[..place].iter().any(|other| same(&other)) {
            return Err(format!("{host} stands there twice"));
        }
    }
    Ok(())
}

/// The hosts of an inventory's text; relative paths in it are relative to `folder`.
pub fn parse(text: &str, folder: &Path) -> Result<Vec<Access>, String> {
    if config_text::is_one(text) {
        return config_text::hosts(text, folder);
    }
    let file: File = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    let defaults = file.defaults();
    file.hosts.iter().map(|Line(host)| access(host, &defaults, folder)).collect()
}

/// An inventory in YAML. What stands beside `hosts` holds for each of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    hosts: Vec<Line>,
    user: Option<String>,
    port: Option<u16>,
    key: Option<OneOrMore>,
    agent: Option<bool>,
    jump: Option<String>,
    data: Option<String>,
    disposable: Option<bool>,
    known_hosts: Option<OneOrMore>,
    unknown_hosts: Option<UnknownHosts>,
}

impl File {
    fn defaults(&self) -> Entry {
        Entry {
            user: self.user.clone(),
            port: self.port,
            key: self.key.clone(),
            agent: self.agent,
            jump: self.jump.clone(),
            data: self.data.clone(),
            disposable: self.disposable,
            known_hosts: self.known_hosts.clone(),
            unknown_hosts: self.unknown_hosts,
            ..Entry::default()
        }
    }
}

/// A host by its parts; `host` may be `user@host:port`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    host: String,
    name: Option<String>,
    address: Option<IpAddr>,
    user: Option<String>,
    port: Option<u16>,
    key: Option<OneOrMore>,
    agent: Option<bool>,
    jump: Option<String>,
    data: Option<String>,
    disposable: Option<bool>,
    known_hosts: Option<OneOrMore>,
    unknown_hosts: Option<UnknownHosts>,
}

/// A host as it stands in the list.
#[derive(Debug)]
struct Line(Entry);

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Line;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("user@host:port, or a map with the key `host`")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Line, E> {
                Ok(Line(Entry { host: text.to_owned(), ..Entry::default() }))
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Line, M::Error> {
                Entry::deserialize(MapAccessDeserializer::new(map)).map(Line)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// A path, or a list of them.
#[derive(Clone, Debug, Default)]
struct OneOrMore(Vec<String>);

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = OneOrMore;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a path, or a list of them")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<OneOrMore, E> {
                Ok(OneOrMore(vec![text.to_owned()]))
            }

            fn visit_seq<S: serde::de::SeqAccess<'de>>(
                self,
                mut list: S,
            ) -> Result<OneOrMore, S::Error> {
                let mut paths = Vec::new();
                while let Some(path) = list.next_element()? {
                    paths.push(path);
                }
                Ok(OneOrMore(paths))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

fn access(host: &Entry, defaults: &Entry, folder: &Path) -> Result<Access, String> {
    let mut access = Access::parse(&host.host)?;
    let named_user = host.host.contains('@');
    let paths = |paths: &OneOrMore| paths.0.iter().map(|path| resolve(path, folder)).collect();
    if let Some(user) = host.user.as_ref().or(defaults.user.as_ref().filter(|_| !named_user)) {
        access.user.clone_from(user);
    }
    let default_port = defaults.port.filter(|_| access.port == 22);
    access.port = host.port.or(default_port).unwrap_or(access.port);
    access.name = host.name.clone().unwrap_or(access.name);
    access.address = host.address;
    access.keys = host.key.as_ref().or(defaults.key.as_ref()).map(paths).unwrap_or_default();
    access.agent = host.agent.or(defaults.agent).unwrap_or(access.keys.is_empty());
    access.disposable = host.disposable.or(defaults.disposable).unwrap_or(false);
    access.known_hosts =
        host.known_hosts.as_ref().or(defaults.known_hosts.as_ref()).map(paths).unwrap_or_default();
    access.unknown_hosts = host.unknown_hosts.or(defaults.unknown_hosts).unwrap_or_default();
    if let Some(data) = host.data.as_ref().or(defaults.data.as_ref()) {
        let data = PathBuf::from(data);
        if !data.is_absolute() {
            return Err(format!("{}: `data: {}` is no absolute path", access.name, data.display()));
        }
        access.data = Some(data);
    }
    if let Some(jump) = host.jump.as_ref().or(defaults.jump.as_ref()) {
        let mut jump = Access::parse(jump)?;
        // The way there is opened with the same keys, as ssh does.
        jump.keys.clone_from(&access.keys);
        jump.agent = access.agent;
        jump.known_hosts.clone_from(&access.known_hosts);
        jump.unknown_hosts = access.unknown_hosts;
        access.jump = Some(Box::new(jump));
    }
    Ok(access)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Access>, String> {
        parse(text, Path::new("/lab"))
    }

    #[test]
    fn what_stands_beside_the_hosts_holds_for_each() {
        let hosts = read(
            "user: admin\nkey: keys/lab\nknown_hosts: [kh, /etc/kh]\nhosts:\n  - h1\n  \
             - root@h2:2222\n  - { host: 'fd00::3', name: third, user: me, key: /k3, agent: true, \
             jump: bastion, address: 10.0.0.3, data: /srv/x, disposable: true }\n",
        )
        .expect("an inventory");
        let shown: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["admin@h1", "root@h2:2222", "me@[fd00::3]"]);
        assert_eq!(hosts[0].keys, [PathBuf::from("/lab/keys/lab")]);
        assert_eq!(hosts[0].known_hosts, [PathBuf::from("/lab/kh"), PathBuf::from("/etc/kh")]);
        assert!(!hosts[0].agent && hosts[2].agent && hosts[2].disposable && !hosts[1].disposable);
        assert_eq!(hosts[2].address, Some("10.0.0.3".parse().expect("an address")));
        assert_eq!(hosts[2].jump.as_ref().map(|jump| jump.host.as_str()), Some("bastion"));
        assert_eq!(hosts[2].jump.as_ref().map(|jump| jump.keys.clone()), Some(vec!["/k3".into()]));
        assert_eq!(hosts[2].folder(), Path::new("/srv/x"));
    }

    #[test]
    fn refuses_what_no_key_is_called_and_says_where() {
        let check = |text: &str, expected: &str| {
            let error = read(text).expect_err(text);
            assert!(error.contains(expected), "{error}");
        };
        check("hosts: [ { host: h1, usr: x } ]\n", "usr");
        check("hostz: [ h1 ]\n", "hostz");
        check("hosts: [ { host: h1, data: rel } ]\n", "absolute");
        check("hosts: [ 'h1:x' ]\n", "the port is no number");
        check("hosts: [ { name: h1 } ]\n", "host");
    }

    #[test]
    fn refuses_no_hosts_and_the_same_host_twice() {
        let nodes = |names: &[&str]| {
            Source::Nodes(names.iter().map(|&name| name.to_owned()).collect()).hosts()
        };
        assert_eq!(nodes(&["root@h1", "root@h2"]).expect("two hosts").len(), 2);
        assert!(nodes(&[]).expect_err("none").contains("no host"));
        assert!(nodes(&["root@h1", "me@h1"]).expect_err("twice").contains("twice"));
        assert!(nodes(&["root@h1", "root@h1:2222"]).is_ok());
    }
}
