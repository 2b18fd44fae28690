"""Customers of a stage, and customers who changed stage."""

from collections.abc import Mapping

from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.timezone import localdate
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from config.foundation.backoffice.date_range import parse_date_choice
from customers.lifecycle.backoffice.drilldowns.drilldown import (
    ConditionTree,
    Drilldown,
    DrilldownError,
    make_comparison,
    make_condition,
)
from customers.lifecycle.models import CustomerProfile, Stage
from customers.lifecycle.stages.counts import find_customers_with_change
from customers.lifecycle.stages.flows import find_customers_in_flow, has_changes_since

UNKNOWN_STAGE = "unknown"  # URL value for customers who were not known yet
ANY_STAGE = "any"  # URL value for customers of all stages before, or after
OTHER_STAGE = "other"  # URL value for any other stage, before (customers who entered at any time) or after (who left)

UNKNOWN_STAGE_LABEL = pgettext_lazy("stage", "not yet known")


def get_stage_label(stage: str) -> str:
    return str(Stage(stage).label if stage else UNKNOWN_STAGE_LABEL)


def parse_stage_flow(parameters: Mapping[str, str]) -> Drilldown:
    """Parse a change between two stages, all customers of one stage before or after, or all who entered or left it in between.

    It depends on two days, so a segment condition can only select all customers of a stage, if no stage has changed since.
    """
    old, new = parameters.get("from", ""), parameters.get("to", "")
    is_any = (old == ANY_STAGE, new == ANY_STAGE)
    is_other = (old == OTHER_STAGE, new == OTHER_STAGE)
    if (
        old not in {UNKNOWN_STAGE, ANY_STAGE, OTHER_STAGE, *Stage.values}
        or new not in {ANY_STAGE, OTHER_STAGE, *Stage.values}
        or {old, new} <= {ANY_STAGE, OTHER_STAGE}
    ):
        raise DrilldownError([_("The link has no valid stages. Choose a number on the Lifecycle page.")])
    choice = parse_date_choice(parameters, today=localdate(), includes_today=True, comparison="none")
    if choice.errors:
        raise DrilldownError(list(choice.errors))
    days, stage = choice.range, "" if old == UNKNOWN_STAGE else old
    first_day, last_day = (date_format(day, "DATE_FORMAT") for day in (days.first, days.last))
    period = {"since": days.first.isoformat(), "until": days.last.isoformat()}
    condition: ConditionTree | None = None
    now: dict[str, str] = {}
    if is_other[0]:
        title, note = _("Entered “%(stage)s”") % {"stage": get_stage_label(new)}, f"{first_day} – {last_day}"
    elif is_other[1]:
        title, note = _("Left “%(stage)s”") % {"stage": get_stage_label(stage)}, f"{first_day} – {last_day}"
    elif is_any[0]:
        title, note = capfirst(get_stage_label(new)), _("at the end of %(day)s") % {"day": last_day}
        now = {"figure": "stage", "stage": new}
        if not has_changes_since(days.end):
            condition = make_condition(make_comparison("stage", "in", [new]))
    elif is_any[1]:
        title, note = capfirst(get_stage_label(stage)), _("at the start of %(day)s") % {"day": first_day}
    else:
        title, note = f"{capfirst(get_stage_label(stage))} → {get_stage_label(new)}", f"{first_day} – {last_day}"
    stages = {
        "from_stage": None if is_any[0] or is_other[0] else stage,
        "to_stage": None if is_any[1] or is_other[1] else new,
    }
    return Drilldown(
        title=title,
        note=note,
        customers=find_customers_with_change(since=days.start, until=days.end, **stages)
        if any(is_other)
        else find_customers_in_flow(since=days.start, until=days.end, **stages),
        parameters={"figure": "stage-flow", "from": old, "to": new, **period},
        condition=condition,
        period=period,
        now={} if condition else now,
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
