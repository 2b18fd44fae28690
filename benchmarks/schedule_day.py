"""All scheduled jobs of a day, in the order in which they are due, with a simulated clock.

    python -m benchmarks.schedule_day [--hours N] [--step-minutes N] [--folder F]

PostgreSQL, Valkey and this process run under libfaketime (Debian: apt-get install faketime), so that all of them see the same simulated
Monday. In each step, customers of a small shop browse and order through the collector, and then every job that is due runs in this
process as a worker would run it. Jobs that run every minute or more often run once a step. Emails go to a mail server that records who
got what. At the end, what was sent is compared with what is stored, counted, exported and mailed.

failed: jobs that ended with an error, with the error. missed: jobs that ran less often than they were due. lost, doubled: events, orders and
emails that are missing, or present twice. simulated_hours, runs, seconds: the size of the run; slowest: the jobs with the longest run, in s.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.embedded_servers import run_embedded_servers
from benchmarks.neighbours import log

CLOCK = "SCHEDULE_DAY_CLOCK"  # names the file with the clock's offset; set only in the process that runs under the simulated clock
START = datetime(2026, 11, 30, tzinfo=UTC)  # a Monday: the digest is due, and a month ends within the day
MINUTE = timedelta(minutes=1)
PEOPLE, PRODUCTS, HISTORY_DAYS = 150, 60, 200
PLACES_OF_LIBRARY = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/local/lib/faketime/libfaketimeMT.so.1")
SLOWEST = 5


def main() -> None:
    arguments = parse_arguments()
    if CLOCK in os.environ:
        with redirect_stdout(sys.stderr):
            line = run_day(arguments)
        print(json.dumps(line))
        return
    library = find_library()
    if library is None:
        sys.exit("libfaketime is not installed. On Debian: apt-get install faketime")
    with tempfile.TemporaryDirectory(prefix="perennial-clock-") as folder:
        clock = Path(folder) / "offset"
        Path(folder).chmod(0o755)  # PostgreSQL's own user reads the clock too
        write_clock(clock, START - timedelta(minutes=30))
        environment = {
            **os.environ,
            CLOCK: str(clock),
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        command = [sys.executable, "-m", "benchmarks.schedule_day", *sys.argv[1:]]
        sys.exit(subprocess.run(command, env=environment, check=False).returncode)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--step-minutes", type=int, default=10)
    parser.add_argument("--folder", type=Path, help="keep the servers' data here")
    return parser.parse_args()


def find_library() -> Path | None:
    """Return libfaketime for programs with threads, if it is installed."""
    found = [path for pattern in PLACES_OF_LIBRARY for path in Path("/").glob(pattern.lstrip("/"))]
    return found[0] if found else None


def write_clock(clock: Path, moment: datetime) -> None:
    """Make this moment the current time of all processes. The offset is replaced atomically, so that no process reads a part of it."""
    offset = (moment - read_real_time()).total_seconds()
    part = clock.with_suffix(".new")
    part.write_text(f"{offset:+.3f}\n", encoding="ascii")
    part.chmod(0o644)
    part.replace(clock)


def read_real_time() -> datetime:
    """Return the time of the machine, which a process under libfaketime does not see."""
    if CLOCK not in os.environ:
        return datetime.now(UTC)
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    program = "import time; print(time.time())"
    process = subprocess.run(
        [sys.executable, "-S", "-c", program], env=environment, check=True, capture_output=True, text=True
    )
    return datetime.fromtimestamp(float(process.stdout), UTC)


def run_day(arguments: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="perennial-mails-") as folder:
        mails = Path(folder) / "mails.txt"
        sink = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.sending_sinks", "smtp", str(mails)], stdout=subprocess.PIPE, text=True
        )
        assert sink.stdout is not None
        try:
            variables = {
                "EMAIL_HOST": "127.0.0.1",
                "EMAIL_PORT": sink.stdout.readline().strip(),
                "EMAIL_TLS": "off",
                "TIME_ZONE": "UTC",
                "SHOP_FOUNDED": "2020",
                "PUBLIC_URL": "http://127.0.0.1:8000",
                "TRAINING_SECONDS": "20",
            }
            with run_embedded_servers("schedule-day", report=log, folder=arguments.folder, **variables):
                import django

                django.setup()
                from django.core.management import call_command

                call_command("migrate", verbosity=0)
                return Day(hours=arguments.hours, step=arguments.step_minutes * MINUTE, mails=mails).run()
        finally:
            sink.terminate()
            sink.wait()


class Day:
    """The simulated day of a small shop.

    Attributes:
        sent: message IDs of the events that the collector accepted. orders: the order IDs among them.
        runs, due: how often each task ran, and how often it was due.
    """

    def __init__(self, *, hours: int, step: timedelta, mails: Path) -> None:
        self.hours, self.step, self.mails = hours, step, mails
        self.clock = Path(os.environ[CLOCK])
        self.sent: list[str] = []
        self.orders: list[str] = []
        self.runs: Counter[str] = Counter()
        self.due: Counter[str] = Counter()
        self.failed: dict[str, str] = {}
        self.slowest: dict[str, float] = {}

    def run(self) -> dict[str, Any]:
        started = time.monotonic()
        self.now = START - 30 * MINUTE
        self.open_shop()
        end = START + timedelta(hours=self.hours)
        while self.now < end:
            self.receive_events()
            until = min(self.now + self.step, end)
            for moment, task in self.list_due(self.now, until):
                self.run_job(task, moment)
            self.now = until
            write_clock(self.clock, self.now)
            if self.now.minute == 0:
                log(f"{self.now:%H:%M}: {sum(self.runs.values())} runs, {len(self.failed)} jobs failed")
        self.finish()
        return {**self.compare(), "simulated_hours": self.hours, "seconds": round(time.monotonic() - started, 1)}

    def open_shop(self) -> None:
        """Load products, customers with consent and past orders, a flow and a campaign, and a subscriber of the digest."""
        from django.contrib.auth.models import User

        from config.digest.subscribing import subscribe
        from customers.events.models import Source
        from customers.events.sources.write_keys import generate_write_key
        from customers.identity.consent.ledger import record_changed_consents
        from customers.identity.models import Identifier
        from recommendations.flows.publishing import publish_flow
        from recommendations.flows.recipes.registry import create_flow_from_recipe

        source = Source(key="shop", name="Shop", kind=Source.Kind.SERVER)
        self.key = generate_write_key(source, now=self.now)
        source.save()
        load_products(self.now)
        self.post([identify(number) for number in range(PEOPLE)])
        history = [make_order(number, k, self.now) for number in range(PEOPLE) for k in range(1 + number % 5)]
        self.post(history)
        self.run_job("customers.processing.tasks.process_events", self.now)
        ids = Identifier.objects.filter(kind="user_id").values_list("customer_id", flat=True)
        purposes = ("email", "analytics", "personalisation")
        entries = [(customer_id, purpose, "granted") for customer_id in ids for purpose in purposes]
        record_changed_consents(entries=entries, recorded_at=self.now, source="benchmark")
        flow = create_flow_from_recipe(key="basket-abandonment", answers={"hours": 1}, now=self.now, by=None)
        publish_flow(flow=flow, now=self.now)
        launch_campaign(self.now)
        user = User.objects.create_superuser("owner", "owner@example.com", "a-long-password-for-tests")
        subscribe(user=user, language="en", now=self.now - timedelta(days=10))

    def receive_events(self) -> None:
        """Let some customers browse, fill carts and order in this step, with one retry of a call that was answered."""
        number = len(self.sent)
        items: list[dict[str, Any]] = []
        for offset in range(12):
            person, product = (number * 7 + offset * 13) % PEOPLE, (number * 5 + offset) % PRODUCTS
            items.append(track(person, "Product Viewed", {"product_id": f"p{product}"}, self.now))
            if offset % 3 == 0:
                items.append(track(person, "Product Added", {"product_id": f"p{product}", "price": 10}, self.now))
            if offset % 6 == 0:
                items.append(make_order(person, 1000 + number + offset, self.now, days=0))
        self.post(items)
        self.post(items[:3], is_retry=True)

    def post(self, items: list[dict[str, Any]], *, is_retry: bool = False) -> None:
        """Send events through the view of the collector."""
        from django.test import Client

        if not is_retry:
            for item in items:
                item["messageId"] = f"m{len(self.sent)}"
                self.sent.append(item["messageId"])
                if item.get("event") == "Order Completed":
                    self.orders.append(item["properties"]["order_id"])
        for start in range(0, len(items), 100):
            response = Client().post(
                "/v1/batch",
                json.dumps({"batch": items[start : start + 100], "writeKey": self.key}),
                content_type="application/json",
                headers={"host": "127.0.0.1"},
            )
            if response.status_code != 200 or response.json().get("rejected"):
                raise RuntimeError(f"The collector answered {response.status_code}: {response.content[:300]!r}")

    def list_due(self, since: datetime, until: datetime) -> list[tuple[datetime, str]]:
        """Return the jobs that are due in [since, until), in order; those that run every minute or more often once."""
        from config.schedule import SCHEDULE

        due: list[tuple[datetime, str]] = []
        for job in SCHEDULE:
            if job.seconds or job.cron == "* * * * *":
                due.append((since, job.task))
                continue
            moment = since
            while moment < until:
                if is_due(job.cron, moment):
                    due.append((moment, job.task))
                moment += MINUTE
        return sorted(due, key=lambda entry: entry[0])

    def run_job(self, task: str, moment: datetime) -> None:
        from config.celery import app

        self.due[task] += 1
        if moment > self.now:
            self.now = moment
            write_clock(self.clock, moment)
        began = time.monotonic()
        result = app.tasks[task].apply()
        self.slowest[task] = max(self.slowest.get(task, 0.0), time.monotonic() - began)
        if result.failed():
            self.failed[task] = repr(result.result)[:500]
            log(f"{moment:%H:%M} {task} failed: {result.traceback}")
        else:
            self.runs[task] += 1

    def finish(self) -> None:
        """Process what is still pending: events, messages, and the files of the warehouse."""
        for name in (
            "customers.processing.tasks.process_events",
            "recommendations.flows.tasks.run_flows",
            "recommendations.sending.tasks.send_due_messages",
            "customers.events.tasks.count_minutes",
            "customers.warehouse.tasks.export_warehouse",
        ):
            self.run_job(name, self.now)

    def compare(self) -> dict[str, Any]:
        """Compare what was sent with what is stored, counted, exported and mailed."""
        stored, orders = read_column("SELECT message_id FROM events_event"), read_column(ORDERS)
        mailed = Counter(self.mails.read_text(encoding="utf-8").split() if self.mails.exists() else [])
        expected = Counter(read_recipients())
        lost = {
            "events": len(set(self.sent) - set(stored)),
            "orders": len(set(self.orders) - set(orders)),
            "mails": (expected - mailed).total(),
            "orders of profiles": len(self.orders) - int(read_column(PROFILE_ORDERS)[0] or 0),
            "exported events": len(self.sent) - count_exported("events"),
            "exported orders": len(self.orders) - count_exported("orders"),
        }
        doubled = {
            "events": len(stored) - len(set(stored)),
            "orders": len(orders) - len(set(orders)),
            "mails": (mailed - expected).total(),
        }
        runs = {**self.runs}
        return {
            "failed": self.failed,
            "missed": sorted(
                task for task, due in self.due.items() if runs.get(task, 0) < due and task not in self.failed
            ),
            "lost": {name: count for name, count in lost.items() if count},
            "doubled": {name: count for name, count in doubled.items() if count},
            "jobs": len(self.due),
            "runs": sum(runs.values()),
            "events": len(self.sent),
            "orders": len(self.orders),
            "mails": mailed.total(),
            "digests": mailed["owner@example.com"],
            "slowest": {
                task.removesuffix("_s"): round(seconds, 2)
                for task, seconds in sorted(self.slowest.items(), key=lambda entry: -entry[1])[:SLOWEST]
            },
        }


ORDERS = "SELECT order_id FROM orders_order WHERE kind = 'sale'"
PROFILE_ORDERS = "SELECT sum(orders) FROM lifecycle_customerprofile"


def identify(number: int) -> dict[str, Any]:
    traits = {"email": f"person-{number}@example.com", "first_name": f"Person {number}", "country": "DE"}
    return {"type": "identify", "userId": f"user-{number}", "traits": traits}


def track(person: int, name: str, properties: dict[str, Any], at: datetime) -> dict[str, Any]:
    moment = {"timestamp": at.isoformat()}
    return {"type": "track", "userId": f"user-{person}", "event": name, "properties": properties, **moment}


def make_order(person: int, number: int, now: datetime, *, days: int = HISTORY_DAYS) -> dict[str, Any]:
    """Return an order placed now if ``days`` is 0, else in the past: the larger the number, the longer ago."""
    at = now - timedelta(days=days * (number + 1) / 7, hours=person % 24) if days else now
    lines = [{"product_id": f"p{(person * 3 + number + k) % PRODUCTS}", "price": 10 + k, "quantity": 1} for k in (0, 1)]
    order = {"order_id": f"o{person}-{number}", "total": 21, "currency": "USD", "products": lines}
    return track(person, "Order Completed", order, at)


def load_products(now: datetime) -> None:
    from catalog.upsert import upsert_products

    items = [
        {
            "product_id": f"p{number}",
            "title": f"Kettle model {number}",
            "category": f"Kitchen > Kettles {number % 6}",
            "brand": f"Brand {number % 4}",
            "price": f"{10 + number % 9}.00",
            "currency": "USD",
            "availability": "in_stock",
        }
        for number in range(PRODUCTS)
    ]
    upsert_products(items=items, at=now, currency="USD")


def launch_campaign(now: datetime) -> None:
    """Launch a campaign to everyone who has ordered, at ten on Mondays."""
    from customers.segments.models import Segment
    from recommendations.campaigns.launch.transitions import launch
    from recommendations.campaigns.models import Campaign
    from recommendations.messaging.starters.installation import ensure_starter_templates

    condition = {"field": "orders", "op": "gt", "value": 0}
    segment = Segment.objects.create(key="buyers", name="Buyers", condition=condition)
    campaign = Campaign.objects.create(
        key="monday",
        name="Monday",
        channel=Campaign.Channel.EMAIL,
        segment=segment,
        template=ensure_starter_templates(["welcome"])["welcome"],
        holdout_share=0,
        kind=Campaign.Kind.RECURRING,
        frequency=Campaign.Frequency.WEEKLY,
        weekdays=[START.isoweekday()],
        salt="monday-1",
    )
    launch(campaign, by=None, now=now)


def read_recipients() -> list[str]:
    """Return the address of every email that Perennial says it has sent: messages and digests."""
    from customers.identity.models import Customer
    from recommendations.sending.models import Delivery

    sent = list(Delivery.objects.filter(sent_at__isnull=False).values_list("customer_id", flat=True))
    emails = dict(Customer.objects.filter(pk__in=sent).values_list("pk", "email"))
    digests = read_column(
        "SELECT u.email FROM digest_digestdelivery d JOIN auth_user u ON u.id = d.user_id WHERE d.status = 'sent'"
    )
    return [emails[customer_id] for customer_id in sent] + digests


def count_exported(table: str) -> int:
    from customers.warehouse.connection import open_warehouse

    with open_warehouse() as warehouse:
        return int(warehouse[table].count().execute())


def is_due(cron: str, moment: datetime) -> bool:
    """Return whether a cron expression matches a minute."""
    from celery.schedules import crontab

    minute, hour, day, month, weekday = cron.split()
    schedule = crontab(minute, hour, weekday, day, month)
    return (
        moment.minute in schedule.minute
        and moment.hour in schedule.hour
        and moment.day in schedule.day_of_month
        and moment.month in schedule.month_of_year
        and moment.isoweekday() % 7 in schedule.day_of_week
    )


def read_column(statement: str) -> list[Any]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [row[0] for row in cursor.fetchall()]


if __name__ == "__main__":
    main()
