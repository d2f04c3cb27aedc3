#!/usr/bin/env python3
"""A client of the reference target in another language: registers, over one TCP connection.

It reads one JSON object a line from its standard input and answers each with one line, as
docs/clients.md describes. A plan names it so, run from the root of the repository:

    load: { clients: 5, host: process, command: [python3, docs/examples/client.py] }
"""

import json
import random
import socket
import sys
import time

PORT = 7000  # where a reference node listens for clients


class Unsent(Exception):
    """No byte of the request has left: it never takes effect."""


class Node:
    """One connection to one node. Nothing is ever asked twice."""

    def __init__(self, address, identity):
        self.address, self.identity, self.seq = address, identity, 0
        self.stream = None

    def ask(self, op, timeout_s):
        self.seq += 1
        request = {"id": self.seq, "client": self.identity, "seq": self.seq, "op": op}
        try:
            if self.stream is None:
                self.stream = socket.create_connection((self.address, PORT), timeout_s)
                self.lines = self.stream.makefile("r")
        except OSError as error:
            raise Unsent(str(error)) from error
        self.stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream.settimeout(timeout_s)
        self.stream.sendall(json.dumps(request).encode() + b"\n")
        line = self.lines.readline()
        if not line:
            raise ConnectionError("the node closed the connection unanswered")
        return json.loads(line)

    def close(self):
        if self.stream is not None:
            self.stream.close()
            self.stream = None


def perform(node, call):
    """What became of one operation: the one function where a mistake is a wrong verdict."""
    op = {name: call[name] for name in ("f", "key", "value") if call.get(name) is not None}
    harmless = call["f"] == "read"  # it changes nothing, whatever becomes of it
    try:
        answer = node.ask(op, call["timeout_ms"] / 1000)
    except Unsent as error:
        node.close()
        return {"type": "fail", "error": ["refused", str(error)]}
    except socket.timeout:
        # The node may still do it, at any time. A late answer must not meet the next request, so
        # that the connection is given up.
        node.close()
        return {"type": "fail" if harmless else "info", "error": ["timeout", "no answer in time"]}
    except (OSError, ValueError) as error:
        node.close()
        return {"type": "fail" if harmless else "info", "error": ["disconnected", str(error)]}
    if "ok" in answer:
        done = answer["ok"]
        # Without a value the argument stands for it; a read of nothing has the value null.
        result = {"value": done.get("value")} if harmless else {}
        version = {"version": done["version"]} if done.get("version") is not None else {}
        return {"type": "ok", **result, **version}
    kind = "fail" if "fail" in answer or harmless else "info"
    refusal = answer.get("fail") or answer.get("info")
    return {"type": kind, "error": [refusal["code"], refusal.get("text", "")]}


def say(line):
    print(json.dumps(line), flush=True)


def main():
    hello = json.loads(sys.stdin.readline())
    if hello["version"] != 1 or hello["target"] != "reference":
        sys.exit(f"this client speaks version 1, to the reference target, not {hello}")
    address = next(it["address"] for it in hello["nodes"] if it["node"] == hello["node"])
    say({"ready": 1})
    node, process = None, None
    for line in sys.stdin:
        call = json.loads(line)
        if call["process"] != process:
            # Another process is another client, under a number that no other has.
            if node is not None:
                node.close()
            process = call["process"]
            node = Node(address, str(random.getrandbits(60)))
        say({"call": call["call"], **perform(node, call), "clock_us": time.time_ns() // 1000})


if __name__ == "__main__":
    main()
