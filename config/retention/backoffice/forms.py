"""The form of all periods: one field of days per kind of data, and what a change would delete."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import OperationalError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.foundation.database.statement_timeouts import is_statement_timeout
from config.foundation.number_formats import format_count
from config.foundation.retention.kinds import RetentionKind, RetentionPreview, list_retention_kinds
from config.foundation.retention.periods import find_days, read_stored_days
from config.retention.models import RetentionSetting

LARGE_ROWS = 10_000  # a deletion of more rows has to be confirmed by typing their number


@dataclass
class PeriodRow:
    """One kind of data on the page. text: what was typed; days: its meaning, None for no limit."""

    kind: RetentionKind
    saved: int | None
    text: str
    days: int | None = None
    error: str = ""
    preview: RetentionPreview | None = None

    @property
    def name(self) -> str:
        return f"days-{self.kind.key}"

    @property
    def is_changed(self) -> bool:
        return not self.error and self.days != self.saved

    @property
    def is_shorter(self) -> bool:
        return self.is_changed and self.days is not None and (self.saved is None or self.days < self.saved)


@dataclass
class PeriodForm:
    """The rows of the page, and the deletions that saving would cause tonight."""

    rows: list[PeriodRow] = field(default_factory=list)

    @property
    def is_valid(self) -> bool:
        return not any(row.error for row in self.rows)

    @property
    def changed(self) -> list[PeriodRow]:
        return [row for row in self.rows if row.is_changed]

    @property
    def deleted_rows(self) -> int:
        return sum(row.preview.rows for row in self.rows if row.preview)

    @property
    def dropped(self) -> list[str]:
        return sorted({name for row in self.rows if row.preview for name in row.preview.partitions})

    @property
    def needs_number(self) -> bool:
        """Whether the deletion is so large that it has to be confirmed by its number."""
        return self.deleted_rows > LARGE_ROWS or bool(self.dropped)

    def is_confirmed(self, typed: str) -> bool:
        digits = "".join(letter for letter in typed if letter.isdecimal())
        return not self.needs_number or (digits.isascii() and digits == str(self.deleted_rows))


def read_form(posted: Mapping[str, str] | None = None) -> PeriodForm:
    """Return the saved periods, or those of a request with its errors."""
    stored = read_stored_days()
    form = PeriodForm()
    for kind in list_retention_kinds():
        saved = find_days(kind, stored)
        row = PeriodRow(kind, saved, "" if saved is None else str(saved), saved)
        if posted is not None:
            row.text = posted.get(row.name, row.text).strip()[:20]
            row.days, row.error = parse_days(kind, row.text)
        form.rows.append(row)
    return form


def parse_days(kind: RetentionKind, text: str) -> tuple[int | None, str]:
    """Return the days of a text, or what is wrong with it."""
    if not text and kind.may_be_forever:
        return None, ""
    if not (text.isascii() and text.isdecimal()) or not kind.min_days <= int(text) <= kind.max_days:
        return None, _("Enter a whole number from %(low)s to %(high)s.") % {
            "low": format_count(kind.min_days),
            "high": format_count(kind.max_days),
        }
    return int(text), ""


def add_previews(rows: Sequence[PeriodRow], *, now: datetime) -> None:
    """Count what tonight's job would delete with the new periods. A row that takes too long gets an error, so that it is not saved unseen."""
    for row in rows:
        if row.is_shorter and row.days is not None:
            try:
                with transaction.atomic():
                    row.preview = row.kind.preview(now - timedelta(days=row.days))
            except OperationalError as error:
                if not is_statement_timeout(error):
                    raise
                row.error = _("Counting what would be deleted takes too long at the moment. Try again later.")


def save_form(form: PeriodForm) -> dict[str, list[int | None]]:
    """Store the changed periods; return the old and the new days of each."""
    changes: dict[str, list[int | None]] = {}
    for row in form.changed:
        changes[row.kind.key] = [row.saved, row.days]
        if row.kind.write_days is not None and row.days is not None:
            row.kind.write_days(row.days)
        else:
            RetentionSetting.objects.update_or_create(kind=row.kind.key, defaults={"days": row.days})
    return changes


def describe_days(days: int | None) -> str:
    if days is None:
        return _("no limit")
    return ngettext("%(days)s day", "%(days)s days", days) % {"days": format_count(days)}
