"""Refuses passwords that are known from data breaches.

The hashes come from a file or from a service with the protocol of Pwned Passwords (https://haveibeenpwned.com/API/v3#PwnedPasswords):
only the first five digits of the SHA-1 hash leave this machine, and the answer has all hashes that start with them.
"""

import logging
import os
from hashlib import sha1
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from config.foundation.files.safe_download import DownloadError, download_file

logger = logging.getLogger(__name__)

PREFIX_DIGITS = 5
MAX_RANGE_BYTES = 2**20  # an answer has about 40 kB
SECONDS = 3.0
LINE_BYTES = 128  # more than "HASH:count" and the end of the line


class BreachedPasswordValidator:
    """Refuses passwords of known breaches; without ``BREACHED_PASSWORDS``, it accepts every password."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raise ValidationError for a known password. If the service does not answer, this is logged and the password accepted."""
        digest = sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
        if is_breached(digest, source=settings.BREACHED_PASSWORDS):
            raise ValidationError(
                _("This password is known from a data breach of another site. Choose another one."),
                code="password_breached",
            )

    def get_help_text(self) -> str:
        return _("Your password can’t be one that is known from a data breach.")


def is_breached(digest: str, *, source: str) -> bool:
    """Return whether a hash is in the source: a file sorted by hash, or the https address of a service."""
    if not source:
        return False
    try:
        if source.startswith("https://"):
            return digest[PREFIX_DIGITS:] in download_suffixes(source, digest[:PREFIX_DIGITS])
        with Path(source).open("rb") as file:
            return contains_line(file, digest.encode())
    except (DownloadError, OSError) as error:
        logger.warning("A new password was not checked against known breaches: %s", error)
        return False


def download_suffixes(service: str, prefix: str) -> set[str]:
    """Return the rest of all hashes with the prefix. Errors: DownloadError."""
    with TemporaryDirectory(prefix="perennial-range-") as folder:
        path = Path(folder) / "range.txt"
        download_file(
            url=f"{service.rstrip('/')}/{prefix}",
            path=path,
            max_bytes=MAX_RANGE_BYTES,
            seconds=SECONDS,
            private_hosts=settings.WEBHOOK_PRIVATE_HOSTS,
        )
        return {line.partition(":")[0].strip().upper() for line in path.read_text(encoding="ascii").splitlines()}


def contains_line(file: BinaryIO, digest: bytes) -> bool:
    """Return whether a file of lines "HASH:count" in ascending order has the hash, with about 35 reads of a file of 40 GB."""
    low, high = 0, file.seek(0, os.SEEK_END)
    while low < high:
        middle = (low + high) // 2
        start, line = read_next_line(file, middle)
        key = line.partition(b":")[0].strip().upper()
        if key == digest:
            return True
        if not line or start >= high or key > digest:
            high = middle
        else:
            low = start + len(line)
    return False


def read_next_line(file: BinaryIO, position: int) -> tuple[int, bytes]:
    """Return the first line that starts at or after a position, and where it starts."""
    if position:
        file.seek(position - 1)
        file.readline(LINE_BYTES)  # the end of the line before
    else:
        file.seek(0)
    return file.tell(), file.readline(LINE_BYTES)
