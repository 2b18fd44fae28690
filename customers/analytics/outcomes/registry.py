"""The measures of outcomes by key. A new one needs its file, an entry here and its tests."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ibis.expr.types as ir
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from customers.analytics.expressions.tables import AnalyticsTables
from customers.analytics.outcomes import conversion, growth, retention, satisfaction


@dataclass(frozen=True)
class OutcomeMeasure:
    """A measure, which is answered like a question of analytics.

    Attributes:
        question: the key of the question. result, selection: the dataclasses of the answer and of one figure in it.
        run: measures it. people: returns the customer_id of those behind a figure.
    """

    key: str
    label: str | Promise
    result: type[Any]
    selection: type[Any]
    run: Callable[[AnalyticsTables, Any], Any]
    people: Callable[[AnalyticsTables, Any, Any], ir.Table]

    @property
    def question(self) -> str:
        return f"outcome-{self.key}"


MEASURES: dict[str, OutcomeMeasure] = {
    measure.key: measure
    for measure in (
        OutcomeMeasure(
            "growth",
            _("Growth"),
            growth.GrowthResult,
            growth.GrowthSelection,
            growth.run_growth,
            growth.select_growth_people,
        ),
        OutcomeMeasure(
            "retention",
            _("Retention"),
            retention.RepeatResult,
            retention.RepeatSelection,
            retention.run_repeat_orders,
            retention.select_repeat_people,
        ),
        OutcomeMeasure(
            "conversion",
            _("Conversion"),
            conversion.ConversionResult,
            conversion.ConversionSelection,
            conversion.run_conversion,
            conversion.select_conversion_people,
        ),
        OutcomeMeasure(
            "satisfaction",
            _("Satisfaction"),
            satisfaction.SatisfactionResult,
            satisfaction.SatisfactionSelection,
            satisfaction.run_satisfaction,
            satisfaction.select_satisfaction_people,
        ),
    )
}
