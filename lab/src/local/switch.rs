//! The virtual switch: one thread that forwards frames between the ports.
//!
//! One epoll thread is as fast as a thread a port, and gives one order of decisions, so that what
//! is drawn from the seed is drawn in that order.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::LabError;
use super::device::Ports;
use super::wire::{Decision, Frame, Wire};
use crate::{End, LinkRule, LinkRules, Network, NetworkError};

/// The virtio-net header that stands before every frame.
const HEADER: usize = 10;
/// A whole TSO frame with its header.
const FRAME_MAX: usize = 70_000;
/// Frames that one port may send before the others have their turn.
const TURN: usize = 64;
/// Ports that one wait names, at most.
const EVENTS: usize = 16;

/// What the thread works on.
pub(super) struct Switch {
    ports: Vec<OwnedFd>,
    wire: Arc<Mutex<Wire>>,
    wake: Arc<OwnedFd>,
    lifeline: Arc<AtomicBool>,
}

/// The controller's hand on the switch.
pub(super) struct SwitchHandle {
    ports: Ports,
    wire: Arc<Mutex<Wire>>,
    /// Written to when frames were released or the switch is to end.
    wake: Arc<OwnedFd>,
    frames: Arc<Vec<RawFd>>,
    lifeline: Arc<AtomicBool>,
}

impl Switch {
    /// Starts the thread. It lives as long as the process: the descriptors of the ports are the
    /// devices' lives, and they go with the controller.
    pub(super) fn start(
        ports: Vec<OwnedFd>,
        owners: Ports,
        seed: u64,
    ) -> Result<SwitchHandle, LabError> {
        let failed = |error| LabError::new("the switch", error);
        let wire = Arc::new(Mutex::new(Wire::new(ports.len(), seed)));
        // SAFETY: eventfd has no preconditions; the descriptor is owned from here on.
        let wake = unsafe {
            let descriptor = libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK);
            if descriptor < 0 {
                return Err(failed(io::Error::last_os_error()));
            }
            Arc::new(std::os::fd::FromRawFd::from_raw_fd(descriptor))
        };
        let frames: Arc<Vec<RawFd>> = Arc::new(ports.iter().map(AsRawFd::as_raw_fd).collect());
        let handle = SwitchHandle {
            ports: owners,
            wire: wire.clone(),
            wake: Arc::clone(&wake),
            frames,
            lifeline: Arc::default(),
        };
        let switch = Switch { ports, wire, wake, lifeline: handle.lifeline.clone() };
        let poll = switch.poll_set().map_err(failed)?;
        std::thread::Builder::new()
            .name("switch".into())
            .spawn(move || switch.run(&poll))
            .map_err(failed)?;
        Ok(handle)
    }

    fn poll_set(&self) -> io::Result<OwnedFd> {
        // SAFETY: plain system calls on descriptors that this value owns.
        unsafe {
            let descriptor = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            if descriptor < 0 {
                return Err(io::Error::last_os_error());
            }
            let poll: OwnedFd = std::os::fd::FromRawFd::from_raw_fd(descriptor);
            let all = self.ports.iter().chain(std::iter::once(&*self.wake));
            for (number, port) in all.enumerate() {
                let port = port.as_raw_fd();
                let flags = libc::fcntl(port, libc::F_GETFL);
                libc::fcntl(port, libc::F_SETFL, flags | libc::O_NONBLOCK);
                let mut event =
                    libc::epoll_event { events: libc::EPOLLIN as u32, u64: number as u64 };
                let added =
                    libc::epoll_ctl(poll.as_raw_fd(), libc::EPOLL_CTL_ADD, port, &raw mut event);
                if added < 0 {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(poll)
        }
    }

    fn run(&self, poll: &OwnedFd) {
        // SAFETY: sets a property of this thread alone. Sleeps are otherwise late by 50 µs.
        unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1000) };
        let mut buffer = vec![0; FRAME_MAX];
        loop {
            let next = self.send_due();
            for port in wait(poll.as_raw_fd(), next) {
                if port == self.ports.len() {
                    drain(self.wake.as_raw_fd());
                    continue;
                }
                for _ in 0..TURN {
                    let Some(length) = read(self.ports[port].as_raw_fd(), &mut buffer) else {
                        break;
                    };
                    self.forward(port, &buffer[..length]);
                }
            }
        }
    }

    /// Sends everything that is due, and says when the next frame is.
    fn send_due(&self) -> Option<Instant> {
        let mut wire = lock(&self.wire);
        while let Some(frame) = wire.due(Instant::now()) {
            write(self.ports[frame.to].as_raw_fd(), &frame.bytes);
        }
        wire.next()
    }

    fn forward(&self, from: usize, frame: &[u8]) {
        let Some(destination) = frame.get(HEADER..HEADER + 6) else { return };
        if destination[0] & 1 == 1 {
            for to in (0..self.ports.len()).filter(|&to| to != from) {
                self.pass(from, to, frame);
            }
        } else {
            let to = usize::from(destination[5]);
            if to < self.ports.len() && to != from {
                self.pass(from, to, frame);
            }
        }
    }

    fn pass(&self, from: usize, to: usize, frame: &[u8]) {
        let controller = from == 0 || to == 0;
        if controller && self.lifeline.load(Ordering::Relaxed) && is_ssh(&frame[HEADER..]) {
            return write(self.ports[to].as_raw_fd(), frame);
        }
        let decision = lock(&self.wire).decide(from, to, Instant::now(), || frame.into());
        if decision == Decision::Forward {
            write(self.ports[to].as_raw_fd(), frame);
        }
    }
}

#[async_trait]
impl Network for SwitchHandle {
    async fn set(&self, rules: &LinkRules) -> Result<(), NetworkError> {
        let ports = self.ports.count();
        let mut matrix = vec![LinkRule::default(); ports * ports];
        for ((from, to), rule) in &rules.0 {
            let (from, to) = (self.port(*from)?, self.port(*to)?);
            matrix[from * ports + to] = *rule;
        }
        let mut wire = lock(&self.wire);
        // Under the lock, so that no frame that comes later overtakes what was held.
        for Frame { to, bytes, .. } in wire.set(matrix, Instant::now()) {
            write(self.frames[to], &bytes);
        }
        drop(wire);
        let one = 1u64.to_ne_bytes();
        write(self.wake.as_raw_fd(), &one);
        Ok(())
    }
}

impl SwitchHandle {
    /// From now on no rule touches SSH between the controller and the nodes: the agents are spoken
    /// to over it, and a fault must not keep itself from being healed.
    pub(super) fn spare_ssh(&self) {
        self.lifeline.store(true, Ordering::Relaxed);
    }

    fn port(&self, end: End) -> Result<usize, NetworkError> {
        let port = match end {
            End::Controller => Some(0),
            End::Node(node) => self.ports.of(node),
        };
        port.ok_or_else(|| NetworkError { problem: format!("{end} is not in this lab") })
    }
}

/// Whether an Ethernet frame is one of TCP over IPv4 from or to port 22.
fn is_ssh(frame: &[u8]) -> bool {
    const ETHERNET: usize = 14;
    let Some(packet) = frame.get(ETHERNET..) else { return false };
    let is_tcp = frame[12..14] == [8, 0] && packet.get(9) == Some(&(libc::IPPROTO_TCP as u8));
    let Some(first) = packet.first().filter(|_| is_tcp) else { return false };
    let header = usize::from(first & 15) * 4;
    let port = |place: usize| packet.get(header + place..header + place + 2);
    [port(0), port(2)].contains(&Some(&[0, 22]))
}

/// No code panics while it holds the wire; if it did, forwarding on is still right.
fn lock(wire: &Mutex<Wire>) -> std::sync::MutexGuard<'_, Wire> {
    wire.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The ports that have something to read; empty at the time-out.
fn wait(poll: RawFd, until: Option<Instant>) -> impl Iterator<Item = usize> {
    let left = until.map(|until| until.saturating_duration_since(Instant::now()));
    // SAFETY: an all-zero epoll_event is valid.
    let mut events: [libc::epoll_event; EVENTS] = unsafe { std::mem::zeroed() };
    let mut count = wait_finely(poll, left, &mut events);
    if count < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::ENOSYS) {
        // Kernels before 5.11 know milliseconds only. Without this the thread would never sleep.
        count = wait_coarsely(poll, left, &mut events);
    }
    (0..count.max(0) as usize).map(move |place| events[place].u64 as usize)
}

fn wait_finely(
    poll: RawFd,
    left: Option<Duration>,
    events: &mut [libc::epoll_event; EVENTS],
) -> i64 {
    let timeout = left.map(|left| libc::timespec {
        tv_sec: left.as_secs() as _,
        tv_nsec: left.subsec_nanos().into(),
    });
    let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let no_mask = std::ptr::null::<u8>();
    let (pointer, room) = (events.as_mut_ptr(), EVENTS);
    // SAFETY: the kernel writes at most as many events as there is room for.
    unsafe { libc::syscall(libc::SYS_epoll_pwait2, poll, pointer, room, timeout, no_mask, 8) }
}

fn wait_coarsely(
    poll: RawFd,
    left: Option<Duration>,
    events: &mut [libc::epoll_event; EVENTS],
) -> i64 {
    // Rounded up: a wait that ends too early would be taken up again and again.
    let left = left.map_or(-1, |left| left.as_nanos().div_ceil(1_000_000).min(60_000) as i32);
    // SAFETY: the kernel writes at most as many events as there is room for.
    unsafe { libc::epoll_wait(poll, events.as_mut_ptr(), EVENTS as i32, left).into() }
}

fn read(port: RawFd, buffer: &mut [u8]) -> Option<usize> {
    // SAFETY: the buffer's own length is given.
    let length = unsafe { libc::read(port, buffer.as_mut_ptr().cast(), buffer.len()) };
    (length > 0).then_some(length as usize)
}

/// A frame that the device does not take is lost, as on any switch whose queue is full.
fn write(port: RawFd, frame: &[u8]) {
    // SAFETY: the frame's own length is given.
    let _ = unsafe { libc::write(port, frame.as_ptr().cast(), frame.len()) };
}

fn drain(wake: RawFd) {
    let mut count = [0; 8];
    let _ = read(wake, &mut count);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_ssh_by_its_port_and_nothing_else() {
        let frame = |protocol: u8, from: u16, to: u16| {
            let mut frame = vec![0; 14 + 20 + 20];
            frame[12..14].copy_from_slice(&[8, 0]);
            frame[14] = 0x45;
            frame[14 + 9] = protocol;
            frame[34..36].copy_from_slice(&from.to_be_bytes());
            frame[36..38].copy_from_slice(&to.to_be_bytes());
            frame
        };
        assert!(is_ssh(&frame(6, 50_000, 22)) && is_ssh(&frame(6, 22, 50_000)));
        assert!(!is_ssh(&frame(17, 50_000, 22)) && !is_ssh(&frame(6, 50_000, 2379)));
        assert!(!is_ssh(&[0; 14]) && !is_ssh(&[]) && !is_ssh(&frame(6, 50_000, 22)[..30]));
    }

    type Wait = fn(RawFd, Option<Duration>, &mut [libc::epoll_event; EVENTS]) -> i64;

    #[test]
    fn waits_no_shorter_than_it_should_on_new_kernels_and_old() {
        let pair = std::os::unix::net::UnixStream::pair().expect("two ends");
        let switch = Switch {
            ports: vec![pair.0.into()],
            wire: Arc::new(Mutex::new(Wire::new(1, 0))),
            wake: Arc::new(pair.1.into()),
            lifeline: Arc::default(),
        };
        let poll = switch.poll_set().expect("a poll set");
        let check = |wait: Wait, micros: u64| {
            // SAFETY: an all-zero epoll_event is valid.
            let mut events: [libc::epoll_event; EVENTS] = unsafe { std::mem::zeroed() };
            let (start, left) = (Instant::now(), Duration::from_micros(micros));
            assert_eq!(wait(poll.as_raw_fd(), Some(left), &mut events), 0);
            assert!(start.elapsed() >= left, "{micros} µs: {:?}", start.elapsed());
        };
        for wait in [wait_finely as Wait, wait_coarsely] {
            check(wait, 0);
            check(wait, 300);
            check(wait, 2_500);
        }
        // And both name the port that has something to read.
        write(switch.wake.as_raw_fd(), b"x");
        assert_eq!(wait(poll.as_raw_fd(), None).collect::<Vec<_>>(), [0]);
    }
}
