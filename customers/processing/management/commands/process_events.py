"""``manage.py process_events``: process the events on the outbox."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from config.foundation.database.advisory_locks import AlreadyRunningError
from config.foundation.progress import ProgressBar
from customers.processing.batch import ProcessingResult
from customers.processing.failures import AllEventsFailError
from customers.processing.lag import measure_lag
from customers.processing.pipeline import process_events

COUNT_NAMES = {
    "customers_created": "new customers",
    "merges": "merges",
    "conflicts": "conflicts",
    "without_person": "events without a customer",
    "orders_created": "new orders",
    "orders_updated": "updated orders",
    "products_created": "new products",
    "reviews": "reviews",
    "unsubscribed": "unsubscribed",
    "rejected": "rejected events",
    "failed": "failed",
}


class Command(BaseCommand):
    help = "Process waiting events into orders, reviews, consents and profiles, as the worker does every two seconds."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--until-empty",
            action="store_true",
            help="also process events that arrive during the run, until none are waiting",
        )
        parser.add_argument("--limit", type=int, metavar="N", help="process at most about N events")

    def handle(self, *, until_empty: bool, limit: int | None, **options: Any) -> None:
        if limit is not None and limit < 1:
            raise CommandError(f"--limit is {limit}; give a number of at least 1.")
        waiting = measure_lag(at=timezone.now()).waiting
        if limit is None and not until_empty:
            limit = waiting
        result = self.process(limit) if waiting else ProcessingResult()
        counts = ", ".join(
            f"{result.counts[name]:,} {label}" for name, label in COUNT_NAMES.items() if result.counts[name]
        )
        seconds = sum(result.stage_seconds.values())
        speed = f" in {seconds:.1f} s, {result.events / seconds:,.0f} per second" if result.events and seconds else ""
        self.stdout.write(f"{result.events:,} events{speed}. {counts}".rstrip())
        lag = measure_lag(at=timezone.now())
        if lag.waiting:
            self.stdout.write(f"{lag.waiting:,} events are waiting, the oldest for {lag.oldest_seconds:.0f} s.")

    def process(self, limit: int | None) -> ProcessingResult:
        try:
            return process_events(at=timezone.now(), limit=limit, progress=ProgressBar("Events"))
        except (AlreadyRunningError, AllEventsFailError) as error:
            raise CommandError(str(error)) from error
