"""Text that is encrypted in the database, with keys that can be rotated."""

from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models


@lru_cache(maxsize=4)
def cipher(keys: tuple[str, ...]) -> MultiFernet:
    """The first key encrypts, every key decrypts."""
    return MultiFernet([Fernet(key.encode()) for key in keys])


class UnreadableFieldError(Exception):
    """A stored value was encrypted with a key that FIELD_KEYS no longer holds."""


class EncryptedTextField(models.TextField):
    """A text encrypted at rest; empty stays empty. It can't be searched: use a keyed hash for that."""

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return encrypt(value) if value else value

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        return decrypt(value) if value else value


def encrypt(text: str) -> str:
    return cipher(tuple(settings.FIELD_KEYS)).encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    try:
        return cipher(tuple(settings.FIELD_KEYS)).decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise UnreadableFieldError(
            "A personal field cannot be read: FIELD_KEYS lacks the key that wrote it. Add the old key behind the new one."
        ) from error
