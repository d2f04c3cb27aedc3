//! A client of one reference node, and what its troubles prove.
//!
//! A verdict is worth what this file says of operations that were not answered. Until the first
//! byte of a request may have left, nothing can have happened: `Fail`. From then on the node may do
//! at any time what it was asked, whatever the client sees: `Info`. Only for operations that change
//! nothing is a lost answer a `Fail`, too, so that fewer processes are retired.

use std::io::ErrorKind;
use std::net::SocketAddr;

use async_trait::async_trait;
use schism_history::{Call, Code, Op, Outcome, Reason};
use schism_lab::NodeId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::wire;
use crate::Client;

/// An answer longer than this is taken for nonsense.
const REPLY_BYTES_MAX: usize = 64 << 20;

/// Speaks to one node, over a connection that is made when it is needed and given up after every
/// trouble. Nothing is ever asked twice.
pub(super) struct ReferenceClient {
    node: NodeId,
    address: SocketAddr,
    identity: String,
    seq: u64,
    connection: Option<TcpStream>,
    /// The request, then the reply.
    line: Vec<u8>,
}

/// Why there is no answer.
enum Trouble {
    /// No byte of the request has left.
    Unsent(String),
    /// Nobody knows what becomes of the request.
    Unknown(Code, String),
}

impl ReferenceClient {
    /// A client of `node` at `address`, under an `identity` that no other client has.
    pub(super) fn new(node: NodeId, address: SocketAddr, identity: u64) -> Self {
        let (identity, line) = (identity.to_string(), Vec::new());
        Self { node, address, identity, seq: 0, connection: None, line }
    }

    async fn exchange(&mut self, op: &Op, deadline: Instant) -> Result<Outcome, Trouble> {
        // The connection is put back only after an answer: whatever else happens, this future's
        // being dropped included, it is closed, and no late answer can meet the next request.
        let mut stream = match self.connection.take().filter(is_quiet) {
            Some(stream) => stream,
            None => self.connect(deadline).await?,
        };
        self.seq += 1;
        wire::write_request(&mut self.line, &self.identity, self.seq, op);
        self.send(&mut stream, deadline).await?;
        self.receive(&mut stream, deadline).await?;
        let outcome = wire::read_reply(&self.line, self.seq, op).map_err(|problem| {
            Trouble::Unknown(Code::Protocol, format!("{}: {problem}", self.node))
        })?;
        self.connection = Some(stream);
        Ok(outcome)
    }

    async fn connect(&self, deadline: Instant) -> Result<TcpStream, Trouble> {
        let (node, address) = (self.node, self.address);
        match timeout_at(deadline, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Without this the kernel may hold small requests back; the answers are right in
                // either case, so a refusal is no trouble.
                let _ = stream.set_nodelay(true);
                Ok(stream)
            }
            Ok(Err(error)) => Err(Trouble::Unsent(format!("{node}: {address}: {error}"))),
            Err(_) => Err(Trouble::Unsent(format!("{node}: no connection to {address} in time"))),
        }
    }

    /// Sends the request. Each write either takes bytes or fails without having taken any.
    async fn send(&self, stream: &mut TcpStream, deadline: Instant) -> Result<(), Trouble> {
        let mut sent = 0;
        while sent < self.line.len() {
            let (code, problem) = match timeout_at(deadline, stream.write(&self.line[sent..])).await
            {
                Ok(Ok(count)) if count > 0 => {
                    sent += count;
                    continue;
                }
                Ok(Ok(_)) => (Code::Disconnected, "the connection takes no more".into()),
                Ok(Err(error)) => (Code::Disconnected, error.to_string()),
                Err(_) => (Code::Timeout, "the request could not be sent in time".into()),
            };
            let problem = format!("{}: {problem}", self.node);
            return Err(match sent {
                0 => Trouble::Unsent(problem),
                _ => Trouble::Unknown(code, problem),
            });
        }
        Ok(())
    }

    /// Receives the reply, without its line's end.
    async fn receive(&mut self, stream: &mut TcpStream, deadline: Instant) -> Result<(), Trouble> {
        self.line.clear();
        loop {
            let known = self.line.len();
            let (code, problem) = match timeout_at(deadline, stream.read_buf(&mut self.line)).await
            {
                Ok(Ok(0)) => (Code::Disconnected, "closed the connection unanswered".to_owned()),
                Ok(Ok(_)) => match self.line[known..].iter().position(|&byte| byte == b'\n') {
                    Some(end) if known + end + 1 == self.line.len() => {
                        self.line.pop();
                        return Ok(());
                    }
                    Some(_) => (Code::Protocol, "more than one answer".to_owned()),
                    None if self.line.len() > REPLY_BYTES_MAX => {
                        (Code::Protocol, format!("an answer beyond {REPLY_BYTES_MAX} bytes"))
                    }
                    None => continue,
                },
                Ok(Err(error)) => (Code::Disconnected, error.to_string()),
                Err(_) => (Code::Timeout, "no answer in time".to_owned()),
            };
            return Err(Trouble::Unknown(code, format!("{}: {problem}", self.node)));
        }
    }
}

#[async_trait]
impl Client for ReferenceClient {
    async fn invoke(&mut self, call: &Call<'_>) -> Outcome {
        let deadline = Instant::now() + call.timeout;
        let outcome = match self.exchange(call.op, deadline).await {
            Ok(outcome) => outcome,
            Err(Trouble::Unsent(problem)) => Outcome::Fail(Reason::new(Code::Refused, problem)),
            Err(Trouble::Unknown(code, problem)) => Outcome::Info(Reason::new(code, problem)),
        };
        match outcome {
            Outcome::Info(reason) if wire::only_reads(call.op) => Outcome::Fail(reason),
            outcome => outcome,
        }
    }
}

/// Whether an idle connection is still open and silent. A node that was killed has closed its side
/// in the meantime; to notice that before the request leaves makes it a plain `Fail`.
fn is_quiet(stream: &TcpStream) -> bool {
    matches!(stream.try_read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use schism_history::{Key, Mop, MopKind, Reply, Time, TraceId, Value};
    use tokio::io::{AsyncBufReadExt, BufReader};
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    const SHORT: Duration = Duration::from_millis(100);
    const LONG: Duration = Duration::from_secs(20);

    /// What the server does with a connection.
    #[derive(Clone, Copy)]
    enum Server {
        /// Reads a request and sends these bytes, with `ID` replaced by the request's.
        Sends(&'static str),
        /// Reads a request, sends these bytes and closes.
        SendsAndCloses(&'static str),
        /// Waits for a request and closes without having read it, so that the kernel resets.
        Resets,
    }

    async fn listen() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback is there");
        let address = listener.local_addr().expect("it is bound");
        (listener, address)
    }

    /// Serves one connection after another in the same way.
    async fn serve(listener: TcpListener, server: Server) {
        loop {
            let (stream, _) = listener.accept().await.expect("clients come");
            stream.readable().await.expect("a request comes");
            let (Server::Sends(answer) | Server::SendsAndCloses(answer)) = server else { continue };
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            while stream.read_line(&mut line).await.is_ok_and(|count| count > 0) {
                let request: serde_json::Value = serde_json::from_str(&line).expect("JSON");
                let answer = answer.replace("ID", &request["id"].to_string());
                stream.write_all(answer.as_bytes()).await.expect("the client listens");
                if matches!(server, Server::SendsAndCloses(_)) {
                    break;
                }
                line.clear();
            }
        }
    }

    fn client(address: SocketAddr) -> ReferenceClient {
        ReferenceClient::new(NodeId(1), address, 9021)
    }

    async fn invoke(client: &mut ReferenceClient, op: &Op, timeout: Duration) -> Outcome {
        let (trace, deadline) = (TraceId(0), Time::ZERO);
        client.invoke(&Call { op, index: 0, deadline, timeout, trace }).await
    }

    fn write() -> Op {
        Op::new("write", Some("x"), Value::Int(1))
    }

    fn read() -> Op {
        Op::new("read", Some("x"), Value::Nil)
    }

    fn txn(kinds: &[MopKind]) -> Op {
        let mop = |&kind| Mop { kind, key: Key::new("x"), value: Value::Int(1) };
        Op::new("txn", None, Value::Mops(kinds.iter().map(mop).collect()))
    }

    /// What becomes of `op` at a server, in short: `info timeout`.
    async fn outcome(server: Server, op: &Op) -> String {
        let (listener, address) = listen().await;
        let serving = tokio::spawn(serve(listener, server));
        // Only what never answers is waited for no longer than this.
        let timeout = if matches!(server, Server::Sends("")) { SHORT } else { LONG };
        let outcome = invoke(&mut client(address), op, timeout).await;
        serving.abort();
        short(&outcome)
    }

    fn short(outcome: &Outcome) -> String {
        match outcome {
            Outcome::Ok(_) => "ok".into(),
            Outcome::Fail(reason) => format!("fail {}", reason.code.as_str()),
            Outcome::Info(reason) => format!("info {}", reason.code.as_str()),
        }
    }

    /// What a trouble after the request has left makes of operations with and without effects.
    async fn check(server: Server, expected: &str) {
        let lost = format!("info {expected}");
        let harmless = format!("fail {expected}");
        for op in [
            write(),
            Op::new("cas", Some("x"), Value::List([Value::Int(1), Value::Int(2)].into())),
            Op::new("add", Some("x"), Value::Int(1)),
            txn(&[MopKind::Read, MopKind::Append]),
            txn(&[MopKind::Write]),
        ] {
            assert_eq!(outcome(server, &op).await, lost, "{op:?}");
        }
        for op in [read(), Op::new("read-set", Some("x"), Value::Nil), txn(&[MopKind::Read])] {
            assert_eq!(outcome(server, &op).await, harmless, "{op:?}");
        }
    }

    #[tokio::test]
    async fn a_late_answer_leaves_writes_in_doubt() {
        check(Server::Sends(""), "timeout").await;
    }

    #[tokio::test]
    async fn a_broken_connection_leaves_writes_in_doubt() {
        check(Server::SendsAndCloses(""), "disconnected").await;
        check(Server::SendsAndCloses(r#"{"id":ID,"ok":"#), "disconnected").await;
        check(Server::Resets, "disconnected").await;
    }

    #[tokio::test]
    async fn an_answer_that_makes_no_sense_leaves_writes_in_doubt() {
        check(Server::Sends("nonsense\n"), "protocol").await;
        check(Server::Sends("\n"), "protocol").await;
        check(Server::Sends("{\"id\":99,\"ok\":{}}\n"), "protocol").await;
        check(Server::Sends("{\"id\":ID,\"ok\":{}}\n{\"id\":ID,\"ok\":{}}\n"), "protocol").await;
    }

    #[tokio::test]
    async fn the_nodes_own_doubt_is_passed_on() {
        let info = "{\"id\":ID,\"info\":{\"code\":\"timeout\",\"text\":\"\"}}\n";
        check(Server::Sends(info), "timeout").await;
    }

    #[tokio::test]
    async fn a_refusal_by_the_node_is_a_fail() {
        let fail = "{\"id\":ID,\"fail\":{\"code\":\"unavailable\",\"text\":\"no leader\"}}\n";
        assert_eq!(outcome(Server::Sends(fail), &write()).await, "fail unavailable");
        assert_eq!(outcome(Server::Sends(fail), &read()).await, "fail unavailable");
    }

    #[tokio::test]
    async fn without_a_connection_nothing_has_happened() {
        let (listener, address) = listen().await;
        drop(listener);
        let mut client = client(address);
        assert_eq!(short(&invoke(&mut client, &write(), LONG).await), "fail refused");
        assert_eq!(short(&invoke(&mut client, &read(), LONG).await), "fail refused");
    }

    #[tokio::test]
    async fn a_connection_that_does_not_come_about_in_time_is_a_fail() {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("loopback is there");
        let listener = socket.listen(1).expect("it is bound");
        let address = listener.local_addr().expect("it is bound");
        // Nobody accepts: once the queue is full, the kernel leaves further connections hanging.
        let mut queued = Vec::new();
        while let Ok(stream) = tokio::time::timeout(SHORT, TcpStream::connect(address)).await {
            queued.push(stream.expect("the listener is there"));
            assert!(queued.len() < 64, "the queue never fills");
        }
        let begin = Instant::now();
        let outcome = invoke(&mut client(address), &write(), SHORT).await;
        assert_eq!(short(&outcome), "fail refused");
        assert!(begin.elapsed() < LONG / 2, "the operation's time covers connecting");
    }

    #[tokio::test]
    async fn a_request_that_left_in_part_is_in_doubt() {
        let (listener, address) = listen().await;
        let huge = Value::Text("x".repeat(32 << 20).into());
        let outcome = invoke(&mut client(address), &Op::new("write", Some("x"), huge), SHORT).await;
        assert_eq!(short(&outcome), "info timeout");
        drop(listener);
    }

    #[tokio::test]
    async fn keeps_its_connection_and_numbers_its_requests() {
        let (listener, address) = listen().await;
        let serving = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("the client comes");
            let mut lines = BufReader::new(stream);
            for seq in 1..=3 {
                let mut line = String::new();
                lines.read_line(&mut line).await.expect("a request");
                let request: serde_json::Value = serde_json::from_str(&line).expect("JSON");
                assert_eq!((&request["client"], &request["seq"]), (&"9021".into(), &seq.into()));
                let answer = format!("{{\"id\":{seq},\"ok\":{{\"value\":{seq}}}}}\n");
                lines.write_all(answer.as_bytes()).await.expect("the client listens");
            }
        });
        let mut client = client(address);
        for seq in 1..=3 {
            let value = Value::Int(seq);
            let reply = Outcome::Ok(Reply { value, version: None });
            assert_eq!(invoke(&mut client, &read(), LONG).await, reply);
        }
        serving.await.expect("the server saw what it should");
    }

    /// Answers the first request on each of two connections, the first one `late`.
    async fn serve_late(listener: TcpListener, late: Duration) {
        let mut open = Vec::new();
        for pause in [late, Duration::ZERO] {
            let (stream, _) = listener.accept().await.expect("the client comes again");
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            stream.read_line(&mut line).await.expect("a request");
            tokio::time::sleep(pause).await;
            let request: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            let id = &request["id"];
            let answer = format!("{{\"id\":{id},\"ok\":{{\"value\":{id}}}}}\n");
            // The client may have gone.
            let _ = stream.write_all(answer.as_bytes()).await;
            open.push(stream);
        }
    }

    #[tokio::test]
    async fn a_late_answer_never_meets_the_next_request() {
        let (listener, address) = listen().await;
        let serving = tokio::spawn(serve_late(listener, SHORT * 2));
        let mut client = client(address);
        assert_eq!(short(&invoke(&mut client, &read(), SHORT).await), "fail timeout");
        let reply = Outcome::Ok(Reply { value: Value::Int(2), version: None });
        assert_eq!(invoke(&mut client, &read(), LONG).await, reply);
        serving.await.expect("the server saw two connections");
    }

    #[tokio::test]
    async fn an_operation_that_is_given_up_leaves_no_answer_behind() {
        let (listener, address) = listen().await;
        let serving = tokio::spawn(serve_late(listener, SHORT * 2));
        let mut client = client(address);
        let (op, given_up) = (read(), SHORT);
        let dropped = tokio::time::timeout(given_up, invoke(&mut client, &op, LONG)).await;
        assert!(dropped.is_err());
        let reply = Outcome::Ok(Reply { value: Value::Int(2), version: None });
        assert_eq!(invoke(&mut client, &read(), LONG).await, reply);
        serving.await.expect("the server saw two connections");
    }

    #[tokio::test]
    async fn a_connection_lost_while_idle_is_noticed_before_the_request_leaves() {
        let (listener, address) = listen().await;
        let answer = Server::SendsAndCloses("{\"id\":ID,\"ok\":{}}\n");
        let serving = tokio::spawn(serve(listener, answer));
        let mut client = client(address);
        assert_eq!(short(&invoke(&mut client, &write(), LONG).await), "ok");
        serving.abort();
        let _ = serving.await;
        let idle = client.connection.as_ref().expect("the answer was in order");
        idle.readable().await.expect("the end of the connection arrives");
        assert_eq!(short(&invoke(&mut client, &write(), LONG).await), "fail refused");
    }
}
