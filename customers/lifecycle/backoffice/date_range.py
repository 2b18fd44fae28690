"""Two days that a page asks about, as a form and as moments."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.utils.timezone import localdate, make_aware
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

DAYS = 28
EARLIEST, LATEST = 1900, 2200  # years that every time zone and database has


class RangeForm(forms.Form):
    """Two days; the moves of the last four weeks where none are given."""

    since = forms.DateField(label=gettext_lazy("from"), widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label=gettext_lazy("to"), widget=forms.DateInput(attrs={"type": "date"}))

    @classmethod
    def asked(cls, given: Mapping[str, str]) -> "RangeForm":
        today = localdate()
        days = {name: given[name] for name in ("since", "until") if given.get(name)}
        return cls({"since": (today - timedelta(days=DAYS - 1)).isoformat(), "until": today.isoformat(), **days})

    def clean(self) -> dict[str, Any]:
        told = super().clean() or {}
        for name in ("since", "until"):
            if told.get(name) and not EARLIEST <= told[name].year <= LATEST:
                self.add_error(
                    name, _("Give a year between %(first)d and %(last)d.") % {"first": EARLIEST, "last": LATEST}
                )
        if told.get("since") and told.get("until") and told["until"] < told["since"]:
            self.add_error("until", _("The last day is before the first: give the earlier day first."))
        return told

    def days(self) -> dict[str, str]:
        """Of a valid form, as an address names them."""
        return {name: self.cleaned_data[name].isoformat() for name in ("since", "until")}


@dataclass(frozen=True)
class Range:
    """From the beginning of the first day to the end of the last."""

    since: datetime
    until: datetime

    @classmethod
    def of(cls, form: RangeForm) -> "Range":
        told = form.cleaned_data
        return cls(
            make_aware(datetime.combine(told["since"], time.min)),
            make_aware(datetime.combine(told["until"] + timedelta(days=1), time.min)),
        )
