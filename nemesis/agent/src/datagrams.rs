//! Sockets from which the controller's probes of links go out, and at which they arrive.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

use crate::protocol::{Answer, Bytes};
use crate::session::Out;

/// The port of a node's socket for probes, if it is free; nothing else of ours uses it.
const PROBE_PORT: u16 = 7009;
/// A probe is far shorter.
const LENGTH_MAX: usize = 2048;

/// The sockets, by the requests that opened them.
#[derive(Default)]
pub struct Sockets(Mutex<BTreeMap<u64, Arc<UdpSocket>>>);

impl Sockets {
    /// Opens one; what arrives is answered from a thread of its own until the agent ends.
    pub fn open(&self, id: u64, address: IpAddr, out: &Arc<Out>) -> std::io::Result<SocketAddr> {
        let socket = UdpSocket::bind((address, PROBE_PORT))
            .or_else(|_| UdpSocket::bind((address, 0)))
            .map(Arc::new)?;
        let at = socket.local_addr()?;
        let (receiver, out) = (socket.clone(), out.clone());
        std::thread::Builder::new().name("probes".into()).spawn(move || {
            let mut datagram = [0; LENGTH_MAX];
            loop {
                // An error here is an ICMP answer to something that was sent: no datagram.
                let Ok((length, _)) = receiver.recv_from(&mut datagram) else { continue };
                let bytes = Bytes(datagram[..length].to_vec());
                out.answer(id, Answer::Datagram { bytes });
            }
        })?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, socket);
        Ok(at)
    }

    /// Sends from one; what cannot be sent does not arrive, and that is what probes look for.
    pub fn send(&self, of: u64, to: SocketAddr, bytes: &[u8]) {
        let socket = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&of).cloned();
        if let Some(socket) = socket {
            let _ = socket.send_to(bytes, to);
        }
    }
}
