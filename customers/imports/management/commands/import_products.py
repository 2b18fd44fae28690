"""Imports a product feed into the catalog."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from catalog.feeds.feed_file import FeedError
from catalog.feeds.presets.registry import DEFAULT_PRESET, PRESETS
from catalog.feeds.product_import import FeedOptions, MissingProducts, import_feed
from catalog.models import FeedImport
from config.foundation.database.advisory_locks import AlreadyRunningError
from config.foundation.files.import_command import ImportCommand, parse_columns
from config.foundation.progress import ProgressBar
from config.foundation.shop.profile import get_shop
from customers.imports.command_columns import match_command_columns
from customers.imports.kinds.products import PRODUCTS


class Command(ImportCommand):
    help = "Imports a product feed (CSV, TSV, JSON Lines or Google Merchant XML, also gzipped). Importing a file twice changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        self.add_file_arguments(parser, presets=PRESETS, default_preset=DEFAULT_PRESET)
        parser.add_argument("--format", choices=FeedImport.Format.values, help="default: detected")
        parser.add_argument("--currency", default="", help="for prices without a currency; default: that of the shop")
        parser.add_argument(
            "--missing",
            choices=[choice.value for choice in MissingProducts],
            default=MissingProducts.KEEP.value,
            help="what to do with products of the catalog, from any source, that are missing from the file",
        )
        parser.add_argument(
            "--force", action="store_true", help="deactivate even if more than half of the products are missing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        record = FeedImport(
            file_name=options["file"].name,
            format=options["format"] or "",
            started_at=timezone.now(),
            dry_run=options["dry_run"],
        )
        columns = match_command_columns(
            kind=PRODUCTS,
            path=options["file"],
            preset=options["preset"],
            chosen=parse_columns(options["map"], example="title=Name"),
            encoding=options["encoding"],
        )
        self.report_matches(columns.describe_matches(), verbosity=options["verbosity"])
        try:
            import_feed(
                path=options["file"],
                options=FeedOptions(
                    currency=options["currency"] or get_shop().currency,
                    format=options["format"],
                    encoding=options["encoding"],
                    missing=MissingProducts(options["missing"]),
                    force=options["force"],
                    preset=options["preset"],
                    mapping=columns.mapping,
                ),
                started_at=record.started_at,
                dry_run=record.dry_run,
                progress=ProgressBar("products"),
                record=record,
            )
        except (FeedError, AlreadyRunningError) as error:
            if record.rows:
                self.report_record(record)
            raise CommandError(columns.problem or str(error)) from error
        self.report_record(record)

    def report_record(self, record: FeedImport) -> None:
        to_be = "to be " if record.dry_run else ""
        self.report(
            record,
            problems=record.problems,
            error_file=record.error_file,
            dry_run=record.dry_run,
            further=f" Missing from the file and {to_be}deactivated: {record.deactivated}. Inactive and still hidden: {record.inactive}.",
        )
