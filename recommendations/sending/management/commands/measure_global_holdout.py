"""Measures the incremental lift of marketing by comparison with the global holdout group, in addition to the scheduled job."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from recommendations.sending.global_holdout.measuring import measure_months


class Command(BaseCommand):
    help = "Measures the months of the global holdout group that are not final yet."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--all", action="store_true", help="Measure all months again, for example after an import of old orders."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        number = measure_months(as_of=timezone.now(), everything=options["all"])
        self.stdout.write(f"{number} months measured.")
