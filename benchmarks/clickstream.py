"""A load generator for the collector: a few keep-alive connections by raw sockets, each sending its next call when it has its answer.

It runs in a process of its own, makes every message id anew, and counts what the answers say was accepted. Its processor
seconds are reported, so that a generator that has become the bottleneck can be seen.
"""

import argparse
import base64
import json
import random
import selectors
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

PRODUCTS = 4_000
SESSIONS = 2_000  # that go on at the same time
LONGEST_SESSION = 15  # events; 8 in the mean
KNOWN_SHARE = 1 / 3  # of the sessions somebody has logged in
NAMES = ("Product Viewed", "Product Viewed", "Product Viewed", "Product List Viewed", "Product Added")
# what the browser SDK sends for one look at a product, about 1 kB
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
    """Endless events of sessions, each of one visitor; one that ends makes room for a new one."""
    sessions = [new_session(chance) for _ in range(SESSIONS)]
    while True:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        for _ in range(500):
            place = int(chance.random() * SESSIONS)
            session = sessions[place]
            product = int(chance.random() * PRODUCTS)
            name = NAMES[product % len(NAMES)]
            yield EVENT % (name, chance.getrandbits(128), session[1], session[2], now, product, product, session[2])
            session[0] -= 1
            if not session[0]:
                sessions[place] = new_session(chance)


def new_session(chance: random.Random) -> list[Any]:
    """How many events are to come, the user as a piece of JSON where there is one, the visitor."""
    visitor = f"{chance.getrandbits(128):032x}"
    user = f'"userId":"user-{visitor[:12]}",' if chance.random() < KNOWN_SHARE else ""
    return [chance.randint(1, LONGEST_SESSION), user, visitor]


@dataclass
class Call:
    """One connection and where it stands."""

    socket: socket.socket
    sent_at: float = 0.0
    out: memoryview = field(default_factory=lambda: memoryview(b""))
    answer: bytes = b""


@dataclass
class Load:
    """What to send, and what came of it."""

    host: str
    port: int
    key: str
    batch: int  # 0: single events
    connections: int
    seed: int = 1
    rate: float = 0.0  # events a second at most; 0: as many as are answered
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

    def run(self, *, until: Callable[["Load"], bool]) -> float:
        """Sends until the condition holds, then waits for the answers that are due; returns the seconds it took."""
        selector = selectors.DefaultSelector()
        calls = [Call(self.connect()) for _ in range(self.connections)]
        started = time.perf_counter()
        for call in calls:
            selector.register(call.socket, selectors.EVENT_READ, call)
            self.send(call, selector)
        open_calls = len(calls)
        while open_calls:
            for key, events in selector.select(timeout=30):
                call = key.data
                if events & selectors.EVENT_WRITE:
                    self.push(call, selector)
                if events & selectors.EVENT_READ and self.receive(call):
                    if until(self):
                        selector.unregister(call.socket)
                        call.socket.close()
                        open_calls -= 1
                    else:
                        self.wait_for_turn(time.perf_counter() - started)
                        self.send(call, selector)
        return time.perf_counter() - started

    def wait_for_turn(self, elapsed: float) -> None:
        ahead = self.accepted / self.rate - elapsed if self.rate else 0.0
        if ahead > 0:
            time.sleep(min(ahead, 1.0))

    def connect(self) -> socket.socket:
        connection = socket.create_connection((self.host, self.port), timeout=10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        return connection

    def send(self, call: Call, selector: selectors.BaseSelector) -> None:
        call.out, call.answer = memoryview(self.request()), b""
        call.sent_at = time.perf_counter()
        self.push(call, selector)

    def push(self, call: Call, selector: selectors.BaseSelector) -> None:
        try:
            while call.out:
                call.out = call.out[call.socket.send(call.out) :]
        except BlockingIOError:
            selector.modify(call.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, call)
            return
        selector.modify(call.socket, selectors.EVENT_READ, call)

    def receive(self, call: Call) -> bool:
        """Whether the whole answer is there."""
        data = call.socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed a connection")
        call.answer += data
        head, separator, body = call.answer.partition(b"\r\n\r\n")
        if not separator:
            return False
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        if len(body) < length:
            return False
        self.latencies.append(time.perf_counter() - call.sent_at)
        self.requests += 1
        status = int(head[9:12])
        if status == 200:
            answer = json.loads(body)
            self.accepted += answer["accepted"] - answer["duplicates"]
        else:
            self.refused[status] = self.refused.get(status, 0) + 1
        return True


def main() -> None:
    """Sends as the arguments say and prints what came of it as a JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", required=True, help="write key of the source")
    parser.add_argument("--batch", type=int, default=100, help="events of a call; 0 for single events")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--events", type=int, default=0, help="stop after so many accepted events instead")
    parser.add_argument("--rate", type=float, default=0.0, help="events a second at most; 0 for as many as go")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    load = Load(
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
        took = load.run(until=lambda sent: sent.accepted >= arguments.events)
    else:
        took = load.run(until=lambda sent: time.perf_counter() >= ends)
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
