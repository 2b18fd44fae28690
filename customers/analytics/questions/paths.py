"""Paths: what people do after, or before, a step, within a session.

A path begins (or ends) with the first (or last) such step of a session. A step that repeats at once counts once. Each level shows the
most frequent steps and “other”; what flows into a step flows on, or ends there, so the sums of all levels agree.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import ibis
import ibis.expr.types as ir

from customers.analytics.expressions.engines import SECOND
from customers.analytics.expressions.matching import EventMatch, build_match, build_property, check_property
from customers.analytics.expressions.parameters import DateRange, require_between
from customers.analytics.expressions.session_numbers import add_session
from customers.analytics.expressions.tables import AnalyticsTables
from customers.analytics.questions.markov import StepEffect, measure_removal_effects

MAX_LEVELS, MAX_TOP = 10, 30
MAX_EVENTS = 50
# the name of the goal among the steps, so that a property named like it can't be mistaken for it
GOAL_NAME = "$goal"


@dataclass(frozen=True, kw_only=True)
class PathParameters(DateRange):
    """Which paths are counted.

    Attributes:
        anchor: the step that paths begin with, or end with if ``is_backward``; without a name, the first event of each session.
        events: the events that are steps; without one, all. label: the property that names a step; its event name if empty.
        levels: the number of steps after (or before) the anchor. top: the number of steps by name on each level.
        goal: the event whose conversions the removal effects are about; without one, none are computed.
    """

    anchor: EventMatch = field(default_factory=EventMatch)
    is_backward: bool = False
    events: tuple[EventMatch, ...] = ()
    label: str = ""
    levels: int = 4
    top: int = 6
    gap_minutes: int = 30
    goal: EventMatch | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between("levels", self.levels, 1, MAX_LEVELS)
        require_between("top", self.top, 1, MAX_TOP)
        require_between("events", len(self.events), 0, MAX_EVENTS)
        require_between("gap_minutes", self.gap_minutes, 1, 24 * 60)
        if self.label:
            check_property("label", self.label)


@dataclass(frozen=True, kw_only=True)
class PathNode:
    """A step on a level: the paths that reach it, go on from it, and end at it.

    Attributes:
        level: 0 for the anchor. name: None for other, `$goal` for the goal.
    """

    level: int
    name: str | None
    paths: int
    continued: int
    ended: int


@dataclass(frozen=True, kw_only=True)
class PathLink:
    """The paths from a step of a level to a step of the next one."""

    level: int
    source: str | None
    target: str | None
    paths: int


@dataclass(frozen=True, kw_only=True)
class PathResult:
    """The steps and links by level, and the removal effects.

    Attributes:
        paths: sessions with the anchor. people: who had them. conversion: the share of all sessions with the goal.
    """

    as_of: datetime
    paths: int
    people: int
    nodes: tuple[PathNode, ...]
    links: tuple[PathLink, ...]
    conversion: float | None
    effects: tuple[StepEffect, ...]


def build_steps(tables: AnalyticsTables, parameters: PathParameters) -> ir.Table:
    """Return the steps of sessions, repeated ones collapsed.

    Columns: customer_id, at, id, name, previous_name, is_first and is_last of the session, is_anchor and is_goal. Of a step
    that repeats, the first row is kept, or the last one if paths are read backward.
    """
    rows = _mark_sessions(_select_step_events(tables, parameters), parameters)
    is_repeated = (
        ~rows.is_last & (rows.next_name == rows.name)
        if parameters.is_backward
        else (~rows.is_first & (rows.previous_name == rows.name))
    )
    return rows.filter(~ibis.coalesce(is_repeated, False))


def _select_step_events(tables: AnalyticsTables, parameters: PathParameters) -> ir.Table:
    """Return all events of the sessions: customer_id, at, id, name, is_step, is_anchor and is_goal."""
    matches = [EventMatch(), *parameters.events]
    if parameters.anchor.label:
        matches.append(parameters.anchor)
    if parameters.goal:
        matches.append(parameters.goal)
    events = tables.select_events(parameters, *matches)
    name = events.name.nullif("")
    if parameters.label:
        name = ibis.coalesce(build_property(events, parameters.label, tables.engine), name)
    is_step = ibis.literal(not parameters.events)
    for match in parameters.events:
        is_step = is_step | build_match(events, match, tables.engine)
    columns = {}
    if parameters.anchor.label or parameters.anchor.filters:
        columns["is_anchor"] = build_match(events, parameters.anchor, tables.engine)
        is_step = is_step | columns["is_anchor"]
    if parameters.goal:
        columns["is_goal"] = build_match(events, parameters.goal, tables.engine)
        is_step = is_step | columns["is_goal"]
        name = ibis.ifelse(columns["is_goal"], GOAL_NAME, name)
    return events.select("customer_id", "at", "id", name=ibis.coalesce(name, events.type), is_step=is_step, **columns)


def _mark_sessions(events: ir.Table, parameters: PathParameters) -> ir.Table:
    """Return steps with their neighbors, and whether they are the first or last one of a session."""
    gap = parameters.gap_minutes * 60 * SECOND
    if parameters.events:
        # the pause is that between any two events, whether they are steps or not
        events = add_session(events, parameters.gap_minutes).filter(ibis._.is_step)
    window = ibis.window(group_by=events.customer_id, order_by=[events["at"], events.id])
    moment = events.session if parameters.events else events["at"]
    rows = events.mutate(
        previous_name=events.name.lag().over(window),
        next_name=events.name.lead().over(window),
        previous_moment=moment.lag().over(window),
        next_moment=moment.lead().over(window),
    )
    limit = 0 if parameters.events else gap
    moment = rows.session if parameters.events else rows["at"]
    rows = rows.mutate(
        is_first=ibis.coalesce(moment - rows.previous_moment > limit, True),
        is_last=ibis.coalesce(rows.next_moment - moment > limit, True),
    )
    return rows.drop("previous_moment", "next_moment", "is_step", *(["session"] if parameters.events else []))


def build_paths(tables: AnalyticsTables, parameters: PathParameters) -> ir.Table:
    """Return customer_id and name0 (the anchor), name1 and so on, NULL after the end: one row per path."""
    return _select_paths(build_steps(tables, parameters), parameters)


def _select_paths(steps: ir.Table, parameters: PathParameters) -> ir.Table:
    """Return the paths of steps, read in time order or, for those that end with the anchor, against it."""
    sign = -1 if parameters.is_backward else 1
    begins, ends = (steps.is_last, steps.is_first) if parameters.is_backward else (steps.is_first, steps.is_last)
    steps = steps.mutate(moment=steps["at"] * sign, number=steps.id * sign, begins=begins, ends=ends)
    order = [steps.moment, steps.number]
    window = ibis.window(group_by=steps.customer_id, order_by=order)
    # NULL for the first step of a session, so that the path of the session before ends there
    token = ibis.ifelse(steps.begins, ibis.null("string"), steps.name)
    columns = {f"next{level}": token.lead(level).over(window) for level in range(1, parameters.levels + 1)}
    has_anchor = "is_anchor" in steps.columns
    if has_anchor:
        earlier = ibis.window(group_by=steps.customer_id, order_by=order, rows=(None, -1))
        until_now = ibis.window(group_by=steps.customer_id, order_by=order, rows=(None, 0))
        columns["last_anchor"] = ibis.ifelse(steps.is_anchor, steps.moment, None).max().over(earlier)
        columns["begin"] = ibis.ifelse(steps.begins, steps.moment, None).max().over(until_now)
    rows = steps.mutate(**columns)
    if has_anchor:
        rows = rows.filter(rows.is_anchor & ibis.coalesce(rows.last_anchor < rows.begin, True))
    else:
        rows = rows.filter(rows.begins)
    names, is_open = {"name0": rows.name}, ibis.literal(True)
    for level in range(1, parameters.levels + 1):
        is_open = is_open & rows[f"next{level}"].notnull()
        names[f"name{level}"] = ibis.ifelse(is_open, rows[f"next{level}"], ibis.null("string"))
    return rows.select("customer_id", **names)


def run_paths(tables: AnalyticsTables, parameters: PathParameters) -> PathResult:
    """Count the paths by level, and measure what the goal would lose without each step."""
    with tables.materialize(build_steps(tables, parameters)) as steps:
        with tables.materialize(_select_paths(steps, parameters)) as paths:
            totals = tables.fetch(
                paths.agg(paths=paths.count(), people=tables.engine.count_distinct(paths.customer_id))
            )[0]
            nodes, links = _count_levels(paths, tables, parameters)
        conversion, effects = _measure_effects(steps, tables, parameters)
    return PathResult(
        as_of=tables.as_of,
        paths=totals["paths"],
        people=totals["people"],
        nodes=nodes,
        links=links,
        conversion=conversion,
        effects=effects,
    )


def find_top_names(paths: ir.Table, level: int, tables: AnalyticsTables, parameters: PathParameters) -> list[str]:
    """Return the most frequent names of a level; equal counts by name."""
    named = paths.filter(paths[f"name{level}"].notnull()).group_by(name=paths[f"name{level}"]).agg(count=ibis._.count())
    top = named.order_by(ibis.desc(named["count"]), named.name).limit(parameters.top)
    return [row["name"] for row in tables.fetch(top)]


def _count_levels(
    paths: ir.Table, tables: AnalyticsTables, parameters: PathParameters
) -> tuple[tuple[PathNode, ...], tuple[PathLink, ...]]:
    top = [find_top_names(paths, level, tables, parameters) for level in range(parameters.levels + 1)]
    nodes: list[PathNode] = []
    links: list[PathLink] = []
    for level in range(parameters.levels + 1):
        target = level + 1 if level < parameters.levels else None
        rows = _count_links(paths, level, target, top, tables)
        reached: Counter[str | None] = Counter()
        continued: Counter[str | None] = Counter()
        for source, name, count in rows:
            reached[source] += count
            if name is not END:
                continued[source] += count
                links.append(PathLink(level=level, source=source, target=name, paths=count))
        nodes += [
            PathNode(
                level=level,
                name=name,
                paths=reached[name],
                continued=continued[name],
                ended=reached[name] - continued[name],
            )
            for name in sorted(reached, key=lambda name: (name is None, -reached[name], name or ""))
        ]
    return tuple(nodes), tuple(links)


END = object()


def _count_links(
    paths: ir.Table, level: int, target: int | None, top: list[list[str]], tables: AnalyticsTables
) -> list[tuple[str | None, Any, int]]:
    """Return source, target and count; None is other, END the end of the path (on the last level all paths end)."""
    paths = paths.filter(paths[f"name{level}"].notnull())
    keys = {
        "source": _hide_rare(paths[f"name{level}"], top[level]),
        "is_end": ibis.literal(True),
        "target": ibis.null("string"),
    }
    if target is not None:
        keys["is_end"] = paths[f"name{target}"].isnull()
        keys["target"] = _hide_rare(paths[f"name{target}"], top[target])
    rows = paths.select(**keys)
    counted = rows.group_by("source", "target", "is_end").agg(paths=rows.count())
    counts = tables.fetch(counted.order_by(ibis.desc("paths"), "source", "target"))
    return [(row["source"], END if row["is_end"] else row["target"], row["paths"]) for row in counts]


def _hide_rare(name: ir.StringValue, top: list[str]) -> ir.StringValue:
    return ibis.ifelse(name.isin(top), name, ibis.null("string")) if top else ibis.null("string")


def _measure_effects(
    steps: ir.Table, tables: AnalyticsTables, parameters: PathParameters
) -> tuple[float | None, tuple[StepEffect, ...]]:
    """Return the probability of the goal and the removal effects, from the transitions of all sessions."""
    if parameters.goal is None:
        return None, ()
    # a goal ends a path, and what follows in the session begins another one
    source = ibis.ifelse(steps.is_first | (steps.previous_name == GOAL_NAME), ibis.null("string"), steps.previous_name)
    if parameters.is_backward:
        return None, ()
    moves = steps.group_by(source=source, target=steps.name).agg(paths=steps.count())
    last = steps.filter(steps.is_last & (steps.name != GOAL_NAME))
    exits = (
        last.group_by(source=last.name).agg(paths=last.count()).select("source", "paths", target=ibis.null("string"))
    )
    counts = [(row["source"], row["target"], row["paths"]) for row in tables.fetch(moves)]
    counts += [(row["source"], None, row["paths"]) for row in tables.fetch(exits)]
    return measure_removal_effects(counts, goal=GOAL_NAME)


@dataclass(frozen=True, kw_only=True)
class PathSelection:
    """A step of a level, or a link from it.

    Attributes:
        name, next_name: None is other. is_link: only those who go on to ``next_name``. is_ended: only those who end here.
    """

    level: int
    name: str | None = None
    next_name: str | None = None
    is_link: bool = False
    is_ended: bool = False


def select_path_people(tables: AnalyticsTables, parameters: PathParameters, selection: PathSelection) -> ir.Table:
    """Return the customer_id of the people with such a path. Raises ParameterError: there is no such level."""
    level = selection.level
    require_between("level", level, 0, parameters.levels - 1 if selection.is_link else parameters.levels)
    paths = build_paths(tables, parameters)
    selected = paths.filter(_is_named(paths, level, selection.name, tables, parameters))
    if selection.is_ended and level < parameters.levels:
        selected = selected.filter(selected[f"name{level + 1}"].isnull())
    if selection.is_link:
        selected = selected.filter(_is_named(selected, level + 1, selection.next_name, tables, parameters))
    return selected.select("customer_id").distinct()


def _is_named(
    paths: ir.Table, level: int, name: str | None, tables: AnalyticsTables, parameters: PathParameters
) -> ir.BooleanValue:
    column = paths[f"name{level}"]
    if name is not None:
        return column == name
    everyone = build_paths(tables, parameters)
    return column.notnull() & column.notin(find_top_names(everyone, level, tables, parameters))
