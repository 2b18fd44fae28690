"""A load generator for recommendations in its own process: keep-alive connections over raw sockets, with prepared requests.

Closed loop: each connection sends its next request when it has received the response. Open loop: requests are due at moments drawn in
advance with exponential gaps, as from many independent visitors. Each uses the next free connection, and its latency counts from the
moment it was due, so that the latency includes the time in the queue. The bytes of every response are checked: status, number of items
and fallback.
"""

import argparse
import json
import random
import select
import socket
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

OPEN_CONNECTIONS = 64
SLOW_SECONDS = 0.1
TIMEOUT_SECONDS = 60.0  # the first answers of a fresh clone wait for kernels to compile
WITHOUT_ITEMS = ("floor", "autocomplete", "offers", "intent")
MIN_ITEMS = {"rank": 100}  # minimum number of items in a response; 20 for the other scenarios
CHECKED_BYTES = 600  # the fields before the items are within this number of bytes of a response body
SAMPLES = 20  # responses that are parsed as JSON at the end


@dataclass(frozen=True)
class PreparedRequest:
    scenario: str
    data: bytes


@dataclass(eq=False)
class LoadConnection:
    """A connection with the request that it waits for and the bytes received so far."""

    socket: socket.socket
    call: PreparedRequest | None = None
    due: float = 0.0
    sent: float = 0.0
    response: bytes = b""
    length: int = -1  # of head and body; -1 until the head is complete

    def fileno(self) -> int:
        return self.socket.fileno()


@dataclass
class ScenarioTally:
    """The results of the requests of one scenario."""

    latencies: list[float] = field(default_factory=list)
    at: list[float] = field(default_factory=list)  # seconds since the start
    served_ms: float = 0.0
    fallbacks: int = 0
    late: int = 0
    short: int = 0
    errors: int = 0
    bytes: int = 0


class LoadGenerator:
    """Sends requests and counts responses.

    versions: by model version the moment of its first response, the moment of the last request that it answered, and the number of
    responses.
    """

    def __init__(self, port: int, calls: list[PreparedRequest], *, seed: int = 1) -> None:
        self.port = port
        self.calls = calls
        self.draws = random.Random(seed)
        self.position = self.draws.randrange(len(calls))
        self.tallies = {call.scenario: ScenarioTally() for call in calls}
        self.versions: dict[str, list[float]] = {}
        self.samples: list[tuple[str, bytes]] = []
        self.problems: dict[str, int] = {}
        self.behind: list[float] = []
        self.started = 0.0

    def get_next_call(self) -> PreparedRequest:
        self.position = (self.position + 1) % len(self.calls)
        return self.calls[self.position]

    def connect(self) -> LoadConnection:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return LoadConnection(connection)

    def run_closed_loop(self, connections: int, seconds: float) -> float:
        """Run the closed loop and return its seconds. Errors: TimeoutError if the server stops responding."""
        lines = [self.connect() for _number in range(connections)]
        poll = select.epoll()
        by_number = {line.fileno(): line for line in lines}
        self.started = time.perf_counter()
        for line in lines:
            poll.register(line.fileno(), select.EPOLLIN)
            self.send(line, self.started)
        ends, busy = self.started + seconds, len(lines)
        while busy:
            ready = poll.poll(TIMEOUT_SECONDS)
            if not ready:
                raise TimeoutError(f"no response within {TIMEOUT_SECONDS} s")
            for number, _event in ready:
                line = by_number[number]
                if not self.receive(line):
                    continue
                if line.fileno() != number:  # a new connection replaced a closed one
                    by_number[line.fileno()] = line
                    poll.register(line.fileno(), select.EPOLLIN)
                now = time.perf_counter()
                if now < ends:
                    self.send(line, now)
                else:
                    busy -= 1
        took = time.perf_counter() - self.started
        for line in lines:
            line.socket.close()
        return took

    def run_open_loop(self, rate: float, seconds: float) -> float:
        """Run the open loop and return its seconds; unanswered requests count as problems."""
        due = list(self.draw_due_times(rate, seconds))
        free = deque(self.connect() for _number in range(OPEN_CONNECTIONS))
        lines = list(free)
        busy: list[LoadConnection] = []
        self.started = time.perf_counter()
        position, ends = 0, self.started + seconds + TIMEOUT_SECONDS
        while position < len(due) or busy:
            now = time.perf_counter()
            if now > ends:
                self.count_problem("no answer", len(busy))
                break
            while position < len(due) and free and self.started + due[position] <= now:
                line = free.popleft()
                self.send(line, self.started + due[position])
                busy.append(line)
                position += 1
            has_next = position < len(due) and bool(free)
            pause = self.started + due[position] - time.perf_counter() if has_next else 1.0
            ready, _write, _error = select.select(busy, [], [], max(pause, 0.0))
            for line in ready:
                if self.receive(line):
                    busy.remove(line)
                    free.append(line)
        took = time.perf_counter() - self.started
        for line in lines:
            line.socket.close()
        return took

    def draw_due_times(self, rate: float, seconds: float) -> list[float]:
        """Return the moments of a Poisson process, in seconds since the start."""
        moments, at = [], 0.0
        while (at := at + self.draws.expovariate(rate)) < seconds:
            moments.append(at)
        return moments

    def send(self, line: LoadConnection, due: float) -> None:
        line.call, line.due, line.response, line.length = self.get_next_call(), due, b"", -1
        line.sent = time.perf_counter()
        self.behind.append(line.sent - due)
        try:
            line.socket.sendall(line.call.data)
        except OSError:
            self.reconnect(line)
            line.socket.sendall(line.call.data)

    def reconnect(self, line: LoadConnection) -> None:
        """Replace a connection that the server closed; the request counts as failed."""
        assert line.call is not None
        self.tallies[line.call.scenario].errors += 1
        self.count_problem("closed")
        line.socket.close()
        replacement = self.connect()
        line.socket, line.response, line.length = replacement.socket, b"", -1

    def count_problem(self, what: str, count: int = 1) -> None:
        self.problems[what] = self.problems.get(what, 0) + count

    def receive(self, line: LoadConnection) -> bool:
        """Read what has arrived; return whether the response is complete."""
        try:
            data = line.socket.recv(1 << 18)
        except OSError:
            data = b""
        if not data:
            self.reconnect(line)
            return True
        response = line.response = line.response + data if line.response else data
        if line.length < 0:
            head = response.find(b"\r\n\r\n")
            if head < 0:
                return False
            length = response[:head].lower().partition(b"content-length:")[2].partition(b"\r")[0]
            line.length = head + 4 + int(length)
        if len(response) < line.length:
            return False
        self.count_response(line)
        return True

    def count_response(self, line: LoadConnection) -> None:
        assert line.call is not None
        now, response, scenario = time.perf_counter(), line.response, line.call.scenario
        tally = self.tallies[scenario]
        tally.latencies.append(now - line.due)
        tally.at.append(now - self.started)
        tally.bytes += len(response)
        if response[9:12] != b"200":
            tally.errors += 1
            self.count_problem(response[9:12].decode())
            return
        if scenario in WITHOUT_ITEMS:
            tally.short += b'"products":[]' in response
            return
        start = response[: response.find(b"\r\n\r\n") + CHECKED_BYTES]
        if b'"fallback":null' not in start:
            tally.fallbacks += 1
            tally.late += b'"fallback_reason":"late"' in start
        tally.short += response.count(b'"rank":') < MIN_ITEMS.get(scenario, 20)
        tally.served_ms += float(extract_between(start, b'"took_ms":', b",") or 0)
        version = extract_between(start, b'"model_version":"', b'"').decode()
        wall = time.time()
        record = self.versions.setdefault(version, [wall, 0.0, 0])
        record[1] = max(record[1], wall - (now - line.sent))
        record[2] += 1
        if len(self.samples) < SAMPLES:
            self.samples.append((scenario, response))


def extract_between(text: bytes, name: bytes, end: bytes) -> bytes:
    """Return the bytes between name and end; empty if name is missing. Parsing all responses as JSON would slow the generator."""
    start = text.find(name)
    return text[start + len(name) : text.find(end, start + len(name))] if start >= 0 else b""


def main() -> None:
    arguments = parse_arguments()
    load = LoadGenerator(arguments.port, prepare_calls(arguments), seed=arguments.seed)
    started = time.process_time()
    if arguments.rate:
        took = load.run_open_loop(arguments.rate, arguments.seconds)
    else:
        took = load.run_closed_loop(arguments.connections, arguments.seconds)
    cpu = time.process_time() - started
    for scenario, response in load.samples:
        check_response(scenario, response)
    print(json.dumps(build_report(load, took, cpu)))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", default="")
    parser.add_argument(
        "--folder", type=Path, required=True, help="folder of the requests written by benchmarks.serving_shop"
    )
    parser.add_argument(
        "--mix", default="for-you:1", help="scenario:share, separated by commas; floor:/path for a single URL"
    )
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--rate", type=float, default=0.0, help="requests per second of an open loop; 0: closed loop")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def prepare_calls(arguments: argparse.Namespace) -> list[PreparedRequest]:
    """Return all requests of the mix as bytes, in an order drawn from the seed."""
    draws = random.Random(arguments.seed)
    shares = dict(pair.split(":", 1) for pair in arguments.mix.split(","))
    if "floor" in shares:
        return [PreparedRequest("floor", encode_request(["GET", shares["floor"], "", "en"], arguments))]
    by_scenario = {}
    for scenario in shares:
        lines = (arguments.folder / f"{scenario}.jsonl").read_text(encoding="utf-8").splitlines()
        by_scenario[scenario] = [
            PreparedRequest(scenario, encode_request(json.loads(line), arguments)) for line in lines
        ]
    total = sum(map(float, shares.values()))
    calls = []
    for scenario, share in shares.items():
        prepared = by_scenario[scenario]
        count = round(len(prepared) * float(share) / total)
        calls += draws.sample(prepared, min(count, len(prepared)))
    draws.shuffle(calls)
    return calls


def encode_request(request: list[str], arguments: argparse.Namespace) -> bytes:
    method, target, body, language = request
    head = (
        f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{arguments.port}\r\nAuthorization: Bearer {arguments.key}\r\n"
        f"Accept: application/json\r\nAccept-Language: {language}\r\n"
    )
    data = body.encode()
    if data:
        head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n"
    return head.encode() + b"\r\n" + data


def check_response(scenario: str, data: bytes) -> None:
    """Check that the counts from the bytes agree with the parsed JSON. Errors: AssertionError."""
    response = json.loads(data.partition(b"\r\n\r\n")[2])
    ids = [item["product_id"] for item in response["items"]]
    assert len(set(ids)) == len(ids) == data.count(b'"rank":'), (scenario, response)
    assert all(item["product"]["title"] for item in response["items"]), (scenario, response)


def build_report(load: LoadGenerator, took: float, cpu: float) -> dict[str, object]:
    every = [
        (at, latency) for tally in load.tallies.values() for at, latency in zip(tally.at, tally.latencies, strict=True)
    ]
    return {
        "seconds": took,
        "requests_per_s": len(every) / took,
        "generator_cpu": cpu / took,
        "behind_p99_ms": compute_percentile(load.behind, 0.99) * 1000,
        "problems": load.problems,
        "versions": load.versions,
        "all": summarize_latencies([latency for _at, latency in every]),
        "minutes": summarize_minutes(every),
        "slowest": sorted(every, key=lambda answer: answer[1], reverse=True)[:20],
        "scenarios": {name: summarize_tally(tally) for name, tally in load.tallies.items()},
    }


def summarize_tally(tally: ScenarioTally) -> dict[str, float]:
    n = max(len(tally.latencies), 1)
    return summarize_latencies(tally.latencies) | {
        "served_ms": tally.served_ms / n,
        "fallback_share": tally.fallbacks / n,
        "late_share": tally.late / n,
        "short_share": tally.short / n,
        "errors": tally.errors,
        "kb": tally.bytes / n / 1000,
    }


def summarize_latencies(latencies: list[float]) -> dict[str, float]:
    return {
        "requests": len(latencies),
        "p50_ms": compute_percentile(latencies, 0.5) * 1000,
        "p95_ms": compute_percentile(latencies, 0.95) * 1000,
        "p99_ms": compute_percentile(latencies, 0.99) * 1000,
        "max_ms": max(latencies, default=0.0) * 1000,
        "slow": sum(latency > SLOW_SECONDS for latency in latencies),
    }


def summarize_minutes(every: list[tuple[float, float]]) -> list[dict[str, float]]:
    """Return the figures of each minute."""
    by_minute: dict[int, list[float]] = {}
    for at, latency in every:
        by_minute.setdefault(int(at // 60), []).append(latency)
    return [summarize_latencies(by_minute[minute]) for minute in sorted(by_minute)]


def compute_percentile(numbers: list[float], share: float) -> float:
    return sorted(numbers)[min(len(numbers) - 1, int(len(numbers) * share))] if numbers else 0.0


if __name__ == "__main__":
    main()
