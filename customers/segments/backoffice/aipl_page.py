"""The AIPL page: awareness, interest, purchase and loyalty now, over time, and the flows between them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.formats import date_format
from django.utils.timezone import localdate
from django.utils.translation import gettext as _

from config.foundation.backoffice.date_range import DayRange, parse_date_choice
from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.charts import ChartSpec
from config.foundation.charts.bars import Series, build_stacked_chart
from config.foundation.number_formats import format_count, format_whole_percent, join_list
from customers.identity.backoffice.customer_links import make_customers_url
from customers.lifecycle.backoffice.chart_colors import STAGE_COLORS
from customers.lifecycle.backoffice.drilldowns import DRILLDOWN_PARSERS, Drilldown, DrilldownError, make_drilldown_url
from customers.lifecycle.backoffice.drilldowns.drilldown import make_comparison, make_condition
from customers.lifecycle.backoffice.drilldowns.stages import UNKNOWN_STAGE, UNKNOWN_STAGE_LABEL
from customers.lifecycle.backoffice.transition_matrix import ANY, make_sankey_chart, make_transition_matrix
from customers.lifecycle.models import Stage
from customers.lifecycle.rfm.queries import get_profiles_run
from customers.lifecycle.stages.aipl import (
    MEMBERS,
    STAGES_BY_GROUP,
    AiplGroup,
    GroupFlows,
    count_aipl_flows,
    count_aipl_history,
    find_customers_in_aipl_flow,
)
from customers.segments.backoffice.aipl_filter import AiplFilter, list_channels, parse_aipl_filter
from customers.segments.customer_list.list_filter import NO_CONDITION
from customers.segments.models import Segment

VIEW_PERMISSION = "lifecycle.view_customerprofile"
VIEW_SEGMENT_PERMISSION = "segments.view_segment"
POINTS = 13  # of the history: weeks of a quarter
MAX_SEGMENTS = 200
COLORS = {
    AiplGroup.AWARENESS: STAGE_COLORS["visitor"],
    AiplGroup.INTEREST: STAGE_COLORS["new"],
    AiplGroup.PURCHASE: STAGE_COLORS["active"],
    AiplGroup.LOYALTY: STAGE_COLORS["loyal"],
    AiplGroup.OUTSIDE: STAGE_COLORS["churned"],
}


def show_aipl_page(request: HttpRequest) -> HttpResponse:
    """Render the groups of the days in the URL, by default the last four weeks."""
    check_permissions(request, VIEW_PERMISSION)
    if request.GET.get("segment"):
        check_permissions(request, VIEW_SEGMENT_PERMISSION)
    choice = parse_date_choice(request.GET, today=localdate(), includes_today=True, comparison="none")
    run, chosen = get_profiles_run(), parse_aipl_filter(request.GET)
    context: dict[str, Any] = {"dates": choice, "run": run, "chosen": chosen, **list_choices(request)}
    if run is not None and not choice.errors and not chosen.problem:
        context |= build_figures(choice.range, chosen)
        if choice.compared:
            compared = count_aipl_flows(since=choice.compared.start, until=choice.compared.end, within=chosen.within)
            context["compared"] = describe_flows(compared)
    as_of = run.as_of if run else None
    return render_page(request, "admin/segments/aipl.html", title=_("AIPL"), as_of=as_of, **context)


def list_choices(request: HttpRequest) -> dict[str, Any]:
    """Return the segments and channels that can be chosen, and the parameters of the period, which the choice keeps."""
    segments = Segment.objects.none()
    if request.user.has_perm(VIEW_SEGMENT_PERMISSION):
        # the list begins with all customers
        segments = Segment.objects.exclude(kind=Segment.Kind.DYNAMIC, condition=NO_CONDITION).order_by("name")
    return {
        "segments": [(segment.key, segment.name) for segment in segments.only("key", "name")[:MAX_SEGMENTS]],
        "channels": sorted({*list_channels(), *filter(None, [request.GET.get("channel", "")[:100]])}),
        "period": [
            (name, request.GET[name]) for name in ("range", "since", "until", "compare") if request.GET.get(name)
        ],
    }


def build_figures(days: DayRange, chosen: AiplFilter) -> dict[str, Any]:
    """Return the sentence, the cards, the charts and the table."""
    flows = count_aipl_flows(since=days.start, until=days.end, within=chosen.within)
    period = {"since": days.first.isoformat(), "until": days.last.isoformat()}

    def make_url(old: str, new: str) -> str:
        names = {"": UNKNOWN_STAGE, ANY: "any"}
        groups = {"from": names.get(old, old), "to": names.get(new, new)}
        return make_drilldown_url("aipl-flow", **groups, **period, **dict(chosen.parameters))

    groups = {"from_states": ("", *AiplGroup.values), "to_states": AiplGroup.values}
    return {
        "verdict": describe_flows(flows),
        "cards": build_cards(flows, days, chosen, make_url),
        "matrix": make_transition_matrix(flows, **groups, get_label=get_group_label, make_url=make_url),
        "sankey": make_sankey_chart(
            flows, to_states=AiplGroup.values, get_label=get_group_label, make_url=make_url,
            colors={group.value: color for group, color in COLORS.items()},
        ),
        "history": build_history(days, chosen),
    }  # fmt: skip


def get_group_label(group: str) -> str:
    return str(AiplGroup(group).label if group else UNKNOWN_STAGE_LABEL)


def build_cards(flows: GroupFlows, days: DayRange, chosen: AiplFilter, make_url: Any) -> list[dict[str, Any]]:
    """Return each group with its customers at the end, how many came and left, and who they are."""
    total = sum(count for (_old, new), count in flows.items() if new != AiplGroup.OUTSIDE)
    cards = []
    for group in AiplGroup:
        count = sum(number for (_old, new), number in flows.items() if new == group)
        entered = sum(number for (old, new), number in flows.items() if new == group != old)
        left = sum(number for (old, new), number in flows.items() if old == group != new)
        is_now = days.last >= localdate() and not chosen.parameters
        condition = make_condition(make_comparison("stage", "in", list(STAGES_BY_GROUP[group])))
        cards.append(
            {
                "name": get_group_label(group),
                "stages": join_list(Stage(stage).label for stage in STAGES_BY_GROUP[group]),
                "customers": count,
                "share": format_whole_percent(count / total) if total and group in MEMBERS else "",
                "entered": entered,
                "left": left,
                "url": make_customers_url(condition) if is_now else make_url(ANY, group.value),
            }
        )
    return cards


def build_history(days: DayRange, chosen: AiplFilter) -> ChartSpec:
    """Return the chart of the customers of the four groups at up to 13 days of the period."""
    step = max(1, -(-days.days // POINTS))
    lasts = [days.last - timedelta(days=step * number) for number in range(days.days // step + 1)][::-1]
    lasts = [day for day in lasts if day >= days.first - timedelta(days=1)] or [days.last]
    moments: list[datetime] = [DayRange(day, day).end for day in lasts]
    counts = count_aipl_history(moments=moments, within=chosen.within)
    series = [
        Series(
            get_group_label(group), [count[group] for count in counts], [format_count(count[group]) for count in counts]
        )
        for group in MEMBERS
    ]
    return build_stacked_chart(
        labels=[date_format(day, "MONTH_DAY_FORMAT") for day in lasts], series=series, x_title=_("Day"), ticks=4
    )


def describe_flows(flows: GroupFlows) -> str:
    """Return how many customers are in the four groups, and how many bought or became loyal."""
    total = sum(count for (_old, new), count in flows.items() if new != AiplGroup.OUTSIDE)
    bought = sum(
        count
        for (old, new), count in flows.items()
        if old in ("", AiplGroup.AWARENESS, AiplGroup.INTEREST) and new in (AiplGroup.PURCHASE, AiplGroup.LOYALTY)
    )
    loyal = sum(count for (old, new), count in flows.items() if new == AiplGroup.LOYALTY != old)
    return _(
        "%(total)s customers are in the four groups at the end of the period. %(bought)s of them had not ordered before it, "
        "and %(loyal)s of the loyal customers were not loyal when it began."
    ) % {"total": format_count(total), "bought": format_count(bought), "loyal": format_count(loyal)}


def parse_aipl_flow(parameters: Mapping[str, str]) -> Drilldown:
    """Parse a link to the customers who were in one group and are now in another, within the filter of the page."""
    old, new = parameters.get("from", ""), parameters.get("to", "")
    if old not in {UNKNOWN_STAGE, "any", *AiplGroup.values} or new not in {"any", *AiplGroup.values}:
        raise DrilldownError([_("The link has no valid groups. Choose a number on the AIPL page.")])
    choice = parse_date_choice(parameters, today=localdate(), includes_today=True, comparison="none")
    chosen = parse_aipl_filter(parameters)
    if choice.errors or chosen.problem:
        raise DrilldownError([*choice.errors, *([chosen.problem] if chosen.problem else [])])
    days = choice.range
    profiles = find_customers_in_aipl_flow(since=days.start, until=days.end, old=list_stages(old), new=list_stages(new))
    if chosen.within is not None:
        profiles = profiles.filter(customer__in=chosen.within)
    labels = [describe_side(old), describe_side(new)]
    period = {"since": days.first.isoformat(), "until": days.last.isoformat(), **dict(chosen.parameters)}
    dates = f"{date_format(days.first, 'DATE_FORMAT')} – {date_format(days.last, 'DATE_FORMAT')}"
    return Drilldown(
        title=" → ".join(label for label in labels if label) or _("AIPL"),
        note=f"{dates} · {chosen.label}" if chosen.label else dates,
        customers=profiles,
        parameters={"figure": "aipl-flow", "from": old, "to": new, **period},
        period=period,
    )


def list_stages(group: str) -> list[str]:
    """Return the lifecycle stages of a group named in a link."""
    if group == "any":
        return ["", *Stage.values]
    return [""] if group == UNKNOWN_STAGE else [str(stage) for stage in STAGES_BY_GROUP[AiplGroup(group)]]


def describe_side(group: str) -> str:
    return "" if group == "any" else get_group_label("" if group == UNKNOWN_STAGE else group)


DRILLDOWN_PARSERS["aipl-flow"] = parse_aipl_flow
