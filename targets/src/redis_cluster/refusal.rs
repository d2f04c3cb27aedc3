//! What the errors of a node prove.
//!
//! A verdict is worth what this file says. Redis answers with an error either before it executes a
//! command (then nothing happened: `Fail`, or the way to another node), or from within it. Only what
//! is known to be of the first kind is listed; everything else leaves a write in doubt.

use std::net::{IpAddr, SocketAddr};

use schism_history::Code;

/// What an error says of the request that it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Nothing was done: this node does not serve the slot, that one does.
    Moved(SocketAddr),
    /// Nothing was done: the slot is on its way to that node, which has the key already.
    Ask(SocketAddr),
    /// Nothing was done, and nothing of this request ever will be.
    Refused(Code),
    /// Nobody can say what was done.
    Doubtful,
}

/// Errors that come before anything is done, by their first words.
///
/// Not among them: `ERR`, which may come from within a script, and `UNBLOCKED`, which comes after a
/// write while its replicas are waited for.
const REFUSALS: &[(&str, Code)] = &[
    // The node sees no healthy cluster, or nobody who serves the slot. Looked at before execution.
    ("CLUSTERDOWN", Code::Unavailable),
    // Some keys of a request have moved and some have not. Looked at together with the slot.
    ("TRYAGAIN", Code::Unavailable),
    // The data are being read from disk, or fetched from the primary: no command runs.
    ("LOADING", Code::Unavailable),
    // A replica without its primary that was told not to serve what may be old.
    ("MASTERDOWN", Code::Unavailable),
    // A write to a replica. In a script it is the write that is refused, and ours has one.
    ("READONLY", Code::Unavailable),
    // Fewer replicas than `min-replicas-to-write` are near. Looked at before a write, in a script
    // before its one write.
    ("NOREPLICAS", Code::Unavailable),
    // The disk takes no snapshot or log, and the node was told to stop writes then: before a write.
    ("MISCONF", Code::Unavailable),
    // No memory is left: refused before execution, in a script before its one write.
    ("OOM", Code::Unavailable),
    // Another client's script runs for too long: no command runs beside it.
    ("BUSY", Code::Unavailable),
    // A command was refused when it was queued, so that EXEC executed none of them.
    ("EXECABORT", Code::Unavailable),
    // The keys of a request are in several slots. Looked at together with the slot.
    ("CROSSSLOT", Code::Other),
    // The key holds another type: found when it is looked up, before anything is changed.
    ("WRONGTYPE", Code::Other),
    // Who may do what is looked at first of all.
    ("NOAUTH", Code::Other),
    ("NOPERM", Code::Other),
];

/// Reads the error that came from the node at `from`.
pub(crate) fn read(error: &str, from: SocketAddr) -> Refusal {
    let mut words = error.split_ascii_whitespace();
    let first = words.next().unwrap_or_default();
    // Redirections are answered in the place of the execution. One to where nobody can go (a host
    // name, an unknown end) is a refusal all the same.
    let nowhere = Refusal::Refused(Code::Protocol);
    match first {
        "MOVED" => end_of(words.nth(1), from).map_or(nowhere, Refusal::Moved),
        "ASK" => end_of(words.nth(1), from).map_or(nowhere, Refusal::Ask),
        _ => match REFUSALS.iter().find(|(word, _)| *word == first) {
            Some((_, code)) => Refusal::Refused(*code),
            None => Refusal::Doubtful,
        },
    }
}

/// `10.0.0.2:6379` or `fe80::1:6379`; without a host it is that of the node that answered.
fn end_of(word: Option<&str>, from: SocketAddr) -> Option<SocketAddr> {
    let (host, port) = word?.rsplit_once(':')?;
    let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host: IpAddr = if host.is_empty() { from.ip() } else { host.parse().ok()? };
    Some(SocketAddr::new(host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: &str, expected: Refusal) {
        let from = "10.0.0.1:6379".parse().expect("an address");
        assert_eq!(read(error, from), expected, "{error}");
    }

    fn at(address: &str) -> SocketAddr {
        address.parse().expect("an address")
    }

    #[test]
    fn follows_redirections_to_addresses_alone() {
        check("MOVED 3999 10.0.0.2:6380", Refusal::Moved(at("10.0.0.2:6380")));
        check("MOVED 3999 fd00::2:6380", Refusal::Moved(at("[fd00::2]:6380")));
        check("MOVED 3999 :6380", Refusal::Moved(at("10.0.0.1:6380")));
        check("ASK 3999 10.0.0.2:6379", Refusal::Ask(at("10.0.0.2:6379")));
        for nowhere in
            ["MOVED", "MOVED 3999", "MOVED 3999 ?:6379", "ASK 1 redis-2:6379", "ASK 1 10.0.0.2:0"]
        {
            check(nowhere, Refusal::Refused(Code::Protocol));
        }
    }

    #[test]
    fn takes_for_a_fail_what_is_refused_before_it_is_executed() {
        for error in [
            "CLUSTERDOWN The cluster is down",
            "CLUSTERDOWN Hash slot not served",
            "TRYAGAIN Multiple keys request during rehashing of slot",
            "LOADING Redis is loading the dataset in memory",
            "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
            "READONLY You can't write against a read only replica.",
            "NOREPLICAS Not enough good replicas to write.",
            "NOREPLICAS Not enough good replicas to write. script: 5f8, on @user_script:3.",
            "MISCONF Errors writing to the AOF file: No space left on device",
            "OOM command not allowed when used memory > 'maxmemory'.",
            "BUSY Redis is busy running a script.",
            "EXECABORT Transaction discarded because of previous errors.",
        ] {
            check(error, Refusal::Refused(Code::Unavailable));
        }
        check(
            "CROSSSLOT Keys in request don't hash to the same slot",
            Refusal::Refused(Code::Other),
        );
        check("WRONGTYPE Operation against a key", Refusal::Refused(Code::Other));
        check("NOAUTH Authentication required.", Refusal::Refused(Code::Other));
    }

    #[test]
    fn leaves_in_doubt_what_may_come_from_within() {
        for error in [
            "ERR Error running script (call to f_5f8): @user_script:3: -READONLY",
            "UNBLOCKED force unblock from blocking operation, instance state changed",
            "UNKILLABLE The busy script was not running in read-only mode.",
            "MOVEDON something else",
            "something new",
            "",
        ] {
            check(error, Refusal::Doubtful);
        }
    }
}
