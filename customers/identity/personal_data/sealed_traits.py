"""Traits of customers in the database: the value of each personal trait is encrypted in its place, so its name can be searched."""

from typing import Any

from django.db import models
from django.db.models.fields.json import KeyTransform

from config.foundation.keys.key_columns import register_encrypted_field
from customers.identity.personal_data.encrypted_field import UnreadableFieldError
from customers.identity.personal_data.personal_traits import seal_personal, unseal_personal
from customers.identity.personal_data.recognition import is_personal

SEALED = "$sealed"  # the only key of an object that replaces a value
VALUE = "value"


def seal_traits(traits: dict[str, Any]) -> dict[str, Any]:
    """Return traits with the personal values encrypted."""
    return {
        name: {SEALED: seal_personal({VALUE: value})}
        if not is_sealed(value) and is_personal(name, value, among_traits=True)
        else value
        for name, value in traits.items()
    }


def unseal_traits(traits: dict[str, Any]) -> dict[str, Any]:
    """Return traits with all values that can be decrypted; one whose key FIELD_KEYS lacks stays encrypted."""
    return {name: unseal_value(value) if is_sealed(value) else value for name, value in traits.items()}


def unseal_value(value: dict[str, Any]) -> Any:
    """Return the decrypted value, or the encrypted one if there is no key."""
    try:
        return unseal_personal(value[SEALED]).get(VALUE)
    except (UnreadableFieldError, ValueError):
        return value


def is_sealed(value: Any) -> bool:
    """Return whether a value is encrypted."""
    return isinstance(value, dict) and value.keys() == {SEALED} and isinstance(value[SEALED], str)


@register_encrypted_field
class SealedTraitsField(models.JSONField):
    """A JSON object of traits whose personal values are encrypted in the database and plain in Python."""

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        is_plain = isinstance(expression, KeyTransform) or (isinstance(value, str) and SEALED not in value)
        value = super().from_db_value(value, expression, connection)
        return value if is_plain or not isinstance(value, dict) else unseal_traits(value)

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        return super().get_db_prep_save(seal_traits(value) if isinstance(value, dict) else value, connection)
