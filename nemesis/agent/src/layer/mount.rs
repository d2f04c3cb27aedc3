//! Puts the layer over a folder, and takes it away again.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fuser::{BackgroundSession, Config, Session, SessionACL};
use nix::libc;
use nix::mount::{MntFlags, MsFlags, umount2};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::control::Control;
use super::disk::{Disk, KEEP_MAX};
use super::filesystem::Served;
use super::names::ATTIC;

/// The name under which the layer stands in a table of mounts.
const KIND: &str = "fuse.schism";
/// How many requests may be under way at once, slow ones among them.
const THREADS: usize = 32;
/// How many descriptors are wanted; more than the kernel allows by default cannot be had.
const DESCRIPTORS: u64 = 1 << 20;
/// How long the kernel may take to let go of the layer.
const GONE_WITHIN: Duration = Duration::from_millis(200);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A layer over a folder. It goes when this is dropped.
pub struct Layer {
    folder: PathBuf,
    session: Option<BackgroundSession>,
    control: Option<Control>,
}

impl Layer {
    /// Mounts a layer over `folder`, which listens at `socket`.
    pub fn mount(folder: &Path, socket: &Path) -> Result<Self, String> {
        Self::mount_keeping(folder, socket, KEEP_MAX)
    }

    /// The same, with room for so many bytes that are not durable.
    pub(super) fn mount_keeping(
        folder: &Path,
        socket: &Path,
        keep_max: u64,
    ) -> Result<Self, String> {
        let failed = |what: &str, error: io::Error| {
            format!("{}: no disk layer: {what}: {error}", folder.display())
        };
        let folder = folder.canonicalize().map_err(|error| failed("the folder", error))?;
        if is_mounted(&folder) {
            // One that an earlier holder left; under ours it would be in the way for ever.
            return Err(format!("{}: a disk layer is mounted already", folder.display()));
        }
        many_descriptors();
        let root = open_folder(&folder).map_err(|error| failed("the folder", error))?;
        let attic = make_attic(&folder).map_err(|error| failed(ATTIC, error))?;
        let device =
            fs::OpenOptions::new().read(true).write(true).open("/dev/fuse").map_err(|error| {
                failed("/dev/fuse, which root may open, and others if its mode is 0666", error)
            })?;
        let disk = Disk::new(root, attic, keep_max);
        let disk = Arc::new(disk.map_err(|error| failed("the folder", error))?);
        let control = Control::listen(socket, disk.clone())
            .map_err(|error| failed(&socket.display().to_string(), error))?;
        mount_over(&folder, &device).map_err(|error| failed("mount", error))?;
        let mut layer = Self { folder, session: None, control: Some(control) };
        let mut config = Config::default();
        config.acl = SessionACL::All;
        config.n_threads = Some(THREADS);
        let session = Session::from_fd(Served(disk), device.into(), SessionACL::All, config)
            .and_then(Session::spawn);
        match session {
            Ok(session) => layer.session = Some(session),
            Err(error) => {
                let _ = layer.unmount();
                return Err(format!("{}: no disk layer: {error}", layer.folder.display()));
            }
        }
        Ok(layer)
    }

    /// Takes the layer away: those who have files open in it get errors from now on, and all
    /// others meet the folder below. What was not synced stays as it was written.
    pub fn unmount(&mut self) -> Result<(), String> {
        drop(self.control.take());
        clean(&self.folder)?;
        let Some(session) = self.session.take() else { return Ok(()) };
        // Those who still have files open in it keep it alive; they lose it with this process.
        let deadline = Instant::now() + GONE_WITHIN;
        while !session.guard.is_finished() && Instant::now() < deadline {
            std::thread::sleep(LOOK_EVERY);
        }
        if session.guard.is_finished() {
            let _ = session.join();
        }
        Ok(())
    }
}

impl Drop for Layer {
    fn drop(&mut self) {
        let _ = self.unmount();
    }
}

/// Takes away what a layer left over a folder, whoever mounted it.
pub fn clean(folder: &Path) -> Result<(), String> {
    while is_mounted(folder) {
        umount2(folder, MntFlags::MNT_DETACH).map_err(|error| {
            let folder = folder.display();
            format!("{folder}: the disk layer could not be unmounted: {error}")
        })?;
    }
    match fs::remove_dir_all(folder.join(ATTIC)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(format!("{}: {error}", folder.join(ATTIC).display()))
        }
        _ => Ok(()),
    }
}

/// Whether a layer is mounted over the folder, as this process sees it.
pub fn is_mounted(folder: &Path) -> bool {
    let table = fs::read_to_string("/proc/thread-self/mountinfo").unwrap_or_default();
    table.lines().any(|line| {
        let Some((place, kind)) = line.split_once(" - ") else { return false };
        let mounted = place.split(' ').nth(4).map(unescape);
        mounted.as_deref() == Some(folder) && kind.split(' ').next() == Some(KIND)
    })
}

/// Spaces and the like stand in octal in the table.
fn unescape(text: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt as _;
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let octal = tail.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if first == b'\\' => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    std::ffi::OsString::from_vec(bytes).into()
}

fn open_folder(folder: &Path) -> io::Result<OwnedFd> {
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
    Ok(fs::OpenOptions::new().read(true).custom_flags(flags).open(folder)?.into())
}

/// The folder for what was removed, on the same file system, so that it can come back.
fn make_attic(folder: &Path) -> io::Result<OwnedFd> {
    let attic = folder.join(ATTIC);
    match fs::remove_dir_all(&attic) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::create_dir(&attic)?,
    }
    fs::set_permissions(&attic, fs::Permissions::from_mode(0o700))?;
    open_folder(&attic)
}

fn mount_over(folder: &Path, device: &fs::File) -> io::Result<()> {
    let options = format!(
        "fd={},rootmode=40000,user_id={},group_id={},allow_other,default_permissions",
        device.as_raw_fd(),
        nix::unistd::geteuid(),
        nix::unistd::getegid(),
    );
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    Ok(nix::mount::mount(Some("schism"), folder, Some(KIND), flags, Some(options.as_str()))?)
}

/// Every file that the kernel knows of takes a descriptor.
fn many_descriptors() {
    // Only root may raise what it may raise.
    let _ = setrlimit(Resource::RLIMIT_NOFILE, DESCRIPTORS, DESCRIPTORS);
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}
