"""A load generator for the collector: a few keep-alive connections over raw sockets; each sends a call once the last is answered.

It runs in its own process, creates a new message id for every event, and counts the events that the responses report as accepted.
Its CPU seconds are reported, to show whether the generator is the bottleneck.
"""

import argparse
import base64
import json
import random
import selectors
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

PRODUCTS = 4_000
SESSIONS = 2_000  # concurrent
MAX_SESSION_EVENTS = 15  # 8 on average
KNOWN_SHARE = 1 / 3  # of the sessions have a known user
NAMES = ("Product Viewed", "Product Viewed", "Product Viewed", "Product List Viewed", "Product Added")
# what the browser SDK sends for one product view, about 1 kB
EVENT = (
    '{"type":"track","event":"%s","messageId":"ajs-next-%032x",%s"anonymousId":"%s",'
    '"timestamp":"%s","properties":{"product_id":"sku-%d","sku":"sku-%d","category":"Kitchen > Kettles",'
    '"name":"Blue kettle 1.7 l","brand":"Acme","variant":"blue","price":39.9,"quantity":1,"coupon":"WINTER",'
    '"currency":"EUR","position":3,"url":"https://shop.example/kitchen/kettles/blue-kettle",'
    '"image_url":"https://cdn.shop.example/images/blue-kettle-1200.jpg"},'
    '"context":{"library":{"name":"analytics.js","version":"npm:next-1.84.0"},"locale":"en-GB","timezone":"Europe/Berlin",'
    '"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",'
    '"page":{"path":"/kitchen/kettles/blue-kettle","referrer":"https://shop.example/kitchen/kettles","search":"",'
    '"title":"Blue kettle 1.7 l – Shop","url":"https://shop.example/kitchen/kettles/blue-kettle"},"sessionId":"%s"},'
    '"integrations":{}}'
)


def make_events(chance: random.Random) -> Iterator[str]:
    """Yield events of concurrent sessions forever; when one session ends, a new one replaces it."""
    sessions = [make_session(chance) for _ in range(SESSIONS)]
    while True:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        for _ in range(500):
            index = int(chance.random() * SESSIONS)
            session = sessions[index]
            product = int(chance.random() * PRODUCTS)
            name = NAMES[product % len(NAMES)]
            yield EVENT % (name, chance.getrandbits(128), session[1], session[2], now, product, product, session[2])
            session[0] -= 1
            if not session[0]:
                sessions[index] = make_session(chance)


def make_session(chance: random.Random) -> list[Any]:
    """Return the number of remaining events, the user id as a JSON member or "", and the visitor id."""
    visitor = f"{chance.getrandbits(128):032x}"
    user = f'"userId":"user-{visitor[:12]}",' if chance.random() < KNOWN_SHARE else ""
    return [chance.randint(1, MAX_SESSION_EVENTS), user, visitor]


@dataclass
class Connection:
    """A connection with the state of its current call."""

    socket: socket.socket
    sent_at: float = 0.0
    out: memoryview = field(default_factory=lambda: memoryview(b""))
    response: bytes = b""


@dataclass
class LoadGenerator:
    """Sends events over several connections and records the results."""

    host: str
    port: int
    key: str
    batch: int  # events per call; 0 for single events
    connections: int
    seed: int = 1
    rate: float = 0.0  # maximum events per second; 0 for no limit
    sent: int = 0  # calls
    accepted: int = 0
    requests: int = 0
    refused: dict[int, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.events = make_events(random.Random(self.seed))
        token = base64.b64encode(f"{self.key}:".encode()).decode()
        path = "/v1/batch" if self.batch else "/v1/track"
        self.head = (
            f"POST {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nAuthorization: Basic {token}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode()

    def request(self) -> bytes:
        if self.batch:
            body = '{"batch":[' + ",".join([next(self.events) for _ in range(self.batch)]) + "]}"
        else:
            body = next(self.events)
        data = body.encode()
        return b"%s%d\r\n\r\n%s" % (self.head, len(data), data)

    def run(self, *, until: Callable[["LoadGenerator"], bool]) -> float:
        """Send until the condition holds, then wait for the pending responses; return the seconds it took."""
        selector = selectors.DefaultSelector()
        calls = [Connection(self.connect()) for _ in range(self.connections)]
        for call in calls:
            selector.register(call.socket, selectors.EVENT_READ, call)
        idle, open_calls = deque(calls), len(calls)
        started = time.perf_counter()
        while open_calls:
            while idle and (wait := self.compute_wait(time.perf_counter() - started)) <= 0:
                self.send(idle.popleft(), selector)
            # responses are read while the next call waits for its turn, or the wait would count as their latency
            for key, events in selector.select(timeout=wait if idle else 30):
                call = key.data
                if events & selectors.EVENT_WRITE:
                    self.push(call, selector)
                if events & selectors.EVENT_READ and self.receive(call):
                    idle.append(call)
            if until(self):
                open_calls -= len(idle)
                while idle:
                    finished = idle.popleft().socket
                    selector.unregister(finished)
                    finished.close()
        return time.perf_counter() - started

    def compute_wait(self, elapsed: float) -> float:
        """Return the seconds until the next call may be sent, at most 1; 0 without a rate."""
        return min(self.sent * max(self.batch, 1) / self.rate - elapsed, 1.0) if self.rate else 0.0

    def connect(self) -> socket.socket:
        connection = socket.create_connection((self.host, self.port), timeout=10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        return connection

    def send(self, call: Connection, selector: selectors.BaseSelector) -> None:
        call.out, call.response = memoryview(self.request()), b""
        call.sent_at = time.perf_counter()
        self.sent += 1
        self.push(call, selector)

    def push(self, call: Connection, selector: selectors.BaseSelector) -> None:
        try:
            while call.out:
                call.out = call.out[call.socket.send(call.out) :]
        except BlockingIOError:
            selector.modify(call.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, call)
            return
        selector.modify(call.socket, selectors.EVENT_READ, call)

    def receive(self, call: Connection) -> bool:
        """Read available bytes; return whether the response is complete."""
        data = call.socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed a connection")
        call.response += data
        head, separator, body = call.response.partition(b"\r\n\r\n")
        if not separator:
            return False
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        if len(body) < length:
            return False
        self.latencies.append(time.perf_counter() - call.sent_at)
        self.requests += 1
        status = int(head[9:12])
        if status == 200:
            self.accepted += json.loads(body)["accepted"]
        else:
            self.refused[status] = self.refused.get(status, 0) + 1
        return True


def main() -> None:
    """Send events and print the results as one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", required=True, help="write key of the source")
    parser.add_argument("--batch", type=int, default=100, help="events per call; 0 for single events")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--events", type=int, default=0, help="stop after this many accepted events instead")
    parser.add_argument("--rate", type=float, default=0.0, help="maximum events per second; 0 for no limit")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    load = LoadGenerator(
        arguments.host,
        arguments.port,
        arguments.key,
        arguments.batch,
        arguments.connections,
        seed=arguments.seed,
        rate=arguments.rate,
    )
    ends = time.perf_counter() + arguments.seconds
    if arguments.events:
        took = load.run(until=lambda load_so_far: load_so_far.accepted >= arguments.events)
    else:
        took = load.run(until=lambda load_so_far: time.perf_counter() >= ends)
    latencies = sorted(load.latencies)
    json.dump(
        {
            "events_per_s": load.accepted / took,
            "requests_per_s": load.requests / took,
            "p50_ms": latencies[len(latencies) // 2] * 1000,
            "p99_ms": latencies[int(len(latencies) * 0.99)] * 1000,
            "max_ms": latencies[-1] * 1000,
            "accepted": load.accepted,
            "requests": load.requests,
            "refused": load.refused,
            "seconds": took,
            "generator_cpu_s": time.process_time(),
        },
        sys.stdout,
    )
    print()


if __name__ == "__main__":
    main()
