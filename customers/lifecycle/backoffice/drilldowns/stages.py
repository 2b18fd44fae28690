"""Customers of a stage, and customers who changed stage."""

from collections.abc import Mapping

from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from customers.lifecycle.backoffice.date_range import DateRange, DateRangeForm
from customers.lifecycle.backoffice.drilldowns.drilldown import (
    Drilldown,
    DrilldownError,
    make_comparison,
    make_condition,
)
from customers.lifecycle.models import CustomerProfile, Stage
from customers.lifecycle.stages.flows import find_customers_in_flow

UNKNOWN_STAGE = "unknown"  # URL value for customers who were not known yet

UNKNOWN_STAGE_LABEL = pgettext_lazy("stage", "not yet known")


def get_stage_label(stage: str) -> str:
    return str(Stage(stage).label if stage else UNKNOWN_STAGE_LABEL)


def parse_stage_flow(parameters: Mapping[str, str]) -> Drilldown:
    """Parse a change between two stages.

    It depends on two days, so there is no segment condition.
    """
    old, new = parameters.get("from", ""), parameters.get("to", "")
    if old not in {UNKNOWN_STAGE, *Stage.values} or new not in Stage.values:
        raise DrilldownError([_("The link has no valid stages. Choose a number on the Lifecycle page.")])
    form = DateRangeForm.from_parameters(parameters)
    if not form.is_valid():
        raise DrilldownError(
            [
                f"{capfirst(str(form.fields[name].label))}: {text}"
                for name, texts in form.errors.items()
                for text in texts
            ]
        )
    period, stage = DateRange.from_form(form), "" if old == UNKNOWN_STAGE else old
    return Drilldown(
        title=f"{capfirst(get_stage_label(stage))} → {get_stage_label(new)}",
        note=" – ".join(date_format(form.cleaned_data[name], "DATE_FORMAT") for name in ("since", "until")),
        customers=find_customers_in_flow(since=period.since, until=period.until, from_stage=stage, to_stage=new),
        parameters={"figure": "stage-flow", "from": old, "to": new, **form.to_url_parameters()},
        period=form.to_url_parameters(),
    )


def parse_stage(parameters: Mapping[str, str]) -> Drilldown:
    stage = parameters.get("stage", "")
    if stage not in Stage.values:
        raise DrilldownError([_("The link has no valid stage. Choose one on the Lifecycle page.")])
    return Drilldown(
        title=capfirst(get_stage_label(stage)),
        note=_("stage now"),
        customers=CustomerProfile.objects.filter(stage=stage),
        parameters={"figure": "stage", "stage": stage},
        condition=make_condition(make_comparison("stage", "in", [stage])),
    )
