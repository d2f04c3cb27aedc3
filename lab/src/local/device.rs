//! Network devices and namespaces: one port of the switch each.
//!
//! A throw-away thread enters a new network namespace, makes its device there, and leaves two
//! descriptors behind: one carries frames to and from the switch, the other names the namespace for
//! the processes of the node. No external program is called.
//!
//! The device is a TAP. Where `/dev/net/tun` is closed to this user, it is one end of a veth pair
//! whose other end a packet socket holds: the same frames behind the same virtio-net header.

use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::sched::{CloneFlags, unshare};

use super::{LabError, netlink, packet};
use crate::NodeId;

const DEVICE: &str = "eth0";
/// The end of a veth pair that the switch holds.
const SWITCH_END: &str = "switch0";
const MTU: i32 = 1500;
/// Frames that may wait in the device for the switch: a burst of one TSO window must fit.
const QUEUE_LENGTH: u32 = 5000;

const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
const TUNSETOFFLOAD: libc::c_ulong = 0x4004_54d0;
const IFF_TAP: u16 = 0x0002;
const IFF_NO_PI: u16 = 0x1000;
const IFF_VNET_HDR: u16 = 0x4000;
/// Checksum and TCP segmentation offload: frames of up to 64 KiB cross the switch whole.
const OFFLOADS: libc::c_ulong = 0x01 | 0x02 | 0x04 | 0x08;

/// A port of the switch.
pub(super) struct Attachment {
    /// Carries Ethernet frames, each behind a virtio-net header.
    pub frames: OwnedFd,
    /// The node's network namespace; `None` for the controller, which is in its own.
    pub namespace: Option<OwnedFd>,
}

/// What a port is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkLayer {
    /// A TAP device.
    Tap,
    /// A veth pair and a packet socket.
    Veth,
}

impl LinkLayer {
    /// The best that this user may have. `SCHISM_LAB_LINK=veth` asks for the second best, so that
    /// it can be tested where the best is allowed, too.
    pub(super) fn choose() -> Self {
        let wanted = std::env::var_os("SCHISM_LAB_LINK").is_some_and(|name| name == "veth");
        let tun = std::fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun");
        if wanted || tun.is_err() { LinkLayer::Veth } else { LinkLayer::Tap }
    }

    /// As `describe` says it.
    pub(super) fn name(self) -> &'static str {
        match self {
            LinkLayer::Tap => "TAP",
            LinkLayer::Veth => "veth",
        }
    }
}

/// The ports of a switch: the controller's, then those of nodes, then those of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    pub nodes: u16,
    pub clients: u16,
}

impl Ports {
    /// How many there are.
    pub(super) fn count(self) -> usize {
        1 + usize::from(self.nodes) + usize::from(self.clients)
    }

    /// Whose it is; `None`: the controller's, or nobody's.
    pub(super) fn owner(self, port: usize) -> Option<NodeId> {
        let port = port as u16;
        if port > self.nodes + self.clients {
            return None;
        }
        match port.checked_sub(self.nodes) {
            None | Some(0) => (port > 0).then_some(NodeId(port)),
            Some(client) => Some(NodeId::client(client)),
        }
    }

    /// The port of a node or of a client's place.
    pub(super) fn of(self, id: NodeId) -> Option<usize> {
        let (most, before) =
            if id.is_client() { (self.clients, self.nodes) } else { (self.nodes, 0) };
        let there = (1..=most).contains(&id.number());
        there.then(|| usize::from(before + id.number()))
    }

    fn address(self, port: usize) -> Ipv4Addr {
        address(self.owner(port))
    }
}

/// The controller is .254, node k is .k, and the place of client k is .100 + k, whatever the sizes.
pub(super) fn address(owner: Option<NodeId>) -> Ipv4Addr {
    let last = match owner {
        None => 254,
        Some(client) if client.is_client() => 100 + client.number(),
        Some(node) => node.number(),
    };
    Ipv4Addr::new(10, 77, 0, last as u8)
}

/// The hardware address of a port; its last byte is the port.
pub(super) fn hardware_address(port: usize) -> [u8; 6] {
    [0x02, 0x73, 0x63, 0x68, 0x00, port as u8]
}

/// Makes the controller's own port, in the namespace that it is in.
pub(super) fn attach_controller(layer: LinkLayer, ports: Ports) -> Result<Attachment, LabError> {
    Ok(Attachment { frames: open_port(layer, 0, ports)?, namespace: None })
}

/// Makes a network namespace and its port.
pub(super) fn attach_node(
    layer: LinkLayer,
    port: usize,
    ports: Ports,
) -> Result<Attachment, LabError> {
    let maker = std::thread::spawn(move || -> Result<Attachment, LabError> {
        unshare(CloneFlags::CLONE_NEWNET)
            .map_err(|error| LabError::new("a network namespace", error.into()))?;
        let frames = open_port(layer, port, ports)?;
        let namespace = File::open("/proc/thread-self/ns/net")
            .map_err(|error| LabError::new("/proc/thread-self/ns/net", error))?;
        Ok(Attachment { frames, namespace: Some(namespace.into()) })
    });
    let broke = || LabError::new("a network namespace", io::Error::other("its thread panicked"));
    maker.join().map_err(|_| broke())?
}

fn open_port(layer: LinkLayer, port: usize, ports: Ports) -> Result<OwnedFd, LabError> {
    let failed = |error| LabError::new(format!("the device of port {port}"), error);
    match layer {
        LinkLayer::Tap => {
            let frames = open_tap().map_err(|error| LabError::new("/dev/net/tun", error))?;
            configure(port, ports).map_err(failed)?;
            Ok(frames)
        }
        LinkLayer::Veth => {
            netlink::make_veth(DEVICE, SWITCH_END)
                .map_err(|error| LabError::new("a veth pair", error))?;
            configure(port, ports).map_err(failed)?;
            bring_up(SWITCH_END).map_err(failed)?;
            packet::open(SWITCH_END).map_err(|error| LabError::new("a packet socket", error))
        }
    }
}

/// `struct ifreq`: a name and 24 bytes that depend on the request.
#[repr(C)]
struct Request {
    name: [u8; 16],
    data: [u8; 24],
}

impl Request {
    fn new(name: &str) -> Self {
        let mut request = Self { name: [0; 16], data: [0; 24] };
        request.name[..name.len()].copy_from_slice(name.as_bytes());
        request
    }

    fn with(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.data[offset..offset + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn with_address(self, address: Ipv4Addr) -> Self {
        self.with(0, &(libc::AF_INET as u16).to_ne_bytes()).with(4, &address.octets())
    }
}

/// One ioctl whose argument is a pointer to `argument`.
fn control<T>(descriptor: c_int, request: libc::c_ulong, argument: &T) -> io::Result<()> {
    // SAFETY: each caller pairs the request with the type that the kernel reads for it, and the
    // reference outlives the call.
    let result = unsafe { libc::ioctl(descriptor, request as _, std::ptr::from_ref(argument)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn open_tap() -> io::Result<OwnedFd> {
    let device = std::fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun")?;
    let flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    control(device.as_raw_fd(), TUNSETIFF, &Request::new(DEVICE).with(0, &flags.to_ne_bytes()))?;
    // SAFETY: TUNSETOFFLOAD takes its argument by value.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), TUNSETOFFLOAD as _, OFFLOADS) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(device.into())
}

/// A socket for ioctls on devices.
fn any_socket() -> io::Result<OwnedFd> {
    // SAFETY: socket has no preconditions; the descriptor is owned from here on.
    unsafe {
        let descriptor = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(OwnedFd::from_raw_fd(descriptor))
    }
}

/// Brings a device up that has no address.
fn bring_up(device: &str) -> io::Result<()> {
    // IPv6 would announce itself in every namespace, and a partition is about known addresses.
    let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{device}/disable_ipv6"), "1");
    let up = ((libc::IFF_UP | libc::IFF_RUNNING) as u16).to_ne_bytes();
    let socket = any_socket()?;
    control(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &Request::new(device).with(0, &up))
}

/// Address, neighbours and flags of this namespace's device.
fn configure(port: usize, ports: Ports) -> io::Result<()> {
    bring_up("lo")?;
    let owned = any_socket()?;
    let socket = owned.as_raw_fd();
    let ethernet = 1u16.to_ne_bytes();
    let hardware = Request::new(DEVICE).with(0, &ethernet).with(2, &hardware_address(port));
    control(socket, libc::SIOCSIFHWADDR as _, &hardware)?;
    control(socket, libc::SIOCSIFMTU as _, &Request::new(DEVICE).with(0, &MTU.to_ne_bytes()))?;
    // SIOCSIFTXQLEN is refused in a user namespace, rtnetlink is not.
    netlink::set_queue_length(DEVICE, QUEUE_LENGTH)?;
    control(
        socket,
        libc::SIOCSIFADDR as _,
        &Request::new(DEVICE).with_address(ports.address(port)),
    )?;
    let mask = Ipv4Addr::new(255, 255, 255, 0);
    control(socket, libc::SIOCSIFNETMASK as _, &Request::new(DEVICE).with_address(mask))?;
    bring_up(DEVICE)?;
    for other in (0..ports.count()).filter(|&other| other != port) {
        set_neighbour(socket, other, ports.address(other))?;
    }
    Ok(())
}

/// A permanent ARP entry: without one a partition would surface as "no route to host" instead of
/// silence.
fn set_neighbour(socket: c_int, port: usize, address: Ipv4Addr) -> io::Result<()> {
    const ATF_COM_PERM: i32 = 0x02 | 0x04;
    let mut request = [0u8; 68];
    request[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
    request[4..8].copy_from_slice(&address.octets());
    request[16..18].copy_from_slice(&1u16.to_ne_bytes());
    request[18..24].copy_from_slice(&hardware_address(port));
    request[32..36].copy_from_slice(&ATF_COM_PERM.to_ne_bytes());
    request[52..52 + DEVICE.len()].copy_from_slice(DEVICE.as_bytes());
    control(socket, libc::SIOCSARP as _, &request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_has_an_owner_and_an_address_of_its_own() {
        let ports = Ports { nodes: 64, clients: 100 };
        let mut addresses = std::collections::BTreeSet::new();
        for port in 0..ports.count() {
            assert_eq!(ports.owner(port).map_or(Some(0), |owner| ports.of(owner)), Some(port));
            addresses.insert(ports.address(port));
        }
        assert_eq!(addresses.len(), 165);
        let few = Ports { nodes: 3, clients: 2 };
        assert_eq!(few.owner(4), Some(NodeId::client(1)));
        assert_eq!(few.address(4), Ipv4Addr::new(10, 77, 0, 101));
        let strangers = [NodeId(0), NodeId(4), NodeId::client(0), NodeId::client(3)];
        assert_eq!(strangers.map(|stranger| few.of(stranger)), [None; 4]);
    }
}
