"""``manage.py import_customers FILE``: imports customers."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from catalog.feeds.feed_file import FeedError
from config.foundation.database.advisory_locks import AlreadyRunningError
from config.foundation.files.import_command import ImportCommand, parse_columns
from config.foundation.progress import ProgressBar
from customers.identity.imports.customer_fields import FIELDS
from customers.identity.imports.customer_import import import_customers
from customers.identity.imports.presets.registry import DEFAULT_PRESET, PRESETS
from customers.imports.command_columns import match_command_columns
from customers.imports.kinds.customers import CUSTOMERS


class Command(ImportCommand):
    help = f"Imports customers from CSV or JSON Lines. Fields: {', '.join(FIELDS)}. A second import of the same file changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        self.add_file_arguments(parser, presets=PRESETS, default_preset=DEFAULT_PRESET)
        parser.add_argument("--source", default="import", help="source that the consent ledger names")

    def handle(self, *args: Any, **options: Any) -> None:
        columns = match_command_columns(
            kind=CUSTOMERS,
            path=options["file"],
            preset=options["preset"],
            chosen=parse_columns(options["map"], example="email=Mail"),
            encoding=options["encoding"],
        )
        self.report_matches(columns.describe_matches(), verbosity=options["verbosity"])
        try:
            result = import_customers(
                path=options["file"],
                received_at=timezone.now(),
                preset=options["preset"],
                mapping=columns.mapping,
                encoding=options["encoding"],
                source=options["source"],
                dry_run=options["dry_run"],
                progress=ProgressBar("customers"),
            )
        except (FeedError, AlreadyRunningError) as error:
            raise CommandError(columns.problem or str(error)) from error
        self.report(
            result,
            problems=dict(result.problems.most_common()),
            error_file=result.error_file,
            dry_run=options["dry_run"],
        )
