//! TAP devices and network namespaces: one port of the switch each.
//!
//! A throw-away thread enters a new network namespace, opens its TAP device there, and leaves the
//! two descriptors behind: one carries frames to and from the switch, the other names the
//! namespace for the processes of the node. No external program is called.

use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::sched::{CloneFlags, unshare};

use super::LabError;

const DEVICE: &str = "eth0";
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

/// The address of a port: the controller is .254, node k is .k.
pub(super) fn address(port: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, if port == 0 { 254 } else { port as u8 })
}

/// The hardware address of a port; its last byte is the port.
pub(super) fn hardware_address(port: usize) -> [u8; 6] {
    [0x02, 0x73, 0x63, 0x68, 0x00, port as u8]
}

/// Makes the controller's own port, in the namespace that it is in.
pub(super) fn attach_controller(ports: usize) -> Result<Attachment, LabError> {
    Ok(Attachment { frames: open_port(0, ports)?, namespace: None })
}

/// Makes a network namespace and its port.
pub(super) fn attach_node(port: usize, ports: usize) -> Result<Attachment, LabError> {
    let maker = std::thread::spawn(move || -> Result<Attachment, LabError> {
        unshare(CloneFlags::CLONE_NEWNET)
            .map_err(|error| LabError::new("a network namespace", error.into()))?;
        let frames = open_port(port, ports)?;
        let namespace = File::open("/proc/thread-self/ns/net")
            .map_err(|error| LabError::new("/proc/thread-self/ns/net", error))?;
        Ok(Attachment { frames, namespace: Some(namespace.into()) })
    });
    let broke = || LabError::new("a network namespace", io::Error::other("its thread panicked"));
    maker.join().map_err(|_| broke())?
}

fn open_port(port: usize, ports: usize) -> Result<OwnedFd, LabError> {
    let frames = open_tap().map_err(|error| LabError::new("/dev/net/tun", error))?;
    configure(port, ports)
        .map_err(|error| LabError::new(format!("the device of port {port}"), error))?;
    Ok(frames)
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

/// Address, neighbours and flags of this namespace's device.
fn configure(port: usize, ports: usize) -> io::Result<()> {
    // SAFETY: socket has no preconditions; the descriptor is owned from here on.
    let socket = unsafe {
        let descriptor = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(descriptor)
    };
    let socket = socket.as_raw_fd();
    let up = ((libc::IFF_UP | libc::IFF_RUNNING) as u16).to_ne_bytes();
    control(socket, libc::SIOCSIFFLAGS as _, &Request::new("lo").with(0, &up))?;
    // IPv6 would announce itself in every namespace, and a partition is about known addresses.
    let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{DEVICE}/disable_ipv6"), "1");
    let ethernet = 1u16.to_ne_bytes();
    let hardware = Request::new(DEVICE).with(0, &ethernet).with(2, &hardware_address(port));
    control(socket, libc::SIOCSIFHWADDR as _, &hardware)?;
    control(socket, libc::SIOCSIFMTU as _, &Request::new(DEVICE).with(0, &MTU.to_ne_bytes()))?;
    // SIOCSIFTXQLEN is refused in a user namespace, rtnetlink is not.
    set_queue_length(DEVICE, QUEUE_LENGTH)?;
    control(socket, libc::SIOCSIFADDR as _, &Request::new(DEVICE).with_address(address(port)))?;
    let mask = Ipv4Addr::new(255, 255, 255, 0);
    control(socket, libc::SIOCSIFNETMASK as _, &Request::new(DEVICE).with_address(mask))?;
    control(socket, libc::SIOCSIFFLAGS as _, &Request::new(DEVICE).with(0, &up))?;
    for other in (0..ports).filter(|&other| other != port) {
        set_neighbour(socket, other)?;
    }
    Ok(())
}

/// A permanent ARP entry: without one a partition would surface as "no route to host" instead of
/// silence.
fn set_neighbour(socket: c_int, port: usize) -> io::Result<()> {
    const ATF_COM_PERM: i32 = 0x02 | 0x04;
    let mut request = [0u8; 68];
    request[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
    request[4..8].copy_from_slice(&address(port).octets());
    request[16..18].copy_from_slice(&1u16.to_ne_bytes());
    request[18..24].copy_from_slice(&hardware_address(port));
    request[32..36].copy_from_slice(&ATF_COM_PERM.to_ne_bytes());
    request[52..52 + DEVICE.len()].copy_from_slice(DEVICE.as_bytes());
    control(socket, libc::SIOCSARP as _, &request)
}

/// `RTM_NEWLINK` with one attribute, `IFLA_TXQLEN`.
fn set_queue_length(device: &str, length: u32) -> io::Result<()> {
    const RTM_NEWLINK: u16 = 16;
    const REQUEST_AND_ACK: u16 = 1 | 4;
    const IFLA_TXQLEN: u16 = 13;
    let index = nix::net::if_::if_nametoindex(device)?;
    let mut message = Vec::with_capacity(40);
    message.extend(40u32.to_ne_bytes());
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend(REQUEST_AND_ACK.to_ne_bytes());
    message.extend([0; 8]);
    message.extend([0; 4]);
    message.extend(index.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(8u16.to_ne_bytes());
    message.extend(IFLA_TXQLEN.to_ne_bytes());
    message.extend(length.to_ne_bytes());
    // SAFETY: the buffers outlive the calls, and their lengths are given.
    unsafe {
        let descriptor = libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0);
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        let socket = OwnedFd::from_raw_fd(descriptor);
        if libc::send(socket.as_raw_fd(), message.as_ptr().cast(), message.len(), 0) < 0 {
            return Err(io::Error::last_os_error());
        }
        let mut answer = [0u8; 512];
        let read = libc::recv(socket.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), 0);
        if read < 20 {
            return Err(io::Error::last_os_error());
        }
        let [a, b, c, d] = [answer[16], answer[17], answer[18], answer[19]];
        match i32::from_ne_bytes([a, b, c, d]) {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(-error)),
        }
    }
}
