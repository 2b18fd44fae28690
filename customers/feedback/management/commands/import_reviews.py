"""``manage.py import_reviews FILE``: imports reviews."""

from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from catalog.feeds.feed_file import FeedError
from config.foundation.database.advisory_locks import AlreadyRunningError
from config.foundation.progress import ProgressBar
from customers.feedback.review_import import import_reviews
from customers.feedback.reviews import FIELDS


def parse_assignment(text: str) -> tuple[str, str]:
    name, sign, column = text.partition("=")
    if not sign or not name.strip() or not column.strip():
        raise ArgumentTypeError(f"Invalid mapping {text!r}; use field=column")
    return name.strip(), column.strip()


class Command(BaseCommand):
    help = f"Import reviews from CSV or JSON Lines. Fields: {', '.join(FIELDS)}. A second import of the same file changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--map", action="append", type=parse_assignment, default=[], metavar="FIELD=COLUMN")
        parser.add_argument("--encoding", help="such as gb18030; default: detected")
        parser.add_argument("--dry-run", action="store_true", help="count the rows, change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            summary = import_reviews(
                path=options["file"],
                mapping=dict(options["map"]),
                received_at=timezone.now(),
                encoding=options["encoding"],
                dry_run=options["dry_run"],
                progress=ProgressBar("reviews"),
            )
        except (FeedError, AlreadyRunningError, OSError) as error:
            raise CommandError(str(error)) from error
        if options["dry_run"]:
            self.stdout.write("Dry run: nothing was changed.")
        self.stdout.write(
            f"{summary.rows} rows: {summary.created} created, {summary.updated} updated, {summary.unchanged} unchanged, "
            f"{summary.rejected} rejected."
        )
        for problem, count in summary.problems.most_common():
            self.stdout.write(f"  {count} × {problem}")
        if summary.error_file:
            self.stdout.write(f"Rejected rows and reasons: {summary.error_file}")
