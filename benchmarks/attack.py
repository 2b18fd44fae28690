"""Attack the web server on embedded servers in a temporary folder, over the loopback interface only.

Each attack runs for some seconds, while a probe asks ``/health/live`` twenty times per second. Expected answers are anything
but a 5xx status other than 503. `foreign_rows_changed` compares the customers, orders and products that a server source had
written before all attacks.
"""

import argparse
import gzip
import http.client
import json
import random
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psutil

from benchmarks.embedded_servers import run_embedded_servers
from benchmarks.ingest import compute_percentile, log, query_value, run_web_server

SECONDS = 8.0
INPUTS = 20_000
THREADS = 8
RECOMMENDING_THREADS, WAITING_THREADS = 4, 48
PROBE_INTERVAL = 0.05
TIMEOUT = 20.0
FOREIGN_ROWS = """
SELECT md5(coalesce(string_agg(row::text, '' ORDER BY row::text), '')) FROM (
    SELECT ROW(c.id, c.name, c.email, c.phone, c.traits, c.country) AS row FROM identity_customer c WHERE c.id <= {customer}
    UNION ALL SELECT ROW(o.id, o.order_id, o.status, o.total) FROM orders_order o
    UNION ALL SELECT ROW(p.id, p.product_id, p.title, p.price, p.is_active) FROM catalog_product p
    UNION ALL SELECT ROW(i.kind, i.value, i.customer_id) FROM identity_identifier i WHERE i.customer_id <= {customer}
) AS foreign_rows
"""
# pieces that parsers stumble over
TOKENS = (
    b"\x00",
    b"\xff",
    b"\\ud800",
    b"NaN",
    b"1e999",
    b"[" * 500,
    b'{"a":' * 300,
    b"null",
    b"-",
    b'"',
    b"\\",
    b"%00",
)


@dataclass
class Target:
    """The running server, and the keys that a browser of the shop has."""

    port: int
    write_key: str
    publishable_key: str
    pid: int
    servers: dict[str, int]


@dataclass
class Outcome:
    """What an attack caused: statuses of its requests, latencies in seconds of the probe and of recommendations."""

    statuses: Counter[int] = field(default_factory=Counter)
    live: list[float] = field(default_factory=list)
    recommended: list[float] = field(default_factory=list)

    @property
    def errors(self) -> int:
        """Requests that ended in a server error other than 503."""
        return sum(count for status, count in self.statuses.items() if status >= 500 and status != 503)


def main() -> None:
    arguments = parse_arguments()
    with run_embedded_servers("attack", report=log, DATABASE_STATEMENT_TIMEOUT="15") as servers:
        pids = {server.name: server.pid for server in servers.used if server.pid is not None}
        try:
            print(json.dumps(measure(arguments, pids)))
        finally:
            for pid in pids.values():
                continue_tree(pid)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="duration of each attack")
    parser.add_argument("--inputs", type=int, default=INPUTS, help="number of mutated requests")
    parser.add_argument("--only", choices=sorted(ATTACKS), help="run one attack")
    return parser.parse_args()


def measure(arguments: argparse.Namespace, servers: dict[str, int]) -> dict[str, object]:
    keys = prepare()
    foreign_rows = FOREIGN_ROWS.format(customer=keys["customer"])
    before = query_value(foreign_rows)
    result: dict[str, object] = {}
    live: list[float] = []
    growth: list[float] = []
    unexpected = 0
    with run_web_server() as port:
        [web] = [process for process in psutil.Process().children() if "config.web_server" in process.cmdline()]
        target = Target(port, keys["write_key"], keys["publishable_key"], web.pid, servers)
        warm_up(target)
        for name, attack in ATTACKS.items():
            if arguments.only and name != arguments.only:
                continue
            megabytes = measure_megabytes(target)
            outcome = Outcome()
            log(f"{name} …")
            with probe_health(target, outcome):
                attack(target, outcome, arguments)
            time.sleep(1)
            grown = round(measure_megabytes(target) - megabytes, 1)
            changed = int(query_value(foreign_rows) != before)
            p99 = round(compute_percentile(outcome.live, 0.99) * 1000, 1)
            log(f"{name}: {dict(outcome.statuses)}, live p99 {p99} ms, {grown} MB")
            result |= {
                f"{name}_errors": outcome.errors,
                f"{name}_live_p99_ms": p99,
                f"{name}_mb_growth": grown,
                f"{name}_foreign_rows_changed": changed,
                f"{name}_requests": sum(outcome.statuses.values()),
            }
            if outcome.recommended:
                result[f"{name}_recommendations_p99_ms"] = round(
                    compute_percentile(outcome.recommended, 0.99) * 1000, 1
                )
            live.append(p99)
            growth.append(grown)
            unexpected += outcome.errors
    return {
        **result,
        "worst_live_p99_ms": max(live),
        "unexpected_5xx": unexpected,
        "mb_growth": round(sum(growth), 1),
        "notes": "status 0 counts connections that the server closed or that timed out; it is in _requests, not in _errors",
    }


def prepare() -> dict[str, Any]:
    """Migrate, write a customer with an order as the shop's server, and create the keys of a browser."""
    import django

    django.setup()
    from datetime import UTC, datetime

    from django.core.management import call_command

    from catalog.models import Product
    from config.access.keys import create_api_key
    from config.access.models import ApiKey
    from customers.events.collector.ingest import ingest_items
    from customers.events.models import Source
    from customers.events.sources.write_keys import rotate_write_key
    from customers.processing.pipeline import process_events

    call_command("migrate", verbosity=0)
    now = datetime.now(UTC)
    Product.objects.create(product_id="p1", title="Kettle", price="20.00", currency="EUR")
    server = Source.objects.create(key="server", name="server", kind=Source.Kind.SERVER)
    order = {"order_id": "o1", "total": 20, "currency": "EUR", "products": [{"product_id": "p1", "price": 20}]}
    items = [
        {"type": "identify", "userId": "u1", "traits": {"email": "ana@shop.example", "name": "Ana"}},
        {"type": "track", "event": "Order Completed", "userId": "u1", "properties": order},
    ]
    ingest_items(
        source=server,
        items=[json.dumps(item).encode() for item in items],
        call_type=None,
        sent_at=None,
        received_at=now,
    )
    process_events(at=now)
    browser = Source.objects.create(key="web", name="web", kind=Source.Kind.BROWSER)
    _key, publishable = create_api_key(name="web", kind=ApiKey.Kind.PUBLISHABLE, now=now)
    return {
        "write_key": rotate_write_key(source_id=browser.pk, now=now),
        "publishable_key": publishable,
        "customer": query_value("SELECT max(id) FROM identity_customer"),
    }


def send(
    target: Target,
    outcome: Outcome,
    method: str,
    path: str,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    source_address: str = "127.0.0.1",
) -> int:
    """Send one request and count its status; 0 if the connection was closed or timed out."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", target.port, timeout=TIMEOUT, source_address=(source_address, 0)
    )
    try:
        connection.request(method, path, body, headers or {})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError):
        status = 0
    finally:
        connection.close()
    outcome.statuses[status] += 1
    if status >= 500 and status != 503:
        log(f"{status}: {method} {path[:2000]} {body[:2000]!r}")
    return status


@contextmanager
def probe_health(target: Target, outcome: Outcome) -> Iterator[None]:
    """Measure the latency of /health/live until the block ends."""
    is_over = threading.Event()

    def probe() -> None:
        while not is_over.is_set():
            began = time.perf_counter()
            send(target, Outcome(), "GET", "/health/live")
            outcome.live.append(time.perf_counter() - began)
            is_over.wait(PROBE_INTERVAL)

    thread = threading.Thread(target=probe)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def repeat_in_threads(seconds: float, work: Callable[[int], None], threads: int = THREADS) -> None:
    """Call a function from several threads until the time is over."""
    deadline = time.monotonic() + seconds

    def run(number: int) -> None:
        while time.monotonic() < deadline:
            work(number)

    workers = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def build_key_headers(target: Target) -> dict[str, str]:
    return {"X-Write-Key": target.write_key, "Content-Type": "text/plain"}


def warm_up(target: Target) -> None:
    """Use every endpoint in both processes, whose first use loads modules that stay in memory."""
    page = json.dumps({"batch": [{"type": "page", "anonymousId": "visitor"}]}).encode()
    ranking = json.dumps({"product_ids": ["p1"], "unknown": 1}).encode()
    as_json = {**build_bearer(target), "Content-Type": "application/json"}
    for _request in range(200):
        send(target, Outcome(), "GET", "/health/live")
        send(target, Outcome(), "GET", RECOMMENDATIONS, headers=build_bearer(target))
        send(target, Outcome(), "POST", "/v1/batch", page, build_key_headers(target))
        send(target, Outcome(), "POST", "/api/v1/rank/", ranking, as_json)
        send(target, Outcome(), "PUT", "/api/v1/products/", b"{}", as_json)


RECOMMENDATIONS = "/api/v1/recommendations/popular/?n=4"


def build_bearer(target: Target) -> dict[str, str]:
    return {"Authorization": f"Bearer {target.publishable_key}"}


def attack_with_slow_bodies(target: Target, outcome: Outcome, arguments: argparse.Namespace) -> None:
    """Open 200 connections that each send one byte of a promised body, and keep sending events meanwhile."""
    head = f"POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nX-Write-Key: {target.write_key}\r\nContent-Length: 1000\r\n\r\n{{"
    connections = []
    for _connection in range(200):
        with suppress(OSError):
            slow = socket.create_connection(("127.0.0.1", target.port), timeout=TIMEOUT)
            slow.sendall(head.encode())
            connections.append(slow)
    body = json.dumps({"batch": [{"type": "page", "anonymousId": "visitor"}]}).encode()

    def work(_number: int) -> None:
        send(target, outcome, "POST", "/v1/batch", body, build_key_headers(target))
        time.sleep(0.2)

    repeat_in_threads(arguments.seconds, work, threads=2)
    for slow in connections:
        slow.close()


def attack_with_deep_json(target: Target, outcome: Outcome, arguments: argparse.Namespace) -> None:
    """Send objects nested thousands of levels deep, with a NaN that only lenient parsers accept."""
    bodies = [b'{"a":' * depth + b"NaN" + b"}" * depth for depth in (300, 9_900, 80_000)]
    bodies += [b'{"batch":[' + body + b"]}" for body in bodies]
    paths = ("/v1/batch", "/v1/track", "/mp/collect?api_secret=x", "/api/v1/products/", "/api/v1/rank/")

    def work(number: int) -> None:
        generator = random.Random()
        path, body = generator.choice(paths), generator.choice(bodies)
        headers = {**build_bearer(target), "Content-Type": "application/json"}
        keyed = build_key_headers(target) if number % 2 else {}
        is_api = path.startswith("/api")
        method = "PUT" if "products" in path else "POST"
        send(target, outcome, method, path, body, headers if is_api else keyed)

    repeat_in_threads(arguments.seconds, work)


def attack_with_wide_json(target: Target, outcome: Outcome, arguments: argparse.Namespace) -> None:
    """Send the largest bodies that are allowed, made of the smallest parts."""
    bodies = [b'{"batch":[' + b"{}," * 160_000 + b"{}]}", b'{"batch":[' + b"0," * 240_000 + b"0]}", b"[" * 511_000]

    def work(number: int) -> None:
        send(target, outcome, "POST", "/v1/batch", bodies[number % 3], build_key_headers(target))

    repeat_in_threads(arguments.seconds, work)


def attack_with_gzip_bombs(target: Target, outcome: Outcome, arguments: argparse.Namespace) -> None:
    """Send small bodies that decompress to 400 MB."""
    bomb = gzip.compress(b" " * 400_000_000, compresslevel=9)

    def work(_number: int) -> None:
        send(target, outcome, "POST", "/v1/batch", bomb, build_key_headers(target))

    repeat_in_threads(arguments.seconds, work)


def attack_with_mutated_inputs(target: Target, outcome: Outcome, arguments: argparse.Namespace) -> None:
    """Send mutations of valid requests to every kind of endpoint."""
    batch = {
        "batch": [{"type": "track", "event": "Product Viewed", "anonymousId": "a1", "properties": {"product_id": "p1"}}]
    }
    hit = {"client_id": "a1", "events": [{"name": "view_item", "params": {"items": [{"item_id": "p1"}]}}]}
    requests: list[tuple[str, str, bytes]] = [
        ("POST", "/v1/batch", json.dumps(batch).encode()),
        ("POST", "/v1/track", json.dumps(batch["batch"][0]).encode()),
        ("POST", f"/mp/collect?measurement_id=G-1&api_secret={target.write_key}", json.dumps(hit).encode()),
        ("POST", "/api/v1/rank/", json.dumps({"product_ids": ["p1", "p2"], "anonymous_id": "a1"}).encode()),
        ("GET", "/api/v1/recommendations/for-you/?n=4&anonymous_id=a1&price_min=1&cursor=abc&category=A", b""),
        ("GET", "/api/v1/search/?q=kettle&n=3&sort=price&attributes.color=red", b""),
        ("GET", "/api/v1/products/?search=a&cursor=abc&limit=3", b""),
        ("GET", "/api/v1/customers/?user_id=u1", b""),
    ]
    remaining = iter(range(arguments.inputs))
    lock = threading.Lock()

    def run(number: int) -> None:
        generator = random.Random(number)
        while True:
            with lock:
                if next(remaining, None) is None:
                    return
            method, path, body = generator.choice(requests)
            mutated = mutate(body, generator) if body else b""
            path = path if body else mutate_query(path, generator)
            headers = {**build_bearer(target), "Content-Type": "application/json"}
            address = f"127.0.0.{generator.randint(2, 250)}"
            keyed = headers if path.startswith("/api") else build_key_headers(target)
            send(target, outcome, method, path, mutated, keyed, source_address=address)

    workers = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def mutate(data: bytes, generator: random.Random) -> bytes:
    """Return data with one to four random changes."""
    for _change in range(generator.randint(1, 4)):
        start = generator.randrange(len(data) + 1)
        end = min(len(data), start + generator.randint(0, 12))
        choice = generator.randrange(4)
        if choice == 0:
            data = data[:start] + data[end:]
        elif choice == 1:
            data = data[:start] + generator.choice(TOKENS) + data[end:]
        elif choice == 2:
            data = data[:start] + generator.randbytes(3) + data[start:]
        else:
            data = data[:start] + data[start:end] * generator.randint(2, 50) + data[end:]
    return data


def mutate_query(path: str, generator: random.Random) -> str:
    """Return a path whose query has random changes, percent-encoded."""
    name, _mark, query = path.partition("?")
    changed = mutate(query.encode(), generator)
    text = "".join(chr(byte) if 33 <= byte < 127 and byte not in b'#"<>' else f"%{byte:02x}" for byte in changed)
    return f"{name}?{text}"


def attack_from_one_address(target: Target, outcome: Outcome, arguments: argparse.Namespace) -> None:
    """Send events with new visitors as fast as one address can."""

    def work(number: int) -> None:
        events = [{"type": "page", "anonymousId": f"{number}-{random.random()}"} for _event in range(100)]
        send(target, outcome, "POST", "/v1/batch", json.dumps({"batch": events}).encode(), build_key_headers(target))

    repeat_in_threads(arguments.seconds, work)


def attack_from_many_addresses(target: Target, outcome: Outcome, arguments: argparse.Namespace) -> None:
    """Send events and requests from 240 addresses."""

    def work(number: int) -> None:
        address = f"127.0.0.{random.randint(2, 250)}"
        body = json.dumps({"batch": [{"type": "page", "anonymousId": f"{random.random()}"}]}).encode()
        send(target, outcome, "POST", "/v1/batch", body, build_key_headers(target), source_address=address)
        send(target, outcome, "GET", RECOMMENDATIONS, headers=build_bearer(target), source_address=address)

    repeat_in_threads(arguments.seconds, work)


def attack_with_frozen_server(name: str) -> Callable[[Target, Outcome, argparse.Namespace], None]:
    """Return an attack during which a server does not answer, while visitors keep reading recommendations.

    At the same time, more requests need the database than the web server has threads.
    """

    def attack(target: Target, outcome: Outcome, arguments: argparse.Namespace) -> None:
        page = json.dumps({"batch": [{"type": "page", "anonymousId": "visitor"}]}).encode()

        def work(number: int) -> None:
            if number < RECOMMENDING_THREADS:
                began = time.perf_counter()
                send(target, outcome, "GET", RECOMMENDATIONS, headers=build_bearer(target))
                outcome.recommended.append(time.perf_counter() - began)
            elif number % 2:
                send(target, outcome, "POST", "/v1/batch", page, build_key_headers(target))
            else:
                send(target, outcome, "GET", "/health/ready")

        stop_tree(target.servers[name])
        try:
            repeat_in_threads(arguments.seconds, work, threads=RECOMMENDING_THREADS + WAITING_THREADS)
        finally:
            continue_tree(target.servers[name])

    return attack


def stop_tree(pid: int) -> None:
    """Freeze a process and its children."""
    for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGSTOP)


def continue_tree(pid: int) -> None:
    """Let a frozen process and its children continue."""
    with suppress(psutil.NoSuchProcess):
        for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)


def measure_megabytes(target: Target) -> float:
    """Return the memory of the web server with its workers."""
    total = 0
    for process in (psutil.Process(target.pid), *psutil.Process(target.pid).children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss
    return total / 1e6


ATTACKS: dict[str, Callable[[Target, Outcome, argparse.Namespace], None]] = {
    "slow_bodies": attack_with_slow_bodies,
    "deep_json": attack_with_deep_json,
    "wide_json": attack_with_wide_json,
    "gzip_bombs": attack_with_gzip_bombs,
    "mutated_inputs": attack_with_mutated_inputs,
    "one_address": attack_from_one_address,
    "many_addresses": attack_from_many_addresses,
    "frozen_postgres": attack_with_frozen_server("postgres"),
    "frozen_valkey": attack_with_frozen_server("valkey"),
}


if __name__ == "__main__":
    main()
