"""How long each kind of data is kept now; the privacy policy and the jobs read it here."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.apps import apps
from django.utils.functional import Promise

from config.foundation.retention.kinds import RetentionKind, get_retention_kind, list_retention_kinds


@dataclass(frozen=True)
class RetentionPeriod:
    """A kind of data with the days it is kept; None means no limit."""

    key: str
    label: str | Promise
    days: int | None
    note: str | Promise
    legal_hint: str | Promise


def list_retention_periods() -> list[RetentionPeriod]:
    """Return every kind of data with the time it is kept."""
    stored = read_stored_days()
    return [
        RetentionPeriod(kind.key, kind.label, find_days(kind, stored), kind.note, kind.legal_hint)
        for kind in list_retention_kinds()
    ]


def get_retention_days(key: str) -> int:
    """Return the days of a kind that always has a limit. Raises KeyError."""
    kind = get_retention_kind(key)
    days = find_days(kind, read_stored_days(key))
    if days is None:
        raise ValueError(f"{key} is kept without a limit.")
    return days


def get_retention_limit(key: str, *, now: datetime) -> datetime:
    """Return the moment before which a kind is deleted."""
    return now - timedelta(days=get_retention_days(key))


def find_days(kind: RetentionKind, stored: dict[str, int | None]) -> int | None:
    """Return the days of a kind: stored with its object, set on the page, or the default."""
    if kind.read_days is not None:
        return kind.read_days()
    return stored.get(kind.key, kind.default_days)


def read_stored_days(*keys: str) -> dict[str, int | None]:
    """Return the periods that were set on the page; the table belongs to a higher layer."""
    rows = apps.get_model("retention", "RetentionSetting")._default_manager.all()
    if keys:
        rows = rows.filter(kind__in=keys)
    return dict(rows.values_list("kind", "days"))
