//! The plans against real systems, each with a claim and how often it is to be violated.

use std::ops::RangeInclusive;

/// A plan against a real system, and the claim that is counted as violated.
pub struct Real {
    pub plan: &'static str,
    /// What is set otherwise than in the plan.
    pub set: &'static str,
    pub claim: &'static str,
    /// In how many of twenty runs it is to be violated, at least and at most.
    pub expected: RangeInclusive<u64>,
}

const fn real(plan: &'static str, claim: &'static str, expected: RangeInclusive<u64>) -> Real {
    Real { plan, set: "", claim, expected }
}

const FOUND: RangeInclusive<u64> = 18..=20;
const MOSTLY: RangeInclusive<u64> = 11..=20;
const NEVER: RangeInclusive<u64> = 0..=0;
const SELDOM: RangeInclusive<u64> = 0..=9;
/// Of what a plan does not promise.
const EITHER: RangeInclusive<u64> = 0..=20;
/// Release of etcd in which 20418 is mended: `make etcd VERSION=3.6.9`.
const MENDED: &str = "target.etcd.version=3.6.9";

/// The last of Kafka's releases before 4.0: `make kafka VERSION=3.9.1`.
const BEFORE: &str = "target.kafka.version=3.9.1";

/// Kafka that syncs each message before it acknowledges it.
const FLUSHED: &str = "target.kafka.flush_messages=1";

pub const REAL: &[Real] = &[
    real("redis-lost-writes", "acknowledged-writes-survive", FOUND),
    real("redis-wait", "acknowledged-writes-survive", SELDOM),
    real("redis-wait", "no-lost-elements", EITHER),
    real("redis-replica-reads", "read-your-writes", FOUND),
    real("redis-replica-reads", "monotonic-reads", FOUND),
    real("redis-power-loss-everysec", "acknowledged-writes-survive", FOUND),
    real("redis-power-loss", "acknowledged-writes-survive", NEVER),
    real("redis-counter", "counter-bounds", FOUND),
    real("redis-lock", "mutual-exclusion", FOUND),
    real("redlock", "mutual-exclusion", FOUND),
    real("etcd-lock", "mutual-exclusion", FOUND),
    real("etcd-lock-fenced", "fencing", NEVER),
    real("etcd-serializable", "bounded-staleness", FOUND),
    real("etcd-20418-directed", "linearizable", FOUND),
    Real { set: MENDED, ..real("etcd-20418-directed", "linearizable", NEVER) },
    real("etcd-20418", "linearizable", MOSTLY),
    Real { set: MENDED, ..real("etcd-20418", "linearizable", NEVER) },
    real("etcd-partition", "linearizable", NEVER),
    real("etcd-pause", "linearizable", NEVER),
    real("etcd-members", "linearizable", NEVER),
    real("kafka-acks-1", "no-lost-writes", FOUND),
    real("kafka-unclean", "no-lost-writes", FOUND),
    real("kafka-acks-all", "no-lost-writes", NEVER),
    real("kafka-aborted-reads", "no-aborted-reads", FOUND),
    real("kafka-read-committed", "no-aborted-reads", NEVER),
    real("kafka-retries", "no-duplicates", FOUND),
    real("kafka-idempotence", "no-duplicates", NEVER),
    real("kafka-groups", "no-group-skips", NEVER),
    real("kafka-groups-at-most-once", "no-group-skips", FOUND),
    real("kafka-17754", "no-aborted-reads", MOSTLY),
    Real { set: BEFORE, ..real("kafka-17754", "no-aborted-reads", MOSTLY) },
    real("kafka-power-loss", "no-unseen-writes", FOUND),
    Real { set: FLUSHED, ..real("kafka-power-loss", "no-unseen-writes", NEVER) },
    real("kafka-disk", "no-lost-writes", NEVER),
    real("kafka-clock", "no-lost-writes", NEVER),
];
