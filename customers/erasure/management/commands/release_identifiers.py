"""``manage.py release_identifiers``: lets an erased person come back at their own request."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from customers.identity.erased.blocked_identifiers import release_identifiers
from customers.identity.models import Identifier
from customers.identity.personal_data.hashing import hash_email, hash_phone, hash_wechat_id

HASHES = {
    "email": (Identifier.Kind.EMAIL_HASH, hash_email),
    "phone": (Identifier.Kind.PHONE_HASH, hash_phone),
    "wechat_openid": (Identifier.Kind.OPENID_HASH, hash_wechat_id),
    "wechat_unionid": (Identifier.Kind.UNIONID_HASH, hash_wechat_id),
}
PLAIN = ("user_id", "anonymous_id", "device_id")


class Command(BaseCommand):
    """Release blocked identifiers."""

    help = "Lets an erased person come back: their identifiers may belong to a customer again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("identifier", nargs="+", help=f"KIND=VALUE with a kind of {', '.join((*PLAIN, *HASHES))}")
        parser.add_argument("--by", default="manage.py", help="who asked for it, for the record")

    def handle(self, *args: Any, **options: Any) -> None:
        keys = [parse_identifier(text) for text in options["identifier"]]
        released = release_identifiers(keys, at=timezone.now(), by=options["by"])
        self.stdout.write(f"{released} of {len(keys)} identifiers were blocked and are released.")


def parse_identifier(text: str) -> tuple[str, str]:
    """Return the kind and value of "email=ada@example.com" as they are stored. Raises CommandError."""
    kind, separator, value = text.partition("=")
    if not separator or not value or kind not in (*PLAIN, *HASHES):
        raise CommandError(f"{text!r} is not KIND=VALUE with a kind of {', '.join((*PLAIN, *HASHES))}.")
    if kind in HASHES:
        stored_kind, hash_value = HASHES[kind]
        return stored_kind, hash_value(value)
    return kind, value
