"""Processes what waits on the outbox."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from config.foundation.database.advisory_locks import AlreadyRunningError
from config.foundation.progress import ProgressBar
from customers.processing.lag import measure_lag
from customers.processing.pipeline import NothingWorksError, Processed, process_events

SHOWN = {
    "customers_created": "new customers",
    "merges": "merges",
    "conflicts": "conflicts",
    "without_person": "events without a person",
    "orders_created": "new orders",
    "orders_updated": "orders changed",
    "products_created": "new products",
    "reviews": "reviews",
    "unsubscribed": "unsubscribed",
    "refused": "dead letters",
    "failed": "failed",
}


class Command(BaseCommand):
    help = "Make orders, reviews, consents and profiles of the events that wait, as the worker does every two seconds."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--until-empty", action="store_true", help="go on with what comes in meanwhile, until nothing waits"
        )
        parser.add_argument("--limit", type=int, metavar="N", help="at most about so many events")

    def handle(self, *, until_empty: bool, limit: int | None, **options: Any) -> None:
        if limit is not None and limit < 1:
            raise CommandError("--limit: give a number of events from 1 on.")
        waiting = measure_lag(at=timezone.now()).waiting
        if limit is None and not until_empty:
            limit = waiting
        done = self.process(limit) if waiting else Processed()
        counts = ", ".join(f"{done.counts[name]:,} {words}" for name, words in SHOWN.items() if done.counts[name])
        seconds = sum(done.stage_seconds.values())
        speed = f" in {seconds:.1f} s, {done.events / seconds:,.0f} a second" if done.events and seconds else ""
        self.stdout.write(f"{done.events:,} events{speed}. {counts}".rstrip())
        left = measure_lag(at=timezone.now())
        if left.waiting:
            self.stdout.write(f"{left.waiting:,} wait, the oldest for {left.oldest_seconds:.0f} s.")

    def process(self, limit: int | None) -> Processed:
        try:
            return process_events(at=timezone.now(), limit=limit, progress=ProgressBar("Events"))
        except (AlreadyRunningError, NothingWorksError) as error:
            raise CommandError(str(error)) from error
