"""A range of days: the form in which a user enters it, and its start and end as times."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.utils.timezone import localdate, make_aware
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

DEFAULT_DAYS = 28
MIN_YEAR, MAX_YEAR = 1900, 2200  # years that every time zone and database has


class DateRangeForm(forms.Form):
    """The first and last day of a period; by default the last four weeks."""

    since = forms.DateField(label=gettext_lazy("from"), widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label=gettext_lazy("to"), widget=forms.DateInput(attrs={"type": "date"}))

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, str]) -> "DateRangeForm":
        today = localdate()
        days = {name: parameters[name] for name in ("since", "until") if parameters.get(name)}
        return cls(
            {"since": (today - timedelta(days=DEFAULT_DAYS - 1)).isoformat(), "until": today.isoformat(), **days}
        )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name in ("since", "until"):
            if cleaned.get(name) and not MIN_YEAR <= cleaned[name].year <= MAX_YEAR:
                self.add_error(
                    name, _("Enter a year between %(first)d and %(last)d.") % {"first": MIN_YEAR, "last": MAX_YEAR}
                )
        if cleaned.get("since") and cleaned.get("until") and cleaned["until"] < cleaned["since"]:
            self.add_error("until", _("The end date is before the start date."))
        return cleaned

    def to_url_parameters(self) -> dict[str, str]:
        """Return the days of a valid form as URL parameters."""
        return {name: self.cleaned_data[name].isoformat() for name in ("since", "until")}


@dataclass(frozen=True)
class DateRange:
    """From the start of the first day to the end of the last day."""

    since: datetime
    until: datetime

    @classmethod
    def from_form(cls, form: DateRangeForm) -> "DateRange":
        cleaned = form.cleaned_data
        return cls(
            make_aware(datetime.combine(cleaned["since"], time.min)),
            make_aware(datetime.combine(cleaned["until"] + timedelta(days=1), time.min)),
        )
