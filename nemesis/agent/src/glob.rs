//! Names of files with wildcards, as plans write them.

/// Whether a file matches. `*` stands for anything within a name, `?` for one character; `**` for any
/// folders. A pattern without a slash is about the name alone, in whatever folder; one with a slash is
/// about the whole path below the data folder.
pub fn matches(pattern: &str, path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    match pattern.trim_start_matches("./") {
        name if !name.contains('/') => match name {
            "**" => true,
            _ => parts.last().is_some_and(|last| names(name.as_bytes(), last.as_bytes())),
        },
        whole => paths(&whole.split('/').collect::<Vec<_>>(), &parts),
    }
}

fn paths(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), _) => (0..=path.len()).any(|skipped| paths(rest, &path[skipped..])),
        (Some((first, rest)), Some((name, below))) => {
            names(first.as_bytes(), name.as_bytes()) && paths(rest, below)
        }
        _ => false,
    }
}

/// Only the last `*` is ever tried anew, since whatever an earlier one could take, it can take, too: the
/// cost is the product of both lengths at most, whatever a plan says.
fn names(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    // Where the last `*` stands, and how far it has taken the name.
    let mut star: Option<(usize, usize)> = None;
    while read < name.len() {
        match (pattern.get(at), star) {
            (Some(b'*'), _) => {
                star = Some((at, read));
                at += 1;
            }
            (Some(&one), _) if one == b'?' || one == name[read] => (at, read) = (at + 1, read + 1),
            (_, Some((place, taken))) => {
                star = Some((place, taken + 1));
                (at, read) = (place + 1, taken + 1);
            }
            _ => return false,
        }
    }
    pattern[at..].iter().all(|&rest| rest == b'*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_name_is_found_in_any_folder_and_a_path_in_its_own() {
        let check = |pattern: &str, path: &str, expected: bool| {
            assert_eq!(matches(pattern, path), expected, "{pattern} of {path}");
        };
        check("*.wal", "etcd/member/wal/0-0.wal", true);
        check("*.wal", "0-0.wal.tmp", false);
        check("log", "raft/log", true);
        check("raft/log", "raft/log", true);
        check("raft/log", "old/raft/log", false);
        check("**/snap/db", "etcd/member/snap/db", true);
        check("etcd/**", "etcd/member/snap/db", true);
        check("etcd/*", "etcd/member/snap/db", false);
        check("**", "anything/at/all", true);
        check("?.aof", "1.aof", true);
        check("?.aof", "12.aof", false);
        check("appendonly*incr*", "appendonly.aof.1.incr.aof", true);
        check("a*b*c", "a-b-b-c", true);
        check("a*b*c", "a-b-c-d", false);
        check("*", "", true);
        // A pattern that would cost for ever if every star was tried anew.
        check(&"*a".repeat(40), &"a".repeat(200), true);
        check(&format!("{}b", "*a".repeat(40)), &"a".repeat(200), false);
    }
}
