"""Measure what a dead destination costs the collector: one that accepts connections and never answers.

The web server gets single events at a fixed rate, while a process does the work of the worker: it processes events and runs the job of the
destinations. Rounds without and with the dead destination alternate. In the rounds with it, pauses and breaker are reset before every run of
the job, so that a request is waiting for an answer nearly all the time, which is worse than in use.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from benchmarks.embedded_servers import run_embedded_servers
from benchmarks.ingest import build_load_command, empty_tables, log, run_step, run_web_server

SECONDS, ROUNDS, RATE, CONNECTIONS = 20.0, 7, 300.0, 8
JOB_SECONDS = 10.0  # between two runs of the job, as scheduled


def main() -> None:
    arguments = parse_arguments()
    if arguments.only:
        print(json.dumps(work(arguments)))
        return
    with run_embedded_servers("destinations", report=log), run_silent_server() as port:
        print(json.dumps(measure(arguments, port)))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="duration of each round")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds without and with the dead destination each")
    parser.add_argument("--rate", type=float, default=RATE, help="events per second, one per request")
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--only", choices=("work",), help=argparse.SUPPRESS)
    return parser.parse_args()


@contextmanager
def run_silent_server() -> Iterator[int]:
    """Accept connections, and neither read nor answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        connections: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    connections.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield int(server.getsockname()[1])


def measure(arguments: argparse.Namespace, port: int) -> dict[str, Any]:
    os.environ["WEBHOOK_PRIVATE_HOSTS"] = "127.0.0.1"
    keys = run_step("prepare", arguments)
    without: list[dict[str, float]] = []
    dead: list[dict[str, float]] = []
    with run_web_server() as web_port:
        run_round(arguments, web_port, keys["write_key"], destination_port=0, seed=0)  # to warm up
        for number in range(1, arguments.rounds + 1):
            order = [(without, 0), (dead, port)]
            for results, destination_port in order if number % 2 else reversed(order):
                results.append(
                    run_round(arguments, web_port, keys["write_key"], destination_port=destination_port, seed=number)
                )
                log(f"round {number}, {'dead destination' if destination_port else 'none'}: {results[-1]}")
    p99, dead_p99 = (statistics.median(result["p99_ms"] for result in results) for results in (without, dead))
    # from consecutive rounds, because what slows the machine for minutes slows both
    changes = [(slow["p99_ms"] / fast["p99_ms"] - 1) * 100 for fast, slow in zip(without, dead, strict=True)]
    return {
        "p99_ms": round(p99, 2),
        "dead_p99_ms": round(dead_p99, 2),
        "change_percent": round(statistics.median(changes), 1),
        "every_change_percent": [round(change, 1) for change in changes],
        "p50_ms": round(statistics.median(result["p50_ms"] for result in without), 2),
        "dead_p50_ms": round(statistics.median(result["p50_ms"] for result in dead), 2),
        "every_p99_ms": [round(result["p99_ms"], 2) for result in without],
        "every_dead_p99_ms": [round(result["p99_ms"], 2) for result in dead],
        "events_per_s": arguments.rate,
        "hanging_requests": sum(int(result["failed"]) for result in dead),
        "collected": sum(int(result["collected"]) for result in dead),
        "refused": sum(int(result["refused"]) for result in (*without, *dead)),
        "rounds": arguments.rounds,
        "processors": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "notes": "medians of the rounds, which alternate, and of the changes in their pairs; all processes share the machine",
    }


def run_round(
    arguments: argparse.Namespace, port: int, key: str, *, destination_port: int, seed: int
) -> dict[str, float]:
    empty_tables()
    command = [sys.executable, "-m", "benchmarks.destinations", "--only", "work"]
    worker = subprocess.Popen(
        [*command, "--seconds", str(arguments.seconds), "--port", str(destination_port)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdout is not None
    worker.stdout.readline()  # it is ready
    load = build_load_command(port, key, arguments.seconds, 0, CONNECTIONS, seed, 0, arguments.rate)
    result = json.loads(subprocess.run(load, check=True, stdout=subprocess.PIPE, text=True).stdout)
    done = json.loads(worker.communicate(timeout=120)[0].splitlines()[-1])
    refused = sum(result["refused"].values())
    return {"p50_ms": result["p50_ms"], "p99_ms": result["p99_ms"], "refused": refused, **done}


def work(arguments: argparse.Namespace) -> dict[str, Any]:
    """Do what the worker does: process events all the time, and send to destinations as scheduled."""
    import django

    django.setup()
    from config.foundation.circuit_breakers.breaker import CircuitBreaker
    from config.management.commands.up import FREQUENT_NICENESS
    from customers.destinations.models import Destination, DestinationBatch, OutgoingRecord
    from customers.destinations.outbox import access
    from customers.destinations.tasks import send_to_destinations
    from customers.processing.pipeline import process_events

    os.nice(FREQUENT_NICENESS)  # as `up` starts the worker
    prepare_destination(arguments.port)
    print("ready", flush=True)
    deadline, next_job = time.monotonic() + arguments.seconds, 0.0
    while time.monotonic() < deadline:
        process_events(at=datetime.now(UTC))
        if time.monotonic() >= next_job:
            next_job = time.monotonic() + JOB_SECONDS
            for destination in Destination.objects.all():
                CircuitBreaker(access.name_breaker(destination)).reset()
            Destination.objects.update(retry_at=None)
            DestinationBatch.objects.filter(status="waiting").update(next_attempt_at=datetime.now(UTC))
            send_to_destinations()
        time.sleep(0.5)
    failed = sum(DestinationBatch.objects.values_list("attempts", flat=True))
    return {"failed": failed, "collected": OutgoingRecord.objects.count()}


def prepare_destination(port: int) -> None:
    """Set up only the dead destination, or none; customers who gave no answer allow sharing, so that requests are sent."""
    from customers.destinations.models import Destination, OutgoingRecord
    from customers.destinations.outbox.collecting import start_cursors
    from customers.identity.models import ConsentSettings

    ConsentSettings.objects.update_or_create(pk=1, defaults={"opt_in": {"other": ["email", "sms", "push"]}})
    OutgoingRecord.objects.all().delete()
    Destination.objects.all().delete()
    if port:
        destination = Destination.objects.create(
            name="Dead",
            kind="webhook",
            options={"url": f"http://127.0.0.1:{port}/"},
            credentials=json.dumps({"secret": f"whsec_{'A' * 32}"}),
            streams=["events"],
        )
        start_cursors(destination)


if __name__ == "__main__":
    main()
