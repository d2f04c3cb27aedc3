//! A packet socket that holds one end of a veth pair: it reads and writes the same frames as a TAP.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const SOL_PACKET: c_int = 263;
const PACKET_VNET_HDR: c_int = 15;
/// Without it the socket would read what it has itself written.
const PACKET_IGNORE_OUTGOING: c_int = 23;
/// Room for a few windows of whole TSO frames.
const BUFFER_BYTES: c_int = 8 << 20;

/// Opens a socket for every frame that arrives at `device`, behind a virtio-net header.
pub(super) fn open(device: &str) -> io::Result<OwnedFd> {
    let index = nix::net::if_::if_nametoindex(device)?;
    let every = (libc::ETH_P_ALL as u16).to_be();
    // SAFETY: the descriptor is owned as soon as it exists; the address outlives the call.
    unsafe {
        // Protocol 0 until it is bound: nothing of other devices gets in between.
        let descriptor = libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0);
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        let socket = OwnedFd::from_raw_fd(descriptor);
        set(&socket, SOL_PACKET, PACKET_VNET_HDR, 1)?;
        set(&socket, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)?;
        // Beyond the machine's limit only with a capability; what is allowed has to do.
        for (option, forced) in
            [(libc::SO_RCVBUF, libc::SO_RCVBUFFORCE), (libc::SO_SNDBUF, libc::SO_SNDBUFFORCE)]
        {
            if set(&socket, libc::SOL_SOCKET, forced, BUFFER_BYTES).is_err() {
                set(&socket, libc::SOL_SOCKET, option, BUFFER_BYTES)?;
            }
        }
        let mut address: libc::sockaddr_ll = std::mem::zeroed();
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = every;
        address.sll_ifindex = index as c_int;
        let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        let bound = libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length);
        if bound < 0 { Err(io::Error::last_os_error()) } else { Ok(socket) }
    }
}

fn set(socket: &OwnedFd, level: c_int, option: c_int, value: c_int) -> io::Result<()> {
    // SAFETY: an int is given, and its size.
    let result = unsafe {
        let size = size_of::<c_int>() as libc::socklen_t;
        libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), size)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
