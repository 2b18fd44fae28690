"""Reads bounces, complaints and requests to unsubscribe from a mailbox: an mbox file, a maildir folder, or IMAP."""

import imaplib
import mailbox
import os
from argparse import ArgumentParser
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from recommendations.sending.bounces.mailbox import read_messages

IMAP_SECONDS = 30.0  # for each answer of the mail server


class Command(BaseCommand):
    help = "Reads bounces, complaints and requests to unsubscribe from a mailbox. A message that is read twice counts once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--path", help="An mbox file or a maildir folder.")
        parser.add_argument(
            "--imap", help="An IMAP server; set the account with BOUNCE_IMAP_USER and BOUNCE_IMAP_PASSWORD."
        )
        parser.add_argument(
            "--folder", default="INBOX", help="The IMAP folder; messages that are read are marked as seen."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["path"]) == bool(options["imap"]):
            raise CommandError("Give either --path or --imap.")
        messages = (
            read_path(Path(options["path"])) if options["path"] else read_imap(options["imap"], options["folder"])
        )
        counts = read_messages(messages)
        self.stdout.write(", ".join(f"{number} {kind}" for kind, number in sorted(counts.items())) or "No messages.")


def read_path(path: Path) -> Iterator[Message]:
    """Yield the messages of an mbox file or a maildir folder."""
    if not path.exists():
        raise CommandError(f"{path} does not exist.")
    box: mailbox.Mailbox[Any] = (
        mailbox.Maildir(path, create=False) if path.is_dir() else mailbox.mbox(path, create=False)
    )
    try:
        yield from box
    finally:
        box.close()


def read_imap(host: str, folder: str) -> Iterator[Message]:
    """Yield the unseen messages of a folder."""
    user, password = os.environ.get("BOUNCE_IMAP_USER", ""), os.environ.get("BOUNCE_IMAP_PASSWORD", "")
    if not user or not password:
        raise CommandError("Set BOUNCE_IMAP_USER and BOUNCE_IMAP_PASSWORD.")
    with imaplib.IMAP4_SSL(host, timeout=IMAP_SECONDS) as server:
        server.login(user, password)
        server.select(folder)
        _status, [numbers] = server.search(None, "UNSEEN")
        for number in (numbers or b"").split():
            _status, parts = server.fetch(number.decode(), "(RFC822)")
            for part in parts:
                if isinstance(part, tuple):
                    yield message_from_bytes(part[1])
