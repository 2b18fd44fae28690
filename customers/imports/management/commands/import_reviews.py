"""``manage.py import_reviews FILE``: imports reviews."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from catalog.feeds.feed_file import FeedError
from config.foundation.database.advisory_locks import AlreadyRunningError
from config.foundation.files.import_command import ImportCommand, parse_columns
from config.foundation.progress import ProgressBar
from customers.feedback.review_import import import_reviews
from customers.feedback.reviews import FIELDS
from customers.imports.command_columns import match_command_columns
from customers.imports.kinds.reviews import REVIEWS


class Command(ImportCommand):
    help = f"Import reviews from CSV or JSON Lines. Fields: {', '.join(FIELDS)}. A second import of the same file changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        self.add_file_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        columns = match_command_columns(
            kind=REVIEWS,
            path=options["file"],
            preset="native",
            chosen=parse_columns(options["map"], example="rating=Stars"),
            encoding=options["encoding"],
        )
        self.report_matches(columns.describe_matches(), verbosity=options["verbosity"])
        try:
            summary = import_reviews(
                path=options["file"],
                mapping={name: own[0] for name, own in columns.mapping.items()},
                received_at=timezone.now(),
                encoding=options["encoding"],
                dry_run=options["dry_run"],
                progress=ProgressBar("reviews"),
            )
        except (FeedError, AlreadyRunningError, OSError) as error:
            raise CommandError(columns.problem or str(error)) from error
        self.report(
            summary,
            problems=dict(summary.problems.most_common()),
            error_file=summary.error_file,
            dry_run=options["dry_run"],
        )
