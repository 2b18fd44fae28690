"""How long each kind of data is kept now; the privacy policy and the jobs read it here."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.db.models import QuerySet
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


def get_undeleted_since(key: str, *, now: datetime) -> datetime:
    """Return the moment since which nothing of a kind was deleted because of its age.

    A period that was made longer does not bring back what is gone. How short it was before is not known, except that it was allowed.
    """
    limit = get_retention_limit(key, now=now)
    changed_at = list_settings(key).values_list("changed_at", flat=True).first()
    return limit if changed_at is None else max(limit, changed_at - timedelta(days=get_retention_kind(key).min_days))


def find_days(kind: RetentionKind, stored: dict[str, int | None]) -> int | None:
    """Return the days of a kind: stored with its object, set on the page, or the default."""
    if kind.read_days is not None:
        return kind.read_days()
    return stored.get(kind.key, kind.default_days)


def read_stored_days(*keys: str) -> dict[str, int | None]:
    """Return the periods that were set on the page."""
    return dict(list_settings(*keys).values_list("kind", "days"))


def list_settings(*keys: str) -> QuerySet[Any]:
    """Return what was set on the page for some kinds, or for all; the table belongs to a higher layer."""
    rows = apps.get_model("retention", "RetentionSetting")._default_manager.all()
    return rows.filter(kind__in=keys) if keys else rows
