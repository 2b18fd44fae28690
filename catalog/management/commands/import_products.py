"""Imports a product feed into the catalog."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from catalog.feeds.feed_file import FeedError
from catalog.feeds.presets.registry import DEFAULT_PRESET, PRESETS
from catalog.feeds.product_import import FeedOptions, MissingProducts, import_feed
from catalog.models import FeedImport
from config.foundation.database.advisory_locks import AlreadyRunningError
from config.foundation.progress import ProgressBar
from config.foundation.shop.profile import get_shop


def parse_mapping(assignments: list[str]) -> dict[str, list[str]]:
    """Parse ["title=Name", …] into field → columns; a field that occurs twice has two columns."""
    mapping: dict[str, list[str]] = {}
    for text in assignments:
        name, equals, column = text.partition("=")
        if not equals or not name.strip() or not column.strip():
            raise CommandError(f"Invalid --map {text!r}; use field=column, such as title=Name.")
        mapping.setdefault(name.strip(), []).append(column.strip())
    return mapping


class Command(BaseCommand):
    help = (
        "Imports a product feed (CSV, TSV, JSON Lines or Google Merchant XML). Importing a file twice changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--format", choices=FeedImport.Format.values, help="default: detected")
        parser.add_argument("--encoding", help="such as gb18030; default: detected")
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
        parser.add_argument("--currency", default="", help="for prices without a currency; default: that of the shop")
        parser.add_argument("--dry-run", action="store_true", help="count the changes without making them")
        parser.add_argument(
            "--missing",
            choices=[choice.value for choice in MissingProducts],
            default=MissingProducts.KEEP.value,
            help="what to do with products that are missing from the file",
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
                    mapping=parse_mapping(options["map"]),
                ),
                started_at=record.started_at,
                dry_run=record.dry_run,
                progress=ProgressBar("products"),
                record=record,
            )
        except (FeedError, AlreadyRunningError) as error:
            self.report(record)
            raise CommandError(str(error)) from error
        self.report(record)

    def report(self, record: FeedImport) -> None:
        if record.dry_run:
            self.stdout.write("Dry run: nothing was changed.")
        self.stdout.write(
            f"{record.rows} rows: {record.created} created, {record.updated} updated, {record.unchanged} unchanged, "
            f"{record.rejected} rejected. Missing from the file and "
            f"{'to be ' if record.dry_run else ''}deactivated: {record.deactivated}."
        )
        for problem, count in record.problems.items():
            self.stdout.write(f"  {count} × {problem}")
        if record.error_file:
            self.stdout.write(f"Rejected rows with reasons: {record.error_file}")
