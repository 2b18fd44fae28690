"""What the people behind a figure are called."""

from collections.abc import Callable
from typing import Any

from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from catalog.categories import format_path
from catalog.models import Product
from config.foundation.number_formats import format_count, format_full_day, join_label
from customers.analytics.backoffice.addresses import make_question_url
from customers.analytics.backoffice.event_texts import label_event, label_group, label_step, read_cluster_names
from customers.analytics.backoffice.results.activity import STATE_LABELS
from customers.analytics.backoffice.results.funnel import label_time
from customers.analytics.backoffice.results.retention import name_period
from customers.analytics.expressions.breakdowns import GroupKey
from customers.analytics.expressions.parameters import dump_parameters, require_between
from customers.analytics.expressions.periods import PeriodUnit, get_period_start, number_period


def name_figure(question: str, parameters: Any, selection: Any, *, with_personal: bool) -> str:
    """Return a title for the people of a figure, with the days of the question unless the name has its own."""
    name = NAMES[question](parameters, selection, with_personal)
    if question in BACK_URLS:
        return name
    days = f"{format_full_day(parameters.since)} – {format_full_day(parameters.until)}"
    return f"{name} · {days}"


def name_group(parameters: Any, group: GroupKey | None, with_personal: bool) -> str:
    if group is None or parameters.breakdown is None:
        return ""
    clusters = read_cluster_names(parameters.breakdown)
    return f" · {label_group(group, parameters.breakdown, with_personal=with_personal, clusters=clusters)}"


def name_funnel_bar(parameters: Any, selection: Any, with_personal: bool) -> str:
    require_between("step", selection.step, 2 if selection.is_dropped else 1, len(parameters.steps))
    step = label_event(parameters.steps[selection.step - 1])
    if selection.is_dropped:
        before = label_event(parameters.steps[selection.step - 2])
        name = _("“%(before)s”, but not “%(step)s” afterwards") % {"before": before, "step": step}
    else:
        name = _("Reached step %(number)s, “%(step)s”") % {"number": selection.step, "step": step}
    if selection.min_seconds or selection.max_seconds is not None:
        name = f"{name} · {label_time(selection.min_seconds, selection.max_seconds)}"
    return name + name_group(parameters, selection.group, with_personal)


def name_retention_cell(parameters: Any, selection: Any, with_personal: bool) -> str:
    started = _("Started %(day)s") % {"day": format_full_day(selection.cohort)}
    if selection.offset is None:
        return started
    period = name_period(selection.offset, parameters.interval)
    if selection.is_lost:
        text = _("%(started)s, did not return in %(period)s")
    elif selection.is_or_after:
        text = _("%(started)s, returned in %(period)s or later")
    else:
        text = _("%(started)s, returned in %(period)s")
    return text % {"started": started, "period": period}


def name_path_step(parameters: Any, selection: Any, with_personal: bool) -> str:
    def name(step: str | None) -> str:
        return label_step(step, is_event=not parameters.label, with_personal=with_personal)

    if selection.is_link:
        return f"{name(selection.name)} → {name(selection.next_name)}"
    if selection.is_ended:
        return _("Session ends after “%(step)s”") % {"step": name(selection.name)}
    return _("“%(step)s” at position %(number)s") % {"step": name(selection.name), "number": selection.level}


def name_trend_point(parameters: Any, selection: Any, with_personal: bool) -> str:
    require_between("series", selection.series, 0, len(parameters.series) - 1)
    name = label_event(parameters.series[selection.series].event)
    if selection.start is not None:
        start = localtime(selection.start)
        hour = f" {start:%H:%M}" if parameters.interval == PeriodUnit.HOUR else ""
        name = f"{name} · {format_full_day(start.date())}{hour}"
    return name + name_group(parameters, selection.group, with_personal)


def name_product_stage(parameters: Any, selection: Any, with_personal: bool) -> str:
    name = _("Without a category") if selection.name is None else read_title(selection.name, parameters)
    return join_label(STAGE_LABELS[selection.stage], name)


def read_title(name: str, parameters: Any) -> str:
    """Return the title of a product, or the path of a category."""
    if parameters.level != "product":
        return format_path(name)
    return Product.objects.filter(product_id=name).values_list("title", flat=True).first() or name


def name_pair(parameters: Any, selection: Any, with_personal: bool) -> str:
    first = read_title(selection.first, parameters)
    if not selection.second:
        return _("Bought “%(first)s”") % {"first": first}
    text = _("Bought “%(first)s” and “%(second)s”")
    if selection.is_missing:
        text = _("Bought “%(first)s” but not “%(second)s”")
    return text % {"first": first, "second": read_title(selection.second, parameters)}


def name_first_purchase(parameters: Any, selection: Any, with_personal: bool) -> str:
    name = _("All first orders")
    if selection.name is not None:
        name = _("Bought “%(first)s” first") % {"first": read_title(selection.name, parameters)}
    if selection.is_repeated is None:
        return name
    text = _("%(name)s, ordered again") if selection.is_repeated else _("%(name)s, did not order again")
    return text % {"name": name}


def name_sessions(parameters: Any, selection: Any, with_personal: bool) -> str:
    name = {
        (None, False): _("With a session"),
        (True, False): _("With a session that reaches the goal"),
        (False, False): _("With a session that does not reach the goal"),
    }.get((selection.is_converted, selection.is_bounce), _("With a single-event session"))
    return name if selection.day is None else f"{name} · {format_full_day(selection.day)}"


def name_activity_state(parameters: Any, selection: Any, with_personal: bool) -> str:
    start = get_period_start(number_period(selection.day, parameters.interval), parameters.interval)
    text = _("%(state)s in the period from %(day)s")
    return text % {"state": STATE_LABELS[selection.state], "day": format_full_day(start)}


def name_active_days(parameters: Any, selection: Any, with_personal: bool) -> str:
    if selection.active_days is not None:
        count = {"count": format_count(selection.active_days)}
        name = (
            ngettext("Active on %(count)s day of a week", "Active on %(count)s days of a week", selection.active_days)
            if parameters.interval == PeriodUnit.WEEK
            else ngettext(
                "Active on %(count)s day of a month", "Active on %(count)s days of a month", selection.active_days
            )
        ) % count
        return name if selection.day is None else f"{name} · {format_full_day(selection.day)}"
    if selection.last_days == 1:
        return _("Active on %(day)s") % {"day": format_full_day(selection.day)}
    text = _("Active in the %(count)s days up to %(day)s")
    return text % {"count": selection.last_days, "day": format_full_day(selection.day)}


STAGE_LABELS = {
    "viewed": gettext_lazy("Viewed"),
    "added": gettext_lazy("Added to cart"),
    "bought": gettext_lazy("Bought"),
    "returned": gettext_lazy("Returned"),
}
type FigureNamer = Callable[[Any, Any, bool], str]
NAMES: dict[str, FigureNamer] = {
    "funnel": name_funnel_bar,
    "retention": name_retention_cell,
    "paths": name_path_step,
    "trends": name_trend_point,
    "products": name_product_stage,
    "affinity": name_pair,
    "repeat": name_first_purchase,
    "sessions": name_sessions,
    "activity": name_activity_state,
    "stickiness": name_active_days,
}
# questions whose results other pages show: how to return there
BACK_URLS: dict[str, Callable[[Any], str]] = {}


def register_figures(question: str, *, name: FigureNamer, make_back_url: Callable[[Any], str]) -> None:
    """Add a question whose results are shown on another page, where each figure opens its people."""
    NAMES[question], BACK_URLS[question] = name, make_back_url


def make_back_url(question: str, parameters: Any) -> str:
    """Return the URL of the page that shows the result."""
    if question in BACK_URLS:
        return BACK_URLS[question](parameters)
    return make_question_url(question, dump_parameters(parameters))
