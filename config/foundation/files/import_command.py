"""The shared parts of commands that import files: the options of a file with columns, and the counts at the end."""

from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from django.core.management.base import BaseCommand, CommandError


class ImportCounts(Protocol):
    """The counts of an import by row."""

    rows: int
    created: int
    updated: int
    unchanged: int
    rejected: int


class ImportCommand(BaseCommand):
    """A command that imports a file whose columns fill fields."""

    def add_file_arguments(
        self, parser: ArgumentParser, *, presets: Iterable[str] = (), default_preset: str = ""
    ) -> None:
        """Add the file and the options that say how to read it."""
        parser.add_argument("file", type=Path)
        names = list(presets)
        if names:
            parser.add_argument(
                "--preset", choices=names, default=default_preset, help="shop system that exported the file"
            )
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="FIELD=COLUMN",
            help="column of a field, if the preset does not know it and its name is not a usual one; repeatable",
        )
        parser.add_argument("--encoding", default=None, help="such as gb18030; default: detected")
        parser.add_argument(
            "--dry-run", action="store_true", help="check the file and count the changes, write nothing"
        )

    def report_matches(self, text: str, *, verbosity: int) -> None:
        """Print which columns were matched by name, if there are any."""
        if text and verbosity:
            self.stdout.write(text)

    def report(
        self,
        counts: ImportCounts,
        *,
        problems: Mapping[str, int],
        error_file: Path | str | None,
        dry_run: bool,
        further: str = "",
    ) -> None:
        """Print the counts and problems, and where the rejected rows are."""
        if dry_run:
            self.stdout.write("Dry run: nothing was changed.")
        self.stdout.write(
            f"{counts.rows} rows: {counts.created} created, {counts.updated} updated, {counts.unchanged} unchanged, "
            f"{counts.rejected} rejected.{further}"
        )
        for problem, count in problems.items():
            self.stdout.write(f"  {count} × {problem}")
        if error_file:
            self.stdout.write(f"Rejected rows with reasons: {error_file}")


def parse_columns(assignments: Iterable[str], *, example: str) -> dict[str, list[str]]:
    """Parse ["title=Name", …] into field → columns; a field that occurs twice has two columns. Raises CommandError."""
    mapping: dict[str, list[str]] = {}
    for text in assignments:
        name, equals, column = text.partition("=")
        if not equals or not name.strip() or not column.strip():
            raise CommandError(f"Invalid --map {text!r}; use field=column, such as {example}.")
        mapping.setdefault(name.strip(), []).append(column.strip())
    return mapping
