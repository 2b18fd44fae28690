"""Days of questions by name, such as 28d, so that the days of a saved report move with time."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.utils.translation import gettext as _

from config.foundation.backoffice.date_range import MAX_YEAR, MIN_YEAR, PRESETS, find_preset_days
from customers.analytics.expressions.parameters import ParameterError, describe_choices

DEFAULT_RANGE = "90d"
# the measure that a page shows and the name of its days, which are not parameters of the question
VIEW_OPTIONS = ("range", "measure")


def resolve_days(content: Mapping[str, Any], *, today: date) -> dict[str, Any]:
    """Return parameters with the days of their range, unless they have days already.

    Raises ParameterError: there is no such range, or only one of the two days is given.
    """
    parameters = {name: value for name, value in content.items() if name not in VIEW_OPTIONS}
    if parameters.get("since") and parameters.get("until"):
        for name in ("since", "until"):
            check_year(name, parameters[name])
        return parameters
    for name, other in (("since", "until"), ("until", "since")):
        if parameters.get(name):
            problem = _("is missing; give since and until, or a range such as %(range)s.") % {"range": DEFAULT_RANGE}
            raise ParameterError(other, problem)
    preset = content.get("range") or DEFAULT_RANGE
    if not isinstance(preset, str) or preset not in PRESETS:
        raise ParameterError("range", describe_choices(str(preset), PRESETS))
    days = find_preset_days(preset, today=today, includes_today=True)
    return parameters | {"since": days.first.isoformat(), "until": days.last.isoformat()}


def check_year(name: str, day: Any) -> None:
    """Check that a day has a year that every engine knows. Raises ParameterError."""
    try:
        year = date.fromisoformat(day).year
    except (TypeError, ValueError):
        raise ParameterError(name, _("%(day)s is not valid; use YYYY-MM-DD.") % {"day": repr(day)}) from None
    if not MIN_YEAR < year < MAX_YEAR:
        text = _("%(day)s is not valid; use a year between %(low)s and %(high)s.")
        raise ParameterError(name, text % {"day": day, "low": MIN_YEAR + 1, "high": MAX_YEAR - 1})
