"""Makes a key of the REST API and prints it, once."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.access.keys import create_key
from config.access.models import ApiKey
from config.access.scopes import KNOWN_SCOPES


class Command(BaseCommand):
    help = "Makes a key of the REST API and prints it. It is kept as a hash and can't be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="What the key is for, such as the name of a program.")
        parser.add_argument("--kind", choices=ApiKey.Kind.values, default=ApiKey.Kind.SECRET.value)
        parser.add_argument(
            "--scope",
            action="append",
            default=[],
            metavar="SCOPE",
            help=f"What a secret key may do; may be given several times. One of {', '.join(KNOWN_SCOPES)}, or all.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        scopes = list(KNOWN_SCOPES) if "all" in options["scope"] else options["scope"]
        try:
            _api_key, plain = create_key(
                name=options["name"], kind=options["kind"], scopes=scopes, now=datetime.now(UTC)
            )
        except ValueError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(plain)
