//! What brokers and controllers are asked, each for its own view: over Kafka's protocol, one connection
//! a question, once.
//!
//! The versions are those that both 3.9 and 4.x speak, so that nothing is negotiated first.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use kafka_protocol::messages::create_topics_request::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use kafka_protocol::messages::describe_quorum_request::{
    DescribeQuorumRequest, PartitionData, TopicData,
};
use kafka_protocol::messages::{
    ApiKey, CreateTopicsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    DescribeQuorumResponse, FindCoordinatorRequest, FindCoordinatorResponse, MetadataRequest,
    MetadataResponse, RequestHeader, ResponseHeader,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};
use schism_lab::{Node, NodeId};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::PORTS;
use super::topics::TopicSettings;
use crate::Cluster;
use crate::stream::Stream;

const METADATA: (ApiKey, i16) = (ApiKey::Metadata, 12);
const QUORUM: (ApiKey, i16) = (ApiKey::DescribeQuorum, 1);
const CREATE: (ApiKey, i16) = (ApiKey::CreateTopics, 5);
const GROUPS: (ApiKey, i16) = (ApiKey::DescribeGroups, 5);
const COORDINATOR: (ApiKey, i16) = (ApiKey::FindCoordinator, 4);
/// The log of the controllers.
const QUORUM_TOPIC: &str = "__cluster_metadata";
/// The error `TOPIC_ALREADY_EXISTS`.
const EXISTS: i16 = 36;
/// An answer that claims to be longer is none.
const ANSWER_MAX: usize = 64 << 20;

/// What the group or the transactions of a client are coordinated by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Coordinated {
    Group,
    Transaction,
}

/// A partition as one broker sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Partition {
    pub(super) topic: String,
    pub(super) index: i32,
    /// `None`: nobody leads.
    pub(super) leader: Option<NodeId>,
    pub(super) epoch: i32,
    pub(super) replicas: Vec<NodeId>,
    pub(super) in_sync: Vec<NodeId>,
}

/// The cluster as one broker sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sight {
    /// Those that are registered, and not fenced.
    pub(super) brokers: Vec<NodeId>,
    pub(super) partitions: Vec<Partition>,
}

/// The cluster as the broker on `node` sees it, from what it knows itself.
pub(super) async fn sight(node: &Node, within: Duration) -> Result<Sight, String> {
    let request =
        MetadataRequest::default().with_topics(None).with_allow_auto_topic_creation(false);
    let at = SocketAddr::new(node.address, PORTS.clients);
    ask(at, &node.id.to_string(), &request, METADATA, within).await.map(seen)
}

/// In which epoch the controller on `node` says that it leads; `None` if it does not say so.
pub(super) async fn controls(node: &Node, within: Duration) -> Result<Option<i32>, String> {
    let topic = TopicData::default()
        .with_topic_name(StrBytes::from_static_str(QUORUM_TOPIC).into())
        .with_partitions(vec![PartitionData::default().with_partition_index(0)]);
    let request = DescribeQuorumRequest::default().with_topics(vec![topic]);
    let at = SocketAddr::new(node.address, PORTS.controllers);
    let answer: DescribeQuorumResponse =
        ask(at, &node.id.to_string(), &request, QUORUM, within).await?;
    // Whoever does not lead answers with an error, at one place or the other.
    let partition = answer.topics.first().and_then(|topic| topic.partitions.first());
    let leads = partition.filter(|partition| {
        answer.error_code == 0
            && partition.error_code == 0
            && i32::from(node.id.0) == *partition.leader_id
    });
    Ok(leads.map(|partition| partition.leader_epoch))
}

/// Who coordinates each of these groups or transactional ids, as the broker on `node` knows. Where
/// their internal topic does not exist yet, the question makes it.
pub(super) async fn coordinators(
    node: &Node,
    what: Coordinated,
    ids: &[String],
    within: Duration,
) -> Result<BTreeMap<String, NodeId>, String> {
    let keys = ids.iter().map(|id| StrBytes::from_string(id.clone())).collect();
    let kind = match what {
        Coordinated::Group => 0,
        Coordinated::Transaction => 1,
    };
    let request = FindCoordinatorRequest::default().with_key_type(kind).with_coordinator_keys(keys);
    let at = SocketAddr::new(node.address, PORTS.clients);
    let answer: FindCoordinatorResponse =
        ask(at, &node.id.to_string(), &request, COORDINATOR, within).await?;
    let known = answer.coordinators.iter().filter(|it| it.error_code == 0);
    let known = known.filter_map(|it| Some((it.key.as_str().to_owned(), number(*it.node_id)?)));
    Ok(known.collect())
}

/// What the broker on `node`, which coordinates this group, says of it: `says that it is Stable, with 4
/// members`. A group that nobody is in is Empty or Dead.
pub(super) async fn group(node: &Node, name: &str, within: Duration) -> Result<String, String> {
    let groups = vec![StrBytes::from_string(name.to_owned()).into()];
    let request = DescribeGroupsRequest::default().with_groups(groups);
    let at = SocketAddr::new(node.address, PORTS.clients);
    let answer: DescribeGroupsResponse =
        ask(at, &node.id.to_string(), &request, GROUPS, within).await?;
    let group = answer.groups.first().ok_or("it names no group")?;
    if group.error_code != 0 {
        return Err(format!("error {}", group.error_code));
    }
    let members = match group.members.len() {
        0 => "no member".to_owned(),
        1 => "one member".to_owned(),
        count => format!("{count} members"),
    };
    Ok(format!("says that it is {}, with {members}", group.group_state.as_str()))
}

/// Makes topics, each as the plan wants it, through the broker at `at`; those that exist already are
/// left as they are.
pub(super) async fn create(
    at: SocketAddr,
    topics: &TopicSettings,
    names: &BTreeSet<String>,
    within: Duration,
) -> Result<(), String> {
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    let config: Vec<CreatableTopicConfig> = topics
        .config
        .iter()
        .map(|(name, value)| {
            CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
        })
        .collect();
    let topic = |name: &String| {
        CreatableTopic::default()
            .with_name(text(name).into())
            .with_num_partitions(topics.layout.partitions_of(name))
            .with_replication_factor(i16::try_from(topics.replication).unwrap_or(i16::MAX))
            .with_configs(config.clone())
    };
    let request = CreateTopicsRequest::default()
        .with_topics(names.iter().map(topic).collect())
        .with_timeout_ms(within.as_millis() as i32);
    let answer: CreateTopicsResponse = ask(at, &at.to_string(), &request, CREATE, within).await?;
    let refused = answer.topics.iter().find(|it| it.error_code != 0 && it.error_code != EXISTS);
    match refused {
        None => Ok(()),
        Some(topic) => Err(format!(
            "{at} refused {}: error {} {}",
            topic.name.as_str(),
            topic.error_code,
            topic.error_message.as_deref().unwrap_or_default()
        )),
    }
}

/// Asks every node at once; those that do not answer are not among the answers.
pub(super) async fn each<T, F>(cluster: &Cluster, question: impl Fn(Node) -> F) -> Vec<(NodeId, T)>
where
    T: Send + 'static,
    F: Future<Output = Result<T, String>> + Send + 'static,
{
    let mut asked = JoinSet::new();
    for node in cluster.nodes() {
        let (id, answer) = (node.id, question(node.clone()));
        asked.spawn(async move { Some((id, answer.await.ok()?)) });
    }
    let mut answers: Vec<_> = asked.join_all().await.into_iter().flatten().collect();
    answers.sort_by_key(|(id, _)| *id);
    answers
}

async fn ask<Q, A>(
    at: SocketAddr,
    who: &str,
    request: &Q,
    (key, version): (ApiKey, i16),
    within: Duration,
) -> Result<A, String>
where
    Q: Encodable + HeaderVersion,
    A: Decodable + HeaderVersion,
{
    let deadline = Instant::now() + within;
    let framed = framed(request, key, version).map_err(|error| format!("{who}: {error}"))?;
    let words = |trouble: crate::stream::Trouble| trouble.text().to_owned();
    let mut stream = Stream::open(at, who.to_owned(), deadline).await.map_err(words)?;
    stream.send(&framed, deadline).await.map_err(words)?;
    let mut received = Vec::new();
    loop {
        if let Some(answer) = answer(&received, version) {
            return answer.map_err(|problem| format!("{who}: {problem}"));
        }
        stream.receive(&mut received, deadline).await.map_err(words)?;
    }
}

/// A request as it stands on the wire, behind its length.
fn framed<Q: Encodable + HeaderVersion>(
    request: &Q,
    key: ApiKey,
    version: i16,
) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; 4];
    let header = RequestHeader::default()
        .with_request_api_key(key as i16)
        .with_request_api_version(version)
        .with_client_id(Some(StrBytes::from_static_str("schism")));
    let encoded = header.encode(&mut bytes, Q::header_version(version));
    let encoded = encoded.and_then(|()| request.encode(&mut bytes, version));
    encoded.map_err(|error| error.to_string())?;
    let length = (bytes.len() - 4) as u32;
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    Ok(bytes)
}

/// The answer, once all of it has been received.
fn answer<A: Decodable + HeaderVersion>(
    received: &[u8],
    version: i16,
) -> Option<Result<A, String>> {
    let (length, rest) = received.split_first_chunk::<4>()?;
    let length = u32::from_be_bytes(*length) as usize;
    if length > ANSWER_MAX {
        return Some(Err(format!("an answer of {length} bytes is none")));
    }
    let mut body = rest.get(..length)?;
    let header = ResponseHeader::decode(&mut body, A::header_version(version));
    let answer = header.and_then(|_| A::decode(&mut body, version));
    Some(answer.map_err(|error| format!("answered what cannot be read: {error}")))
}

fn number(id: i32) -> Option<NodeId> {
    u16::try_from(id).ok().map(NodeId)
}

fn seen(answer: MetadataResponse) -> Sight {
    let numbers = |ids: &[kafka_protocol::messages::BrokerId]| {
        ids.iter().filter_map(|id| number(**id)).collect::<Vec<_>>()
    };
    let mut partitions = Vec::new();
    for topic in answer.topics {
        let name = topic.name.map(|name| name.as_str().to_owned()).unwrap_or_default();
        partitions.extend(topic.partitions.iter().map(|partition| Partition {
            topic: name.clone(),
            index: partition.partition_index,
            leader: number(*partition.leader_id),
            epoch: partition.leader_epoch,
            replicas: numbers(&partition.replica_nodes),
            in_sync: numbers(&partition.isr_nodes),
        }));
    }
    partitions.sort_by(|a, b| (&a.topic, a.index).cmp(&(&b.topic, b.index)));
    let mut brokers: Vec<_> =
        answer.brokers.iter().filter_map(|broker| number(*broker.node_id)).collect();
    brokers.sort_unstable();
    Sight { brokers, partitions }
}
