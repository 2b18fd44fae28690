"""Sending to made customers: decisions, SMTP and webhooks on loopback sinks, and kill -9 of the worker three times in the middle.

decisions_per_s: claiming, checking (consent, suppression, caps, quiet hours, holdout) and recording, without sending. smtp_sends_per_s and
webhook_sends_per_s: all of it with rendering, to a sink in another process, on this machine. peak_mb: the worker with its delivery process.
doubled and missed: recipients who got more than one, or no, email although the worker was killed three times; uncertain: deliveries whose
answer is missing. smtp_floor_per_s: bare smtplib with a ready message, one connection, to the same sink. Emails are about 4 kB.
"""

import argparse
import json
import os
import smtplib
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from datetime import time as clock
from pathlib import Path
from typing import Any

import psutil

from benchmarks.embedded_servers import run_embedded_servers

ROOT = Path(__file__).resolve().parent.parent
DUE = datetime(2026, 11, 24, 12, tzinfo=UTC)
BATCH = 5_000
FLOOR_MESSAGES = 2_000
KILLS = 3
PARAGRAPH = "A short text about products that this customer may like, and why they are on sale this week only. " * 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipients", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="keep the servers' data here")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="perennial-sinks-") as folder,
        run_sink("smtp", Path(folder) / "smtp") as smtp_port,
        run_sink("http", Path(folder) / "http") as http_port,
        run_embedded_servers(
            "sending",
            report=report,
            folder=arguments.folder,
            EMAIL_HOST="127.0.0.1",
            EMAIL_PORT=str(smtp_port),
            EMAIL_TLS="off",
            WEBHOOK_PRIVATE_HOSTS="127.0.0.1",
        ),
    ):
        print(json.dumps(measure(arguments.recipients, Path(folder), smtp_port, http_port)))


def report(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


@contextmanager
def run_sink(kind: str, path: Path) -> Iterator[int]:
    command = [sys.executable, "-m", "benchmarks.sending_sinks", kind, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as sink:
        assert sink.stdout is not None
        try:
            yield int(sink.stdout.readline())
        finally:
            sink.kill()


def measure(recipients: int, folder: Path, smtp_port: int, http_port: int) -> dict[str, Any]:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    line: dict[str, Any] = {"recipients": recipients}
    versions = prepare(recipients, http_port)
    line["queued_per_s"] = round(recipients / queue(1, versions["email"], "email"))
    line["decisions_per_s"] = round(recipients / decide_all())
    floor = measure_floor(smtp_port)
    line["smtp_floor_per_s"] = round(floor)
    smtp_log, http_log = folder / "smtp", folder / "http"
    smtp_log.write_text("")
    seconds, line["peak_mb"] = run_worker(recipients, smtp_log)
    line["smtp_sends_per_s"] = round(recipients / seconds)
    queue(2, versions["webhook"], "webhook")
    seconds, _peak = run_worker(recipients, http_log)
    line["webhook_sends_per_s"] = round(recipients / seconds)
    queue(3, versions["email"], "email")
    smtp_log.write_text("")
    line |= kill_and_restart(recipients, smtp_log)
    return line


def prepare(recipients: int, http_port: int) -> dict[str, int]:
    """Create the customers, their consents, the settings and a template per channel; return the versions."""
    from django.db import connection
    from django.utils import timezone

    from customers.identity.models import Customer
    from recommendations.messaging.compilation.compiler import ContentSource
    from recommendations.messaging.versions import create_template, publish_draft
    from recommendations.sending.channels.accounts import save_account
    from recommendations.sending.models import SendingSettings

    report(f"Creating {recipients} customers …")
    for start in range(0, recipients, BATCH):
        Customer.objects.bulk_create(
            Customer(name=f"Customer {number}", email=f"c{number}@example.com", country="DE", language="en")
            for number in range(start, min(start + BATCH, recipients))
        )
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO identity_consent (customer_id, purpose, status, policy_version, source, recorded_at) "
            "SELECT id, 'email', 'granted', '', '', %s FROM identity_customer",
            [DUE],
        )
        cursor.execute("ANALYZE identity_customer, identity_consent")
    caps = [{"channel": "email", "messages": 100, "days": 7}]
    # quiet hours that are never now, so that they are computed and hold nothing back
    hour = (timezone.now().hour + 12) % 24
    SendingSettings(caps=caps, quiet_from=clock(hour), quiet_until=clock(hour, 30)).save()
    save_account(
        "webhook",
        provider="webhook",
        options={"url": f"http://127.0.0.1:{http_port}/hook"},
        secrets={"secret": "benchmark"},
    )
    source = (
        "<mjml><mj-body><mj-section><mj-column>"
        '<mj-text>Hello {{ customer.name|default:"there" }}</mj-text>'
        f"<mj-text>{PARAGRAPH}</mj-text>"
        '<mj-button href="https://shop.example/sale">Open the shop</mj-button>'
        "</mj-column></mj-section><mj-footer></mj-footer></mj-body></mjml>"
    )
    contents = {
        "email": ContentSource("en", source, "Hello {{ customer.name }}"),
        "webhook": ContentSource("en", '{"a": 1}', ""),
    }
    versions = {}
    for channel, content in contents.items():
        template = create_template(key=channel, name=channel, contents={"en": content}, channel=channel)
        publish_draft(template=template, now=DUE)
        versions[channel] = template.versions.get().pk
    return versions


def queue(origin_id: int, version_id: int, channel: str) -> float:
    """Queue a message to everybody; return the seconds."""
    from customers.identity.models import Customer
    from recommendations.sending.queue import queue_audience

    started = time.perf_counter()
    queue_audience(
        origin_kind="campaign",
        origin_id=origin_id,
        customers=Customer.objects.all(),
        template_version_id=version_id,
        channel=channel,
        due_at=DUE,
    )
    return time.perf_counter() - started


def decide_all() -> float:
    """Decide about everything that is due and put it back; return the seconds of the decisions."""
    from django.db import connection
    from django.utils import timezone

    from recommendations.sending.sender import CHUNK_ROWS, SendingWorker

    worker = SendingWorker(now=timezone.now())
    started = time.perf_counter()
    while worker.decide_chunk(CHUNK_ROWS):
        pass
    seconds = time.perf_counter() - started
    worker.finish()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE sending_delivery SET status = 'pending', claim = '', claimed_at = NULL, attempts = 0")
        cursor.execute("VACUUM ANALYZE sending_delivery")
    return seconds


def measure_floor(port: int) -> float:
    """Return how many ready messages per second bare smtplib sends."""
    body = f"Subject: Hello\r\n\r\n{PARAGRAPH}\r\n".encode() * 4
    with smtplib.SMTP("127.0.0.1", port) as server:
        started = time.perf_counter()
        for number in range(FLOOR_MESSAGES):
            server.sendmail("a@example.com", [f"floor{number}@example.com"], body)
        return FLOOR_MESSAGES / (time.perf_counter() - started)


def start_worker() -> subprocess.Popen[bytes]:
    command = [sys.executable, "manage.py", "send_messages"]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ, stdout=subprocess.DEVNULL)


def count_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def run_worker(recipients: int, log: Path) -> tuple[float, float]:
    """Let a worker send everything; return the seconds from the first message on, and the peak of its memory in MB."""
    worker = start_worker()
    process, peak, started, skipped = psutil.Process(worker.pid), 0.0, 0.0, 0
    while worker.poll() is None:
        peak = max(peak, measure_memory(process))
        if not started and (skipped := count_lines(log)):
            started = time.perf_counter()
        time.sleep(0.1)
    seconds = time.perf_counter() - started
    report(f"{count_lines(log)} of {recipients} arrived, {seconds:.1f} s.")
    return seconds * recipients / max(recipients - skipped, 1), round(peak)


def measure_memory(process: psutil.Process) -> float:
    try:
        return sum(part.memory_info().rss for part in [process, *process.children(recursive=True)]) / 2**20
    except psutil.NoSuchProcess:
        return 0.0


def kill_and_restart(recipients: int, log: Path) -> dict[str, int]:
    """Kill the worker three times, restart it until nothing is left, and count what arrived."""
    from recommendations.sending.models import Delivery

    for kill in range(KILLS):
        worker = start_worker()
        while worker.poll() is None and count_lines(log) < recipients * (kill + 1) // (KILLS + 1):
            time.sleep(0.02)
        worker.kill()
        worker.wait()
        report(f"Killed after {count_lines(log)} messages.")
    deliveries = Delivery.objects.filter(origin_id=3)
    while deliveries.filter(status__in=("pending", "sending")).exists():
        start_worker().wait()
    arrived = Counter(log.read_text().split())
    uncertain = deliveries.filter(status="uncertain").count()
    return {
        "doubled": sum(number > 1 for number in arrived.values()),
        "missed": recipients - uncertain - len(arrived),
        "uncertain": uncertain,
    }


if __name__ == "__main__":
    main()
