"""``manage.py purge_old_data``: shows what is older than its retention, or deletes it as the nightly job does."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from config.foundation.retention.kinds import RetentionPreview, list_retention_kinds
from config.foundation.retention.periods import find_days, read_stored_days
from config.retention.purging import PurgeError, purge_old_data


class Command(BaseCommand):
    help = "Delete what is older than its retention. With --dry-run, only show how much that is."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="delete nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        if options["dry_run"]:
            stored = read_stored_days()
            for kind in list_retention_kinds():
                days = find_days(kind, stored)
                preview = RetentionPreview(0) if days is None else kind.preview(now - timedelta(days=days))
                rows = f"{'>' * preview.is_at_least}{preview.rows:,}"
                self.stdout.write(f"{kind.key:<28} {'forever' if days is None else days:>8} {rows:>12}")
            return
        try:
            for key, count in purge_old_data(now=now).items():
                self.stdout.write(f"{key:<28} {count:>12,}")
        except PurgeError as error:
            raise CommandError(str(error)) from error
