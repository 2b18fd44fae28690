"""Reads a passphrase from the environment, from a file, or from a person at a terminal."""

import os
import sys
from getpass import getpass
from pathlib import Path

from django.core.management.base import CommandError

VARIABLE = "KEY_BACKUP_PASSPHRASE"


def read_passphrase(file_name: str | None, *, twice: bool) -> str:
    """Return the passphrase. Errors: CommandError if there is none."""
    if file_name:
        try:
            return Path(file_name).read_text().strip()
        except OSError as error:
            raise CommandError(f"--passphrase-file {file_name} cannot be read: {error.strerror}") from error
    if value := os.environ.get(VARIABLE):
        return value
    if not sys.stdin.isatty():
        raise CommandError(f"No passphrase. Set {VARIABLE}, or use --passphrase-file.")
    passphrase = getpass("Passphrase: ")
    if twice and getpass("Again: ") != passphrase:
        raise CommandError("The two passphrases differ.")
    return passphrase
