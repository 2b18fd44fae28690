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
from customers.lifecycle.stages.flows import find_customers_in_flow, has_changes_since

UNKNOWN_STAGE = "unknown"  # URL value for customers who were not known yet
ANY_STAGE = "any"  # URL value for customers of all stages before, or after

UNKNOWN_STAGE_LABEL = pgettext_lazy("stage", "not yet known")


def get_stage_label(stage: str) -> str:
    return str(Stage(stage).label if stage else UNKNOWN_STAGE_LABEL)


def parse_stage_flow(parameters: Mapping[str, str]) -> Drilldown:
    """Parse a change between two stages, or all customers of one stage before or after.

    It depends on two days, so there is a segment condition only for all customers of a stage if no stage changed since.
    """
    old, new = parameters.get("from", ""), parameters.get("to", "")
    is_any = (old == ANY_STAGE, new == ANY_STAGE)
    if old not in {UNKNOWN_STAGE, ANY_STAGE, *Stage.values} or new not in {ANY_STAGE, *Stage.values} or all(is_any):
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
    days = {name: date_format(form.cleaned_data[name], "DATE_FORMAT") for name in ("since", "until")}
    condition = None
    if is_any[0]:
        title, note = capfirst(get_stage_label(new)), _("at the end of %(day)s") % {"day": days["until"]}
        if not has_changes_since(period.until):
            condition = make_condition(make_comparison("stage", "in", [new]))
    elif is_any[1]:
        title, note = capfirst(get_stage_label(stage)), _("at the start of %(day)s") % {"day": days["since"]}
    else:
        title, note = f"{capfirst(get_stage_label(stage))} → {get_stage_label(new)}", " – ".join(days.values())
    return Drilldown(
        title=title,
        note=note,
        customers=find_customers_in_flow(
            since=period.since,
            until=period.until,
            from_stage=None if is_any[0] else stage,
            to_stage=None if is_any[1] else new,
        ),
        parameters={"figure": "stage-flow", "from": old, "to": new, **form.to_url_parameters()},
        condition=condition,
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
