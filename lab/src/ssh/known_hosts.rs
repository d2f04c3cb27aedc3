//! Host keys on record, as OpenSSH keeps them: patterns, hashed names, revoked keys.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use russh::keys::ssh_key::known_hosts::{HostPatterns, KnownHosts, Marker};
use russh::keys::{Algorithm, HashAlg, PublicKey};
use sha1::Sha1;

/// What the records say of a host's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is on record.
    Known,
    /// Nothing is on record for this host.
    Unknown,
    /// Another key is on record for this host.
    Changed,
    /// The key was revoked.
    Revoked,
}

/// What `text` says of `key` as that of `host`.
pub fn standing(text: &str, host: &str, port: u16, key: &PublicKey) -> Standing {
    let name = name(host, port);
    let mut standing = Standing::Unknown;
    for entry in entries(text) {
        if !matches(entry.host_patterns(), &name) {
            continue;
        }
        let same = entry.public_key().key_data() == key.key_data();
        match entry.marker() {
            Some(Marker::Revoked) if same => return Standing::Revoked,
            None if same => standing = Standing::Known,
            // Of whatever kind: a stranger could offer a kind that is not on record.
            None if standing == Standing::Unknown => standing = Standing::Changed,
            // Certificates of hosts are not asked for, so that their authorities say nothing here.
            _ => {}
        }
    }
    standing
}

/// The kinds of keys on record for `host`: to be asked for before all others.
pub fn kinds(text: &str, host: &str, port: u16) -> Vec<Algorithm> {
    let name = name(host, port);
    let mut kinds = Vec::new();
    for entry in entries(text) {
        let kind = entry.public_key().algorithm();
        if entry.marker().is_none()
            && matches(entry.host_patterns(), &name)
            && !kinds.contains(&kind)
        {
            kinds.push(kind);
        }
    }
    kinds
}

/// The line that puts `key` on record.
pub fn line(host: &str, port: u16, key: &PublicKey) -> String {
    let mut line = name(host, port);
    // A key without a comment is two words.
    let _ = write!(line, " {}", key.to_openssh().unwrap_or_default());
    line
}

/// The key's fingerprint as OpenSSH shows it.
pub fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// Lines that cannot be read are no record, as for OpenSSH.
fn entries(text: &str) -> impl Iterator<Item = russh::keys::ssh_key::known_hosts::Entry> {
    text.lines().filter_map(|line| {
        // Fields may be set apart by any blanks, which the parser does not know.
        let line: Vec<&str> = line.split_whitespace().collect();
        KnownHosts::new(&line.join(" ")).next()?.ok()
    })
}

/// How a host is written in the file.
fn name(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    if port == 22 { host } else { format!("[{host}]:{port}") }
}

fn matches(patterns: &HostPatterns, name: &str) -> bool {
    match patterns {
        HostPatterns::Patterns(patterns) => {
            let hit = |negated: bool| {
                patterns.iter().any(|pattern| match pattern.strip_prefix('!') {
                    Some(pattern) => negated && fits(pattern.as_bytes(), name.as_bytes()),
                    None => !negated && fits(pattern.as_bytes(), name.as_bytes()),
                })
            };
            hit(false) && !hit(true)
        }
        HostPatterns::HashedName { salt, hash } => Hmac::<Sha1>::new_from_slice(salt)
            .is_ok_and(|hmac| hmac.chain_update(name).verify_slice(hash).is_ok()),
    }
}

/// `*` stands for any text, `?` for any character.
pub(super) fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            fits(rest, name) || name.split_first().is_some_and(|(_, name)| fits(pattern, name))
        }
        (Some((b'?', rest)), Some((_, name))) => fits(rest, name),
        (Some((one, rest)), Some((other, name))) => {
            one.eq_ignore_ascii_case(other) && fits(rest, name)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILagOJFgwaMNhBWQINinKOXmqS4Gh5NgxgriXwdOoINJ";
    const TWO: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    const HASHED: &str = "|1|lSBJoSd2Z6TkOaMHllXkH3xTQDw=|HAoQWztaEepwB7J5xEo2dd8kUfo=";

    fn check(records: &str, host: &str, port: u16, expected: Standing) {
        let records = records.replace("ONE", ONE).replace("TWO", TWO);
        let key = PublicKey::from_openssh(ONE).expect("a key");
        assert_eq!(standing(&records, host, port, &key), expected, "{records} {host}:{port}");
    }

    #[test]
    fn knows_a_host_by_name_pattern_port_and_hash() {
        check("h1 ONE\n", "h1", 22, Standing::Known);
        check("h1,10.0.0.1 ONE\n", "10.0.0.1", 22, Standing::Known);
        check("*.lab,!h2.lab ONE\n", "H1.lab", 22, Standing::Known);
        check("*.lab,!h2.lab ONE\n", "h2.lab", 22, Standing::Unknown);
        check("[h1]:2222 ONE\n", "h1", 2222, Standing::Known);
        check("h1 ONE\n", "h1", 2222, Standing::Unknown);
        check("fd00::1 ONE\n", "fd00::1", 22, Standing::Known);
        check("h1  \tONE\n", "h1", 22, Standing::Known);
        // What `ssh-keygen -H` made of `localhost`.
        check(&format!("{HASHED} ONE\n"), "localhost", 22, Standing::Known);
        check(&format!("{HASHED} ONE\n"), "elsewhere", 22, Standing::Unknown);
    }

    #[test]
    fn refuses_a_changed_and_a_revoked_key() {
        check("h1 TWO\n", "h1", 22, Standing::Changed);
        check("h1 TWO\nh1 ONE\n", "h1", 22, Standing::Known);
        check("h1 ONE\n@revoked * ONE\n", "h1", 22, Standing::Revoked);
        check("@cert-authority h1 TWO\n", "h1", 22, Standing::Unknown);
        check("# h1 ONE\n\nnonsense\nh2 TWO\n", "h1", 22, Standing::Unknown);
        // Another kind of key on record is no licence to show a new one.
        let ecdsa = "h1 ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBHwf2HMM5TRXvo2SQJjsNkiDD5KqiiNjrGVv3UUh+mMT5RHxiRtOnlqvjhQtBq0VpmpCV/PwUdhOig4vkbqAcEc=\n";
        check(ecdsa, "h1", 22, Standing::Changed);
    }

    #[test]
    fn asks_first_for_the_kinds_on_record() {
        let records = format!("h1 {ONE}\nh2 {TWO}\n");
        assert_eq!(kinds(&records, "h1", 22), [Algorithm::Ed25519]);
        assert_eq!(kinds(&records, "h3", 22), []);
        let key = PublicKey::from_openssh(ONE).expect("a key");
        assert_eq!(standing(&line("h9", 2022, &key), "h9", 2022, &key), Standing::Known);
    }
}
