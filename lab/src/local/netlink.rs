//! The two requests of rtnetlink that have no ioctl.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const RTM_NEWLINK: u16 = 16;
const REQUEST: u16 = 0x001;
const ACK: u16 = 0x004;
const EXCLUSIVE: u16 = 0x200;
const CREATE: u16 = 0x400;
const IFLA_IFNAME: u16 = 3;
const IFLA_TXQLEN: u16 = 13;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;

/// Sets how many frames may wait in a device.
pub(super) fn set_queue_length(device: &str, length: u32) -> io::Result<()> {
    let index = nix::net::if_::if_nametoindex(device)?;
    let mut body = link(index);
    attribute(&mut body, IFLA_TXQLEN, &length.to_ne_bytes());
    request(REQUEST | ACK, &body)
}

/// Makes two devices, each of which sends what the other receives.
pub(super) fn make_veth(one: &str, other: &str) -> io::Result<()> {
    let mut peer = link(0);
    attribute(&mut peer, IFLA_IFNAME, &text(other));
    let mut data = Vec::new();
    attribute(&mut data, VETH_INFO_PEER, &peer);
    let mut info = Vec::new();
    attribute(&mut info, IFLA_INFO_KIND, &text("veth"));
    attribute(&mut info, IFLA_INFO_DATA, &data);
    let mut body = link(0);
    attribute(&mut body, IFLA_IFNAME, &text(one));
    attribute(&mut body, IFLA_LINKINFO, &info);
    request(REQUEST | ACK | CREATE | EXCLUSIVE, &body)
}

/// `struct ifinfomsg` of a device; 0 for one that is yet to be made.
fn link(index: u32) -> Vec<u8> {
    let mut link = vec![0; 16];
    link[4..8].copy_from_slice(&index.to_ne_bytes());
    link
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// Appends an attribute, padded to four bytes.
fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    body.extend((value.len() as u16 + 4).to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// Sends `RTM_NEWLINK`, and waits for the kernel's answer.
fn request(flags: u16, body: &[u8]) -> io::Result<()> {
    let mut message = Vec::with_capacity(16 + body.len());
    message.extend((16 + body.len() as u32).to_ne_bytes());
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
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
        let mut answer = [0u8; 1024];
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
