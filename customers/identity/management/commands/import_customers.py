"""``manage.py import_customers FILE``: imports customers."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from catalog.feeds.feed_file import FeedError
from config.foundation.database.advisory_locks import AlreadyRunningError
from config.foundation.progress import ProgressBar
from customers.identity.imports.customer_fields import FIELDS
from customers.identity.imports.customer_import import import_customers
from customers.identity.imports.presets.registry import DEFAULT_PRESET, PRESETS


class Command(BaseCommand):
    help = f"Imports customers from CSV or JSON Lines. Fields: {', '.join(FIELDS)}. A second import of the same file changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--preset", choices=list(PRESETS), default=DEFAULT_PRESET, help="shop system that exported the file"
        )
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="FIELD=COLUMN",
            help="column of a field, if not that of the preset; repeatable",
        )
        parser.add_argument("--encoding", help="such as gb18030; default: detected")
        parser.add_argument("--source", default="import", help="source that the consent ledger names")
        parser.add_argument("--dry-run", action="store_true", help="count the changes without making them")

    def handle(self, *args: Any, **options: Any) -> None:
        mapping: dict[str, list[str]] = {}
        for text in options["map"]:
            name, equals, column = text.partition("=")
            if not equals or not name.strip() or not column.strip():
                raise CommandError(f"Invalid --map {text!r}; use field=column, such as email=Mail.")
            mapping.setdefault(name.strip(), []).append(column.strip())
        try:
            result = import_customers(
                path=options["file"],
                received_at=timezone.now(),
                preset=options["preset"],
                mapping=mapping,
                encoding=options["encoding"],
                source=options["source"],
                dry_run=options["dry_run"],
                progress=ProgressBar("customers"),
            )
        except (FeedError, AlreadyRunningError) as error:
            raise CommandError(str(error)) from error
        if options["dry_run"]:
            self.stdout.write("Dry run: nothing was changed.")
        self.stdout.write(
            f"{result.rows} rows: {result.created} created, {result.updated} updated, {result.unchanged} unchanged, "
            f"{result.rejected} rejected."
        )
        for problem, count in result.problems.most_common():
            self.stdout.write(f"  {count} × {problem}")
        if result.error_file:
            self.stdout.write(f"Rejected rows with reasons: {result.error_file}")
