"""Reads vectors of products, such as those of their images, into the catalogue."""

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
        "Reads vectors of products: Parquet or JSON Lines with product_id and vector, or .npz with ids and matrix. "
        "The same file again changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--name", required=True, help="what the numbers describe, such as image")
        parser.add_argument("--dry-run", action="store_true", help="count, and change nothing")
        parser.add_argument(
            "--replace", action="store_true", help="all vectors of that name go first: those of another model"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = import_vectors(
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
            f"{done.rows} rows: {done.created} created, {done.updated} updated, {done.unchanged} unchanged, {done.rejected} rejected."
        )
        for problem, count in done.problems.items():
            self.stdout.write(f"  {count} × {problem}")
        if done.error_file:
            self.stdout.write(f"Rejected rows with their reasons: {done.error_file}")
