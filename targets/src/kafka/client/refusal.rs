//! What an error of librdkafka proves: the mapping on which every verdict about Kafka rests.
//!
//! A record that was never put on a connection, or that a broker refused before it appended it, never
//! takes effect: `Fail`. librdkafka itself keeps for each record whether it may have been persisted
//! (`rd_kafka_message_status`), through every retry; an error counts as `Fail` only where that status
//! and the error's own meaning agree. All else may take effect at any time: `Info`.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as E};
use schism_history::{Code, Outcome, Reason};

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

    pub(super) fn is_certain(&self) -> bool {
        matches!(self, Trouble::Never(..))
    }
}

/// What a broker answers before it appends anything, or librdkafka before it sends anything: the
/// record is nowhere. `NotEnoughReplicasAfterAppend` and `RequestTimedOut` are not among them: there the
/// leader has appended the record, and followers may still fetch it; nor is `KafkaStorageError`, since a
/// disk that fails may keep what it failed to write. Of what librdkafka calls
/// `Transport` or `MessageTimedOut`, its status alone tells whether the record had left.
fn appends_nothing(code: E) -> bool {
    matches!(
        code,
        // The broker looks at these before it appends.
        E::NotLeaderForPartition
            | E::LeaderNotAvailable
            | E::UnknownTopicOrPartition
            | E::NotEnoughReplicas
            | E::MessageSizeTooLarge
            | E::InvalidMessage
            | E::InvalidMessageSize
            | E::InvalidTopic
            | E::MessageBatchTooLarge
            | E::InvalidRequiredAcks
            | E::TopicAuthorizationFailed
            | E::ClusterAuthorizationFailed
            | E::UnsupportedForMessageFormat
            | E::PolicyViolation
            | E::InvalidTimestamp
            | E::InvalidRecord
            | E::FencedLeaderEpoch
            | E::UnknownLeaderEpoch
            | E::InvalidProducerEpoch
            | E::ProducerFenced
            | E::InvalidProducerIdMapping
            | E::InvalidTransactionalState
            | E::TransactionalIdAuthorizationFailed
            // librdkafka knows these before it sends.
            | E::QueueFull
            | E::UnknownPartition
            | E::UnknownTopic
            | E::PurgeQueue
            | E::AllBrokersDown
            | E::Resolve
            | E::InvalidArgument
            | E::State
            // It left the queue by one of these only if it had not left the machine: the status tells.
            | E::MessageTimedOut
            | E::OperationTimedOut
            | E::BrokerTransportFailure
            | E::Fatal
            | E::Fenced
    )
}

/// Whether librdkafka says that a record was not persisted, persisted, or possibly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    NotPersisted,
    Possibly,
    Persisted,
}

/// What became of a record that was not acknowledged.
pub(super) fn of_record(error: &KafkaError, status: Status) -> Trouble {
    let code = error.rdkafka_error_code().unwrap_or(E::Unknown);
    let text = format!("record: {error}");
    if status == Status::NotPersisted && appends_nothing(code) {
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
    use super::*;

    fn check(code: E, status: Status, certain: bool) {
        let trouble = of_record(&KafkaError::MessageProduction(code), status);
        assert_eq!(trouble.is_certain(), certain, "{code:?} {status:?}");
    }

    #[test]
    fn a_record_that_may_be_there_is_never_called_failed() {
        check(E::NotLeaderForPartition, Status::NotPersisted, true);
        check(E::NotEnoughReplicas, Status::NotPersisted, true);
        check(E::MessageTimedOut, Status::NotPersisted, true);
        check(E::MessageTimedOut, Status::Possibly, false);
        check(E::BrokerTransportFailure, Status::Possibly, false);
        // The leader has it already, whatever librdkafka holds of it.
        check(E::NotEnoughReplicasAfterAppend, Status::NotPersisted, false);
        check(E::RequestTimedOut, Status::NotPersisted, false);
        check(E::OutOfOrderSequenceNumber, Status::NotPersisted, false);
        check(E::DuplicateSequenceNumber, Status::NotPersisted, false);
        check(E::Unknown, Status::NotPersisted, false);
        check(E::NotLeaderForPartition, Status::Persisted, false);
    }
}
