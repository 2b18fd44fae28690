"""Paths as a page shows them."""

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.foundation.charts.bars import STACK_COLORS, build_bar_chart
from config.foundation.charts.grids import build_sankey_chart
from config.foundation.charts.spec import ChartSpec, build_chart_table
from config.foundation.number_formats import format_count, format_percent, join_sentences
from customers.analytics.backoffice.event_texts import label_step
from customers.analytics.backoffice.results.view import ResultChart, ResultContext, ResultView
from customers.analytics.questions.markov import StepEffect
from customers.analytics.questions.paths import PathNode, PathResult
from customers.identity.personal_data.masking import is_personal_id

OTHER_COLOR = "#9ca3af"
MAX_EFFECTS = 15


def show_paths(result: PathResult, context: ResultContext) -> ResultView:
    """Return the flow from step to step, and what the goal depends on."""
    if not result.paths:
        return ResultView(_("No session includes this step in this period."), [], is_empty=True)
    charts = []
    if result.links:
        note = _("Click a step or a flow to see its people. The table also has the sessions that end at each step.")
        charts.append(ResultChart("paths-flow", _("Steps"), build_flow_chart(result, context), "tall", note))
    if result.effects:
        note = _(
            "The share of sessions reaching the goal that would be lost if nobody could take the step. It is computed from "
            "all sessions, so there is no list of people for it."
        )
        charts.append(
            ResultChart(
                "paths-effects", _("Steps that the goal depends on"), build_effects_chart(result, context), note=note
            )
        )
    return ResultView(describe_paths(result, context), charts)


def name_step(name: str | None, context: ResultContext) -> str:
    return label_step(name, is_event=not context.parameters.label, with_personal=context.with_personal)


def describe_paths(result: PathResult, context: ResultContext) -> str:
    """Return how many sessions there are and what most do next."""
    counted = ngettext(
        "%(paths)s session of %(people)s people.", "%(paths)s sessions of %(people)s people.", result.paths
    ) % {"paths": format_count(result.paths), "people": format_count(result.people)}
    named = [node for node in result.nodes if node.level == 1 and node.name is not None]
    common = ""
    if named:
        node = max(named, key=lambda node: node.paths)
        text = (
            _("Most often, “%(step)s” comes directly before: %(share)s.")
            if context.parameters.is_backward
            else _("Most often, “%(step)s” comes next: %(share)s.")
        )
        common = text % {"step": name_step(node.name, context), "share": format_percent(node.paths / result.paths, 1)}
    goal = ""
    if result.conversion is not None:
        goal = _("%(share)s of all sessions reach the goal.") % {"share": format_percent(result.conversion, 1)}
    return join_sentences([counted, common, goal])


def build_flow_chart(result: PathResult, context: ResultContext) -> ChartSpec:
    """Return a Sankey chart; paths that are read backward end on the right."""
    position = {(node.level, node.name): number for number, node in enumerate(result.nodes)}
    labels = [name_step(node.name, context) for node in result.nodes]
    colors = choose_colors(result)
    pairs = [
        (position[link.level, link.source], position[link.level + 1, link.target], link)
        for link in result.links
        if (link.level, link.source) in position and (link.level + 1, link.target) in position
    ]
    is_backward = context.parameters.is_backward
    spec = build_sankey_chart(
        labels=labels,
        colors=colors,
        sources=[later if is_backward else earlier for earlier, later, _link in pairs],
        targets=[earlier if is_backward else later for earlier, later, _link in pairs],
        values=[link.paths for _earlier, _later, link in pairs],
        links=[
            link_figure(
                context,
                link.source,
                link.target,
                level=link.level,
                name=link.source,
                next_name=link.target,
                is_link=True,
            )
            for _earlier, _later, link in pairs
        ],
    )
    spec["traces"][0]["node"]["customdata"] = [link_node(node, context) for node in result.nodes]
    spec["table"] = build_flow_table(result, context)
    return spec


def choose_colors(result: PathResult) -> list[str]:
    """Return a color for each step, the same on every level."""
    names = list(dict.fromkeys(node.name for node in result.nodes if node.name is not None))
    return [
        OTHER_COLOR if node.name is None else STACK_COLORS[names.index(node.name) % len(STACK_COLORS)]
        for node in result.nodes
    ]


def link_figure(context: ResultContext, *names: str | None, **selection: Any) -> str:
    """Return the URL of people; none if it would contain a personal value that the reader may not see."""
    if not context.with_personal and any(name is not None and is_personal_id(name) for name in names):
        return ""
    return context.link(selection)


def link_node(node: PathNode, context: ResultContext) -> str:
    return link_figure(context, node.name, level=node.level, name=node.name)


def build_flow_table(result: PathResult, context: ResultContext) -> Any:
    """Return the steps by level, then those that follow and the sessions that end, with their people."""
    rows: list[list[str | tuple[str, str]]] = []
    for node in result.nodes:
        name, level = name_step(node.name, context), str(node.level)
        rows.append([name, level, _("all"), (format_count(node.paths), link_node(node, context))])
        for link in result.links:
            if (link.level, link.source) == (node.level, node.name):
                url = link_figure(
                    context,
                    link.source,
                    link.target,
                    level=link.level,
                    name=link.source,
                    next_name=link.target,
                    is_link=True,
                )
                rows.append([name, level, name_step(link.target, context), (format_count(link.paths), url)])
        if node.ended and node.level < context.parameters.levels:
            url = link_figure(context, node.name, level=node.level, name=node.name, is_ended=True)
            rows.append([name, level, _("Session ends"), (format_count(node.ended), url)])
    following = _("Previous step") if context.parameters.is_backward else _("Next step")
    return build_chart_table([_("Step"), _("Position"), following, _("Sessions")], rows)


def sort_effects(result: PathResult) -> list[StepEffect]:
    return sorted(result.effects, key=lambda effect: -effect.removal_effect)[:MAX_EFFECTS]


def build_effects_chart(result: PathResult, context: ResultContext) -> ChartSpec:
    """Return the removal effect of each step, the largest first."""
    effects = sort_effects(result)
    return build_bar_chart(
        labels=[name_step(effect.name, context) for effect in effects],
        values=[effect.removal_effect * 100 for effect in effects],
        texts=[format_percent(effect.removal_effect, 1) for effect in effects],
        x_title="%",
        horizontal=True,
    )


def list_path_rows(result: PathResult, context: ResultContext) -> Iterator[list[Any]]:
    """Yield the rows of the CSV file: steps, and the flows from them."""
    yield ["position", "step", "next_step", "sessions", "ended"]
    for node in result.nodes:
        yield [node.level, name_step(node.name, context), "", node.paths, node.ended]
    for link in result.links:
        yield [link.level, name_step(link.source, context), name_step(link.target, context), link.paths, ""]
