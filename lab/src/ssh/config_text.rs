//! Hosts as ssh's own configuration names them: what `vagrant ssh-config` prints.

use std::path::Path;

use super::access::{Access, UnknownHosts, resolve};
use super::known_hosts::fits;

/// One `Host` block: its patterns, and its settings in order.
struct Block {
    patterns: Vec<String>,
    settings: Vec<(String, String)>,
}

/// Whether a text is such a configuration, and no YAML.
pub fn is_one(text: &str) -> bool {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    first.is_some_and(|line| {
        line.split_once(char::is_whitespace)
            .is_some_and(|(key, _)| key.eq_ignore_ascii_case("host"))
    })
}

/// The hosts of every block whose name is no pattern, in order.
pub fn hosts(text: &str, folder: &Path) -> Result<Vec<Access>, String> {
    let blocks = blocks(text)?;
    let mut hosts = Vec::new();
    for name in blocks.iter().flat_map(|block| &block.patterns) {
        if !name.contains(['*', '?', '!']) {
            hosts.push(host(name, &blocks, folder)?);
        }
    }
    Ok(hosts)
}

fn blocks(text: &str) -> Result<Vec<Block>, String> {
    let mut blocks: Vec<Block> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |what: &str| format!("line {}: {what}: `{line}`", number + 1);
        let end = line.find(|c: char| c.is_whitespace() || c == '=');
        let (key, value) = line.split_at(end.ok_or_else(|| wrong("a keyword without a value"))?);
        let value = value.trim_start_matches(|c: char| c.is_whitespace() || c == '=').trim();
        let key = key.to_ascii_lowercase();
        match key.as_str() {
            "host" => {
                let patterns = value.split_whitespace().map(unquoted).collect();
                blocks.push(Block { patterns, settings: Vec::new() });
            }
            // What they select cannot be known here, and to leave it out would be a guess.
            "match" | "include" => return Err(wrong("`Match` and `Include` are not read here")),
            _ => match blocks.last_mut() {
                Some(block) => block.settings.push((key, unquoted(value))),
                None => return Err(wrong("a setting before the first `Host`")),
            },
        }
    }
    Ok(blocks)
}

fn unquoted(text: &str) -> String {
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(text).to_owned()
}

/// The settings of a host; of each, the first that is found holds, but keys add up.
fn host(name: &str, blocks: &[Block], folder: &Path) -> Result<Access, String> {
    let matching = |block: &&Block| {
        let hit = |pattern: &str| fits(pattern.as_bytes(), name.as_bytes());
        let refused = |pattern: &String| pattern.strip_prefix('!').is_some_and(hit);
        block.patterns.iter().any(|pattern| hit(pattern)) && !block.patterns.iter().any(refused)
    };
    let settings: Vec<&(String, String)> =
        blocks.iter().filter(matching).flat_map(|block| &block.settings).collect();
    let all = |key: &'static str| {
        settings.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    };
    let first = |key: &'static str| all(key).next();
    let mut access = Access::parse(first("hostname").unwrap_or(name))?;
    name.clone_into(&mut access.name);
    if let Some(user) = first("user") {
        user.clone_into(&mut access.user);
    }
    if let Some(port) = first("port") {
        let wrong = |_| format!("{name}: `Port {port}` is no number up to 65535");
        access.port = port.parse().map_err(wrong)?;
    }
    access.keys = all("identityfile").map(|path| resolve(path, folder)).collect();
    access.agent = first("identitiesonly").is_none_or(|only| !only.eq_ignore_ascii_case("yes"));
    // More than one file may stand in one setting.
    let records = first("userknownhostsfile").map(str::split_whitespace);
    access.known_hosts = records.into_iter().flatten().map(|path| resolve(path, folder)).collect();
    if first("stricthostkeychecking").is_some_and(|strict| {
        ["no", "off", "accept-new"].iter().any(|word| strict.eq_ignore_ascii_case(word))
    }) {
        access.unknown_hosts = UnknownHosts::Accept;
    }
    if let Some(jump) = first("proxyjump").filter(|jump| !jump.eq_ignore_ascii_case("none")) {
        if jump.contains(',') {
            return Err(format!(
                "{name}: `ProxyJump {jump}`: one jump host is as many as there may be"
            ));
        }
        let mut jump = Access::parse(jump)?;
        jump.keys.clone_from(&access.keys);
        jump.known_hosts.clone_from(&access.known_hosts);
        jump.unknown_hosts = access.unknown_hosts;
        access.jump = Some(Box::new(jump));
    }
    if first("proxycommand").is_some_and(|command| !command.eq_ignore_ascii_case("none")) {
        return Err(format!("{name}: `ProxyCommand` is not done; `ProxyJump` is"));
    }
    Ok(access)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// As Vagrant 2.3 prints it.
    const VAGRANT: &str = "Host n1
  HostName 127.0.0.1
  User vagrant
  Port 2222
  UserKnownHostsFile /dev/null
  StrictHostKeyChecking no
  PasswordAuthentication no
  IdentityFile \"/home/me/my lab/.vagrant/machines/n1/virtualbox/private_key\"
  IdentitiesOnly yes
  LogLevel FATAL

Host n2
  HostName 192.168.121.20
  User vagrant
  Port 22
  UserKnownHostsFile /dev/null
  StrictHostKeyChecking no
  IdentityFile /home/me/lab/.vagrant/machines/n2/libvirt/private_key
  IdentitiesOnly yes
";

    #[test]
    fn reads_what_vagrant_prints() {
        assert!(is_one(VAGRANT) && !is_one("hosts: [ h1 ]\n"));
        let hosts = hosts(VAGRANT, Path::new("/")).expect("hosts");
        let shown: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["vagrant@127.0.0.1:2222", "vagrant@192.168.121.20"]);
        let key = "/home/me/my lab/.vagrant/machines/n1/virtualbox/private_key";
        assert_eq!(hosts[0].keys, [PathBuf::from(key)]);
        assert_eq!((hosts[0].name.as_str(), hosts[0].agent), ("n1", false));
        assert_eq!(hosts[0].unknown_hosts, UnknownHosts::Accept);
        assert_eq!(hosts[0].known_hosts, [PathBuf::from("/dev/null")]);
    }

    #[test]
    fn the_first_setting_of_a_host_holds_and_patterns_add_theirs() {
        let text = "# mine\nHost db1 db2\n  User=admin\n  IdentityFile k1\nHost db*\n  User other\n  \
                    Port 2022\n  IdentityFile /k2\n  ProxyJump root@gate:2200\nHost *\n  Port 1\n";
        let hosts = hosts(text, Path::new("/conf")).expect("hosts");
        let shown: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["admin@db1:2022", "admin@db2:2022"]);
        assert_eq!(hosts[0].keys, [PathBuf::from("/conf/k1"), PathBuf::from("/k2")]);
        assert!(hosts[0].agent && hosts[0].unknown_hosts == UnknownHosts::Refuse);
        let jump = hosts[1].jump.as_ref().expect("a jump host");
        assert_eq!(jump.to_string(), "root@gate:2200");
    }

    #[test]
    fn refuses_what_it_would_have_to_guess() {
        let check = |text: &str, expected: &str| {
            let error = hosts(text, Path::new("/")).expect_err(text);
            assert!(error.contains(expected), "{error}");
        };
        check("Host a\nMatch exec x\n", "line 2");
        check("Host a\n  Port x\n", "Port x");
        check("Host a\n  ProxyCommand nc %h %p\n", "ProxyCommand");
        check("Host a\n  User\n", "without a value");
    }
}
