//! Logging in: with key files, and with the keys of the ssh-agent. Never with a password.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::client::Handle;
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg, load_secret_key};

use super::access::Access;
use super::connection::Gatekeeper;

/// What `ssh` tries when nothing is named.
const USUAL: [&str; 3] = [".ssh/id_ed25519", ".ssh/id_ecdsa", ".ssh/id_rsa"];
/// sshd closes the connection after six attempts.
const ATTEMPTS_MAX: usize = 5;

/// Logs in, or says which keys were offered and what would help.
pub(super) async fn log_in(handle: &mut Handle<Gatekeeper>, access: &Access) -> Result<(), String> {
    let mut offered = Vec::new();
    let keys = files(access)?;
    let named = keys.len();
    for (path, key) in keys.into_iter().take(ATTEMPTS_MAX) {
        let hash = rsa_hash(handle, key.algorithm().is_rsa()).await?;
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
        let tried = handle.authenticate_publickey(access.user.clone(), key).await;
        if tried.map_err(|error| format!("logging in: {error}"))?.success() {
            return Ok(());
        }
        offered.push(path.display().to_string());
    }
    let left = ATTEMPTS_MAX.saturating_sub(named);
    if access.agent && left > 0 && with_agent(handle, access, left, &mut offered).await? {
        return Ok(());
    }
    let user = &access.user;
    Err(if offered.is_empty() {
        "there is no key to log in with: name one (`key: FILE` in the inventory), or start an \
         ssh-agent"
            .into()
    } else {
        format!(
            "the user {user} was refused with {}; put its public key into {user}'s \
             authorized_keys, or name another (`key: FILE` in the inventory)",
            offered.join(", ")
        )
    })
}

/// The key files to offer. Those that are named must be there.
fn files(access: &Access) -> Result<Vec<(PathBuf, PrivateKey)>, String> {
    if !access.keys.is_empty() {
        let named = access.keys.iter().map(|path| Ok((path.clone(), load(path)?)));
        return named.collect();
    }
    let home = std::env::home_dir().unwrap_or_default();
    let usual = USUAL.map(|name| home.join(name));
    // A usual key that cannot be used is no reason to fail as long as the agent has it, too.
    Ok(usual.into_iter().filter_map(|path| load(&path).ok().map(|key| (path, key))).collect())
}

fn load(path: &Path) -> Result<PrivateKey, String> {
    let shown = path.display();
    match load_secret_key(path, None) {
        Ok(key) if key.is_encrypted() => Err(encrypted(path)),
        Ok(key) => Ok(key),
        Err(russh::keys::Error::KeyIsEncrypted) => Err(encrypted(path)),
        Err(error) => Err(format!("the key {shown}: {error}")),
    }
}

fn encrypted(path: &Path) -> String {
    format!(
        "the key {0} is encrypted, and nobody is asked for passwords; `ssh-add {0}` gives it to the \
         ssh-agent (with `agent: true` in the inventory)",
        path.display()
    )
}

/// RSA keys sign with the best that the server takes; others have their own way.
async fn rsa_hash(handle: &Handle<Gatekeeper>, rsa: bool) -> Result<Option<HashAlg>, String> {
    if !rsa {
        return Ok(None);
    }
    let best = handle.best_supported_rsa_hash().await;
    // A server that does not say takes the newer ones, unless it is very old.
    Ok(best.map_err(|error| format!("logging in: {error}"))?.unwrap_or(Some(HashAlg::Sha256)))
}

async fn with_agent(
    handle: &mut Handle<Gatekeeper>,
    access: &Access,
    most: usize,
    offered: &mut Vec<String>,
) -> Result<bool, String> {
    // Without an agent there is nothing to offer.
    let Ok(mut agent) = AgentClient::connect_env().await else { return Ok(false) };
    let identities = agent.request_identities().await;
    let identities = identities.map_err(|error| format!("the ssh-agent: {error}"))?;
    for identity in identities.into_iter().take(most) {
        let AgentIdentity::PublicKey { key, comment } = identity else { continue };
        let hash = rsa_hash(handle, key.algorithm().is_rsa()).await?;
        let tried = handle
            .authenticate_publickey_with(access.user.clone(), key, hash, &mut agent)
            .await
            .map_err(|error| format!("the ssh-agent: {error}"))?;
        if tried.success() {
            return Ok(true);
        }
        offered.push(format!("{comment} of the ssh-agent"));
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_helps_with_an_encrypted_and_with_a_missing_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let made = std::process::Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "secret", "-f"])
            .arg(&path)
            .status();
        if made.is_ok_and(|status| status.success()) {
            let error = load(&path).expect_err("it is encrypted");
            assert!(error.contains("ssh-add"), "{error}");
        } else {
            // Past the harness of tests, which keeps what a test prints that passes.
            let _ = std::io::Write::write_all(
                &mut std::io::stderr(),
                b"skipped: says_what_helps_with_an_encrypted_key: no ssh-keygen here\n",
            );
        }
        let error = load(&folder.path().join("none")).expect_err("it is missing");
        assert!(error.contains("none"), "{error}");
    }
}
