"""``manage.py simulate``: a shop of any size whose truth is known."""

import math
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from config.clickstream.delivery import BATCH_EVENTS, DeliveryError
from config.foundation.progress import Progress, ProgressBar, ignore_progress
from config.simulation.output.live_sending import send_simulation
from config.simulation.plan import LIMITS, ImpossiblePlanError, ShopPlan
from config.simulation.simulation import FolderInUseError, write_simulation

REPORT_ITEMS = 10_000
DEFAULTS = {"customers": 10_000, "products": 1_000, "days": 365, "seed": 1}


class Command(BaseCommand):
    requires_system_checks = ()  # nothing of the shop is used
    help = (
        "Simulate a shop whose truth is known: tastes, repeat purchases, rates that drift, customers who leave for good, seasons, promotions, "
        "campaigns with known effects on each customer, visits, bots and dirty rows. Writes files for import_products, import_customers, "
        "import_orders, import_events and import_reviews, and the truth next to them as Parquet. The same arguments give the same files; "
        "an interrupted run continues."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        for name, (low, high) in LIMITS.items():
            parser.add_argument(
                f"--{name}", type=int, default=DEFAULTS[name], help=f"{low:,} to {high:,} (default {DEFAULTS[name]:,})"
            )
        parser.add_argument(
            "--until",
            type=parse_date,
            help="the day after the last day, as YYYY-MM-DD (default: today)",
            metavar="DATE",
        )
        target = parser.add_mutually_exclusive_group(required=True)
        target.add_argument("--to", type=Path, metavar="FOLDER", help="write files to this folder")
        target.add_argument("--send", metavar="URL", help="send events and orders to a collector, without dirty data")
        parser.add_argument("--write-key", metavar="KEY", help="write key of a server source at --send")
        parser.add_argument(
            "--rate", type=float, metavar="R", default=0, help="maximum number of items per second (default: no limit)"
        )
        parser.add_argument("--force", action="store_true", help="replace what an earlier simulation has written there")

    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["send"]) != bool(options["write_key"]):
            raise CommandError(
                "--send and --write-key must be used together: the URL of a collector and the write key of one of its server sources."
            )
        if not 0 <= options["rate"] < math.inf:
            raise CommandError(f"--rate {options['rate']} is not a number of items per second; use 0 for no limit.")
        try:
            plan = ShopPlan(**{name: options[name] for name in LIMITS}, until=options["until"] or timezone.now().date())
        except ImpossiblePlanError as error:
            raise CommandError(str(error)) from error
        if options["send"]:
            self.send(plan, options)
        else:
            self.write(plan, options)

    def send(self, plan: ShopPlan, options: dict[str, Any]) -> None:
        started = time.monotonic()
        try:
            sent = send_simulation(
                plan,
                host=options["send"],
                write_key=options["write_key"],
                rate=options["rate"],
                report=self.build_reporter(started) if options["verbosity"] else lambda sent: None,
            )
        except DeliveryError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt as error:
            raise CommandError(
                "Interrupted. Run the same command again to send the rest; items that were already sent are not stored twice.",
                returncode=130,
            ) from error
        seconds = time.monotonic() - started
        self.stdout.write(f"{sent:,} items sent to {options['send']} ({sent / max(seconds, 0.001):,.0f} a second).")

    def build_reporter(self, started: float) -> Callable[[int], None]:
        """Return a function that reports every ten thousand items: their total is not known before the last customer."""

        def report(sent: int) -> None:
            if sent % REPORT_ITEMS < BATCH_EVENTS:
                self.stderr.write(f"{sent:,} items sent ({time.monotonic() - started:.0f} s)")

        return report

    def write(self, plan: ShopPlan, options: dict[str, Any]) -> None:
        started = time.monotonic()
        progress: Progress = ProgressBar("Customers") if options["verbosity"] else ignore_progress
        folder: Path = options["to"]
        try:
            record = write_simulation(plan, folder, force=options["force"], progress=progress)
        except FolderInUseError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{error.filename or folder}: {error.strerror or error}.") from error
        except KeyboardInterrupt as error:
            raise CommandError(
                "Interrupted. Complete parts are kept; run the same command again to continue.", returncode=130
            ) from error
        counts, seconds = record["counts"], time.monotonic() - started
        self.stdout.write(
            f"{counts['customers']:,} customers, {counts['products']:,} products, {counts['orders']:,} order lines and {counts['events']:,} "
            f"events in {folder}; the true values are in {folder / 'truth'} ({seconds:.1f} s)."
        )


def parse_date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not a valid date (YYYY-MM-DD)") from error
