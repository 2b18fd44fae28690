"""A load generator for recommendations: keep-alive connections by raw sockets, requests made beforehand, in a process of its own.

Closed loop: each connection sends its next request when it has its answer. Open loop: requests are due at moments drawn beforehand
(exponential gaps, as of many people who know nothing of each other), each goes by the next free connection, and its latency counts
from the moment it was due, so that waiting is seen. Every answer is checked by its bytes: status, number of items, fallback.
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
PATIENCE_SECONDS = 15.0
WHOLE = {"rank": 100}  # items that an answer has at least; 20 of any other
CHECKED = 600  # bytes of an answer in which all is that is looked for beside the items
SAMPLES = 20  # answers that are read as JSON at the end


@dataclass(frozen=True)
class Call:
    scenario: str
    data: bytes


@dataclass(eq=False)
class Line:
    """One connection and where it stands."""

    socket: socket.socket
    call: Call | None = None
    due: float = 0.0
    sent: float = 0.0
    answer: bytes = b""
    length: int = -1  # of head and body, when the head is there

    def fileno(self) -> int:
        return self.socket.fileno()


@dataclass
class Tally:
    """What came of the requests of one scenario."""

    latencies: list[float] = field(default_factory=list)
    at: list[float] = field(default_factory=list)  # seconds since the beginning
    served_ms: float = 0.0
    fallbacks: int = 0
    late: int = 0
    short: int = 0
    errors: int = 0
    bytes: int = 0


class Load:
    """Sends and counts. versions: of the model, with the moments when an answer of it came first and was asked for last."""

    def __init__(self, port: int, calls: list[Call], *, seed: int = 1) -> None:
        self.port = port
        self.calls = calls
        self.chance = random.Random(seed)
        self.place = self.chance.randrange(len(calls))
        self.tallies = {call.scenario: Tally() for call in calls}
        self.versions: dict[str, list[float]] = {}
        self.samples: list[tuple[str, bytes]] = []
        self.problems: dict[str, int] = {}
        self.behind: list[float] = []
        self.started = 0.0

    def next_call(self) -> Call:
        self.place = (self.place + 1) % len(self.calls)
        return self.calls[self.place]

    def connect(self) -> Line:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Line(connection)

    def closed(self, connections: int, seconds: float) -> float:
        """Errors: TimeoutError when nothing is answered any more."""
        lines = [self.connect() for _number in range(connections)]
        poll = select.epoll()
        by_number = {line.fileno(): line for line in lines}
        self.started = time.perf_counter()
        for line in lines:
            poll.register(line.fileno(), select.EPOLLIN)
            self.send(line, self.started)
        ends, busy = self.started + seconds, len(lines)
        while busy:
            ready = poll.poll(PATIENCE_SECONDS)
            if not ready:
                raise TimeoutError(f"no answer within {PATIENCE_SECONDS} s")
            for number, _event in ready:
                line = by_number[number]
                if not self.receive(line):
                    continue
                if line.fileno() != number:  # renewed
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

    def open(self, rate: float, seconds: float) -> float:
        due = list(self.moments(rate, seconds))
        free = deque(self.connect() for _number in range(OPEN_CONNECTIONS))
        lines = list(free)
        busy: list[Line] = []
        self.started = time.perf_counter()
        place, ends = 0, self.started + seconds + PATIENCE_SECONDS
        while place < len(due) or busy:
            now = time.perf_counter()
            if now > ends:
                self.count_problem("no answer", len(busy))
                break
            while place < len(due) and free and self.started + due[place] <= now:
                line = free.popleft()
                self.send(line, self.started + due[place])
                busy.append(line)
                place += 1
            waits = place < len(due) and bool(free)
            pause = self.started + due[place] - time.perf_counter() if waits else 1.0
            ready, _write, _error = select.select(busy, [], [], max(pause, 0.0))
            for line in ready:
                if self.receive(line):
                    busy.remove(line)
                    free.append(line)
        took = time.perf_counter() - self.started
        for line in lines:
            line.socket.close()
        return took

    def moments(self, rate: float, seconds: float) -> list[float]:
        found, at = [], 0.0
        while (at := at + self.chance.expovariate(rate)) < seconds:
            found.append(at)
        return found

    def send(self, line: Line, due: float) -> None:
        line.call, line.due, line.answer, line.length = self.next_call(), due, b"", -1
        line.sent = time.perf_counter()
        self.behind.append(line.sent - due)
        try:
            line.socket.sendall(line.call.data)
        except OSError:
            self.renew(line)
            line.socket.sendall(line.call.data)

    def renew(self, line: Line) -> None:
        """Another connection instead of one that the server closed; the request counts as failed."""
        assert line.call is not None
        self.tallies[line.call.scenario].errors += 1
        self.count_problem("closed")
        line.socket.close()
        other = self.connect()
        line.socket, line.answer, line.length = other.socket, b"", -1

    def count_problem(self, what: str, times: int = 1) -> None:
        self.problems[what] = self.problems.get(what, 0) + times

    def receive(self, line: Line) -> bool:
        """Whether the whole answer is there."""
        try:
            data = line.socket.recv(1 << 18)
        except OSError:
            data = b""
        if not data:
            self.renew(line)
            return True
        answer = line.answer = line.answer + data if line.answer else data
        if line.length < 0:
            head = answer.find(b"\r\n\r\n")
            if head < 0:
                return False
            length = answer[:head].lower().partition(b"content-length:")[2].partition(b"\r")[0]
            line.length = head + 4 + int(length)
        if len(answer) < line.length:
            return False
        self.count(line)
        return True

    def count(self, line: Line) -> None:
        assert line.call is not None
        now, answer, scenario = time.perf_counter(), line.answer, line.call.scenario
        tally = self.tallies[scenario]
        tally.latencies.append(now - line.due)
        tally.at.append(now - self.started)
        tally.bytes += len(answer)
        if answer[9:12] != b"200":
            tally.errors += 1
            self.count_problem(answer[9:12].decode())
            return
        if scenario == "floor":
            return
        start = answer[: answer.find(b"\r\n\r\n") + CHECKED]
        if b'"fallback":null' not in start:
            tally.fallbacks += 1
            tally.late += b'"fallback_reason":"late"' in start
        tally.short += answer.count(b'"rank":') < WHOLE.get(scenario, 20)
        tally.served_ms += float(after(start, b'"took_ms":', b",") or 0)
        version = after(start, b'"model_version":"', b'"').decode()
        wall = time.time()
        seen = self.versions.setdefault(version, [wall, 0.0, 0])
        seen[1] = max(seen[1], wall - (now - line.sent))
        seen[2] += 1
        if len(self.samples) < SAMPLES:
            self.samples.append((scenario, answer))


def after(text: bytes, name: bytes, end: bytes) -> bytes:
    place = text.find(name)
    return text[place + len(name) : text.find(end, place + len(name))] if place >= 0 else b""


def main() -> None:
    arguments = parse()
    load = Load(arguments.port, calls_of(arguments), seed=arguments.seed)
    began = time.process_time()
    if arguments.rate:
        took = load.open(arguments.rate, arguments.seconds)
    else:
        took = load.closed(arguments.connections, arguments.seconds)
    cpu = time.process_time() - began
    for scenario, answer in load.samples:
        require_sound(scenario, answer)
    print(json.dumps(result(load, took, cpu)))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", default="")
    parser.add_argument("--folder", type=Path, required=True, help="of the requests that benchmarks.serving_shop wrote")
    parser.add_argument(
        "--mix", default="for-you:1", help="scenario:share, separated by commas; floor:/path for one address"
    )
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--rate", type=float, default=0.0, help="requests a second of an open loop; 0: closed")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def calls_of(arguments: argparse.Namespace) -> list[Call]:
    """All requests of the mix as bytes, in an order drawn by the seed."""
    chance = random.Random(arguments.seed)
    shares = dict(part.split(":", 1) for part in arguments.mix.split(","))
    if "floor" in shares:
        return [Call("floor", request_bytes(["GET", shares["floor"], "", "en"], arguments))]
    by_scenario = {}
    for scenario in shares:
        lines = (arguments.folder / f"{scenario}.jsonl").read_text(encoding="utf-8").splitlines()
        by_scenario[scenario] = [Call(scenario, request_bytes(json.loads(line), arguments)) for line in lines]
    total = sum(map(float, shares.values()))
    calls = []
    for scenario, share in shares.items():
        known = by_scenario[scenario]
        wanted = round(len(known) * float(share) / total)
        calls += chance.sample(known, min(wanted, len(known)))
    chance.shuffle(calls)
    return calls


def request_bytes(asked: list[str], arguments: argparse.Namespace) -> bytes:
    method, target, body, language = asked
    head = (
        f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{arguments.port}\r\nAuthorization: Bearer {arguments.key}\r\n"
        f"Accept: application/json\r\nAccept-Language: {language}\r\n"
    )
    data = body.encode()
    if data:
        head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n"
    return head.encode() + b"\r\n" + data


def require_sound(scenario: str, answer: bytes) -> None:
    """Errors: AssertionError where the bytes that were looked for are not what the JSON says."""
    told = json.loads(answer.partition(b"\r\n\r\n")[2])
    ids = [item["product_id"] for item in told["items"]]
    assert len(set(ids)) == len(ids) == answer.count(b'"rank":'), (scenario, told)
    assert all(item["product"]["title"] for item in told["items"]), (scenario, told)


def result(load: Load, took: float, cpu: float) -> dict[str, object]:
    every = [
        (at, latency) for tally in load.tallies.values() for at, latency in zip(tally.at, tally.latencies, strict=True)
    ]
    return {
        "seconds": took,
        "requests_per_s": len(every) / took,
        "generator_cpu": cpu / took,
        "behind_p99_ms": percentile(load.behind, 0.99) * 1000,
        "problems": load.problems,
        "versions": load.versions,
        "all": figures([latency for _at, latency in every]),
        "minutes": minutes(every),
        "scenarios": {name: tally_figures(tally) for name, tally in load.tallies.items()},
    }


def tally_figures(tally: Tally) -> dict[str, float]:
    n = max(len(tally.latencies), 1)
    return figures(tally.latencies) | {
        "served_ms": tally.served_ms / n,
        "fallback_share": tally.fallbacks / n,
        "late_share": tally.late / n,
        "short_share": tally.short / n,
        "errors": tally.errors,
        "kb": tally.bytes / n / 1000,
    }


def figures(latencies: list[float]) -> dict[str, float]:
    return {
        "requests": len(latencies),
        "p50_ms": percentile(latencies, 0.5) * 1000,
        "p95_ms": percentile(latencies, 0.95) * 1000,
        "p99_ms": percentile(latencies, 0.99) * 1000,
        "max_ms": max(latencies, default=0.0) * 1000,
        "slow": sum(latency > SLOW_SECONDS for latency in latencies),
    }


def minutes(every: list[tuple[float, float]]) -> list[dict[str, float]]:
    """The same figures of each minute."""
    by_minute: dict[int, list[float]] = {}
    for at, latency in every:
        by_minute.setdefault(int(at // 60), []).append(latency)
    return [figures(by_minute[minute]) for minute in sorted(by_minute)]


def percentile(numbers: list[float], share: float) -> float:
    return sorted(numbers)[min(len(numbers) - 1, int(len(numbers) * share))] if numbers else 0.0


if __name__ == "__main__":
    main()
