//! Where `make etcd` and `make redis` put the releases that they build or fetch.

use std::path::PathBuf;

/// Why there is no cache.
pub(crate) const NONE: &str = "there is no cache: neither HOME nor XDG_CACHE_HOME";

/// The folder of a release of `system`; `None` if there is no place for a cache.
pub(crate) fn of(system: &str, version: &str) -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|it| it.is_absolute());
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    Some(cache.or_else(home)?.join("schism").join(system).join(version))
}
