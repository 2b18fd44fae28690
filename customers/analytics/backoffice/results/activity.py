"""Activity and stickiness as pages show them."""

from collections.abc import Iterator
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.charts.bars import Series, build_bar_chart, build_stacked_chart
from config.foundation.charts.spec import (
    TOP_LEGEND,
    ChartSpec,
    build_chart_table,
    build_value_axis,
    format_chart_number,
    format_chart_time,
    summarize_values,
)
from config.foundation.number_formats import (
    NO_VALUE,
    format_count,
    format_full_day,
    format_percent,
    join_sentences,
)
from customers.analytics.backoffice.results.trends import build_time_axis, make_trace
from customers.analytics.backoffice.results.view import ResultChart, ResultContext, ResultView
from customers.analytics.expressions.periods import PeriodUnit
from customers.analytics.questions.activity import (
    MONTH_DAYS,
    STATES,
    WEEK_DAYS,
    ActivityPeriod,
    ActivityResult,
    StickinessResult,
)

STATE_LABELS: dict[str, str | Promise] = {
    "new": gettext_lazy("New"),
    "returning": gettext_lazy("Returning"),
    "resurrecting": gettext_lazy("Resurrecting"),
    "dormant": gettext_lazy("Dormant"),
}
MAX_PERIODS_SHOWN = 60


def show_activity(result: ActivityResult, context: ResultContext) -> ResultView:
    """Return the people of each period by state; those who became dormant are below the axis."""
    if not any(getattr(period, state) for period in result.periods for state in STATES):
        return ResultView(_("Nobody was active in this period."), [], is_empty=True)
    notes = [
        _("Below the axis: active in the previous period, but not in this one. Click a bar to see its people."),
        _("* The period is not over.") if not result.periods[-1].is_complete else "",
    ]
    chart = build_states_chart(result, context)
    return ResultView(
        describe_activity(result, context),
        [ResultChart("activity-states", _("People by state"), chart, "tall", join_sentences(filter(None, notes)))],
    )


def describe_activity(result: ActivityResult, context: ResultContext) -> str:
    """Return the states of the last period that is over, and whether more came than left."""
    periods = [period for period in result.periods if period.is_complete] or list(result.periods)
    period = periods[-1]
    texts = [
        _("%(period)s: %(new)s new, %(returning)s returning, %(resurrecting)s resurrecting, %(dormant)s dormant.")
        % {
            "period": name_activity_period(period, context),
            **{state: format_count(getattr(period, state)) for state in STATES},
        }
    ]
    if period.quick_ratio is not None:
        ratio = {"ratio": format_chart_number(round(period.quick_ratio, 2))}
        if period.quick_ratio >= 1:
            texts.append(_("For each person who stopped coming, %(ratio)s were new or came back.") % ratio)
        else:
            texts.append(_("For each person who stopped coming, only %(ratio)s were new or came back.") % ratio)
    return join_sentences(texts)


def name_activity_period(period: ActivityPeriod, context: ResultContext) -> str:
    """Return the first day of a period, and what kind of period it is."""
    day = format_full_day(period.start)
    if context.parameters.interval == PeriodUnit.WEEK:
        return _("Week of %(day)s") % {"day": day}
    return _("Month from %(day)s") % {"day": day} if context.parameters.interval == PeriodUnit.MONTH else day


def build_states_chart(result: ActivityResult, context: ResultContext) -> ChartSpec:
    """Return stacked bars by period, and a table with the quick ratio."""
    periods = result.periods[-MAX_PERIODS_SHOWN:]
    labels = [format_full_day(period.start) for period in periods]
    series, links = [], {}
    for state in STATES:
        values = [getattr(period, state) for period in periods]
        links[state] = [
            context.link({"day": period.start.isoformat(), "state": state}, value)
            for period, value in zip(periods, values, strict=True)
        ]
        texts = [format_count(value) for value in values]
        signed = [-value for value in values] if state == "dormant" else values
        series.append(Series(str(STATE_LABELS[state]), signed, texts, links[state]))
    spec = build_stacked_chart(labels=labels, series=series, x_title="")
    for trace, line in zip(spec["traces"], series, strict=True):
        trace |= {
            "text": list(line.texts),
            "textposition": "none",
            "hovertemplate": "%{x}: %{text}<extra>%{fullData.name}</extra>",
        }
    del spec["layout"]["xaxis"]["tickangle"]  # whole dates overlap on a phone unless they may be rotated
    above = [period.new + period.returning + period.resurrecting for period in periods]
    spec["layout"] |= {
        "barmode": "relative",
        "yaxis": build_value_axis("", [*above, *(-period.dormant for period in periods)]),
    }
    spec["summary"] = summarize_values(labels, above, [format_count(value) for value in above])
    spec["table"] = build_chart_table(
        [_("Period"), *(str(STATE_LABELS[state]) for state in STATES), _("Quick ratio")],
        [
            [
                labels[number] if period.is_complete else f"{labels[number]}*",
                *((format_count(getattr(period, state)), links[state][number]) for state in STATES),
                NO_VALUE if period.quick_ratio is None else format_chart_number(round(period.quick_ratio, 2)),
            ]
            for number, period in reversed(list(enumerate(periods)))
        ],
    )
    return spec


def list_activity_rows(result: ActivityResult, context: ResultContext) -> Iterator[list[Any]]:
    """Yield the rows of the CSV file."""
    yield ["start", *STATES, "quick_ratio", "is_complete"]
    for period in result.periods:
        states = [getattr(period, state) for state in STATES]
        yield [period.start.isoformat(), *states, period.quick_ratio, int(period.is_complete)]


def show_stickiness(result: StickinessResult, context: ResultContext) -> ResultView:
    """Return on how many days people are active, and which share of a week's and a month's people is active on a day."""
    if not result.distribution:
        return ResultView(_("Nobody was active in this period."), [], is_empty=True)
    is_week = context.parameters.interval == PeriodUnit.WEEK
    note = (
        _("A person counts once for each week in which they are active, so the list of people can be shorter.")
        if is_week
        else _("A person counts once for each month in which they are active, so the list of people can be shorter.")
    )
    shares = _(
        "The people active on a day as a share of those active in the last 7 days (DAU/WAU) and 30 days (DAU/MAU)."
    )
    charts = [
        ResultChart(
            "stickiness-days",
            _("Active days in a week") if is_week else _("Active days in a month"),
            build_distribution_chart(result, context),
            note=note,
        ),
        ResultChart("stickiness-shares", _("Stickiness by day"), build_shares_chart(result, context), "tall", shares),
    ]
    return ResultView(describe_stickiness(result, context), charts)


def describe_stickiness(result: StickinessResult, context: ResultContext) -> str:
    """Return how many people are active on more than one day, and the mean of the daily shares."""
    once = next((row.share for row in result.distribution if row.days == 1), 0.0) or 0.0
    template = (
        _("%(share)s of those who are active in a week are active on more than one day.")
        if context.parameters.interval == PeriodUnit.WEEK
        else _("%(share)s of those who are active in a month are active on more than one day.")
    )
    texts = [template % {"share": format_percent(1 - once, 1)}]
    known = [day.daily_of_monthly for day in result.days if day.daily_of_monthly is not None]
    if known:
        mean = format_percent(sum(known) / len(known), 1)
        texts.append(
            _("On an average day, %(share)s of the people active in the last 30 days are active.") % {"share": mean}
        )
    return join_sentences(texts)


def build_distribution_chart(result: StickinessResult, context: ResultContext) -> ChartSpec:
    """Return how many people are active on how many days."""
    rows = result.distribution
    return build_bar_chart(
        labels=[str(row.days) for row in rows],
        values=[row.people for row in rows],
        texts=[f"{format_count(row.people)} ({format_percent(row.share, 1)})" for row in rows],
        links=[context.link({"active_days": row.days}, row.people) for row in rows],
        x_title=_("Active days"),
        y_title=_("People"),
    )


def build_shares_chart(result: StickinessResult, context: ResultContext) -> ChartSpec:
    """Return the daily people as a share of the weekly and monthly ones, with the people of all three."""
    days = [row.day.isoformat() for row in result.days]
    urls = [context.link({"day": row.day.isoformat()}, row.daily) for row in result.days]
    lines = [
        (_("of the last 7 days (DAU/WAU)"), [row.daily_of_weekly for row in result.days], "theme:main", "solid"),
        (_("of the last 30 days (DAU/MAU)"), [row.daily_of_monthly for row in result.days], "theme:before", "dash"),
    ]
    traces = []
    for name, shares, color, dash in lines:
        values = [None if share is None else share * 100 for share in shares]
        trace = make_trace(name, days, values, color, dash, mode="lines+markers", customdata=urls)
        traces.append(trace | {"hovertemplate": trace["hovertemplate"].replace("%{y:,}", "%{y:.1f}%")})
    labels = [format_chart_time(day) for day in days]
    weekly = [row.daily_of_weekly or 0.0 for row in result.days]
    return {
        "traces": traces,
        "layout": {
            "margin": {"l": 8, "r": 12, "t": 24, "b": 8},
            "xaxis": build_time_axis(days, PeriodUnit.DAY),
            "yaxis": build_value_axis(
                "%", [value for trace in traces for value in trace["y"] if value is not None] or [0]
            ),
            **TOP_LEGEND,
        },
        "table": build_chart_table(
            [_("Day"), _("People"), _("Last 7 days"), _("Last 30 days"), "DAU/WAU", "DAU/MAU"],
            [
                [
                    labels[number],
                    (format_count(row.daily), urls[number]),
                    (format_count(row.weekly), link_days(row.day.isoformat(), WEEK_DAYS, row.weekly, context)),
                    (format_count(row.monthly), link_days(row.day.isoformat(), MONTH_DAYS, row.monthly, context)),
                    format_percent(row.daily_of_weekly, 1),
                    format_percent(row.daily_of_monthly, 1),
                ]
                for number, row in reversed(list(enumerate(result.days)))
            ],
        ),
        "summary": summarize_values(labels, weekly, [format_percent(value, 1) for value in weekly]),
    }


def link_days(day: str, last_days: int, people: int, context: ResultContext) -> str:
    return context.link({"day": day, "last_days": last_days}, people)


def list_stickiness_rows(result: StickinessResult, context: ResultContext) -> Iterator[list[Any]]:
    """Yield the rows of the CSV file: the distribution, then the days."""
    yield ["active_days", "people", "share"]
    for row in result.distribution:
        yield [row.days, row.people, row.share]
    yield ["day", "daily", "weekly", "monthly", "daily_of_weekly", "daily_of_monthly"]
    for day in result.days:
        yield [
            *(day.day.isoformat(), day.daily, day.weekly, day.monthly),
            *(day.daily_of_weekly, day.daily_of_monthly),
        ]
