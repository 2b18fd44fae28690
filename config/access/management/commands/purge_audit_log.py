"""``manage.py purge_audit_log``: deletes old entries of the audit log where a law limits how long they may be kept."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.access.audit.retention import MIN_DAYS, purge_entries

MAX_DAYS = 36_500


class Command(BaseCommand):
    help = f"Delete entries of the audit log that are older than a number of days, at least {MIN_DAYS}. The log records the deletion."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--older-than", type=int, required=True, metavar="DAYS", help="for example 730")

    def handle(self, *args: Any, **options: Any) -> None:
        days = options["older_than"]
        if days < MIN_DAYS:
            raise CommandError(f"--older-than {days} is too short. Use at least {MIN_DAYS} days.")
        if days > MAX_DAYS:
            raise CommandError(f"--older-than {days} is too long. Use at most {MAX_DAYS} days.")
        deleted = purge_entries(before=datetime.now(UTC) - timedelta(days=days))
        self.stdout.write(f"{deleted} entries deleted")
