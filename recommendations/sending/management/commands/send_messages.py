"""Sends the messages that are due, in addition to or instead of the scheduled job; several such commands may run at the same time."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from recommendations.sending.sender import send_due


class Command(BaseCommand):
    help = "Sends the messages that are due."
    requires_system_checks = ()  # the checks import every page, which takes longer than sending a few messages

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--seconds", type=float, default=3600.0, help="Stop after this time.")

    def handle(self, *args: Any, **options: Any) -> None:
        run = send_due(now=timezone.now(), seconds=options["seconds"])
        outcomes = ", ".join(f"{number} {name}" for name, number in sorted(run.outcomes.items())) or "none sent"
        self.stdout.write(f"{run.decided} decided, {run.skipped} skipped, {run.postponed} postponed: {outcomes}.")
