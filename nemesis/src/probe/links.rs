//! Probes of links: datagrams between sockets that stand on the nodes, outside their processes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use schism_history::Evidence;
use schism_lab::{End, LinkRules};
use schism_targets::Cluster;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use super::evidence;

type Link = (End, End);

/// Datagrams for each link and look: one may be lost in a full queue without any fault.
const ROUNDS: u32 = 3;
const ROUND_EVERY: Duration = Duration::from_millis(5);
/// How long a datagram may take over a link that nobody slows down.
const PATIENCE: Duration = Duration::from_millis(80);
/// A busy machine is looked at again before a link that should be open counts as silent.
const LOOKS: u32 = 4;
/// Open links that are looked at beside the broken ones, at most.
const CONTROLS_MAX: usize = 40;
const MAGIC: [u8; 8] = *b"schism\0p";

/// Sockets on every node and in the controller, and what arrived at them.
pub(crate) struct LinkProbe {
    sockets: BTreeMap<End, (Arc<UdpSocket>, SocketAddr)>,
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
    pub(crate) async fn open(cluster: &Cluster) -> Result<Self, String> {
        let mut sockets = BTreeMap::new();
        let mut first = None;
        for host in &cluster.hosts {
            let node = host.node();
            let socket = host.datagrams().await.map_err(|error| error.to_string())?;
            let address = socket.local_addr().map_err(|error| error.to_string())?;
            first.get_or_insert(address);
            sockets.insert(End::Node(node.id), (Arc::new(socket), address));
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
        let mut probe = Self { sockets, arrived, next, before: BTreeMap::new(), receivers };
        let links: Vec<Link> = probe.links();
        for _ in 0..LOOKS {
            let rest: Vec<Link> =
                links.iter().filter(|link| !probe.before.contains_key(link)).copied().collect();
            if rest.is_empty() {
                break;
            }
            let seen = probe.look(&rest, PATIENCE).await;
            probe.before.extend(seen.into_iter().filter_map(|(link, time)| Some((link, time?))));
        }
        Ok(probe)
    }

    fn links(&self) -> Vec<Link> {
        let ends = || self.sockets.keys().copied();
        ends().flat_map(|from| ends().map(move |to| (from, to))).filter(|(a, b)| a != b).collect()
    }

    /// Sends datagrams over `links`, and waits until something came over each, at most `patience`
    /// after the last. The shortest one-way time of each link, `None` where nothing came.
    async fn look(&self, links: &[Link], patience: Duration) -> Vec<(Link, Option<Duration>)> {
        let mut sent: Vec<(Link, u64, Instant)> = Vec::new();
        for _ in 0..ROUNDS {
            for &(from, to) in links {
                let (Some((socket, _)), Some((_, address))) =
                    (self.sockets.get(&from), self.sockets.get(&to))
                else {
                    continue;
                };
                let number = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let mut datagram = [0; 16];
                datagram[..8].copy_from_slice(&MAGIC);
                datagram[8..].copy_from_slice(&number.to_be_bytes());
                let now = Instant::now();
                // What cannot be sent does not arrive, and that is what is looked for.
                let _ = socket.try_send_to(&datagram, *address);
                sent.push(((from, to), number, now));
            }
            tokio::time::sleep(ROUND_EVERY).await;
        }
        let deadline = Instant::now() + patience;
        loop {
            let result = self.result(links, &sent);
            if result.iter().all(|(_, time)| time.is_some()) || Instant::now() >= deadline {
                let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
                for (_, number, _) in &sent {
                    arrived.remove(number);
                }
                return result;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn result(
        &self,
        links: &[Link],
        sent: &[(Link, u64, Instant)],
    ) -> Vec<(Link, Option<Duration>)> {
        let arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        let mut best: BTreeMap<Link, Duration> = BTreeMap::new();
        for (link, number, at) in sent {
            let Some(time) = arrived.get(number).map(|then| then.duration_since(*at)) else {
                continue;
            };
            best.entry(*link).and_modify(|least| *least = time.min(*least)).or_insert(time);
        }
        links.iter().map(|link| (*link, best.get(link).copied())).collect()
    }

    /// Links that carried datagrams before and that no rule of `all` is about.
    fn controls(&self, all: &LinkRules) -> Vec<Link> {
        let open: Vec<Link> =
            self.before.keys().filter(|link| !all.0.contains_key(link)).copied().collect();
        let step = open.len().div_ceil(CONTROLS_MAX).max(1);
        open.into_iter().step_by(step).collect()
    }

    /// Whether the links of `rules` are broken as they should be, while other links still work.
    ///
    /// `all` are the rules of all faults: it tells for how long to wait and which links to compare
    /// with, never what was seen.
    pub(crate) async fn bites(&self, rules: &LinkRules, all: &LinkRules) -> Evidence {
        let broken: Vec<Link> = rules.0.keys().copied().collect();
        let unseen: Vec<&Link> =
            broken.iter().filter(|link| !self.before.contains_key(link)).collect();
        if !unseen.is_empty() {
            let text = format!("{} carried nothing even before the fault", links(&unseen));
            return evidence(false, text);
        }
        let slowest = all.0.values().map(|rule| rule.delay + rule.jitter).max().unwrap_or_default();
        let mut answer = evidence(false, "nothing was looked at");
        for _ in 0..LOOKS {
            let controls = self.controls(all);
            let every: Vec<Link> = broken.iter().chain(&controls).copied().collect();
            let seen: BTreeMap<Link, Option<Duration>> =
                self.look(&every, PATIENCE + slowest).await.into_iter().collect();
            answer = self.judge(rules, &controls, &seen);
            if answer.seen {
                break;
            }
        }
        answer
    }

    fn judge(
        &self,
        rules: &LinkRules,
        controls: &[Link],
        seen: &BTreeMap<Link, Option<Duration>>,
    ) -> Evidence {
        let time = |link: &Link| seen.get(link).copied().flatten();
        let open = controls.iter().filter(|link| time(link).is_some()).count();
        let (cut, slow): (Vec<_>, Vec<_>) =
            rules.0.iter().partition(|(_, rule)| rule.drop || rule.hold);
        let silent = cut.iter().filter(|(link, _)| time(link).is_none()).count();
        let late = |(link, rule): &&(&Link, &schism_lab::LinkRule)| {
            time(link).is_some_and(|time| {
                time + Duration::from_millis(1) >= rule.delay.saturating_sub(rule.jitter)
            })
        };
        let slowed = slow.iter().filter(late).count();
        let mut parts = Vec::new();
        if !cut.is_empty() {
            parts.push(format!("{silent} of {} cut links carried nothing", cut.len()));
        }
        if !slow.is_empty() {
            let times: Vec<Duration> = slow.iter().filter_map(|(link, _)| time(link)).collect();
            let before = slow.iter().filter_map(|(link, _)| self.before.get(link)).max();
            let (least, most) = (times.iter().min().copied(), times.iter().max().copied());
            parts.push(format!(
                "{slowed} of {} slowed links took {} to {} ms, at most {} ms before",
                slow.len(),
                milliseconds(least),
                milliseconds(most),
                milliseconds(before.copied()),
            ));
        }
        if !controls.is_empty() {
            parts.push(format!("{open} of {} other links worked", controls.len()));
        }
        let all = silent == cut.len() && slowed == slow.len() && open == controls.len();
        evidence(all, parts.join("; "))
    }

    /// Whether the links of `rules` that no other fault is about work again.
    pub(crate) async fn gone(&self, rules: &LinkRules, others: &LinkRules) -> Evidence {
        let healed: Vec<Link> =
            rules.0.keys().filter(|link| !others.0.contains_key(link)).copied().collect();
        let mut silent: Vec<Link> = healed.clone();
        let mut slowest = Duration::ZERO;
        for _ in 0..LOOKS * 3 {
            if silent.is_empty() {
                break;
            }
            let seen = self.look(&silent, PATIENCE).await;
            let times = seen.iter().filter_map(|(_, time)| *time);
            slowest = times.max().unwrap_or_default().max(slowest);
            silent =
                seen.into_iter().filter(|(_, time)| time.is_none()).map(|(link, _)| link).collect();
        }
        let held = match rules.0.len() - healed.len() {
            0 => String::new(),
            held => format!("; {held} are still held by another fault"),
        };
        if silent.is_empty() {
            let slowest = milliseconds(Some(slowest));
            return evidence(
                true,
                format!("{} links work again, within {slowest} ms{held}", healed.len()),
            );
        }
        let silent: Vec<&Link> = silent.iter().collect();
        evidence(false, format!("{} still carry nothing{held}", links(&silent)))
    }
}

fn milliseconds(time: Option<Duration>) -> String {
    time.map_or_else(|| "–".into(), |time| format!("{:.1}", time.as_secs_f64() * 1e3))
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
async fn controller_socket(node: SocketAddr) -> std::io::Result<(Arc<UdpSocket>, SocketAddr)> {
    let route = UdpSocket::bind("0.0.0.0:0").await?;
    route.connect(node).await?;
    let own = route.local_addr()?.ip();
    let socket = UdpSocket::bind((own, 0)).await?;
    let address = socket.local_addr()?;
    Ok((Arc::new(socket), address))
}

async fn receive(socket: Arc<UdpSocket>, arrived: Arc<Mutex<BTreeMap<u64, Instant>>>) {
    let mut datagram = [0; 32];
    loop {
        let Ok((16, _)) = socket.recv_from(&mut datagram).await else { continue };
        let now = Instant::now();
        let mut number = [0; 8];
        number.copy_from_slice(&datagram[8..16]);
        if datagram[..8] == MAGIC {
            let mut arrived = arrived.lock().unwrap_or_else(PoisonError::into_inner);
            arrived.entry(u64::from_be_bytes(number)).or_insert(now);
        }
    }
}
