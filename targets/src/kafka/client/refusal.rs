//! What an error of librdkafka proves: the mapping on which every verdict about Kafka rests.
//!
//! A record that was never put on a connection, or that a broker refused before it appended it, never
//! takes effect: `Fail`. All else may take effect at any time: `Info`. Two things make proofs rarer than
//! they look:
//!
//! 1. With `acks=all` a broker appends first and waits for its followers then. Whoever ceases to lead
//!    while it waits answers `NOT_LEADER_OR_FOLLOWER` (or `UNKNOWN_TOPIC_OR_PARTITION`, if it lost the
//!    partition) *after* the append, and the next leader may have fetched the record before.
//! 2. librdkafka takes these answers as proof that nothing was appended, sends again without counting
//!    that as one of `retries`, and goes on to call the record `NOT_PERSISTED`. So with `acks=all` that
//!    status proves nothing, whatever the last error is, unless every attempt must end alike.
//!
//! With `acks=1` and `acks=0` a broker answers, if at all, directly after the append, and its refusals
//! come before it. There librdkafka's status is taken, which it never takes back once an attempt was in
//! doubt; an error counts as `Fail` only where the status and the error's own meaning agree.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as E};
use schism_history::{Code, Outcome, Reason};

use super::settings::Acks;

/// Why an operation has no good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It has not taken effect and never will.
    Never(Code, String),
    /// Nobody knows what becomes of it.
    Unknown(Code, String),
}

impl Trouble {
    pub(super) fn outcome(self) -> Outcome {
        match self {
            Trouble::Never(code, text) => Outcome::Fail(Reason::new(code, text)),
            Trouble::Unknown(code, text) => Outcome::Info(Reason::new(code, text)),
        }
    }

    /// The same trouble of an operation of which something was done before.
    pub(super) fn doubtful(self) -> Self {
        match self {
            Trouble::Never(code, text) | Trouble::Unknown(code, text) => {
                Trouble::Unknown(code, text)
            }
        }
    }

    /// The same trouble of a client that librdkafka has given up for good, and why.
    pub(super) fn fatal(self, why: &str) -> Self {
        let text = |text: String| format!("librdkafka declared the client fatal ({why}); {text}");
        match self {
            Trouble::Never(_, told) => Trouble::Never(Code::Fatal, text(told)),
            Trouble::Unknown(_, told) => Trouble::Unknown(Code::Fatal, text(told)),
        }
    }

    pub(super) fn is_certain(&self) -> bool {
        matches!(self, Trouble::Never(..))
    }
}

/// Refusals that follow from the record, the topic's name or the rights of the client alone: every
/// attempt ends alike, and each before anything is appended.
const BY_CONTENT: &[E] = &[
    E::MessageSizeTooLarge,
    E::MessageBatchTooLarge,
    E::InvalidMessageSize,
    E::InvalidArgument,
    E::InvalidTopic,
    E::InvalidTimestamp,
    E::InvalidRecord,
    E::InvalidRequiredAcks,
    E::UnsupportedForMessageFormat,
    E::UnsupportedCompressionType,
    E::PolicyViolation,
    E::TopicAuthorizationFailed,
    E::ClusterAuthorizationFailed,
    E::TransactionalIdAuthorizationFailed,
];

/// Refusals for the state that the broker or the client is in, looked at before anything is appended;
/// an attempt before this one may have ended in another way.
///
/// Not among them: `NotEnoughReplicasAfterAppend` and `RequestTimedOut`, since the leader has appended
/// the record and followers may still fetch it; `KafkaStorageError`, since a disk that fails may keep
/// what it failed to write; sequence numbers that do not fit, since they speak of other records.
const BEFORE_THE_APPEND: &[E] = &[
    // The broker does not lead the partition, or does not know it.
    E::NotLeaderForPartition,
    E::LeaderNotAvailable,
    E::UnknownTopicOrPartition,
    E::FencedLeaderEpoch,
    E::UnknownLeaderEpoch,
    // Fewer replicas are in sync than `min.insync.replicas` asks for.
    E::NotEnoughReplicas,
    // A batch that was damaged on its way.
    E::InvalidMessage,
    // Who sends is looked at before what.
    E::InvalidProducerEpoch,
    E::ProducerFenced,
    E::InvalidProducerIdMapping,
    E::InvalidTransactionalState,
    // librdkafka knows these before it sends.
    E::QueueFull,
    E::UnknownPartition,
    E::UnknownTopic,
    E::PurgeQueue,
    E::AllBrokersDown,
    E::Resolve,
    E::State,
    // Whether the record had left the machine by then its status tells.
    E::MessageTimedOut,
    E::OperationTimedOut,
    E::TimedOutQueue,
    E::BrokerTransportFailure,
    E::Fatal,
    E::Fenced,
];

/// Whether librdkafka says that a record was not persisted, persisted, or possibly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    NotPersisted,
    Possibly,
    Persisted,
}

/// What became of a record that librdkafka has not even taken.
pub(super) fn of_untaken(error: &KafkaError) -> Trouble {
    Trouble::Never(class_of(error), format!("record: {error}"))
}

/// What became of a record that was not acknowledged.
pub(super) fn of_record(error: &KafkaError, status: Status, acks: Acks) -> Trouble {
    let code = error.rdkafka_error_code().unwrap_or(E::Unknown);
    let text = format!("record: {error}");
    let known =
        BY_CONTENT.contains(&code) || acks != Acks::All && BEFORE_THE_APPEND.contains(&code);
    if status == Status::NotPersisted && known {
        Trouble::Never(class(code), text)
    } else {
        Trouble::Unknown(class(code), text)
    }
}

/// Which class an error is of, for those who count.
pub(super) fn class(code: E) -> Code {
    match code {
        E::MessageTimedOut | E::OperationTimedOut | E::RequestTimedOut | E::TimedOutQueue => {
            Code::Timeout
        }
        E::BrokerTransportFailure => Code::Disconnected,
        E::AllBrokersDown | E::Resolve => Code::Refused,
        E::NotLeaderForPartition
        | E::LeaderNotAvailable
        | E::NotEnoughReplicas
        | E::NotEnoughReplicasAfterAppend
        | E::CoordinatorNotAvailable
        | E::CoordinatorLoadInProgress
        | E::NotCoordinator
        | E::BrokerNotAvailable
        | E::UnknownTopicOrPartition
        | E::KafkaStorageError => Code::Unavailable,
        E::BadMessage | E::BadCompression => Code::Protocol,
        _ => Code::Other,
    }
}

/// The same of any error.
pub(super) fn class_of(error: &KafkaError) -> Code {
    error.rdkafka_error_code().map_or(Code::Other, class)
}

#[cfg(test)]
mod tests {
    use rdkafka::types::RDKafkaRespErr;

    use super::*;

    const ALL: [Acks; 3] = [Acks::Nobody, Acks::Leader, Acks::All];

    fn is_certain(code: E, status: Status, acks: Acks) -> bool {
        of_record(&KafkaError::MessageProduction(code), status, acks).is_certain()
    }

    /// Every code that librdkafka has a number for.
    fn codes() -> Vec<E> {
        let of = |number| RDKafkaRespErr::try_from(number).ok().map(E::from);
        (-200..200).filter_map(of).collect()
    }

    #[test]
    fn a_record_that_may_be_there_is_never_called_failed() {
        assert!(codes().len() > 140, "{}", codes().len());
        for code in codes() {
            for acks in ALL {
                assert!(!is_certain(code, Status::Possibly, acks), "{code:?}");
                assert!(!is_certain(code, Status::Persisted, acks), "{code:?}");
            }
        }
    }

    #[test]
    fn only_what_stands_in_a_table_is_called_failed() {
        for code in codes() {
            let content = BY_CONTENT.contains(&code);
            let before = BEFORE_THE_APPEND.contains(&code);
            assert!(!(content && before), "{code:?} stands in two tables");
            let certain = |acks| is_certain(code, Status::NotPersisted, acks);
            assert_eq!(certain(Acks::Leader), content || before, "{code:?}");
            assert_eq!(certain(Acks::Nobody), content || before, "{code:?}");
            assert_eq!(certain(Acks::All), content, "{code:?}");
        }
    }

    #[test]
    fn what_was_appended_or_may_have_arrived_is_in_doubt() {
        for code in [
            E::NotEnoughReplicasAfterAppend,
            E::RequestTimedOut,
            E::NetworkException,
            E::PurgeInflight,
            E::KafkaStorageError,
            E::OutOfOrderSequenceNumber,
            E::DuplicateSequenceNumber,
            E::UnknownProducerId,
            E::Unknown,
        ] {
            for acks in ALL {
                assert!(!is_certain(code, Status::NotPersisted, acks), "{code:?}");
            }
        }
    }

    #[test]
    fn a_leader_that_stepped_down_may_have_appended_what_it_was_to_replicate() {
        for code in [E::NotLeaderForPartition, E::UnknownTopicOrPartition, E::MessageTimedOut] {
            assert!(!is_certain(code, Status::NotPersisted, Acks::All), "{code:?}");
            assert!(is_certain(code, Status::NotPersisted, Acks::Leader), "{code:?}");
        }
    }
}
