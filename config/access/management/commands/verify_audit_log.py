"""``manage.py verify_audit_log``: finds entries of the audit log that were edited, removed or inserted in the database."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.access.audit.seals import seal_entries, verify_entries

MAX_SHOWN = 20


class Command(BaseCommand):
    help = "Check the audit log against its seals, and print the newest seal. Note it on another machine and pass it next time."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seal", default="", metavar="NUMBER:HASH", help="a seal that must be part of the log")

    def handle(self, *args: Any, **options: Any) -> None:
        now = datetime.now(UTC)
        seal_entries(now=now)
        report = verify_entries(now=now, known_seal=options["seal"])
        self.stdout.write(
            f"{report.sealed} entries in {report.seals} seals, {report.unsealed} not yet sealed, "
            f"{report.purged} deleted after the retention period"
        )
        if report.head:
            self.stdout.write(f"newest seal {report.head}")
        problems = {
            "edited": report.edited,
            "removed": report.removed,
            "inserted": report.inserted,
            "seals that do not match": report.broken_seals,
        }
        found = [f"{name}: {format_ids(ids)}" for name, ids in problems.items() if ids]
        if found:
            raise CommandError(
                f"The audit log was changed. {'; '.join(found)}. "
                "Compare these entries with a backup, and find out who has access to the database."
            )
        self.stdout.write("The audit log is intact.")


def format_ids(ids: list[int]) -> str:
    """Return the number of entries and the first ids."""
    shown = ", ".join(f"#{pk}" for pk in ids[:MAX_SHOWN])
    return f"{len(ids)} ({shown}{', …' if len(ids) > MAX_SHOWN else ''})"
