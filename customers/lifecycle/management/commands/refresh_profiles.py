"""Compute the profiles of all customers."""

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
    """Parse an ISO 8601 date or date and time; without a time zone it is in the shop's."""
    try:
        parsed = parse_datetime(text) or datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(
            f"{text!r} is not a valid time (ISO 8601), such as 2026-11-24T12:00:00+00:00"
        ) from error
    return parsed if parsed.tzinfo else timezone.make_aware(parsed)


class Command(BaseCommand):
    help = "Compute counters, scores and stages of all customers."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--as-of", type=parse_as_of, metavar="ISO", help="use only facts before this time (default: now)"
        )
        parser.add_argument(
            "--measure", action="store_true", help="measure the stage rules again and activate them as a new version"
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
            f"{run.customers:,} customers as of {timezone.localtime(run.as_of):%Y-%m-%d %H:%M %z} with stage rules {run.rules}: {stages or 'none'}. "
            f"{run.transitions:,} new stage changes."
        )
