"""Measure the collector under load on embedded servers in a temporary folder; servers and load generator share the machine.

Events are about 1 kB; a third of the sessions have a known user. `batched` sends 100 events per call, `single` one event per call;
the latencies are of single calls. `statement` is the insert statement alone, over one connection without HTTP, 100 rows each, in
the same run. `visible` is the time from sending an event until a recommendation reflects it, on an otherwise idle server. With
--events, all of Perennial runs instead, with worker and beat, and a curve of its memory and of the waiting events is written.
"""

import argparse
import csv
import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import psycopg

from benchmarks.clickstream import make_events
from benchmarks.embedded_servers import run_embedded_servers
from config.embedded.server_process import find_free_port

SECONDS = 10.0
ROUNDS = 3
BATCH = 100
BATCH_CONNECTIONS, SINGLE_CONNECTIONS = 8, 32
STATEMENTS = 300
PROCESSED = 50_000
VISITORS = 60
SAMPLE_SECONDS = 2.0
SIZE = """
SELECT sum(pg_total_relation_size(oid)) FROM pg_class
WHERE relname IN ('events_eventreceipt', 'events_outbox') OR relname LIKE 'events_event_%' AND relkind = 'r'
"""


def main() -> None:
    arguments = parse_arguments()
    if arguments.only:
        print(json.dumps(CHILDREN[arguments.only](arguments)))
        return
    with run_embedded_servers("ingest", report=log):
        print(json.dumps(measure_memory_and_lag(arguments) if arguments.events else measure(arguments)))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="duration of each measurement under load")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="number of rounds; the best is reported")
    parser.add_argument("--events", type=int, default=0, help="send this many events and record memory and lag instead")
    parser.add_argument("--rate", type=float, default=0.0, help="with --events: maximum events per second")
    parser.add_argument(
        "--curve", type=Path, default=Path("ingest-curve.csv"), help="with --events: file for the samples"
    )
    parser.add_argument("--only", choices=sorted(CHILDREN), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.seconds <= 0 or arguments.rounds < 1 or arguments.events < 0 or arguments.rate < 0:
        parser.error("--seconds and --rounds must be above 0, --events and --rate at least 0")
    return arguments


def measure(arguments: argparse.Namespace) -> dict[str, object]:
    keys = run_step("prepare", arguments)
    statements, batched, single = [], [], []
    with run_web_server() as port:
        for number in range(1, arguments.rounds + 1):
            empty_tables()
            statements.append(run_step("statement", arguments))
            log(f"round {number}: insert statement only, {statements[-1]['rows_per_s']:,.0f} rows/s")
            empty_tables()
            batched.append(
                generate_load(port, keys["write_key"], arguments.seconds, BATCH, BATCH_CONNECTIONS, seed=number)
            )
            bytes_per_event = query_value(SIZE) / batched[-1]["accepted"]
            check_stored_events(batched[-1])
            log(f"round {number}: in batches, {batched[-1]['events_per_s']:,.0f} events/s")
            empty_tables()
            single.append(generate_load(port, keys["write_key"], arguments.seconds, 0, SINGLE_CONNECTIONS, seed=number))
            check_stored_events(single[-1])
            log(f"round {number}: one by one, {single[-1]['requests_per_s']:,.0f} requests/s")
        visible = [measure_seconds_until_visible(port, keys) for _visitor in range(VISITORS)]
        log("filling the outbox for the processor")
        empty_tables()
        generate_load(port, keys["write_key"], 0, BATCH, BATCH_CONNECTIONS, seed=99, events=PROCESSED)
    processed = run_step("process", arguments)
    best, quick = (
        max(batched, key=lambda result: result["events_per_s"]),
        max(single, key=lambda result: result["requests_per_s"]),
    )
    statement = max(result["rows_per_s"] for result in statements)
    return {
        "batched_events_per_s": round(best["events_per_s"]),
        "single_requests_per_s": round(quick["requests_per_s"]),
        "p50_ms": round(quick["p50_ms"], 2),
        "p99_ms": round(quick["p99_ms"], 2),
        "batched_p50_ms": round(best["p50_ms"], 2),
        "batched_p99_ms": round(best["p99_ms"], 2),
        "statement_rows_per_s": round(statement),
        "ratio": round(best["events_per_s"] / statement, 2),
        "processed_events_per_s": round(processed["events_per_s"]),
        "processor_peak_mb": processed["peak_mb"],
        "bytes_per_event": round(bytes_per_event),
        "visible_p95_ms": round(compute_percentile(visible, 0.95) * 1000, 1),
        "every_batched_events_per_s": [round(result["events_per_s"]) for result in batched],
        "every_single_requests_per_s": [round(result["requests_per_s"]) for result in single],
        "generator_cpu_s": round(sum(result["generator_cpu_s"] for result in (*batched, *single)), 1),
        "generated_s": round(sum(result["seconds"] for result in (*batched, *single)), 1),
        "processors": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "notes": f"best of {arguments.rounds} rounds; load by benchmarks.clickstream, {BATCH_CONNECTIONS} connections in batches, "
        f"{SINGLE_CONNECTIONS} one by one; p50_ms and p99_ms of single calls; visible on an otherwise idle server; bytes_per_event "
        "with indexes, receipts and outbox; processor over " + f"{PROCESSED:,} events",
    }


def measure_memory_and_lag(arguments: argparse.Namespace) -> dict[str, object]:
    """Send many events to all of Perennial, and sample memory and lag until all are processed."""
    keys = run_step("prepare", arguments)
    port = find_free_port()
    command = [sys.executable, "manage.py", "up", "--port", str(port), "--grace", "5"]
    started = time.perf_counter()
    samples: list[dict[str, float]] = []
    with run_program(command, port) as up:
        sender = subprocess.Popen(
            build_load_command(
                port, keys["write_key"], 0, BATCH, BATCH_CONNECTIONS, 1, arguments.events, arguments.rate
            ),
            stdout=subprocess.PIPE,
            text=True,
        )
        while sender.poll() is None or samples[-1]["waiting"] > 0:
            samples.append(take_sample(up, time.perf_counter() - started))
            log(", ".join(f"{name} {number:,.0f}" for name, number in samples[-1].items()))
            time.sleep(SAMPLE_SECONDS)
        assert sender.stdout is not None
        sender_result = json.loads(sender.stdout.read())
        samples.append(take_sample(up, time.perf_counter() - started))
    with arguments.curve.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(samples[0]))
        writer.writeheader()
        writer.writerows({name: round(number, 1) for name, number in result.items()} for result in samples)
    late = samples[len(samples) // 4 :]  # after every module has been loaded
    return {
        "events": sender_result["accepted"],
        "events_per_s": round(sender_result["events_per_s"]),
        "p99_ms": round(sender_result["p99_ms"], 1),
        "refused": sender_result["refused"],
        "stored": query_value("SELECT count(*) FROM events_event"),
        "most_waiting": round(max(result["waiting"] for result in samples)),
        "most_lag_s": round(max(result["lag_s"] for result in samples), 1),
        "web_mb_growth": round(late[-1]["web_mb"] - late[0]["web_mb"], 1),
        "worker_mb_growth": round(late[-1]["worker_mb"] - late[0]["worker_mb"], 1),
        "web_mb": round(samples[-1]["web_mb"]),
        "worker_mb": round(samples[-1]["worker_mb"]),
        "seconds": round(time.perf_counter() - started, 1),
        "samples": len(samples),
        "curve": str(arguments.curve),
        "notes": "growth is from the end of the first quarter of the samples to the last; lag_s is the age of the oldest waiting event",
    }


def take_sample(up: int, seconds: float) -> dict[str, float]:
    megabytes = {"web": 0.0, "worker": 0.0}
    for process in psutil.Process(up).children(recursive=True):
        try:
            line = " ".join(process.cmdline())
            name = "web" if "config.web_server" in line else "worker" if "worker" in line else ""
            if name:
                megabytes[name] += process.memory_info().rss / 1e6
        except psutil.NoSuchProcess:
            continue
    waiting, oldest, stored = query_value(
        "SELECT (SELECT count(*) FROM events_outbox),"
        " (SELECT extract(epoch FROM clock_timestamp() - received_at) FROM events_outbox ORDER BY event_id LIMIT 1),"
        " (SELECT count(*) FROM events_event)"
    )
    return {
        "seconds": seconds,
        "stored": stored,
        "waiting": waiting,
        "lag_s": float(oldest or 0),
        "web_mb": megabytes["web"],
        "worker_mb": megabytes["worker"],
    }


@contextmanager
def run_web_server() -> Iterator[int]:
    """Run the web server as `up` does; yield its port."""
    import django

    django.setup()
    from config.management.commands.up import build_programs

    port = find_free_port()
    options = {"host": "127.0.0.1", "web_workers": 2, "no_web": False, "no_worker": True, "no_beat": True}
    [program] = build_programs(options, port)
    with run_program(program.command, port, program.environment):
        yield port


@contextmanager
def run_program(command: Sequence[str], port: int, environment: Mapping[str, str] | None = None) -> Iterator[int]:
    """Run a program until it listens on the port; yield its process id."""
    process = subprocess.Popen(
        command, env={**os.environ, **(environment or {})}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 90
        while not is_listening(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{' '.join(command)} does not listen on port {port}")
            time.sleep(0.1)
        time.sleep(2)  # so that both workers have finished their imports
        yield process.pid
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def is_listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def build_load_command(
    port: int, key: str, seconds: float, batch: int, connections: int, seed: int, events: int, rate: float
) -> list[str]:
    command = [sys.executable, "-m", "benchmarks.clickstream", "--port", str(port), "--key", key, "--batch", str(batch)]
    command += ["--connections", str(connections), "--seconds", str(seconds), "--seed", str(seed)]
    return [*command, "--events", str(events), "--rate", str(rate)]


def generate_load(
    port: int, key: str, seconds: float, batch: int, connections: int, *, seed: int, events: int = 0
) -> dict[str, Any]:
    command = build_load_command(port, key, seconds, batch, connections, seed, events, 0.0)
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def check_stored_events(load: dict[str, Any]) -> None:
    """Check that exactly the accepted events are stored."""
    stored = query_value("SELECT count(*) FROM events_event")
    assert (stored, load["refused"]) == (load["accepted"], {}), (stored, load)


def measure_seconds_until_visible(port: int, keys: dict[str, Any]) -> float:
    """Return the seconds from a new visitor's product view until their recommendations are based on it."""
    visitor = uuid4().hex
    event = {"event": "Product Viewed", "anonymousId": visitor, "properties": {"product_id": "tea-1"}}
    started = time.perf_counter()
    response = send_request(port, "/v1/track", {"X-Write-Key": keys["write_key"]}, event)
    assert response["accepted"] == 1, response
    headers = {"Authorization": f"Bearer {keys['api_key']}"}
    while (
        send_request(port, f"/api/v1/recommendations/for-you/?anonymous_id={visitor}&n=3", headers)["fallback"]
        is not None
    ):
        if time.perf_counter() - started > 10:
            raise RuntimeError("the recommendations do not reflect the event within 10 s")
    return time.perf_counter() - started


def send_request(port: int, path: str, headers: dict[str, str], body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def run_step(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run one step in its own process."""
    command = [sys.executable, "-m", "benchmarks.ingest", "--only", name, "--seconds", str(arguments.seconds)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def prepare(arguments: argparse.Namespace) -> dict[str, Any]:
    """Migrate, create a source, and train a model on a small shop with two tastes, for the recommendations."""
    import django

    django.setup()
    from django.core.management import call_command

    from catalog.models import Product
    from config.access.keys import create_api_key
    from config.access.models import ApiKey
    from config.access.scopes import KNOWN_SCOPES
    from customers.events.models import Source
    from customers.events.sources.write_keys import rotate_write_key
    from customers.identity.resolution.user_ids import find_or_create_customers
    from customers.orders.models import Order, OrderLine

    log("migrating, training on a small shop")
    call_command("migrate", verbosity=0)
    now = datetime.now(UTC)
    source = Source.objects.create(key="bench", name="bench", kind=Source.Kind.SERVER)
    products = [
        Product.objects.create(product_id=f"{taste}-{index}", title=f"{taste} {index}", price="4.50", currency="EUR")
        for taste in ("tea", "coffee")
        for index in range(4)
    ]
    customers = find_or_create_customers(user_ids=[f"u{customer}" for customer in range(40)], seen_at=now)
    for customer, customer_id in enumerate(customers.values()):
        for turn in range(10):
            order = Order.objects.create(
                source=source,
                order_id=f"o-{customer}-{turn}",
                customer_id=customer_id,
                placed_at=now - timedelta(days=1 + 14 * turn, minutes=customer),
                currency="EUR",
                subtotal="9.00",
                total="9.00",
            )
            for number in (1, 2):
                product = products[(customer % 2) * 4 + (customer + turn + number) % 4]
                OrderLine.objects.create(
                    order=order, line_number=number, product=product, quantity=1, unit_price="4.50", total="4.50"
                )
    call_command("export_warehouse", verbosity=0, stdout=sys.stderr)
    call_command("train", verbosity=0, stdout=sys.stderr)
    _key, plain = create_api_key(name="bench", kind=ApiKey.Kind.SECRET, scopes=sorted(KNOWN_SCOPES), now=now)
    return {"write_key": rotate_write_key(source_id=source.pk, now=now), "api_key": plain}


def time_statement(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure the rows per second of the insert statement over one connection, including building its parameters."""
    import django

    django.setup()
    from customers.events.collector.event_store import CollectorCall, EventWriter
    from customers.events.collector.group_commit import open_connection
    from customers.events.collector.ingest import parse_items
    from customers.events.collector.parsing import RequestContext
    from customers.events.models import Source

    source_id = Source.objects.get(key="bench").pk
    events = make_events(random.Random(7))
    calls = []
    for _call in range(STATEMENTS):
        items = enumerate(next(events).encode() for _ in range(BATCH))
        calls.append(CollectorCall(parse_items(items, RequestContext(source_id, datetime.now(UTC)))[0]))
    connection = open_connection()
    writer = EventWriter(connection, connection.transaction)
    started = time.perf_counter()
    new = sum(len(writer.store([call])[0].rows) for call in calls)
    seconds = time.perf_counter() - started
    assert new == STATEMENTS * BATCH
    return {"rows_per_s": new / seconds}


def process(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure the events per second of the processor on the waiting events."""
    import django

    django.setup()
    from customers.processing.pipeline import process_events

    started = time.perf_counter()
    processed = process_events(at=datetime.now(UTC))
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"events_per_s": processed.events / seconds, "peak_mb": round(peak / 1024)}


CHILDREN: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "prepare": prepare,
    "statement": time_statement,
    "process": process,
}


def empty_tables() -> None:
    """Empty the tables and run a checkpoint, so that every measurement starts in the same state."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("TRUNCATE events_event, events_eventreceipt, events_outbox, events_rejectedevent")
        connection.execute("CHECKPOINT")


def query_value(query: str) -> Any:
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0] if len(row) == 1 else row


def compute_percentile(numbers: list[float], share: float) -> float:
    return sorted(numbers)[min(len(numbers) - 1, int(len(numbers) * share))]


def log(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
