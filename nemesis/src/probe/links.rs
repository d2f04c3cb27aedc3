//! Probes of links: datagrams between sockets that stand on the nodes, outside their processes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use schism_history::Evidence;
use schism_lab::{Datagrams, End, Host, LinkRules};
use schism_targets::Cluster;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use self::judge::{Observable, mean, milliseconds};
use super::evidence;
use crate::standing::Rules;

mod judge;
pub(crate) mod parcels;
pub(crate) use judge::margin;

pub(crate) type Link = (End, End);

/// Datagrams for each link and look: one may be lost in a full queue without any fault.
const ROUNDS: u32 = 3;
const ROUND_EVERY: Duration = Duration::from_millis(5);
/// How long a datagram may take over a link that nobody slows down.
const PATIENCE: Duration = Duration::from_millis(80);
/// A busy machine is looked at again before a link that should be open counts as silent.
const LOOKS: u32 = 4;
/// How long links are looked at after a fault, however often other faults change them meanwhile.
const GONE_WITHIN: Duration = Duration::from_secs(8);
/// Open links that are looked at beside the broken ones, at most.
const CONTROLS_MAX: usize = 40;
const MAGIC: [u8; 8] = *b"schism\0p";

/// What a look saw of one link.
#[derive(Clone, Debug, Default)]
struct Sight {
    sent: u32,
    /// How long those took that came.
    times: Vec<Duration>,
}

impl Sight {
    /// How long those took that came, on average.
    fn mean(&self) -> Option<Duration> {
        (!self.times.is_empty()).then(|| mean(self.times.iter().copied()))
    }

    /// The same, with `patience` for each that did not come.
    fn mean_with(&self, patience: Duration) -> Duration {
        let lost = self.sent.saturating_sub(self.times.len() as u32);
        mean(self.times.iter().copied().chain((0..lost).map(|_| patience)))
    }
}

type Sights = BTreeMap<Link, Sight>;

/// Sockets on every node and in the controller, and what arrived at them.
pub(crate) struct LinkProbe {
    sockets: BTreeMap<End, (Arc<dyn Datagrams>, SocketAddr)>,
    /// How much later than its node this program knows what a socket heard: sent and come.
    lag: Duration,
    arrived: Arc<Mutex<BTreeMap<u64, Instant>>>,
    next: std::sync::atomic::AtomicU64,
    /// One-way times of the links that worked before the first fault.
    before: BTreeMap<Link, Duration>,
    receivers: Vec<JoinHandle<()>>,
}

impl Drop for LinkProbe {
    fn drop(&mut self) {
        for receiver in &self.receivers {
            receiver.abort();
        }
    }
}

impl LinkProbe {
    /// Opens the sockets, and looks at every link while nothing is broken yet.
    pub(crate) async fn open(cluster: &Cluster, clients: &[Arc<dyn Host>]) -> Result<Self, String> {
        let mut sockets = BTreeMap::new();
        let mut first = None;
        for host in cluster.hosts.iter().chain(clients) {
            let node = host.node();
            let socket = host.datagrams().await.map_err(|error| error.to_string())?;
            let address = socket.address();
            first.get_or_insert(address);
            sockets.insert(End::Node(node.id), (socket, address));
        }
        if let Some(node) = first {
            let controller = controller_socket(node)
                .await
                .map_err(|error| format!("controller: no socket for probes: {error}"))?;
            sockets.insert(End::Controller, controller);
        }
        let arrived: Arc<Mutex<BTreeMap<u64, Instant>>> = Arc::default();
        let receivers = sockets
            .values()
            .map(|(socket, _)| tokio::spawn(receive(socket.clone(), arrived.clone())))
            .collect();
        let next = std::sync::atomic::AtomicU64::new(1);
        let lags = sockets.values().map(|(socket, _)| socket.lag());
        let lag = lags.max().unwrap_or_default() * 2;
        let mut probe = Self { sockets, lag, arrived, next, before: BTreeMap::new(), receivers };
        let links: Vec<Link> = probe.links();
        for _ in 0..LOOKS {
            let rest: Vec<Link> =
                links.iter().filter(|link| !probe.before.contains_key(link)).copied().collect();
            if rest.is_empty() {
                break;
            }
            let seen = probe.look(&rest, PATIENCE).await;
            let came = seen.into_iter().filter_map(|(link, sight)| Some((link, sight.mean()?)));
            probe.before.extend(came);
        }
        Ok(probe)
    }

    fn links(&self) -> Vec<Link> {
        let ends = || self.sockets.keys().copied();
        // Clients have nothing to say to each other.
        let is_node = |end: &End| matches!(end, End::Node(node) if !node.is_client());
        let meant = |(from, to): &Link| from != to && (is_node(from) || is_node(to));
        ends().flat_map(|from| ends().map(move |to| (from, to))).filter(meant).collect()
    }

    /// Sends datagrams over `links`, and waits until all have come, at most `patience` after the
    /// last was sent.
    async fn look(&self, links: &[Link], patience: Duration) -> Sights {
        let mut sent: Vec<(Link, u64, Instant)> = Vec::new();
        for _ in 0..ROUNDS {
            for &(from, to) in links {
                let now = Instant::now();
                if let Some(number) = self.send((from, to)) {
                    sent.push(((from, to), number, now));
                }
            }
            tokio::time::sleep(ROUND_EVERY).await;
        }
        let deadline = Instant::now() + patience + self.lag;
        while !self.came(&sent) && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.collect(&sent)
    }

    /// Sends one datagram, and says which; `None` where an end has no socket.
    fn send(&self, (from, to): Link) -> Option<u64> {
        let ((socket, _), (_, address)) = (self.sockets.get(&from)?, self.sockets.get(&to)?);
        let number = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut datagram = [0; 16];
        datagram[..8].copy_from_slice(&MAGIC);
        datagram[8..].copy_from_slice(&number.to_be_bytes());
        // What cannot be sent does not arrive, and that is what is looked for.
        socket.send(&datagram, *address);
        Some(number)
    }

    /// When those of these datagrams arrived that did.
    fn arrivals_of(&self, numbers: impl Iterator<Item = u64>) -> BTreeMap<u64, Instant> {
        let arrived = self.arrivals();
        numbers.filter_map(|number| Some((number, *arrived.get(&number)?))).collect()
    }

    fn arrivals(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Instant>> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn came(&self, sent: &[(Link, u64, Instant)]) -> bool {
        let arrived = self.arrivals();
        sent.iter().all(|(_, number, _)| arrived.contains_key(number))
    }

    /// What came of what was sent, which is forgotten.
    fn collect(&self, sent: &[(Link, u64, Instant)]) -> Sights {
        let mut arrived = self.arrivals();
        let mut sights = Sights::new();
        for (link, number, at) in sent {
            let sight = sights.entry(*link).or_default();
            sight.sent += 1;
            sight.times.extend(arrived.remove(number).map(|then| then.duration_since(*at)));
        }
        sights
    }

    /// Links that carried datagrams before and that none of these rules is about.
    fn controls(&self, own: &LinkRules, all: &LinkRules) -> Vec<Link> {
        let free = |link: &&Link| !all.0.contains_key(link) && !own.0.contains_key(link);
        let open: Vec<Link> = self.before.keys().filter(free).copied().collect();
        let step = open.len().div_ceil(CONTROLS_MAX).max(1);
        open.into_iter().step_by(step).collect()
    }

    /// Whether the links of `rules` are broken as they should be, while other links still work.
    ///
    /// `current` tells the rules of all faults. They say for how long to wait, which links to
    /// compare with and which other faults stand in the way, never what was seen. A look during
    /// which they changed counts for nothing, so that this may take for ever.
    pub(crate) async fn bites(&self, rules: &LinkRules, current: impl Fn() -> Rules) -> Evidence {
        let unseen: Vec<&Link> =
            rules.0.keys().filter(|link| !self.before.contains_key(link)).collect();
        if !unseen.is_empty() {
            let text = format!("{} carried nothing even before the fault", links(&unseen));
            return evidence(false, text);
        }
        let mut looks = 0;
        loop {
            let now = current();
            let observable = Observable::of(rules, &now.all);
            if let Some(nothing) = observable.nothing() {
                return evidence(false, nothing);
            }
            let controls = self.controls(rules, &now.all);
            let every: Vec<Link> = observable.links().into_iter().chain(controls.clone()).collect();
            let slowest = now.all.0.values().map(|rule| rule.delay + rule.jitter).max();
            let seen = self.look(&every, PATIENCE + slowest.unwrap_or_default()).await;
            if !now.held_until(&current()) {
                continue;
            }
            let answer = judge::bites(&observable, &self.before, &controls, &seen);
            looks += 1;
            if answer.seen || looks == LOOKS {
                return answer;
            }
        }
    }

    /// Whether the links of `rules` that no other fault is about work again, and those that were
    /// slow are as fast as others.
    pub(crate) async fn gone(&self, rules: &LinkRules, current: impl Fn() -> Rules) -> Evidence {
        let deadline = Instant::now() + GONE_WITHIN;
        let mut worked: BTreeSet<Link> = BTreeSet::new();
        let (mut looks, mut slow) = (0, Ok(()));
        while looks < LOOKS * 3 && Instant::now() < deadline {
            let now = current();
            let free: Vec<Link> =
                rules.0.keys().filter(|link| !now.all.0.contains_key(link)).copied().collect();
            if free.is_empty() {
                let count = rules.0.len();
                let text = format!("another fault is about all {count} links, and ends later");
                return evidence(true, text);
            }
            let controls = self.controls(rules, &now.all);
            let every: Vec<Link> = free.iter().chain(&controls).copied().collect();
            let seen = self.look(&every, PATIENCE).await;
            if !now.held_until(&current()) {
                continue;
            }
            looks += 1;
            let came = |link: &&Link| seen.get(link).is_some_and(|sight| !sight.times.is_empty());
            worked.extend(free.iter().filter(came));
            let slowed = now.slowed.into_iter().filter(|(link, _)| free.contains(link)).collect();
            slow = judge::fast(&slowed, &self.before, &controls, &seen, PATIENCE);
            if slow.is_ok() && free.iter().all(|link| worked.contains(link)) {
                return evidence(true, working(&free, rules, &seen));
            }
        }
        let silent: Vec<&Link> = rules.0.keys().filter(|link| !worked.contains(link)).collect();
        match slow {
            _ if !silent.is_empty() => {
                evidence(false, format!("{} still carry nothing", links(&silent)))
            }
            Err(slow) => evidence(false, slow),
            Ok(()) => evidence(false, "the rules changed too often to look at the links"),
        }
    }
}

/// The healed links in words.
fn working(free: &[Link], rules: &LinkRules, seen: &Sights) -> String {
    let times = free.iter().filter_map(|link| seen.get(link)).filter_map(Sight::mean);
    let held = match rules.0.len() - free.len() {
        0 => String::new(),
        held => format!("; another fault is about {held} more, and ends later"),
    };
    format!("{} links work again, within {} ms{held}", free.len(), milliseconds(times.max()))
}

fn links(links: &[&Link]) -> String {
    const NAMED_MAX: usize = 6;
    let mut names: Vec<String> =
        links.iter().take(NAMED_MAX).map(|(from, to)| format!("{from} → {to}")).collect();
    if links.len() > NAMED_MAX {
        names.push(format!("{} more", links.len() - NAMED_MAX));
    }
    names.join(", ")
}

/// The controller's socket and the address under which nodes reach it.
async fn controller_socket(node: SocketAddr) -> std::io::Result<(Arc<dyn Datagrams>, SocketAddr)> {
    let any = if node.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let route = UdpSocket::bind(any).await?;
    route.connect(node).await?;
    let own = route.local_addr()?.ip();
    let socket = UdpSocket::bind((own, 0)).await?;
    let address = socket.local_addr()?;
    Ok((Arc::new(socket), address))
}

async fn receive(socket: Arc<dyn Datagrams>, arrived: Arc<Mutex<BTreeMap<u64, Instant>>>) {
    loop {
        let Ok((datagram, now)) = socket.receive().await else {
            // A socket that stands elsewhere may be lost for a while.
            tokio::time::sleep(ROUND_EVERY).await;
            continue;
        };
        let Ok(bytes) = <[u8; 16]>::try_from(datagram.as_slice()) else { continue };
        if let Some(number) = bytes.strip_prefix(&MAGIC).and_then(|rest| rest.try_into().ok()) {
            let mut arrived = arrived.lock().unwrap_or_else(PoisonError::into_inner);
            arrived.entry(u64::from_be_bytes(number)).or_insert(now);
        }
    }
}
