"""The columns that hold values under a key: encrypted texts, and keyed hashes. A rotation covers exactly these.

Encrypted fields register themselves by their class (``ENCRYPTED_FIELDS``); an app names everything else in its module ``stored_data/key_columns``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from django.apps import apps
from django.db.models import Field, Model
from django.utils.module_loading import autodiscover_modules


@dataclass(frozen=True)
class EncryptedColumn:
    """A column whose values are tokens, or contain them.

    Attributes:
        condition: SQL that is true for the rows that can have a token; empty for all.
    """

    model: str
    column: str
    condition: str = ""

    @property
    def is_json(self) -> bool:
        return get_model(self.model)._meta.get_field(self.column).get_internal_type() == "JSONField"


@dataclass(frozen=True)
class HashedColumn:
    """A column of keyed hashes.

    Attributes:
        condition: SQL that is true for the rows whose value is a hash; empty for all that are not empty.
        unique_with: the columns that are unique together with this one; None if the value need not be unique.
        plain: the encrypted column with the plain value in the same row; empty if there is none.
        is_json: whether the hashes are inside a JSON value.
        is_indexed: whether a hash is found without reading the whole table.
    """

    model: str
    column: str
    condition: str = ""
    unique_with: tuple[str, ...] | None = None
    plain: str = ""
    is_json: bool = False
    is_indexed: bool = True


ENCRYPTED_FIELDS: set[type[Field]] = set()
_encrypted: list[EncryptedColumn] = []
_hashed: list[HashedColumn] = []


def register_encrypted_field[T: type[Field]](field: T) -> T:
    """Register a field class whose columns are encrypted; usable as a decorator."""
    ENCRYPTED_FIELDS.add(field)
    return field


def register_encrypted(model: str, column: str, *, condition: str = "") -> None:
    _encrypted.append(EncryptedColumn(model, column, condition))


def register_hashed(
    model: str,
    column: str,
    *,
    condition: str = "",
    unique_with: tuple[str, ...] | None = None,
    plain: str = "",
    is_json: bool = False,
    is_indexed: bool = True,
) -> None:
    _hashed.append(HashedColumn(model, column, condition, unique_with, plain, is_json, is_indexed))


def list_encrypted_columns() -> list[EncryptedColumn]:
    """Return the encrypted columns of all models."""
    load_key_columns()
    return [*_list_encrypted_fields(), *_encrypted]


def list_hashed_columns() -> list[HashedColumn]:
    load_key_columns()
    return list(_hashed)


@cache
def load_key_columns() -> None:
    autodiscover_modules("stored_data.key_columns")


def _list_encrypted_fields() -> Iterator[EncryptedColumn]:
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, tuple(ENCRYPTED_FIELDS)):
                yield EncryptedColumn(model._meta.label, str(field.column))


def get_model(label: str) -> type[Model]:
    return apps.get_model(label)
