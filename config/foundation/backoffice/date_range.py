"""Ranges of whole days in the shop's time zone: presets, custom ranges, and the range to compare with.

Today is not over, so it is part of a preset only on pages that ask for it.
"""

from calendar import monthrange
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from django.utils.functional import Promise
from django.utils.timezone import make_aware
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

DAY = timedelta(days=1)
YEAR_DAYS = 364  # 52 weeks: the same weekdays a year before
MIN_YEAR, MAX_YEAR = 1900, 2200  # years that every time zone and database has
DEFAULT_PRESET = "28d"
CUSTOM = "custom"
LAST_MONTH = "last_month"


@dataclass(frozen=True)
class DayRange:
    """The days from the first to the last, both included."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(f"The last day {self.last} is before the first day {self.first}.")

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def start(self) -> datetime:
        """The moment at which the first day starts."""
        return make_aware(datetime.combine(self.first, time.min))

    @property
    def end(self) -> datetime:
        """The moment at which the last day ends, which is not part of the range."""
        return make_aware(datetime.combine(self.last + DAY, time.min))

    def shift(self, days: int) -> "DayRange":
        return DayRange(self.first + timedelta(days=days), self.last + timedelta(days=days))


def make_last_days(days: int) -> Callable[[date], DayRange]:
    return lambda today: DayRange(today - timedelta(days=days), today - DAY)


def start_month(day: date) -> date:
    return day.replace(day=1)


def make_this_month(today: date) -> DayRange:
    """Return yesterday's month up to yesterday; on the first day of a month, this is the whole previous month."""
    return DayRange(start_month(today - DAY), today - DAY)


def make_last_month(today: date) -> DayRange:
    """Return the whole month before the current one."""
    last = start_month(today) - DAY
    return DayRange(start_month(last), last)


def make_this_year(today: date) -> DayRange:
    """Return yesterday's year up to yesterday."""
    return DayRange((today - DAY).replace(month=1, day=1), today - DAY)


PRESETS: dict[str, tuple[str | Promise, Callable[[date], DayRange]]] = {
    "7d": (gettext_lazy("Last 7 days"), make_last_days(7)),
    "28d": (gettext_lazy("Last 28 days"), make_last_days(28)),
    "90d": (gettext_lazy("Last 90 days"), make_last_days(90)),
    "365d": (gettext_lazy("Last 365 days"), make_last_days(365)),
    "this_month": (gettext_lazy("This month"), make_this_month),
    LAST_MONTH: (gettext_lazy("Last month"), make_last_month),
    "this_year": (gettext_lazy("This year"), make_this_year),
}
COMPARISONS: dict[str, str | Promise] = {
    "previous": gettext_lazy("Previous period"),
    "year": gettext_lazy("A year before"),
    "none": gettext_lazy("No comparison"),
}


def find_preset_days(preset: str, *, today: date, includes_today: bool = False) -> DayRange:
    """Return the days of a preset, up to yesterday or today; the last month is always the one before the month of today."""
    return PRESETS[preset][1](today + DAY if includes_today and preset != LAST_MONTH else today)


def go_back_months(day: date, months: int) -> date:
    """Return the same day of an earlier month; the last day of a month for the last day, and for a day that the month does not have."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    last = monthrange(year, month + 1)[1]
    is_last = day.day == monthrange(day.year, day.month)[1]
    return date(year, month + 1, last if is_last else min(day.day, last))


def find_previous_range(chosen: DayRange) -> DayRange:
    """Return the previous period, which depends on nothing but the days.

    From January 1 to a later month of the year: the same days of the year before. From the first of a month otherwise: the same days of as
    many months before, and whole months before whole months. Otherwise: as many days directly before.
    """
    if chosen.first.day != 1:
        return chosen.shift(-chosen.days)
    months = (chosen.last.year - chosen.first.year) * 12 + chosen.last.month - chosen.first.month + 1
    if chosen.first.month == 1 and 1 < months < 12:
        months = 12
    return DayRange(go_back_months(chosen.first, months), go_back_months(chosen.last, months))


@dataclass(frozen=True)
class DateChoice:
    """The range of a page, and the one to compare with (None: no comparison)."""

    preset: str
    range: DayRange
    comparison: str
    compared: DayRange | None
    errors: tuple[str, ...] = field(default=())

    def to_parameters(self) -> dict[str, str]:
        """Return the URL parameters of the choice, for links that keep it."""
        days = {"since": self.range.first.isoformat(), "until": self.range.last.isoformat()}
        return {"range": self.preset, **(days if self.preset == CUSTOM else {}), "compare": self.comparison}


def parse_date_choice(
    parameters: Mapping[str, Any],
    *,
    today: date,
    includes_today: bool = False,
    default: str = DEFAULT_PRESET,
    comparison: str = "previous",
) -> DateChoice:
    """Return the range that the parameters range, since, until and compare choose; wrong values are reported as errors and replaced by the default.

    today: the shop's current day, `localdate()`. includes_today: whether it is part of the presets.
    """
    errors: list[str] = []
    preset = parameters.get("range") or (CUSTOM if parameters.get("since") or parameters.get("until") else default)
    if preset != CUSTOM and preset not in PRESETS:
        errors.append(
            _("Unknown date range “%(value)s”; valid: %(names)s.")
            % {"value": preset, "names": ", ".join([*PRESETS, CUSTOM])}
        )
        preset = default
    chosen = parse_custom_range(parameters, errors) if preset == CUSTOM else None
    if chosen is None:
        preset = default if preset == CUSTOM else preset
        chosen = find_preset_days(preset, today=today, includes_today=includes_today)
    compare = parameters.get("compare") or comparison
    if compare not in COMPARISONS:
        errors.append(
            _("Unknown comparison “%(value)s”; valid: %(names)s.") % {"value": compare, "names": ", ".join(COMPARISONS)}
        )
        compare = comparison
    compared = {
        "previous": lambda: find_previous_range(chosen),
        "year": lambda: chosen.shift(-YEAR_DAYS),
        "none": lambda: None,
    }[compare]()
    return DateChoice(preset, chosen, compare, compared, tuple(errors))


def parse_custom_range(parameters: Mapping[str, Any], errors: list[str]) -> DayRange | None:
    """Return the days of the parameters since and until, or None with the reasons in ``errors``."""
    days: list[date] = []
    for name, label in (("since", _("from")), ("until", _("to"))):
        try:
            day = date.fromisoformat(str(parameters.get(name, "")))
        except ValueError:
            errors.append(
                _("“%(label)s” is not a valid date: %(value)s. Enter it as YYYY-MM-DD.")
                % {"label": label, "value": parameters.get(name) or "–"}
            )
            continue
        if not MIN_YEAR < day.year < MAX_YEAR:
            errors.append(
                _("Enter a year between %(first)d and %(last)d.") % {"first": MIN_YEAR + 1, "last": MAX_YEAR - 1}
            )
            continue
        days.append(day)
    if len(days) < 2:
        return None
    if days[1] < days[0]:
        errors.append(_("The end date is before the start date."))
        return None
    return DayRange(*days)
