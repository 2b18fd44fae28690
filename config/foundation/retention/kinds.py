"""Kinds of data, how long each is kept by default, and how to preview and delete what is older."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from django.utils.functional import Promise
from django.utils.module_loading import autodiscover_modules

MAX_DAYS = 3650
COUNT_LIMIT = 1_000_000  # a preview counts no more rows, because the page waits for it


@dataclass(frozen=True)
class RetentionPreview:
    """What a deletion would delete: the number of rows or files, the oldest moment, and the monthly tables that are dropped as a whole.

    Attributes:
        is_at_least: there are more rows than ``rows``; counting stops at `COUNT_LIMIT`.
    """

    rows: int
    oldest: datetime | None = None
    partitions: tuple[str, ...] = ()
    is_at_least: bool = False


@dataclass(frozen=True)
class RetentionKind:
    """A kind of data.

    Attributes:
        note: what is deleted, and what stays.
        default_days: None keeps the data until an operator deletes it.
        min_days: shorter periods would break something; ``legal_hint`` states whether a law requires a period.
        preview, purge: count or delete what is older than a moment. Purging works in short transactions, and can be interrupted and repeated.
        read_days, write_days: read and store a period that is kept elsewhere, such as with a source.
    """

    key: str
    label: str | Promise
    note: str | Promise
    default_days: int | None
    preview: Callable[[datetime], RetentionPreview]
    purge: Callable[[datetime], int]
    min_days: int = 1
    max_days: int = MAX_DAYS
    legal_hint: str | Promise = ""
    order: int = 50
    read_days: Callable[[], int] | None = None
    write_days: Callable[[int], None] | None = None

    @property
    def may_be_forever(self) -> bool:
        return self.default_days is None


class DuplicateKindError(Exception):
    """Two kinds of data have the same key."""


_kinds: dict[str, RetentionKind] = {}
_providers: list[Callable[[], Iterator[RetentionKind]]] = []


def register_retention(*kinds: RetentionKind) -> None:
    """Register kinds of data of an app."""
    for kind in kinds:
        if kind.key in _kinds:
            raise DuplicateKindError(f"Two kinds of data have the key {kind.key!r}. Rename one.")
        _kinds[kind.key] = kind


def register_retention_provider(provider: Callable[[], Iterator[RetentionKind]]) -> None:
    """Register a function that yields kinds which depend on what is stored, such as one for each source."""
    _providers.append(provider)


def list_retention_kinds() -> list[RetentionKind]:
    """Return all kinds in the order of the page."""
    _discover()
    provided = [kind for provider in _providers for kind in provider()]
    return sorted([*provided, *_kinds.values()], key=lambda kind: kind.order)


def get_retention_kind(key: str) -> RetentionKind:
    """Return a kind with a fixed key. Raises KeyError."""
    _discover()
    return _kinds[key]


@cache
def _discover() -> None:
    autodiscover_modules("stored_data.retention_kinds")
