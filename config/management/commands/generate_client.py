"""``manage.py generate_client``: a typed client of the REST API in Python, TypeScript or JavaScript."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.api_clients.document import build_document
from config.api_clients.javascript_writer import write_javascript_client
from config.api_clients.operations import read_document, select_operations
from config.api_clients.python_writer import write_python_client
from config.api_clients.typescript_writer import write_typescript_client

WRITERS = {"javascript": write_javascript_client, "python": write_python_client, "typescript": write_typescript_client}


class Command(BaseCommand):
    help = (
        "Write a client of the REST API of this version into a folder: a typed Python package that needs httpx only, a TypeScript package "
        "without dependencies for browsers and Node 18 or later, or the same as JavaScript modules, which need no compiler. All have "
        "time-outs, retries, user tokens and fallbacks."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--language", choices=sorted(WRITERS), required=True)
        parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="Its files are overwritten.")
        parser.add_argument(
            "--operation",
            action="append",
            default=[],
            metavar="NAME",
            help="Write only this operation; can be repeated.",
        )

    def handle(self, *, language: str, output: Path, operation: list[str], **options: Any) -> None:
        if output.exists() and not output.is_dir():
            raise CommandError(f"{output} is not a folder. Name a folder, which is created if it does not exist.")
        model = read_document(build_document())
        if operation:
            try:
                model = select_operations(model, operation)
            except ValueError as error:
                raise CommandError(str(error)) from error
        for path, text in WRITERS[language](model).items():
            file = output / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        self.stdout.write(f"{len(model.operations)} operations written to {output}")
