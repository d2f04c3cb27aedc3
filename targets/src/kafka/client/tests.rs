//! Against the mock of a cluster that librdkafka brings.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr as E};
use schism_history::{
    Call, Code, Key, Mop, MopKind, Op, Options, Outcome, Process, Time, TraceId, Value,
};
use serde_json::json;

use super::consumer::Chosen;
use super::settings::config;
use super::{KafkaClient, OPTIONS, Settings};
use crate::Client;
use crate::kafka::keys::Layout;
use crate::kafka::topics::TopicSettings;

const TIMEOUT: Duration = Duration::from_secs(20);

type Mock = MockCluster<'static, DefaultProducerContext>;

/// A mock of one broker with the topic of the keys 0 and 1.
fn mock() -> Mock {
    let mock = MockCluster::new(1).expect("a mock listens on loopback");
    mock.create_topic("log-0", 2, 1).expect("a topic can be made");
    mock
}

fn settings(given: &serde_json::Value) -> Settings {
    let known: Vec<&str> = OPTIONS.iter().map(|(key, _)| *key).collect();
    let options = Options::read(given, &known).expect("the options are known");
    Settings::read(&options, given).expect("the options are accepted")
}

fn client(mock: &Mock, process: u32, given: serde_json::Value) -> KafkaClient {
    let topics =
        TopicSettings { layout: Layout { partitions: 2 }, replication: 1, config: Vec::new() };
    let known = Arc::new(Mutex::new(BTreeSet::from(["log-0".to_owned()])));
    let bootstrap = mock.bootstrap_servers();
    let addresses = bootstrap.split(',').map(|it| it.parse().expect("an address")).collect();
    KafkaClient::new(Arc::new(settings(&given)), topics, known, addresses, Process(process))
}

async fn ask(client: &mut KafkaClient, op: &Op, timeout: Duration) -> Outcome {
    let call = Call { op, index: 0, deadline: Time(0), timeout, trace: TraceId::derive(0, 0) };
    client.invoke(&call).await
}

fn mop(kind: MopKind, key: &str, value: Value) -> Mop {
    Mop { kind, key: Key::new(key), value }
}

fn send(key: &str, message: i64) -> Mop {
    mop(MopKind::Send, key, Value::Int(message))
}

fn sends(messages: &[i64]) -> Op {
    let mops = messages.iter().map(|message| send("0", *message));
    Op::new("send", None, Value::Mops(mops.collect()))
}

fn poll() -> Op {
    Op::new("poll", None, Value::Mops([mop(MopKind::Poll, "", Value::Nil)].into()))
}

fn assign(keys: &[i64]) -> Op {
    Op::new("assign", None, Value::List(keys.iter().copied().map(Value::Int).collect()))
}

/// The short text of an ok answer.
fn ok(outcome: Outcome) -> String {
    match outcome {
        Outcome::Ok(reply) => reply.value.to_string(),
        other => panic!("not ok: {other:?}"),
    }
}

/// Polls the log 0 until `count` messages came, in however many polls: the offsets and messages in order.
/// The first polls may fail, since the leader is still looked for.
async fn polled(client: &mut KafkaClient, count: usize) -> Vec<i64> {
    let end = Instant::now() + TIMEOUT;
    let mut all = Vec::new();
    while all.len() < 2 * count {
        assert!(Instant::now() < end, "only {all:?} polled");
        let reply = match ask(client, &poll(), TIMEOUT).await {
            Outcome::Ok(reply) => reply,
            Outcome::Fail(_) => continue,
            Outcome::Info(reason) => panic!("a poll in doubt: {reason}"),
        };
        let Value::Mops(mops) = reply.value else { panic!("no answer to a poll") };
        for mop in mops {
            let Value::List(list) = mop.value else { continue };
            assert_eq!(mop.key, Key::new("0"));
            all.extend(list.iter().map(|it| match it {
                Value::Int(number) => *number,
                other => panic!("{other} is no number"),
            }));
        }
    }
    all
}

/// Polls until a poll is ok and says that there is nothing.
async fn empty(client: &mut KafkaClient) {
    let end = Instant::now() + TIMEOUT;
    while ok_or_failed(ask(client, &poll(), TIMEOUT).await).is_none() {
        assert!(Instant::now() < end, "the end was never seen");
    }
}

fn ok_or_failed(outcome: Outcome) -> Option<()> {
    match outcome {
        Outcome::Ok(reply) => {
            assert_eq!(reply.value.to_string(), "[poll \"\" _]");
            Some(())
        }
        Outcome::Fail(_) => None,
        Outcome::Info(reason) => panic!("a poll in doubt: {reason}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_is_polled_in_order_and_those_kept_go_on() {
    let mock = mock();
    let mut client = client(&mock, 0, json!({ "record_size": 100 }));
    let sent = ok(ask(&mut client, &sends(&[1, 2]), TIMEOUT).await);
    assert_eq!(sent, "[send 0 [0 1], send 0 [1 2]]");
    ok(ask(&mut client, &assign(&[0]), TIMEOUT).await);
    assert_eq!(polled(&mut client, 2).await, [0, 1, 1, 2]);
    empty(&mut client).await;
    ok(ask(&mut client, &sends(&[3]), TIMEOUT).await);
    // Another log is assigned, too: the first one goes on behind what was polled.
    ok(ask(&mut client, &assign(&[0, 1]), TIMEOUT).await);
    assert_eq!(polled(&mut client, 1).await, [2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_fails_only_where_nothing_can_have_been_written() {
    let mock = mock();
    let check = async |acks: serde_json::Value, error: E, fails: bool| {
        let given = json!({ "acks": acks, "idempotence": false });
        // An `Info` is the end of a process: each error meets a client of its own.
        let mut client = client(&mock, 0, given);
        mock.request_errors(RDKafkaApiKey::Produce, &[error]);
        let outcome = ask(&mut client, &sends(&[1]), TIMEOUT).await;
        mock.clear_request_errors(RDKafkaApiKey::Produce);
        let failed = matches!(outcome, Outcome::Fail(_));
        assert!(!matches!(outcome, Outcome::Ok(_)), "{acks} {error:?}: {outcome:?}");
        assert_eq!(failed, fails, "{acks} {error:?}: {outcome:?}");
    };
    let all = || json!("all");
    check(all(), E::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, true).await;
    check(all(), E::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, false).await;
    check(json!(1), E::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, true).await;
    check(all(), E::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, false).await;
    check(json!(1), E::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, false).await;
    check(json!(1), E::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, false).await;
}

/// What `configuration` tells: nothing turns this off.
#[tokio::test(flavor = "multi_thread")]
async fn librdkafka_sends_again_what_is_refused_as_not_leading_whatever_the_retries() {
    let mock = mock();
    let mut client = client(&mock, 0, json!({ "acks": 1, "retries": 0 }));
    mock.request_errors(
        RDKafkaApiKey::Produce,
        &[E::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION; 2],
    );
    assert_eq!(ok(ask(&mut client, &sends(&[1]), TIMEOUT).await), "[send 0 [0 1]]");
    let configuration = settings(&json!({ "acks": 1 })).configuration();
    assert!(configuration.iter().any(|(name, _)| name == "producer.resends"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_is_aborted_has_failed_and_the_next_one_commits() {
    let mock = mock();
    let mut client = client(&mock, 0, json!({ "transactions": true }));
    let txn = |message| {
        let mops = [send("0", message), mop(MopKind::Poll, "", Value::Nil)];
        Op::new("txn", None, Value::Mops(mops.into()))
    };
    ok(ask(&mut client, &txn(1), TIMEOUT).await);
    mock.request_errors(RDKafkaApiKey::Produce, &[E::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE]);
    let outcome = ask(&mut client, &txn(2), TIMEOUT).await;
    assert!(
        matches!(&outcome, Outcome::Fail(reason) if reason.text.contains("aborted")),
        "{outcome:?}"
    );
    // The same producer goes on. librdkafka may still be taking a new epoch, and purge what comes
    // meanwhile, which then fails as truly.
    let end = Instant::now() + TIMEOUT;
    for message in 3.. {
        match ask(&mut client, &txn(message), TIMEOUT).await {
            Outcome::Ok(_) => break,
            Outcome::Fail(reason) => assert!(Instant::now() < end, "{reason}"),
            Outcome::Info(reason) => panic!("in doubt: {reason}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_can_ask_for_transactions_that_are_aborted() {
    let mock = mock();
    let mut client = client(&mock, 0, json!({ "transactions": true, "abort_every": 2 }));
    ok(ask(&mut client, &sends(&[1]), TIMEOUT).await);
    let outcome = ask(&mut client, &sends(&[2]), TIMEOUT).await;
    let on_purpose =
        |outcome: &Outcome| matches!(outcome, Outcome::Fail(it) if it.text.contains("on purpose"));
    assert!(on_purpose(&outcome), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_thinks_between_records_sends_them_one_by_one() {
    let mock = mock();
    let given = json!({ "transactions": true, "think": "100ms" });
    let mut client = client(&mock, 0, given);
    let begun = Instant::now();
    ok(ask(&mut client, &sends(&[1, 2, 3]), TIMEOUT).await);
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
    ok(ask(&mut client, &assign(&[0]), TIMEOUT).await);
    let all = polled(&mut client, 3).await;
    assert_eq!(all.iter().skip(1).step_by(2).copied().collect::<Vec<_>>(), [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_whose_end_is_not_answered_is_in_doubt() {
    let mock = mock();
    let mut client = client(&mock, 0, json!({ "transactions": true }));
    ok(ask(&mut client, &sends(&[1]), TIMEOUT).await);
    // librdkafka asks again and again, and is told each time to do so.
    mock.request_errors(
        RDKafkaApiKey::EndTxn,
        &[E::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS; 200],
    );
    let outcome = ask(&mut client, &sends(&[2]), Duration::from_secs(2)).await;
    assert!(matches!(outcome, Outcome::Info(_)), "{outcome:?}");
}

/// The reason of a client that librdkafka has given up.
fn given_up(outcome: &Outcome) -> bool {
    let (Outcome::Fail(reason) | Outcome::Info(reason)) = outcome else { return false };
    reason.code == Code::Fatal && reason.text.contains("librdkafka declared the client fatal (")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_librdkafka_gives_up_says_so_and_another_takes_its_place() {
    let mock = mock();
    let given = || json!({ "transactions": true });
    let mut one = client(&mock, 0, given());
    mock.request_errors(
        RDKafkaApiKey::InitProducerId,
        &[E::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED],
    );
    // Nothing was sent yet: it has failed, and the same process goes on with another producer.
    let outcome = ask(&mut one, &sends(&[1]), TIMEOUT).await;
    assert!(given_up(&outcome) && matches!(outcome, Outcome::Fail(_)), "{outcome:?}");
    ok(ask(&mut one, &sends(&[2]), TIMEOUT).await);
    // Somebody else has taken its id: neither this transaction nor its end is known.
    mock.request_errors(RDKafkaApiKey::AddPartitionsToTxn, &[E::RD_KAFKA_RESP_ERR_PRODUCER_FENCED]);
    let outcome = ask(&mut one, &sends(&[3]), TIMEOUT).await;
    assert!(given_up(&outcome) && matches!(outcome, Outcome::Info(_)), "{outcome:?}");
    let mut other = client(&mock, 1, given());
    ok(ask(&mut other, &sends(&[4]), TIMEOUT).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotent_client_that_is_fatal_again_and_again_answers_each_time() {
    let mock = mock();
    mock.request_errors(
        RDKafkaApiKey::InitProducerId,
        &[E::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED; 3],
    );
    for process in 0..3 {
        let mut client = client(&mock, process, json!({ "idempotence": true }));
        let outcome = ask(&mut client, &sends(&[i64::from(process)]), TIMEOUT).await;
        assert!(given_up(&outcome), "{outcome:?}");
    }
    let mut last = client(&mock, 3, json!({ "idempotence": true }));
    ok(ask(&mut last, &sends(&[9]), TIMEOUT).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_broker_is_gone_answers_in_time_and_is_dropped_at_once() {
    let mock = mock();
    let mut client = client(&mock, 0, json!({ "acks": 1 }));
    ok(ask(&mut client, &sends(&[1]), TIMEOUT).await);
    ok(ask(&mut client, &assign(&[0]), TIMEOUT).await);
    polled(&mut client, 1).await;
    mock.broker_down(1).expect("the mock's broker goes down");
    let timeout = Duration::from_secs(2);
    for op in [sends(&[2]), poll()] {
        let begun = Instant::now();
        let outcome = ask(&mut client, &op, timeout).await;
        assert!(!matches!(outcome, Outcome::Ok(_)), "{outcome:?}");
        assert!(begun.elapsed() < timeout + Duration::from_secs(1), "{:?}", begun.elapsed());
    }
    let begun = Instant::now();
    drop(client);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_crashes_is_over_and_the_group_goes_on_without_it() {
    let mock = mock();
    let given = || json!({ "group_timeout": "6s" });
    let subscribe = Op::new("subscribe", None, Value::List([Value::Int(0)].into()));
    let mut one = client(&mock, 0, given());
    ok(ask(&mut one, &sends(&[1]), TIMEOUT).await);
    ok(ask(&mut one, &subscribe, TIMEOUT).await);
    assert_eq!(polled(&mut one, 1).await, [0, 1]);
    let outcome = ask(&mut one, &Op::new("crash", None, Value::Nil), TIMEOUT).await;
    assert!(matches!(outcome, Outcome::Info(_)), "{outcome:?}");
    let crashed = Instant::now();
    let mut other = client(&mock, 1, given());
    ok(ask(&mut other, &sends(&[2]), TIMEOUT).await);
    ok(ask(&mut other, &subscribe, TIMEOUT).await);
    // Whether the first message comes again hangs on whether its offset was committed in time.
    let first = polled(&mut other, 1).await;
    assert!(first == [1, 2] || first[..2] == [0, 1], "{first:?}");
    // Nobody told the group, which gave the member up for its silence.
    assert!(crashed.elapsed() > Duration::from_secs(3), "{:?}", crashed.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_begins_at_the_latest_is_given_what_comes_later() {
    let mock = mock();
    let subscribe = Op::new("subscribe", None, Value::List([Value::Int(0)].into()));
    let mut client = client(&mock, 0, json!({ "reset": "latest" }));
    ok(ask(&mut client, &sends(&[1, 2]), TIMEOUT).await);
    ok(ask(&mut client, &subscribe, TIMEOUT).await);
    // When exactly it has begun nobody tells: messages are sent until one of them comes.
    let end = Instant::now() + TIMEOUT;
    let first = (3..).map(|message| (message, sends(&[message])));
    for (message, sends) in first {
        assert!(Instant::now() < end, "none of {message} messages came");
        ok(ask(&mut client, &sends, TIMEOUT).await);
        let Outcome::Ok(reply) = ask(&mut client, &poll(), TIMEOUT).await else { continue };
        let text = reply.value.to_string();
        if text != "[poll \"\" _]" {
            assert!(!text.contains("[0 1]") && !text.contains("[1 2]"), "{text}");
            break;
        }
    }
    // Whoever chooses the log itself reads it from its beginning.
    ok(ask(&mut client, &assign(&[0]), TIMEOUT).await);
    assert_eq!(polled(&mut client, 2).await[..4], [0, 1, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_polled_is_committed_before_the_poll_is_answered_where_that_is_wanted() {
    let mock = mock();
    let subscribe = Op::new("subscribe", None, Value::List([Value::Int(0)].into()));
    let given = json!({ "commit": "sync" });
    let mut client = client(&mock, 0, given.clone());
    ok(ask(&mut client, &sends(&[1, 2]), TIMEOUT).await);
    ok(ask(&mut client, &subscribe, TIMEOUT).await);
    let polled_now = polled(&mut client, 1).await;
    let asked = settings(&given).consumer(Chosen::ByGroup);
    let asks: BaseConsumer = config(asked, &mock.bootstrap_servers()).create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    list.add_partition("log-0", 0);
    let committed = asks.committed_offsets(list, TIMEOUT).expect("offsets are told");
    let offset = committed.elements()[0].offset();
    assert_eq!(offset, Offset::Offset(polled_now.len() as i64 / 2));
    // A commit that is refused takes nothing back of what was polled.
    mock.request_errors(
        RDKafkaApiKey::OffsetCommit,
        &[E::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED],
    );
    ok(ask(&mut client, &sends(&[3]), TIMEOUT).await);
    assert!(polled(&mut client, 1).await.ends_with(&[2, 3]));
}
