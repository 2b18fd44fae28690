"""``manage.py check_keys``: counts what each key is used for, and shows what to do next."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from config.encryption_keys.counts import count_key_uses
from config.encryption_keys.models import KeyUse
from config.encryption_keys.next_steps import (
    KeyLine,
    describe_column,
    describe_next_step,
    find_unreadable,
    list_keys,
)


class Command(BaseCommand):
    help = "Count the values under each key by reading all of them. The exit status is 1 if a value cannot be read with any key."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--columns", action="store_true", help="show every column")

    def handle(self, *args: Any, **options: Any) -> None:
        uses = count_key_uses(at=timezone.now())
        for line in list_keys(uses):
            self.stdout.write(
                f"{KeyUse.Purpose(line.purpose).label:<12} {line.key_id or '-':<8} {name_state(line):<10} {line.values or 0:>12,}"
            )
        if options["columns"]:
            for use in sorted(uses, key=lambda use: (use.purpose, use.model, use.column, use.key_id)):
                self.stdout.write(f"  {use.key_id or '-':<8} {use.values_count:>12,}  {describe_column(use)}")
        self.stdout.write(describe_next_step(uses))
        if find_unreadable(uses):
            sys.exit(1)


def name_state(line: KeyLine) -> str:
    if not line.key_id:
        return "unreadable"
    if not line.is_verified:
        return "unverified"
    return "current" if line.is_current else "older"
