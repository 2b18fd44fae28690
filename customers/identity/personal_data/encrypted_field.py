"""A text field that is encrypted in the database, with keys that can be rotated."""

from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models

from config.foundation.keys.key_columns import register_encrypted_field
from config.foundation.keys.live_keys import LiveKeys


@lru_cache(maxsize=4)
def get_cipher(keys: tuple[str, ...]) -> MultiFernet:
    """Return the cipher for the keys: the first one encrypts, all decrypt."""
    return MultiFernet([Fernet(key.encode()) for key in keys])


class UnreadableFieldError(Exception):
    """A stored value was encrypted with a key that FIELD_KEYS no longer holds."""


@register_encrypted_field
class EncryptedTextField(models.TextField):
    """A text encrypted at rest; an empty text stays empty. It cannot be searched: use a keyed hash for that."""

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return encrypt(value) if value else value

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        return decrypt(value) if value else value


def encrypt(text: str) -> str:
    return get_cipher(tuple(settings.FIELD_KEYS)).encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    try:
        return get_cipher(tuple(settings.FIELD_KEYS)).decrypt(token.encode()).decode()
    except InvalidToken as error:
        if isinstance(settings.FIELD_KEYS, LiveKeys) and settings.FIELD_KEYS.refresh():
            return decrypt(token)  # another process has begun a rotation within the last second
        raise UnreadableFieldError(
            "A personal field cannot be decrypted: FIELD_KEYS lacks the key that encrypted it. Add the old key after the new one."
        ) from error
