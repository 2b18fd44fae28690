"""A funnel as a page shows it."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.foundation.charts.bars import Series, build_bar_chart, build_stacked_chart
from config.foundation.charts.spec import ChartSpec, break_labels, build_chart_table
from config.foundation.number_formats import NO_VALUE, format_count, format_duration, format_percent, join_sentences
from customers.analytics.backoffice.event_texts import label_breakdown, label_event, label_group
from customers.analytics.backoffice.results.view import ResultChart, ResultContext, ResultView, select_group
from customers.analytics.questions.funnel import MAX_STEPS, FunnelResult, FunnelStep


def show_funnel(result: FunnelResult, context: ResultContext) -> ResultView:
    """Return the steps, the groups and the time to convert."""
    charts = [ResultChart("funnel-steps", _("Steps"), build_steps_chart(result, context), "tall")]
    breakdown = context.parameters.breakdown
    if breakdown is not None and result.groups:
        title = _("Conversion by %(property)s") % {"property": label_breakdown(breakdown, dict(context.segments))}
        charts.append(ResultChart("funnel-groups", title, build_groups_chart(result, context)))
    if result.converted:
        charts.append(
            ResultChart("funnel-times", _("Time from the first to the last step"), build_times_chart(result, context))
        )
    return ResultView(describe_funnel(result, context), charts, is_empty=not result.entered)


def name_steps(context: ResultContext) -> list[str]:
    return [f"{number}. {label_event(step)}" for number, step in enumerate(context.parameters.steps, 1)]


def describe_funnel(result: FunnelResult, context: ResultContext) -> str:
    """Return who converts, how fast, and where most are lost."""
    steps = [label_event(step) for step in context.parameters.steps]
    if not result.entered:
        return _("Nobody reached the first step, “%(step)s”, in this period.") % {"step": steps[0]}
    converted = ngettext(
        "Of %(entered)s person who reached “%(first)s”, %(share)s (%(converted)s) got to “%(last)s”.",
        "Of %(entered)s people who reached “%(first)s”, %(share)s (%(converted)s) got to “%(last)s”.",
        result.entered,
    ) % {
        "entered": format_count(result.entered),
        "first": steps[0],
        "share": format_percent(result.conversion, 1),
        "converted": format_count(result.converted),
        "last": steps[-1],
    }
    lost = max(result.steps[1:], key=lambda step: step.dropped)
    loss = describe_loss(lost, steps) if lost.dropped else ""
    return join_sentences([converted, describe_recent(result), describe_duration(result), loss])


def describe_recent(result: FunnelResult) -> str:
    if not result.recent:
        return ""
    return ngettext(
        "%(count)s of the others can still convert, because their conversion window is still open.",
        "%(count)s of the others can still convert, because their conversion window is still open.",
        result.recent,
    ) % {"count": format_count(result.recent)}


def describe_duration(result: FunnelResult) -> str:
    if result.median_seconds is None:
        return ""
    return _("Half of them took less than %(duration)s.") % {"duration": format_duration(result.median_seconds)}


def describe_loss(lost: FunnelStep, steps: Sequence[str]) -> str:
    return _("Most leave between “%(before)s” and “%(after)s”: %(people)s.") % {
        "before": steps[lost.number - 2],
        "after": steps[lost.number - 1],
        "people": ngettext("%(count)s person", "%(count)s people", lost.dropped)
        % {"count": format_count(lost.dropped)},
    }


def build_steps_chart(result: FunnelResult, context: ResultContext) -> ChartSpec:
    """Return people per step, and those who left before it; a click opens them."""
    names = name_steps(context)
    reached = [context.link({"step": step.number}, step.people) for step in result.steps]
    left = [
        context.link({"step": step.number, "is_dropped": True}, step.dropped) if step.number > 1 else ""
        for step in result.steps
    ]
    spec = build_stacked_chart(
        labels=break_labels(names),
        series=[
            Series(_("Reached the step"), [step.people for step in result.steps], links=reached),
            Series(_("Left before the step"), [step.dropped for step in result.steps], links=left),
        ],
        x_title="",
        ticks=MAX_STEPS,
    )
    spec["traces"][0] |= {
        "text": [f"{format_count(step.people)}<br>{format_percent(step.share_of_first, 1)}" for step in result.steps],
        "textposition": "auto",
        "textangle": 0,
    }
    spec["traces"][1]["marker"] = {"color": "theme:grid"}
    spec["layout"]["xaxis"] |= {"automargin": True}
    columns = [
        _("Step"),
        _("People"),
        _("Share of first step"),
        _("Share of previous step"),
        _("Left before"),
        _("Median time"),
    ]
    spec["table"] = build_chart_table(
        columns,
        [
            [
                names[position],
                (format_count(step.people), reached[position]),
                format_percent(step.share_of_first, 1),
                format_percent(step.share_of_previous, 1),
                (format_count(step.dropped), left[position]) if position else NO_VALUE,
                NO_VALUE if step.median_seconds is None else format_duration(step.median_seconds),
            ]
            for position, step in enumerate(result.steps)
        ],
    )
    return spec


def build_groups_chart(result: FunnelResult, context: ResultContext) -> ChartSpec:
    """Return the conversion of each group; a click opens who converted."""
    steps = name_steps(context)
    labels = [
        label_group(
            group.group, context.parameters.breakdown, with_personal=context.with_personal, clusters=context.clusters
        )
        for group in result.groups
    ]
    links = [
        [
            context.link({"step": number, **select_group(group.group)}, people)
            for number, people in enumerate(group.people, 1)
        ]
        for group in result.groups
    ]
    spec = build_bar_chart(
        labels=labels,
        values=[(group.conversion or 0) * 100 for group in result.groups],
        texts=[format_percent(group.conversion, 1) for group in result.groups],
        links=[row[-1] for row in links],
        x_title="%",
        horizontal=True,
    )
    spec["table"] = build_chart_table(
        [_("Group"), *steps, _("Conversion rate")],
        [
            [
                label,
                *((format_count(people), url) for people, url in zip(group.people, urls, strict=True)),
                format_percent(group.conversion, 1),
            ]
            for label, group, urls in zip(labels, result.groups, links, strict=True)
        ],
    )
    return spec


def build_times_chart(result: FunnelResult, context: ResultContext) -> ChartSpec:
    """Return how many people took how long; a click opens them."""
    links = [
        context.link(
            {"step": len(result.steps), "min_seconds": time.low_seconds, "max_seconds": time.high_seconds}, time.people
        )
        for time in result.times
    ]
    return build_bar_chart(
        labels=[label_time(time.low_seconds, time.high_seconds) for time in result.times],
        values=[time.people for time in result.times],
        texts=[format_count(time.people) for time in result.times],
        links=links,
        x_title=_("Time"),
        y_title=_("People"),
    )


def label_time(low: int, high: int | None) -> str:
    if not low and high is not None:
        return _("less than %(time)s") % {"time": format_duration(high)}
    if high is None:
        return _("%(time)s or more") % {"time": format_duration(low)}
    return f"{format_duration(low)} – {format_duration(high)}"


def list_funnel_rows(result: FunnelResult, context: ResultContext) -> Iterator[list[Any]]:
    """Yield the rows of the CSV file."""
    yield ["group", "step", "event", "people", "left_before", "share_of_first", "share_of_previous", "median_seconds"]
    names = [label_event(step) for step in context.parameters.steps]
    for step in result.steps:
        yield [
            *("", step.number, names[step.number - 1], step.people, step.dropped),
            *(step.share_of_first, step.share_of_previous, step.median_seconds),
        ]
    for group in result.groups:
        label = label_group(
            group.group, context.parameters.breakdown, with_personal=context.with_personal, clusters=context.clusters
        )
        for position, people in enumerate(group.people):
            before = group.people[max(position - 1, 0)]
            first = group.people[0]
            yield [
                *(label, position + 1, names[position], people, before - people),
                *(people / first if first else None, people / before if before else None, None),
            ]
