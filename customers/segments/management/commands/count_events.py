"""Counts the stored events and orders of all customers again, for conditions of segments."""

from typing import Any

from django.core.management.base import BaseCommand

from customers.segments.event_counts.recounting import recount_all


class Command(BaseCommand):
    help = "Count the stored events and orders of all customers again, for conditions of segments."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"Counted the events and orders of {recount_all()} customers.")
