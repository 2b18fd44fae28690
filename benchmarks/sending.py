"""Sending to generated customers: decisions, SMTP and webhooks on loopback sinks, and kill -9 of the worker three times midway.

decisions_per_s: claiming, checking (consent, suppression, caps, quiet hours, holdout) and recording, without sending, for every recipient.
smtp_sends_per_s and webhook_sends_per_s: all of it with rendering, to a sink in another process on this machine, for ``--sends`` emails and
a quarter of them webhooks. peak_mb: the worker with its delivery process; mb_growth: after a quarter of the emails until the end.
email_cpu_ms: processor time of both for an email, without that of PostgreSQL. doubled and missed: of ``--sends`` recipients, those who got
more than one, or no, email although the worker was killed three times; uncertain: deliveries whose answer is missing. smtp_floor_per_s:
bare smtplib with a ready message, one connection, to the same sink. Emails are about 10 kB.
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
from dataclasses import dataclass
from datetime import UTC, datetime
from datetime import time as clock
from pathlib import Path
from typing import Any

import psutil

from benchmarks.embedded_servers import run_embedded_servers

ROOT = Path(__file__).resolve().parent.parent
DUE = datetime(2026, 11, 24, 12, tzinfo=UTC)
FLOOR_MESSAGES = 2_000
KILLS = 3
PARAGRAPH = "A short text about products that this customer may like, and why they are on sale this week only. " * 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipients", type=int, default=100_000)
    parser.add_argument("--sends", type=int, default=150_000, help="recipients of emails, at most --recipients")
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
        sends = min(arguments.sends, arguments.recipients)
        print(json.dumps(measure(arguments.recipients, sends, Path(folder), smtp_port, http_port)))


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


def measure(recipients: int, sends: int, folder: Path, smtp_port: int, http_port: int) -> dict[str, Any]:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    webhooks = max(sends // 4, 1)
    line: dict[str, Any] = {"recipients": recipients, "sends": sends, "webhooks": webhooks}
    versions = prepare(recipients, http_port)
    line["queued_per_s"] = round(recipients / queue(1, versions["email"], "email", recipients))
    line["decisions_per_s"] = round(recipients / decide_all())
    report(f"{line['decisions_per_s']} decisions per second.")
    line["smtp_floor_per_s"] = round(measure_floor(smtp_port))
    smtp_log, http_log = Log(folder / "smtp"), Log(folder / "http")
    queue(2, versions["email"], "email", sends)
    emails = run_worker(sends, smtp_log)
    line |= {"smtp_sends_per_s": emails.per_s, "peak_mb": emails.peak_mb, "mb_growth": emails.mb_growth}
    line["email_cpu_ms"] = emails.cpu_ms
    queue(3, versions["webhook"], "webhook", webhooks)
    line["webhook_sends_per_s"] = run_worker(webhooks, http_log).per_s
    queue(4, versions["email"], "email", sends)
    line |= kill_and_restart(sends, smtp_log)
    if sends < recipients:
        line["notes"] = (
            f"{sends} emails (also with the kills) and {webhooks} webhooks were sent; all recipients were decided."
        )
    return line


def prepare(recipients: int, http_port: int) -> dict[str, int]:
    """Create the customers, their consents, the settings and a template per channel; return the versions."""
    from django.db import connection
    from django.utils import timezone

    from recommendations.messaging.compilation.compiler import ContentSource
    from recommendations.messaging.versions import create_template, publish_draft
    from recommendations.sending.channels.accounts import save_account
    from recommendations.sending.models import SendingSettings

    report(f"Creating {recipients} customers …")
    copy_customers(recipients)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO identity_consent (customer_id, purpose, status, policy_version, source, recorded_at) "
            "SELECT id, 'email', 'granted', '', '', %s FROM identity_customer",
            [DUE],
        )
        cursor.execute("ANALYZE identity_customer, identity_consent")
    caps = [{"channel": "email", "messages": 100, "days": 7}]
    # quiet hours that never include now, so that they are computed but hold nothing back
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


def copy_customers(number: int) -> None:
    """Create customers who differ in their address, by COPY."""
    from django.db import connection

    from customers.identity.models import Customer
    from customers.identity.personal_data.encrypted_field import encrypt

    customer = Customer(name="Customer", country="DE", language="en", created_at=DUE)
    fields = [field for field in Customer._meta.concrete_fields if not field.primary_key]
    row = [field.get_db_prep_save(field.pre_save(customer, add=True), connection) for field in fields]
    names = ", ".join(str(field.column) for field in fields)
    email = [field.name for field in fields].index("email")
    with connection.cursor() as cursor, cursor.copy(f"COPY identity_customer ({names}) FROM STDIN") as copy:
        for position in range(number):
            row[email] = encrypt(f"c{position}@example.com")
            copy.write_row(row)


def queue(origin_id: int, version_id: int, channel: str, recipients: int) -> float:
    """Queue a message to some customers; return the seconds."""
    from customers.identity.models import Customer
    from recommendations.sending.queue import queue_audience

    last = Customer.objects.order_by("pk").values_list("pk", flat=True)[recipients - 1]
    started = time.perf_counter()
    queue_audience(
        origin_kind="campaign",
        origin_id=origin_id,
        customers=Customer.objects.filter(pk__lte=last),
        template_version_id=version_id,
        channel=channel,
        due_at=DUE,
    )
    return time.perf_counter() - started


def decide_all() -> float:
    """Decide about everything that is due, and delete it; return the seconds of the decisions."""
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
        cursor.execute("TRUNCATE sending_delivery")
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


class Log:
    """The file in which a sink writes a line for each message; it is read once."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._rest = b""
        self.start()

    def start(self) -> None:
        """Leave out what has arrived so far."""
        self._file.seek(0, os.SEEK_END)
        self._rest, self.arrived, self.count = b"", Counter[bytes](), 0

    def read(self) -> int:
        """Read what is new; return how many have arrived since the start."""
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        self.arrived.update(lines)
        self.count += len(lines)
        return self.count


@dataclass
class WorkerRun:
    """What a run of the worker cost."""

    per_s: int
    peak_mb: int
    mb_growth: int
    cpu_ms: float


def run_worker(recipients: int, log: Log) -> WorkerRun:
    """Let a worker send everything, and measure it from the first message on."""
    log.start()
    worker = start_worker()
    process, started, skipped = psutil.Process(worker.pid), 0.0, 0
    megabytes, quarter, cpu, cpu_before = [0.0], 0.0, 0.0, 0.0
    while worker.poll() is None:
        used = measure_process(process)
        arrived = log.read()
        if used is not None:
            megabytes.append(used[0])
            cpu = max(cpu, used[1])
        if not started and arrived:
            started, skipped, cpu_before = time.perf_counter(), arrived, cpu
        if not quarter and arrived >= recipients / 4:
            quarter = megabytes[-1]
        time.sleep(0.1)
    seconds = time.perf_counter() - started
    report(f"{log.read()} of {recipients} arrived, {seconds:.1f} s.")
    sent = max(recipients - skipped, 1)
    return WorkerRun(
        per_s=round(sent / seconds),
        peak_mb=round(max(megabytes)),
        mb_growth=round(max(megabytes) - quarter),
        cpu_ms=round(1000 * (cpu - cpu_before) / sent, 2),
    )


def measure_process(process: psutil.Process) -> tuple[float, float] | None:
    """Return the memory in MB and the processor time of a process with its children; None after its end."""
    try:
        family = [process, *process.children(recursive=True)]
        times = [part.cpu_times() for part in family]
        return sum(part.memory_info().rss for part in family) / 2**20, sum(used.user + used.system for used in times)
    except psutil.NoSuchProcess:
        return None


def kill_and_restart(recipients: int, log: Log) -> dict[str, int]:
    """Kill the worker three times, restart it until nothing is left, and count what arrived."""
    from recommendations.sending.models import Delivery

    log.start()
    for kill in range(KILLS):
        worker = start_worker()
        while worker.poll() is None and log.read() < recipients * (kill + 1) // (KILLS + 1):
            time.sleep(0.02)
        worker.kill()
        worker.wait()
        report(f"Killed after {log.read()} messages.")
    deliveries = Delivery.objects.filter(origin_id=4)
    while deliveries.filter(status__in=("pending", "sending")).exists():
        start_worker().wait()
    log.read()
    uncertain = deliveries.filter(status="uncertain").count()
    return {
        "doubled": sum(number > 1 for number in log.arrived.values()),
        "missed": recipients - uncertain - len(log.arrived),
        "uncertain": uncertain,
    }


if __name__ == "__main__":
    main()
