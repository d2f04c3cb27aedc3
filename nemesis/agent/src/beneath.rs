//! Files below a folder, reached without following a link: what is damaged is never outside of it.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;

/// Deeper folders are not looked into.
const DEPTH_MAX: usize = 16;

/// Opens the file `relative` below `folder`, for reading or for reading and writing. A link on the way,
/// a path that leads upwards and what is no regular file are refused.
pub(crate) fn open_file(folder: &Path, relative: &str, write: bool) -> io::Result<File> {
    let refused = |why: &str| io::Error::other(format!("{relative}: {why}"));
    let failed = |error: nix::Error| match error {
        nix::Error::ELOOP | nix::Error::ENOTDIR => {
            refused("there is a link on the way, which may lead out of the data folder")
        }
        error => io::Error::new(io::Error::from(error).kind(), format!("{relative}: {error}")),
    };
    let mut names: Vec<&str> = relative.split('/').collect();
    if names.iter().any(|name| matches!(*name, "" | "." | "..")) {
        return Err(refused("this is no path below the data folder"));
    }
    let last = names.pop().unwrap_or_default();
    let folders = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let mut at = open(folder, folders, Mode::empty()).map_err(failed)?;
    for name in names {
        at = openat(&at, name, folders | OFlag::O_NOFOLLOW, Mode::empty()).map_err(failed)?;
    }
    let access = if write { OFlag::O_RDWR } else { OFlag::O_RDONLY };
    // Nobody may wait for the other end of a pipe.
    let flags = access | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = File::from(openat(&at, last, flags, Mode::empty()).map_err(failed)?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(refused("this is no regular file")) }
}

/// The regular files below `folder` that `wanted` names by their paths from there, in order. Links are
/// left alone, and so are names that are no text.
pub(crate) fn files(folder: &Path, wanted: &dyn Fn(&str) -> bool) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    walk(folder, "", DEPTH_MAX, &mut |path| {
        if wanted(&path) {
            found.push(path);
        }
    })?;
    found.sort_unstable();
    Ok(found)
}

fn walk(
    folder: &Path,
    below: &str,
    depth: usize,
    found: &mut impl FnMut(String),
) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        let kind = entry.file_type()?;
        if kind.is_file() {
            found(path);
        } else if kind.is_dir() && depth > 0 {
            walk(&entry.path(), &path, depth - 1, found)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn never_leaves_the_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let (data, outside) = (folder.path().join("data"), folder.path().join("outside"));
        fs::create_dir_all(data.join("a/b")).expect("folders");
        fs::create_dir_all(&outside).expect("a folder");
        fs::write(data.join("a/b/file"), "x").expect("a file");
        fs::write(outside.join("file"), "x").expect("a file");
        symlink(&outside, data.join("link")).expect("a link");
        symlink(outside.join("file"), data.join("a/link")).expect("a link");
        open_file(&data, "a/b/file", true).expect("it is there");
        for path in ["link/file", "a/link", "../outside/file", "/etc/hostname", "a/b", "a//b", ""] {
            assert!(open_file(&data, path, false).is_err(), "{path}");
        }
        assert_eq!(files(&data, &|_| true).expect("files"), ["a/b/file"]);
    }
}
