"""Computes everybody's profile."""

from argparse import ArgumentTypeError
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from config.foundation.database.advisory_locks import AlreadyRunningError
from config.foundation.progress import ProgressBar
from customers.lifecycle.refresh.nightly import refresh_profiles


def parse_as_of(text: str) -> datetime:
    """A date or a date and time in ISO 8601; without a zone it is in the shop's."""
    try:
        found = parse_datetime(text) or datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no moment; give one such as 2026-11-24T12:00:00+00:00") from error
    return found if found.tzinfo else timezone.make_aware(found)


class Command(BaseCommand):
    help = "Compute counters, RFM and stage of every customer from what happened before a moment."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--as-of", type=parse_as_of, metavar="ISO", help="only what happened before counts (default: now)"
        )
        parser.add_argument(
            "--measure", action="store_true", help="measure the stages' thresholds anew, as a new version from then on"
        )

    def handle(self, *, as_of: datetime | None, measure: bool, **options: Any) -> None:
        now = timezone.now()
        try:
            run = refresh_profiles(
                as_of=as_of or now, started_at=now, measure=measure, progress=ProgressBar("Customer profiles")
            )
        except AlreadyRunningError as error:
            raise CommandError(str(error)) from error
        stages = ", ".join(f"{stage} {number:,}" for stage, number in run.counts.items() if number)
        self.stdout.write(
            f"{run.customers:,} customers as of {run.as_of:%Y-%m-%d %H:%M} by rules {run.rules}: {stages or 'nobody'}. "
            f"{run.transitions:,} new transitions."
        )
