//! What the rows on queues teach.

use crate::{Claim, Lesson, Parameters};

/// The anomalies of queues.
pub(crate) const LESSONS: &[Lesson] = &[
    Lesson {
        name: "lost-message",
        definition: "A message was acknowledged, no dequeue ever returned it, and the queue was \
                     found empty after all.",
        source: "Kingsbury, jepsen.checker/total-queue: \"what goes in must come out\".",
        subject: "total-queue",
        claim: Claim::NoLostElements,
        parameters: Parameters::DEFAULT,
        example: "p0 invoke enqueue q 1   # acknowledged …
                  p0 ok
                  p1 invoke drain q
                  p1 ok []                # … but not there when the queue is drained",
        near_miss: "p0 invoke enqueue q 1
                    p0 ok
                    p1 invoke drain q
                    p1 ok [1]",
    },
    Lesson {
        name: "unexpected-message",
        definition: "A dequeue returned a message that nobody can have enqueued: nobody tried, or \
                     the enqueue failed, or was invoked only after the dequeue had completed.",
        source: "Kingsbury, jepsen.checker/total-queue; VFresh in Henzinger, Sezgin & Vafeiadis \
                 2013, section 4.",
        subject: "total-queue",
        claim: Claim::NoUnexpectedElements,
        parameters: Parameters::DEFAULT,
        example: "p0 invoke enqueue q 1
                  p0 fail unavailable     # refused: it had no effect
                  p1 invoke dequeue q
                  p1 ok 1                 # and yet it comes out",
        near_miss: "p0 invoke enqueue q 1
                    p0 info timeout       # nobody knows: it may have gone in
                    p1 invoke dequeue q
                    p1 ok 1",
    },
    Lesson {
        name: "duplicated-message",
        definition: "A message came out more often than it was enqueued.",
        source: "Kingsbury, jepsen.checker/total-queue; VRepeat in Henzinger, Sezgin & Vafeiadis \
                 2013, section 4.",
        subject: "total-queue",
        claim: Claim::NoDuplicates,
        parameters: Parameters::DEFAULT,
        example: "p0 invoke enqueue q 1   # once in …
                  p0 ok
                  p1 invoke dequeue q
                  p1 ok 1
                  p2 invoke dequeue q
                  p2 ok 1                 # … and twice out",
        near_miss: "p0 invoke enqueue q 1
                    p0 ok
                    p1 invoke dequeue q
                    p1 ok 1
                    p2 invoke dequeue q
                    p2 ok _               # nothing left",
    },
    Lesson {
        name: "producer-order",
        definition: "Of two messages of one producer the later one had come out before the dequeue \
                     of the earlier one began.",
        source: "FIFO per producer; compare the order that message queues document for one channel \
                 (RabbitMQ) or one partition (Kafka).",
        subject: "total-queue",
        claim: Claim::ProducerOrder,
        parameters: Parameters::DEFAULT,
        example: "p0 invoke enqueue q 1   # 1 first …
                  p0 ok
                  p0 invoke enqueue q 2
                  p0 ok
                  p1 invoke dequeue q
                  p1 ok 2                 # … but 2 comes out first
                  p2 invoke dequeue q
                  p2 ok 1",
        near_miss: "p0 invoke enqueue q 1
                    p0 ok
                    p0 invoke enqueue q 2
                    p0 ok
                    p1 invoke dequeue q
                    p2 invoke dequeue q   # both run at once: 1 may have come out first
                    p1 ok 2
                    p2 ok 1",
    },
    Lesson {
        name: "queue-order",
        definition: "A message was in the queue before another one was enqueued, and yet the other \
                     one came out first.",
        source: "VOrd in Henzinger, Sezgin & Vafeiadis, \"Aspect-oriented linearizability proofs\", \
                 CONCUR 2013, section 4.",
        subject: "fifo-queue",
        claim: Claim::Linearizable,
        parameters: Parameters::DEFAULT,
        example: "p0 invoke enqueue q 1
                  p0 ok                   # 1 is in …
                  p1 invoke enqueue q 2   # … before 2 is enqueued
                  p1 ok
                  p2 invoke dequeue q
                  p2 ok 2                 # 1 had to come out before",
        near_miss: "p0 invoke enqueue q 1
                    p1 invoke enqueue q 2 # at once: 2 may have gone in first
                    p0 ok
                    p1 ok
                    p2 invoke dequeue q
                    p2 ok 2",
    },
    Lesson {
        name: "false-empty",
        definition: "A dequeue found the queue empty, although at every moment of it something was \
                     inside.",
        source: "VWit in Henzinger, Sezgin & Vafeiadis, \"Aspect-oriented linearizability proofs\", \
                 CONCUR 2013, section 4.",
        subject: "queue",
        claim: Claim::Linearizable,
        parameters: Parameters::DEFAULT,
        example: "p0 invoke enqueue q 1
                  p0 ok                   # 1 is in …
                  p1 invoke dequeue q
                  p1 ok _                 # … and nobody took it before this",
        near_miss: "p0 invoke enqueue q 1
                    p1 invoke dequeue q
                    p0 ok                 # 1 may go in after the dequeue looked
                    p1 ok _",
    },
];
