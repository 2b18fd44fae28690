"""Names the customers behind a figure of an outcome, and builds the condition that selects them."""

from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _

from customers.analytics.backoffice.event_texts import label_group
from customers.analytics.backoffice.people.conditions import Condition, find_field, limit_days, register_condition
from customers.analytics.backoffice.people.figure_names import register_figures
from customers.analytics.expressions.breakdowns import Breakdown, GroupKey
from customers.analytics.expressions.matching import EventMatch
from customers.analytics.outcomes.groups import CUSTOMER_SPLITS
from customers.analytics.outcomes.parameters import OutcomeParameters
from customers.analytics.outcomes.registry import MEASURES
from customers.analytics.outcomes.satisfaction import CSAT, NPS, REVIEW
from customers.events.event_taxonomy import Meaning
from recommendations.outcomes.backoffice.labels import label_period


def register_outcome_figures() -> None:
    """Register the figures of outcomes, so that the people behind them can be listed."""
    names = {
        "growth": name_growth,
        "retention": name_retention,
        "conversion": name_conversion,
        "satisfaction": name_satisfaction,
    }
    for key, measure in MEASURES.items():
        register_figures(measure.question, name=names[key], make_back_url=make_back_url)
    register_condition(MEASURES["growth"].question, build_growth_condition)
    register_condition(MEASURES["retention"].question, build_retention_condition)


def make_back_url(parameters: OutcomeParameters) -> str:
    values = {"unit": parameters.unit.value, "segment": parameters.segment, "split": parameters.split}
    return f"{reverse('outcomes:page')}?{urlencode({name: value for name, value in values.items() if value})}"


def name_period(parameters: OutcomeParameters, day: date) -> str:
    return label_period(parameters.get_start(parameters.check_period(day)), parameters.unit)


def name_group(parameters: OutcomeParameters, group: GroupKey | None, with_personal: bool) -> str:
    if group is None:
        return ""
    return f" · {label_outcome_group(group, parameters, with_personal=with_personal)}"


def label_outcome_group(group: GroupKey, parameters: OutcomeParameters, *, with_personal: bool) -> str:
    """Return the name of a group of a split."""
    if parameters.split == "segment":
        breakdown = Breakdown(kind="segment", name=parameters.segment)
        return label_group(group, breakdown, with_personal=with_personal)
    if parameters.split in CUSTOMER_SPLITS:
        return label_group(group, Breakdown(kind="customer", name=parameters.split), with_personal=with_personal)
    if group.is_other:
        return _("Other channels")
    if group.label is None:
        return _("Unknown channel")
    return label_group(group, None, with_personal=with_personal)


def name_growth(parameters: Any, selection: Any, with_personal: bool) -> str:
    period = name_period(parameters, selection.period)
    return _("Ordered in %(period)s") % {"period": period} + name_group(parameters, selection.group, with_personal)


def name_retention(parameters: Any, selection: Any, with_personal: bool) -> str:
    number = parameters.check_period(selection.period)
    values = {
        "before": label_period(parameters.get_start(number - 1), parameters.unit),
        "period": label_period(parameters.get_start(number), parameters.unit),
    }
    text = (
        _("Ordered in %(before)s, not in %(period)s")
        if selection.is_lost
        else _("Ordered in %(before)s and again in %(period)s")
    )
    return text % values + name_group(parameters, selection.group, with_personal)


def name_conversion(parameters: Any, selection: Any, with_personal: bool) -> str:
    text = (
        _("Visitors with an order in a session, %(period)s")
        if selection.is_converted
        else _("Visitors without an order in a session, %(period)s")
    )
    period = name_period(parameters, selection.period)
    return text % {"period": period} + name_group(parameters, selection.group, with_personal)


def name_satisfaction(parameters: Any, selection: Any, with_personal: bool) -> str:
    texts = {
        (REVIEW, False): _("Wrote a review in %(period)s"),
        (REVIEW, True): _("Gave 1–2★ in %(period)s"),
        (NPS, False): _("Answered an NPS survey in %(period)s"),
        (NPS, True): _("Detractors (NPS 0–6) in %(period)s"),
        (CSAT, False): _("Answered a CSAT survey in %(period)s"),
        (CSAT, True): _("Not satisfied (CSAT 1–3) in %(period)s"),
    }
    period = name_period(parameters, selection.period)
    name = texts[selection.kind, selection.is_low] % {"period": period}
    return name + name_group(parameters, selection.group, with_personal)


def build_order_condition(parameters: OutcomeParameters, number: int, today: date) -> Condition | None:
    """Return the condition of an order in a period; None if no field counts orders."""
    field = find_field(EventMatch(meaning=Meaning.PURCHASE))
    if field is None:
        return None
    last = parameters.get_start(number + 1) - timedelta(days=1)
    days = limit_days(parameters.get_start(number), last, today=today)
    return {"field": field, "op": "at_least", "times": 1, **days}


def build_growth_condition(parameters: Any, selection: Any, today: date) -> list[Condition] | None:
    """Return the condition of customers who order in a period; None for a group of a split."""
    if selection.group is not None or parameters.split == "segment":
        return None
    condition = build_order_condition(parameters, parameters.check_period(selection.period), today)
    return None if condition is None else [condition]


def build_retention_condition(parameters: Any, selection: Any, today: date) -> list[Condition] | None:
    """Return the condition of customers who order in two periods, or only in the first one; None for a group of a split."""
    number = parameters.check_period(selection.period)
    before, now = (build_order_condition(parameters, period, today) for period in (number - 1, number))
    if selection.group is not None or parameters.split == "segment" or before is None or now is None:
        return None
    return [before, {"not": now} if selection.is_lost else now]
