//! What librdkafka tells and does, and its Rust face has no words for.

#![allow(unsafe_code)]

use std::time::Duration;

use rdkafka::bindings::{
    RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE, rd_kafka_commit_queue, rd_kafka_destroy_flags,
    rd_kafka_event_destroy, rd_kafka_message_status, rd_kafka_msg_status_t, rd_kafka_queue_destroy,
    rd_kafka_queue_new, rd_kafka_queue_poll,
};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::TopicPartitionList;

use super::refusal::Status;

/// What librdkafka holds of the record of a delivery report.
pub(super) fn status(report: &BorrowedMessage<'_>) -> Status {
    // SAFETY: the message is alive for as long as its report is borrowed, and is only read.
    match unsafe { rd_kafka_message_status(report.ptr()) } {
        rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED => Status::NotPersisted,
        rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED => Status::Possibly,
        rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_PERSISTED => Status::Persisted,
    }
}

/// Ends a consumer as the death of its process would: it leaves no group and commits nothing, so
/// that its group finds out by its silence.
pub(super) fn vanish<C: ConsumerContext>(consumer: BaseConsumer<C>) {
    let native = consumer.client().native_ptr();
    // The consumer's own way to end would leave the group first. What is not dropped is lost memory:
    // a queue without threads and the context, some hundred bytes for each crash that a plan asks for.
    std::mem::forget(consumer);
    // SAFETY: nobody else holds the pointer, since the consumer was moved here, and nobody will use
    // it again, since the consumer is forgotten. The context, which callbacks reach, stays alive.
    unsafe { rd_kafka_destroy_flags(native, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE) };
}

/// Commits these offsets, and waits until that was answered, however it was, or for `within`: the
/// library's own way to wait for a commit waits without an end.
pub(super) fn commit<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    offsets: &TopicPartitionList,
    within: Duration,
) {
    let native = consumer.client().native_ptr();
    let within = i32::try_from(within.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the client is borrowed, and so alive, and the offsets are copied. The queue is ours: it is
    // destroyed once, and librdkafka drops an answer that comes for it later. Without a callback the
    // answer comes as an event, which is destroyed, too; none (a time-out) may be destroyed as well.
    unsafe {
        let queue = rd_kafka_queue_new(native);
        rd_kafka_commit_queue(native, offsets.ptr(), queue, None, std::ptr::null_mut());
        rd_kafka_event_destroy(rd_kafka_queue_poll(queue, within));
        rd_kafka_queue_destroy(queue);
    }
}
