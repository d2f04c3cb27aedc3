//! Puts this program onto a node, once: under the name of its own checksum.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::access::Access;
use super::connection::Connection;
use super::quote::quote;

/// A file to be put onto nodes, with its checksum.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) sum: String,
    pub(super) bytes: u64,
}

impl Program {
    fn open(path: PathBuf) -> Result<Self, String> {
        let (sum, bytes) =
            checksum(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { path, sum, bytes })
    }
}

/// The programs that nodes need.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    /// Run as `AGENT agent …`.
    pub(super) agent: Program,
    /// What a command whose program is `schism` runs.
    pub(super) schism: Program,
}

impl Programs {
    /// The agent that `SCHISM_AGENT` names, or one beside this program, or this program itself.
    /// Blocks while it reads them.
    pub(super) fn find() -> Result<Self, String> {
        let own = std::env::current_exe().map_err(|error| format!("this program: {error}"))?;
        let schism = Program::open(PathBuf::from("/proc/self/exe"))?;
        let beside = own.with_file_name("schism-agent");
        let agent = match std::env::var_os("SCHISM_AGENT") {
            Some(path) => {
                Program::open(path.into()).map_err(|error| format!("SCHISM_AGENT: {error}"))?
            }
            None if beside.exists() => Program::open(beside)?,
            None => schism.clone(),
        };
        Ok(Self { agent, schism })
    }
}

/// The SHA-256 of a file in hexadecimal, and its length.
pub(super) fn checksum(path: &Path) -> std::io::Result<(String, u64)> {
    let mut file = std::fs::File::open(path)?;
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            length => {
                hash.update(&piece[..length]);
                bytes += length as u64;
            }
        }
    }
    let mut sum = String::new();
    for byte in hash.finalize() {
        let _ = write!(sum, "{byte:02x}");
    }
    Ok((sum, bytes))
}

/// What the programs are called on a node, and how much was copied there.
pub(super) struct Installed {
    pub(super) agent: PathBuf,
    pub(super) schism: PathBuf,
    pub(super) copied_bytes: u64,
}

/// Puts the programs onto a node where they are not there yet.
pub(super) async fn install(
    connection: &Connection,
    access: &Access,
    programs: &Programs,
) -> Result<Installed, String> {
    let folder = access.folder().join("programs");
    let mut copied_bytes = 0;
    let mut names = Vec::new();
    for program in [&programs.agent, &programs.schism] {
        let name = folder.join(&program.sum);
        if !names.contains(&name) && put(connection, access, program, &name).await? {
            copied_bytes += program.bytes;
        }
        names.push(name);
    }
    let [agent, schism] = [names[0].clone(), names[1].clone()];
    Ok(Installed { agent, schism, copied_bytes })
}

/// Puts one program there; `false` if it is there already, whole.
///
/// Root does it, as whom it will run: the folder may be where the user may not write, and a user who
/// may not become root is refused before anything is copied.
async fn put(
    connection: &Connection,
    access: &Access,
    program: &Program,
    name: &Path,
) -> Result<bool, String> {
    let path = quote(&name.display().to_string());
    let folder = quote(&name.parent().unwrap_or(Path::new("/")).display().to_string());
    let look = format!(
        "uname -sm && umask 022 && mkdir -p -- {folder} && {} \
         && if test -x {path}; then sha256sum -- {path}; fi",
        is_safe(access)
    );
    let line = access.as_root(&look);
    let seen = connection.exec(&line, tokio::io::empty(), connection.bounds.reach * 2).await?;
    let said = String::from_utf8_lossy(&seen.stdout).into_owned();
    let platform = said.lines().next().unwrap_or_default();
    if seen.code == SOMEBODY_ELSES {
        return Err(format!(
            "{} belongs to somebody else or can be written by everybody, who could change what root \
             runs from there: remove it, or name another folder as `data` in an inventory",
            access.folder().display()
        ));
    }
    if seen.code != 0 || platform.is_empty() {
        let words = String::from_utf8_lossy(&seen.stderr);
        return Err(unwilling(access, said.trim(), words.trim()));
    }
    let own = format!("Linux {}", std::env::consts::ARCH);
    if platform != own && std::env::var_os("SCHISM_AGENT").is_none() {
        return Err(format!(
            "it is a {platform}, and this program is for {own}: name an agent for it in SCHISM_AGENT"
        ));
    }
    if said.lines().any(|line| line.starts_with(&program.sum)) {
        return Ok(false);
    }
    let file = tokio::fs::File::open(&program.path).await;
    let file = file.map_err(|error| format!("{}: {error}", program.path.display()))?;
    receive(connection, access, file, &path, 0o755, &program.sum).await?;
    Ok(true)
}

/// Exit code of [`is_safe`].
const SOMEBODY_ELSES: i32 = 77;

/// A condition of a shell: the folder is root's or the user's, and so is where it points to. Its name
/// can be guessed and stands where everybody may write, so that somebody may have been there first.
fn is_safe(access: &Access) -> String {
    let (folder, user) = (quote(&access.folder().display().to_string()), quote(&access.user));
    format!(
        "for owner in $(stat -c %u -- {folder}; stat -L -c %u -- {folder}); do test \"$owner\" = 0 \
         || test \"$owner\" = \"$(id -u -- {user})\" || exit {SOMEBODY_ELSES}; done && case \
         \"$(stat -L -c %a -- {folder})\" in *[2367]) exit {SOMEBODY_ELSES};; esac"
    )
}

/// Why a host did not do the first that was asked of it.
fn unwilling(access: &Access, said: &str, words: &str) -> String {
    let user = &access.user;
    if access.needs_sudo() && words.contains("sudo") {
        let words = words.lines().collect::<Vec<_>>().join(" ");
        return format!(
            "{user} may not become root there ({words}), and links are cut and slowed down, clocks \
             set, disks filled and lost, memory taken and the processes of targets stopped by root \
             alone: log in as root, or let {user} `sudo` without a password (`{user} ALL=(ALL) \
             NOPASSWD: ALL` in /etc/sudoers.d/{user})"
        );
    }
    format!("its shell does not do as it should: {said} {words}")
}

/// Has a node write a file from its input: checked first, and then in its place at once.
pub(super) async fn receive(
    connection: &Connection,
    access: &Access,
    file: tokio::fs::File,
    path: &str,
    mode: u32,
    sum: &str,
) -> Result<(), String> {
    // Two that copy the same file must not write into each other's.
    let part = format!("{path}.part$$");
    let sum_of = "sha256sum < \"$part\" | cut -d ' ' -f 1".to_string();
    let copy = format!(
        "part={part}; cat > \"$part\" && test \"$({sum_of})\" = {sum} && chmod {mode:o} -- \"$part\" \
         && mv -f -- \"$part\" {path} || {{ rm -f -- \"$part\"; echo 'it came differently than it \
         was sent, or does not fit there' >&2; exit 1; }}"
    );
    let output = connection.exec(&access.as_root(&copy), file, connection.bounds.copy).await?;
    if output.code == 0 {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(format!("{path} could not be written: {}", words.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_somebody_else_could_change_is_not_safe() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().expect("a folder");
        let own = folder.path().join("it's own");
        std::fs::create_dir(&own).expect("a folder");
        let own_user = nix::unistd::User::from_uid(nix::unistd::getuid()).expect("users");
        let mut access = Access::parse("h1").expect("a host");
        access.user = own_user.map_or_else(|| "root".into(), |user| user.name);
        access.data = Some(own.clone());
        let code = |access: &Access| {
            let condition = format!("{} && exit 5", is_safe(access));
            let shell = std::process::Command::new("sh").args(["-c", &condition]).status();
            shell.expect("a shell").code()
        };
        let mode = |mode: u32| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&own, permissions).expect("a mode");
        };
        mode(0o755);
        assert_eq!(code(&access), Some(5));
        mode(0o777);
        assert_eq!(code(&access), Some(SOMEBODY_ELSES));
        mode(0o755);
        if nix::unistd::getuid().is_root() {
            std::os::unix::fs::chown(&own, Some(65_534), None).expect("somebody else's");
            assert_eq!(code(&access), Some(SOMEBODY_ELSES));
            let link = folder.path().join("link");
            std::os::unix::fs::symlink(&own, &link).expect("a link");
            access.data = Some(link);
            assert_eq!(code(&access), Some(SOMEBODY_ELSES));
        }
    }

    #[test]
    fn sums_as_sha256sum_does() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        std::fs::write(&path, "abc").expect("a file");
        let (sum, bytes) = checksum(&path).expect("a sum");
        assert_eq!(sum, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(bytes, 3);
    }
}
