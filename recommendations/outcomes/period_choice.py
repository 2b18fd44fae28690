"""Which periods, customers and groups a page or request asks for."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.utils.translation import gettext as _

from customers.analytics.expressions.parameters import ParameterError, require_between, require_one_of
from customers.analytics.expressions.periods import PeriodUnit, get_period_start, number_period
from customers.analytics.outcomes.parameters import UNITS, OutcomeParameters

# complete periods in addition to the current one: about a year, or a quarter if the unit is weeks
DEFAULT_PERIODS = {PeriodUnit.WEEK: 13, PeriodUnit.MONTH: 12, PeriodUnit.QUARTER: 5}
MAX_PERIODS = 60


def read_parameters(values: Mapping[str, Any], *, today: date) -> OutcomeParameters:
    """Return the parameters of unit, periods, segment and split, up to the period of today. Raises ParameterError."""
    unit = str(values.get("unit") or PeriodUnit.MONTH)
    require_one_of("unit", unit, [choice.value for choice in UNITS])
    chosen = PeriodUnit(unit)
    text = str(values.get("periods") or DEFAULT_PERIODS[chosen])
    if not text.isascii() or not text.isdecimal() or len(text) > 4:
        raise ParameterError(
            "periods",
            _("%(value)s is not a number; choose 1 to %(maximum)s.")
            % {"value": repr(text[:20]), "maximum": MAX_PERIODS},
        )
    require_between("periods", int(text), 1, MAX_PERIODS)
    current = number_period(today, chosen)
    return OutcomeParameters(
        since=get_period_start(current - int(text), chosen),
        until=today,
        unit=chosen,
        segment=str(values.get("segment") or ""),
        split=str(values.get("split") or ""),
    )
