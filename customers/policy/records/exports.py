"""The records as files: CSV for spreadsheets, and HTML to print or to hand to an authority."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import models
from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.csv_cells import format_csv
from config.foundation.number_formats import format_moment
from customers.policy.models import Breach, DataRecipient, ProcessingActivity, Transfer


@dataclass(frozen=True)
class RecordKind:
    """A kind of record that can be exported. hidden: fields that only programs use."""

    key: str
    label: str | Promise
    rows: Callable[[], QuerySet[Any]]
    fields: tuple[str, ...]


def list_fields(model: type[models.Model], *hidden: str) -> tuple[str, ...]:
    return tuple(field.name for field in model._meta.fields if field.name not in ("id", "key", *hidden))


ASSESSMENT = ("name", "purpose", "data", "necessity", "risks", "measures", "risk", "reviewed_at", "reviewed_by")
KINDS: dict[str, RecordKind] = {
    kind.key: kind
    for kind in (
        RecordKind(
            "activities",
            gettext_lazy("Records of processing activities (GDPR, Article 30)"),
            lambda: ProcessingActivity.objects.filter(is_active=True),
            list_fields(
                ProcessingActivity, "is_active", "necessity", "risks", "measures", "risk", "reviewed_at", "reviewed_by"
            ),
        ),
        RecordKind(
            "assessments",
            gettext_lazy("Impact assessment (GDPR, Article 35; PIPL, Article 55)"),
            lambda: ProcessingActivity.objects.filter(is_active=True, is_profiling=True),
            ASSESSMENT,
        ),
        RecordKind(
            "recipients",
            gettext_lazy("Recipients and sub-processors"),
            lambda: DataRecipient.objects.filter(is_active=True),
            list_fields(DataRecipient, "is_active"),
        ),
        RecordKind(
            "transfers",
            gettext_lazy("Transfers abroad (GDPR, Chapter V; PIPL, Chapter III)"),
            lambda: Transfer.objects.filter(is_active=True).select_related("recipient"),
            list_fields(Transfer, "is_active"),
        ),
        RecordKind(
            "breaches",
            gettext_lazy("Breaches (GDPR, Article 33(5); PIPL, Article 57)"),
            lambda: Breach.objects.select_related("segment"),
            list_fields(Breach),
        ),
    )
}


def get_labels(kind: RecordKind) -> list[str]:
    """Return the labels of the columns in the active language."""
    model = kind.rows().model
    return [capfirst(str(model._meta.get_field(name).verbose_name)) for name in kind.fields]


def build_rows(kind: RecordKind) -> Iterator[list[str]]:
    """Yield the texts of each record."""
    for record in kind.rows():
        yield [format_value(record, name) for name in kind.fields]


def format_value(record: models.Model, name: str) -> str:
    """Return a value as a reader wants it: labels of choices, yes and no, dates in the reader's format."""
    value = getattr(record, name)
    if hasattr(record, f"get_{name}_display"):
        return str(getattr(record, f"get_{name}_display")())
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, datetime):
        return format_moment(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        labels = dict(record._meta.get_field(name).base_field.choices or ())  # type: ignore[union-attr]
        return ", ".join(str(labels.get(item, item)) for item in value)
    if isinstance(record, Transfer) and name == "recipient":
        return record.recipient.name
    return "" if value is None else str(value)


def export_csv(kind: RecordKind) -> str:
    """Return the records as a CSV file."""
    rows: list[Sequence[Any]] = [get_labels(kind), *build_rows(kind)]
    return format_csv(rows)
