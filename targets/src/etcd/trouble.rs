//! What an error of etcd proves: the mapping on which every verdict about it rests.
//!
//! Until a connection stands, nothing can have happened: `Fail`. What etcd refuses before it hands a
//! proposal to Raft, or refuses on every member alike while it applies it, never takes effect:
//! `Fail`. All else may take effect at any time: `Info`. Whatever becomes of a read, it changes
//! nothing: `Fail`.

use schism_history::{Code, Outcome, Reason};

use super::wire::Refusal;

/// Why a request has no good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It has not taken effect and never will.
    Never(Code, String),
    /// Nobody knows what becomes of it.
    Unknown(Code, String),
}

impl Trouble {
    /// The same trouble of a request that can change nothing.
    pub(super) fn harmless(self) -> Self {
        match self {
            Trouble::Never(code, text) | Trouble::Unknown(code, text) => Trouble::Never(code, text),
        }
    }

    /// The same trouble, said of a node.
    pub(super) fn of(self, who: &dyn std::fmt::Display) -> Self {
        match self {
            Trouble::Never(code, text) => Trouble::Never(code, format!("{who}: {text}")),
            Trouble::Unknown(code, text) => Trouble::Unknown(code, format!("{who}: {text}")),
        }
    }

    /// What is wrong, in words.
    pub(super) fn text(&self) -> &str {
        match self {
            Trouble::Never(_, text) | Trouble::Unknown(_, text) => text,
        }
    }

    /// What the operation came to.
    pub(super) fn outcome(self) -> Outcome {
        match self {
            Trouble::Never(code, text) => Outcome::Fail(Reason::new(code, text)),
            Trouble::Unknown(code, text) => Outcome::Info(Reason::new(code, text)),
        }
    }
}

/// The numbers of gRPC's status codes, as the gateway passes them on.
mod grpc {
    pub(super) const INVALID_ARGUMENT: u32 = 3;
    pub(super) const DEADLINE_EXCEEDED: u32 = 4;
}

/// Errors that prove that a write has not taken effect and never will, by a part of their text:
/// versions differ in the code that they send with it, and some errors lose theirs on the way.
const NEVER: &[(&str, Code)] = &[
    // Answered before anything is proposed, when too much is committed and not yet applied
    // (`processInternalRaftRequestOnce`).
    ("etcdserver: too many requests", Code::Unavailable),
    ("etcdserver: request is too large", Code::Other),
    // Raft's own Step refused the proposal, and returns this only where it has neither appended nor
    // sent it: no leader is known, or leadership is on its way to another member.
    ("raft proposal dropped", Code::Unavailable),
    // Answered by an interceptor, before the request is looked at.
    ("etcdserver: rpc not supported for learner", Code::Unavailable),
    // Refused while it is applied, before the store is touched, by every member alike: leases are
    // replicated.
    ("etcdserver: requested lease not found", Code::Other),
    // A lock whose lease ran out while it was waited for is not held: `Lock` looks at its own key
    // before it answers.
    ("mutex: session is expired", Code::Other),
];

/// What a refusal proves about a write.
///
/// Not in the list on purpose: `etcdserver: request timed out` and its two longer forms, `leader
/// changed`, `server stopped` and `context deadline exceeded` come when a proposal is no longer
/// waited for, though it may still be committed. `no leader` is mostly said before a proposal, but
/// not by every path of every version. `mvcc: database space exceeded` comes, where the quota is
/// crossed by this very write, *after* it was applied (`quotaApplierV3`). What the gateway itself
/// could not pass on may have been passed on before its connection broke.
pub(super) fn refused(refusal: &Refusal) -> Trouble {
    let text = refusal.text();
    if let Some((_, code)) = NEVER.iter().find(|(part, _)| text.contains(part)) {
        return Trouble::Never(*code, text.into());
    }
    // Requests are validated before they are proposed (`checkPutRequest`, `checkTxnRequest`).
    if refusal.code == Some(grpc::INVALID_ARGUMENT) {
        return Trouble::Never(Code::Other, text.into());
    }
    let late = text.contains("timed out")
        || text.contains("deadline exceeded")
        || refusal.code == Some(grpc::DEADLINE_EXCEEDED);
    let code = if late { Code::Timeout } else { Code::Unavailable };
    Trouble::Unknown(code, text.into())
}

/// What it proves that no answer came at all.
pub(super) fn unanswered(error: &reqwest::Error) -> Trouble {
    // Only the innermost cause says what happened; the outer ones repeat the address.
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if error.is_connect() {
        // No connection stood, so that no byte of the request can have left.
        return Trouble::Never(Code::Refused, format!("no connection: {cause}"));
    }
    if error.is_timeout() {
        return Trouble::Unknown(Code::Timeout, "no answer in time".into());
    }
    // A connection that breaks may have carried the request all the same; one that was found
    // broken before anything was sent is not told from it here.
    Trouble::Unknown(Code::Disconnected, cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body as a node sent it, and what it proves of a write.
    fn check(body: &str, never: bool, code: Code) {
        let refusal = Refusal::parse(body.as_bytes(), 503);
        let trouble = refused(&refusal);
        let expected = match never {
            true => Trouble::Never(code, refusal.text().into()),
            false => Trouble::Unknown(code, refusal.text().into()),
        };
        assert_eq!(trouble, expected, "{body}");
        assert!(matches!(trouble.harmless(), Trouble::Never(..)));
    }

    /// As etcd 3.4.23 sends them: text twice, then the number.
    fn body(text: &str, code: u32) -> String {
        format!(r#"{{"error":"{text}","message":"{text}","code":{code}}}"#)
    }

    #[test]
    fn a_write_that_is_no_longer_waited_for_is_unknown() {
        check(&body("etcdserver: request timed out", 14), false, Code::Timeout);
        let failed = "etcdserver: request timed out, possibly due to previous leader failure";
        check(&body(failed, 14), false, Code::Timeout);
        check(&body("context deadline exceeded", 2), false, Code::Timeout);
        check(&body("context deadline exceeded", 4), false, Code::Timeout);
        check(&body("etcdserver: leader changed", 14), false, Code::Unavailable);
        check(&body("etcdserver: no leader", 14), false, Code::Unavailable);
        check(&body("etcdserver: server stopped", 14), false, Code::Unavailable);
    }

    #[test]
    fn a_write_that_crossed_the_quota_may_stand() {
        check(&body("etcdserver: mvcc: database space exceeded", 8), false, Code::Unavailable);
    }

    #[test]
    fn what_was_refused_before_it_was_proposed_failed() {
        check(&body("etcdserver: too many requests", 8), true, Code::Unavailable);
        check(&body("etcdserver: key is not provided", 3), true, Code::Other);
        check(&body("raft proposal dropped", 2), true, Code::Unavailable);
        // The same error has another number where a lock passes it on.
        check(&body("etcdserver: requested lease not found", 5), true, Code::Other);
        check(&body("etcdserver: requested lease not found", 2), true, Code::Other);
    }

    #[test]
    fn reads_the_answers_of_later_releases() {
        let body = r#"{"code":14,"message":"etcdserver: request timed out","details":[]}"#;
        check(body, false, Code::Timeout);
    }

    #[test]
    fn what_is_no_answer_of_etcd_proves_nothing() {
        check("Not Found\n", false, Code::Unavailable);
        check("", false, Code::Unavailable);
    }
}
