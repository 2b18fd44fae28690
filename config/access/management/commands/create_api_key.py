"""``manage.py create_api_key``: creates a key of the REST API and prints it once."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.access.keys import create_api_key
from config.access.models import ApiKey
from config.access.scopes import KNOWN_SCOPES


class Command(BaseCommand):
    help = "Create an API key and print it. Only its hash is stored, so it cannot be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="what the key is for, such as the name of a program")
        parser.add_argument("--kind", choices=ApiKey.Kind.values, default=ApiKey.Kind.SECRET.value)
        parser.add_argument(
            "--scope",
            action="append",
            default=[],
            metavar="SCOPE",
            help=f"what a secret key may do; can be repeated; one of {', '.join(KNOWN_SCOPES)}, or all",
        )

        parser.add_argument(
            "--test", action="store_true", help="make a test key, whose requests are answered but change nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        scopes = list(KNOWN_SCOPES) if "all" in options["scope"] else options["scope"]
        try:
            _api_key, plain = create_api_key(
                name=options["name"],
                kind=options["kind"],
                scopes=scopes,
                now=datetime.now(UTC),
                is_test=options["test"],
            )
        except ValueError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(plain)
