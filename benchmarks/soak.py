"""Mixed load on real servers for minutes: collector, recommendations, search, back office and sending, as `manage.py up` runs them.

Per part: requests, errors, p50 and p99 in ms. memory_mb_per_h: growth of each program after the first 30% of the time, by least squares.
events: those that the collector accepted compared with the stored ones, and their orders with their amounts; messages: recipients who got one
email, none or several. With --kill, every kind of process is killed in turn (kill -9), PostgreSQL and Valkey too, and everything must still
be there exactly once; errors during the restarts are counted. Prints one line of JSON.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import soak_load
from benchmarks.sending import run_sink
from benchmarks.soak_processes import Killer, MemorySampler, RunningShop
from config.embedded.server_process import find_free_port
from config.embedded.servers import EmbeddedServers

ROOT = Path(__file__).resolve().parent.parent
PRODUCTS = 1_000
MESSAGES_PER_MINUTE = 240
SAMPLE_SECONDS, KILL_SECONDS = 2.0, 12.0
START_SECONDS, DRAIN_SECONDS = 300.0, 300.0
# threads and requests per second of each
RATES = {"collector": (3, 4.0), "recommendations": (2, 6.0), "search": (1, 6.0), "back_office": (1, 1.0)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--kill", action="store_true", help="kill every kind of process in turn")
    parser.add_argument("--kill-seconds", type=float, default=KILL_SECONDS, help="between two kills")
    parser.add_argument("--folder", type=Path, help="keep the servers' data here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="perennial-soak-") as name:
        folder = arguments.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)  # PostgreSQL's own user has to enter it
        with run_sink("smtp", folder / "smtp") as smtp_port:
            print(json.dumps(measure(arguments, folder, smtp_port)))


def report(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def measure(arguments: argparse.Namespace, folder: Path, smtp_port: int) -> dict[str, Any]:
    environment = os.environ | {
        "PERENNIAL_VAR": str(folder / "var"),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "TWO_FACTOR_REQUIRED": "false",
        "EMAIL_HOST": "127.0.0.1",
        "EMAIL_PORT": str(smtp_port),
        "EMAIL_TLS": "off",
        "COLLECTOR_REQUESTS_PER_MINUTE": "1000000",
        "LOGIN_FAILURE_LIMIT": "100",
    }
    for name in ("DATABASE_URL", "VALKEY_URL"):
        environment.pop(name, None)
    servers = EmbeddedServers(folder / "var", report=report)
    try:
        addresses = servers.ensure(postgres=True, valkey=True)
        own = environment | {"DATABASE_URL": str(addresses.postgres), "VALKEY_URL": str(addresses.valkey)}
        seconds = arguments.minutes * 60
        recipients = max(int(MESSAGES_PER_MINUTE * arguments.minutes), 10)
        shop = run_shop_step(own, folder, "--recipients", str(recipients), "--seconds", str(seconds))
    finally:
        servers.release()
    running = RunningShop(find_free_port(), folder, environment)
    try:
        wait_for_health(running)
        return run_load(arguments, folder, running, shop, own, seconds, recipients)
    finally:
        running.stop()


def run_shop_step(environment: dict[str, str], folder: Path, *options: str) -> dict[str, Any]:
    command = [
        sys.executable,
        "-m",
        "benchmarks.soak_shop",
        "--folder",
        str(folder),
        "--products",
        str(PRODUCTS),
        *options,
    ]
    process = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    result: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return result


def wait_for_health(running: RunningShop) -> None:
    """Wait until the shop is ready to serve. Raises TimeoutError."""
    probe = soak_load.LoadThread("health", running.port, soak_load.PartTally(), per_second=1, stopped=threading.Event())
    deadline = time.monotonic() + START_SECONDS
    while probe.request("GET", "/health/ready", None, {}) != 200:
        running.keep_running()
        if time.monotonic() > deadline:
            raise TimeoutError(f"The shop is not ready after {START_SECONDS:.0f} s: {running.folder / 'up.log'}")
        time.sleep(0.5)
    probe.close()


def run_load(
    arguments: argparse.Namespace,
    folder: Path,
    running: RunningShop,
    shop: dict[str, Any],
    environment: dict[str, str],
    seconds: float,
    recipients: int,
) -> dict[str, Any]:
    schedule = ["--recipients", "0", "--seconds", str(seconds * 0.9), "--schedule"]
    run_shop_step(environment, folder, *schedule)
    tallies = {part: soak_load.PartTally() for part in RATES}
    stopped = threading.Event()
    threads = build_threads(running.port, shop, tallies, stopped)
    sampler, killer = MemorySampler(), Killer(data=folder / "var" / "postgres", valkey_url=environment["VALKEY_URL"])
    restarts = 0
    for thread in threads:
        thread.start()
    started = time.monotonic()
    next_kill = started + arguments.kill_seconds
    while (now := time.monotonic()) < started + seconds:
        sampler.take(running)
        if arguments.kill and now > next_kill and now < started + seconds - arguments.kill_seconds:
            next_kill = now + arguments.kill_seconds
            report(f"{now - started:.0f} s: killed {killer.kill_next(running)}")
        restarts += running.keep_running()
        time.sleep(SAMPLE_SECONDS)
    stopped.set()
    while any(thread.is_alive() for thread in threads):
        restarts += running.keep_running()
        time.sleep(0.5)
    took = time.monotonic() - started
    wait_for_health(running)
    collectors = [thread for thread in threads if isinstance(thread, soak_load.CollectorThread)]
    return {
        "minutes": round(took / 60, 2),
        **{part: tally.summarize() for part, tally in tallies.items()},
        "events": account_events(environment["DATABASE_URL"], collectors),
        "messages": account_messages(environment["DATABASE_URL"], folder / "smtp", recipients),
        "memory_mb_per_h": sampler.fit_slopes(),
        "memory_peak_mb": sampler.find_peaks(),
        "kills": killer.kills,
        "restarts_of_up": restarts,
    }


def build_threads(
    port: int, shop: dict[str, Any], tallies: dict[str, soak_load.PartTally], stopped: threading.Event
) -> list[soak_load.LoadThread]:
    api = {"Authorization": f"Bearer {shop['api_key']}", "Accept": "application/json"}
    readers = {
        "recommendations": ([f"/api/v1/recommendations/for-you/?user_id=soak-{person}" for person in range(500)], api),
        "search": ([f"/api/v1/search/?q={word.replace(' ', '+')}" for word in soak_load.WORDS], api),
        "back_office": (shop["pages"], {"Cookie": shop["cookie"]}),
    }
    threads: list[soak_load.LoadThread] = []
    for part, (number, per_second) in RATES.items():
        for position in range(number):
            options: dict[str, Any] = {"per_second": per_second, "stopped": stopped}
            if part == "collector":
                options |= {"write_key": shop["write_key"], "products": PRODUCTS}
                threads.append(soak_load.CollectorThread(position, port, tallies[part], **options))
            else:
                targets, headers = readers[part]
                threads.append(
                    soak_load.ReaderThread(part, port, tallies[part], targets=targets, headers=headers, **options)
                )
    return threads


def account_events(database: str, collectors: list[soak_load.CollectorThread]) -> dict[str, Any]:
    """Compare what was accepted with what is stored and processed, when nothing waits any more."""
    sent = sum(thread.events for thread in collectors)
    unaccepted = sum(thread.unaccepted for thread in collectors)
    wait_until_zero(database, "SELECT count(*) FROM events_outbox")
    stored, distinct = query(
        database, "SELECT count(*), count(DISTINCT message_id) FROM events_event WHERE message_id LIKE 'soak-%%'"
    )
    orders, money = query(
        database,
        "SELECT count(DISTINCT o.id), coalesce(sum(l.total), 0) FROM orders_order o JOIN orders_orderline l ON l.order_id = o.id"
        " WHERE o.order_id LIKE 'soak-%%'",
    )
    sent_orders, sent_money = sum(thread.orders for thread in collectors), sum(thread.money for thread in collectors)
    return {
        "sent": sent,
        "not_accepted": unaccepted,
        "stored": stored,
        "lost": max(sent - unaccepted - distinct, 0),
        "doubled": stored - distinct,
        "orders_sent": sent_orders,
        "orders_stored": orders,
        "money_sent": str(sent_money),
        "money_difference": str(Decimal(money) - Decimal(sent_money)),
    }


def account_messages(database: str, log: Path, recipients: int) -> dict[str, Any]:
    """Compare the recipients with the emails that arrived; the answer of an uncertain one is missing."""
    wait_until_zero(
        database, "SELECT count(*) FROM sending_delivery WHERE status IN ('pending', 'sending') AND due_at < now()"
    )
    arrived = Counter(log.read_text().split())
    statuses = dict(query_all(database, "SELECT status, count(*) FROM sending_delivery GROUP BY status"))
    uncertain = int(statuses.get("uncertain", 0))
    return {
        "recipients": recipients,
        "arrived": len(arrived),
        "doubled": sum(number > 1 for number in arrived.values()),
        "missed": max(recipients - len(arrived) - uncertain, 0),
        "uncertain": uncertain,
        "statuses": statuses,
    }


def wait_until_zero(database: str, statement: str) -> None:
    deadline = time.monotonic() + DRAIN_SECONDS
    while query(database, statement)[0] and time.monotonic() < deadline:
        time.sleep(0.5)


def query(database: str, statement: str) -> tuple[Any, ...]:
    return query_all(database, statement)[0]


def query_all(database: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database) as connection:
        return connection.execute(statement.replace("%%", "%").encode()).fetchall()


if __name__ == "__main__":
    main()
