"""Paths: what people do after, or before, a step, within a session.

A path begins (or ends) with the first (or last) such step of a session. A step that repeats at once counts once. Each level shows the
most frequent steps and “other”; what flows into a step flows on, or ends there, so the sums of all levels agree.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

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
# of all names that are not among the most frequent ones
RARE_NAME = "$rare"
CODES = 4096  # a power of two
MAX_NAMES = CODES - 1
# up to so many names are compared one by one, which is faster than a join
MAX_BRANCHES = 64


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


@dataclass(frozen=True)
class StepNames:
    """The names of steps by frequency; a step's code is its position, and MAX_NAMES for all rarer ones."""

    names: tuple[str, ...]

    def add_code(self, events: ir.Table) -> ir.Table:
        """Return events with the ``code`` of their name."""
        rare = ibis.literal(MAX_NAMES, "int64")
        if len(self.names) <= MAX_BRANCHES:
            branches = [(events.name == name, ibis.literal(code, "int64")) for code, name in enumerate(self.names)]
            return events.mutate(code=ibis.cases(*branches, else_=rare) if branches else rare)
        codes = pa.table({"known_name": list(self.names), "known_code": pa.array(range(len(self.names)), pa.int64())})
        known = ibis.memtable(codes)
        joined = events.left_join(known, events.name == known.known_name)
        return joined.select(*events.columns, code=ibis.coalesce(joined.known_code, rare))

    def decode(self, code: int | None) -> str | None:
        """Return the name of a code; None for other."""
        return None if code is None or code >= len(self.names) else self.names[code]

    def find(self, name: str) -> int:
        """Return the code of a name; -1 if there is no such step."""
        return self.names.index(name) if name in self.names else -1


def find_names(tables: AnalyticsTables, parameters: PathParameters) -> StepNames:
    """Return the names of steps, the most frequent first, equal ones by name."""
    events = _select_step_events(tables, parameters)
    counted = events.filter(events.is_step).group_by("name").agg(events=ibis._.count())
    top = counted.order_by(ibis.desc("events"), "name").limit(MAX_NAMES)
    return StepNames(tuple(row["name"] for row in tables.fetch(top)))


def build_steps(tables: AnalyticsTables, parameters: PathParameters, names: StepNames) -> ir.Table:
    """Return the steps of sessions, repeated ones collapsed.

    Columns: customer_id, key (see `_mark_sessions`), code, previous_code, is_first and is_last of the session, and is_anchor if
    there is an anchor. Of a step that repeats, the first row is kept, or the last one if paths are read backward.
    """
    rows = _mark_sessions(_select_step_events(tables, parameters), parameters, names)
    if parameters.is_backward:
        is_repeated = ~rows.is_last & (rows.next_code == rows.code)
    else:
        is_repeated = ~rows.is_first & (rows.previous_code == rows.code)
    columns = ["is_anchor"] if "is_anchor" in rows.columns else []
    rows = rows.filter(~ibis.coalesce(is_repeated, False))
    return rows.select("customer_id", "key", "code", "previous_code", "is_first", "is_last", *columns)


def _select_step_events(tables: AnalyticsTables, parameters: PathParameters) -> ir.Table:
    """Return all events of the sessions: customer_id, at, id, name, is_step and is_anchor."""
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
        is_goal = build_match(events, parameters.goal, tables.engine)
        is_step = is_step | is_goal
        name = ibis.ifelse(is_goal, GOAL_NAME, name)
    return events.select("customer_id", "at", "id", name=ibis.coalesce(name, events.type), is_step=is_step, **columns)


def _mark_sessions(events: ir.Table, parameters: PathParameters, names: StepNames) -> ir.Table:
    """Return steps with their neighbors, and whether they are the first or last one of a session.

    A key holds the time and, in its last 12 bits, the code, so that sorting moves one number per event. Of events with the same
    time, the more frequent name comes first, as a view comes before an order.
    """
    gap = parameters.gap_minutes * 60 * SECOND
    columns = {name: events[name] for name in ("is_anchor",) if name in events.columns}
    if parameters.events:
        # the pause is that between any two events, whether they are steps or not
        events = add_session(events, parameters.gap_minutes).filter(ibis._.is_step)
        columns = {name: events[name] for name in columns} | {"session": events.session}
    events = names.add_code(events.select("customer_id", "at", "name", **columns))
    columns = {name: events[name] for name in columns}
    events = events.select("customer_id", key=events["at"] * CODES + events.code, **columns)
    window = ibis.window(group_by=events.customer_id, order_by=events.key)
    neighbors = {"previous_key": events.key.lag().over(window), "next_key": events.key.lead().over(window)}
    if parameters.events:
        neighbors |= {"previous_at": events.session.lag().over(window), "next_at": events.session.lead().over(window)}
    rows = events.mutate(**neighbors)
    if parameters.events:
        after, before = rows.session - rows.previous_at > 0, rows.next_at - rows.session > 0
    else:
        moment, previous, following = (key - (key & MAX_NAMES) for key in (rows.key, rows.previous_key, rows.next_key))
        after, before = moment - previous > gap * CODES, following - moment > gap * CODES
    return rows.mutate(
        code=rows.key & MAX_NAMES,
        previous_code=rows.previous_key & MAX_NAMES,
        next_code=rows.next_key & MAX_NAMES,
        is_first=ibis.coalesce(after, True),
        is_last=ibis.coalesce(before, True),
    )


def build_paths(tables: AnalyticsTables, parameters: PathParameters, names: StepNames) -> ir.Table:
    """Return customer_id and code0 (the anchor), code1 and so on, NULL after the end: one row per path."""
    return _select_paths(build_steps(tables, parameters, names), parameters)


def _select_paths(steps: ir.Table, parameters: PathParameters) -> ir.Table:
    """Return the paths of steps, read in time order or, for those that end with the anchor, against it."""
    begins = steps.is_last if parameters.is_backward else steps.is_first
    steps = steps.mutate(moment=steps.key * (-1 if parameters.is_backward else 1), begins=begins)
    window = ibis.window(group_by=steps.customer_id, order_by=steps.moment)
    # NULL for the first step of a session, so that the path of the session before ends there
    token = ibis.ifelse(steps.begins, ibis.null("int64"), steps.code)
    columns = {f"next{level}": token.lead(level).over(window) for level in range(1, parameters.levels + 1)}
    has_anchor = "is_anchor" in steps.columns
    if has_anchor:
        earlier = ibis.window(group_by=steps.customer_id, order_by=steps.moment, rows=(None, -1))
        until_now = ibis.window(group_by=steps.customer_id, order_by=steps.moment, rows=(None, 0))
        columns["last_anchor"] = ibis.ifelse(steps.is_anchor, steps.moment, None).max().over(earlier)
        columns["begin"] = ibis.ifelse(steps.begins, steps.moment, None).max().over(until_now)
    rows = steps.mutate(**columns)
    if has_anchor:
        rows = rows.filter(rows.is_anchor & ibis.coalesce(rows.last_anchor < rows.begin, True))
    else:
        rows = rows.filter(rows.begins)
    codes, is_open = {"code0": rows.code}, ibis.literal(True)
    for level in range(1, parameters.levels + 1):
        is_open = is_open & rows[f"next{level}"].notnull()
        codes[f"code{level}"] = ibis.ifelse(is_open, rows[f"next{level}"], ibis.null("int64"))
    return rows.select("customer_id", **codes)


def run_paths(tables: AnalyticsTables, parameters: PathParameters) -> PathResult:
    """Count the paths by level, and measure what the goal would lose without each step."""
    names = find_names(tables, parameters)
    with tables.materialize(build_steps(tables, parameters, names)) as steps:
        with tables.materialize(_select_paths(steps, parameters)) as paths:
            totals = tables.fetch(
                paths.agg(paths=paths.count(), people=tables.engine.count_distinct(paths.customer_id))
            )
            nodes, links = _count_levels(paths, tables, parameters, names)
        # transitions are counted in time order
        forward = (
            build_steps(tables, replace(parameters, is_backward=False), names) if parameters.is_backward else steps
        )
        conversion, effects = _measure_effects(forward, tables, parameters, names)
    return PathResult(
        as_of=tables.as_of,
        paths=totals[0]["paths"],
        people=totals[0]["people"],
        nodes=nodes,
        links=links,
        conversion=conversion,
        effects=effects,
    )


def find_top_codes(paths: ir.Table, level: int, tables: AnalyticsTables, parameters: PathParameters) -> list[int]:
    """Return the most frequent steps of a level; equal counts by how frequent they are on all levels."""
    named = paths.filter(paths[f"code{level}"] < MAX_NAMES)
    counted = named.group_by(code=named[f"code{level}"]).agg(paths=named.count())
    top = counted.order_by(ibis.desc("paths"), "code").limit(parameters.top)
    return [row["code"] for row in tables.fetch(top)]


def _count_levels(
    paths: ir.Table, tables: AnalyticsTables, parameters: PathParameters, names: StepNames
) -> tuple[tuple[PathNode, ...], tuple[PathLink, ...]]:
    top = [find_top_codes(paths, level, tables, parameters) for level in range(parameters.levels + 1)]
    nodes: list[PathNode] = []
    links: list[PathLink] = []
    for level in range(parameters.levels + 1):
        target = level + 1 if level < parameters.levels else None
        reached: Counter[str | None] = Counter()
        continued: Counter[str | None] = Counter()
        for row in _count_links(paths, level, target, top, tables):
            source, count = names.decode(row["source"]), row["paths"]
            reached[source] += count
            if not row["is_end"]:
                continued[source] += count
                links.append(PathLink(level=level, source=source, target=names.decode(row["target"]), paths=count))
        nodes += [
            PathNode(level=level, name=name, paths=count, continued=continued[name], ended=count - continued[name])
            for name, count in sorted(reached.items(), key=lambda item: (item[0] is None, -item[1], item[0] or ""))
        ]
    return tuple(nodes), tuple(links)


def _count_links(
    paths: ir.Table, level: int, target: int | None, top: list[list[int]], tables: AnalyticsTables
) -> list[dict[str, Any]]:
    """Return source, target, is_end and paths; NULL is other. On the last level all paths end."""
    paths = paths.filter(paths[f"code{level}"].notnull())
    source, following = _hide_rare(paths[f"code{level}"], top[level]), ibis.null("int64")
    is_end = ibis.literal(True)
    if target is not None:
        is_end = paths[f"code{target}"].isnull()
        following = _hide_rare(paths[f"code{target}"], top[target])
    rows = paths.select(source=source, target=following, is_end=is_end)
    counted = rows.group_by("source", "target", "is_end").agg(paths=rows.count())
    return tables.fetch(counted.order_by(ibis.desc("paths"), "source", "target"))


def _hide_rare(code: ir.IntegerValue, top: list[int]) -> ir.IntegerValue:
    return ibis.ifelse(code.isin(top), code, ibis.null("int64")) if top else ibis.null("int64")


def _measure_effects(
    steps: ir.Table, tables: AnalyticsTables, parameters: PathParameters, names: StepNames
) -> tuple[float | None, tuple[StepEffect, ...]]:
    """Return the probability of the goal and the removal effects, from the transitions of all sessions."""
    if parameters.goal is None:
        return None, ()
    goal = names.find(GOAL_NAME)
    # a goal ends a path, and what follows in the session begins another one
    is_start = steps.is_first | (steps.previous_code == goal)
    source = ibis.ifelse(is_start, ibis.null("int64"), steps.previous_code)
    moves = steps.select(source=source, target=steps.code, is_last=steps.is_last.cast("int64"))
    counted = moves.group_by("source", "target").agg(paths=moves.count(), ended=moves.is_last.sum())
    counts: list[tuple[str | None, str | None, int]] = []
    for row in tables.fetch(counted):
        source_name = None if row["source"] is None else names.decode(row["source"]) or RARE_NAME
        target_name = names.decode(row["target"]) or RARE_NAME
        counts.append((source_name, target_name, row["paths"]))
        if row["target"] != goal:
            counts.append((target_name, None, row["ended"]))
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
    names = find_names(tables, parameters)
    paths = build_paths(tables, parameters, names)
    selected = paths.filter(_is_named(paths, level, selection.name, tables, parameters, names))
    if selection.is_ended and level < parameters.levels:
        selected = selected.filter(selected[f"code{level + 1}"].isnull())
    if selection.is_link:
        selected = selected.filter(_is_named(selected, level + 1, selection.next_name, tables, parameters, names))
    return selected.select("customer_id").distinct()


def _is_named(
    selected: ir.Table,
    level: int,
    name: str | None,
    tables: AnalyticsTables,
    parameters: PathParameters,
    names: StepNames,
) -> ir.BooleanValue:
    code = selected[f"code{level}"]
    if name is not None:
        return code == names.find(name)
    top = find_top_codes(build_paths(tables, parameters, names), level, tables, parameters)
    return code.notnull() & code.notin(top)
