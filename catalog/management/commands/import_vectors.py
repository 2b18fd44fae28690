"""Imports product vectors, such as image embeddings, into the catalog."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from catalog.feeds.feed_file import FeedError
from catalog.feeds.vector_import import import_vectors
from config.foundation.database.advisory_locks import AlreadyRunningError
from config.foundation.progress import ProgressBar


class Command(BaseCommand):
    help = (
        "Imports product vectors: Parquet or JSON Lines with product_id and vector, or .npz with ids and matrix. "
        "Importing a file twice changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--name", required=True, help="what the vectors describe, such as image")
        parser.add_argument("--dry-run", action="store_true", help="count the changes without making them")
        parser.add_argument(
            "--replace",
            action="store_true",
            help="delete all vectors of that name first; needed when another model made them",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            result = import_vectors(
                path=options["file"],
                name=options["name"],
                started_at=timezone.now(),
                dry_run=options["dry_run"],
                replace=options["replace"],
                progress=ProgressBar("vectors"),
            )
        except (FeedError, AlreadyRunningError) as error:
            raise CommandError(str(error)) from error
        if options["dry_run"]:
            self.stdout.write("Dry run: nothing was changed.")
        self.stdout.write(
            f"{result.rows} rows: {result.created} created, {result.updated} updated, {result.unchanged} unchanged, {result.rejected} rejected."
        )
        for problem, count in result.problems.items():
            self.stdout.write(f"  {count} × {problem}")
        if result.error_file:
            self.stdout.write(f"Rejected rows with reasons: {result.error_file}")
