"""Paths: what people do after, or before, a step, within a session.

A path begins (or ends) with the first (or last) such step of a session. A step that repeats at once counts once. Each level shows the
most frequent steps and “other”; what flows into a step flows on, or ends there, so the sums of all levels agree.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from customers.analytics.expressions.matching import (
    ORDER_EVENT,
    EventMatch,
    build_match,
    build_property,
    check_property,
)
from customers.analytics.expressions.parameters import DateRange, require_between
from customers.analytics.expressions.sorted_events import (
    GAP_MINUTES,
    Codes,
    Flags,
    Integers,
    SortedEvents,
    make_people,
    mark_changes,
    number_visits,
    read_sorted_events,
)
from customers.analytics.expressions.tables import BEHAVIOR_TYPES, AnalyticsTables
from customers.analytics.questions.markov import StepEffect, measure_removal_effects

MAX_LEVELS, MAX_TOP = 10, 30
MAX_EVENTS = 50
# the name of the goal among the steps, so that a property named like it can't be mistaken for it
GOAL_NAME = "$goal"
# stands for all names that are not among the most frequent ones
RARE_NAME = "$rare"
# their codes and three flags have to fit into the bits beside the time
MAX_NAMES = 2_000
# in place of a code: before the first step of a path, and after its last one
START = END = -1
# up to this many names are compared one by one, which is faster than a join
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
    gap_minutes: int = GAP_MINUTES
    goal: EventMatch | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between("levels", self.levels, 1, MAX_LEVELS)
        require_between("top", self.top, 1, MAX_TOP)
        require_between("events", len(self.events), 0, MAX_EVENTS)
        require_between("gap_minutes", self.gap_minutes, 1, 24 * 60)
        if self.label:
            check_property("label", self.label)

    @property
    def has_anchor(self) -> bool:
        """Whether paths begin or end with a certain event, not with any."""
        return bool(self.anchor.label or self.anchor.filters)


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
    """The names of steps by frequency. A step's code is the position of its name; all rarer names share the next code."""

    names: tuple[str, ...]

    @property
    def size(self) -> int:
        """The number of codes, including the one for rarer names."""
        return len(self.names) + 1

    def build_code(self, events: ir.Table) -> ir.Table:
        """Return events with the ``step`` of their name."""
        rare = ibis.literal(len(self.names), "int64")
        if len(self.names) <= MAX_BRANCHES:
            branches = [(events.name == name, ibis.literal(code, "int64")) for code, name in enumerate(self.names)]
            return events.mutate(step=ibis.cases(*branches, else_=rare) if branches else rare)
        codes = pa.table({"known_name": list(self.names), "known_code": pa.array(range(len(self.names)), pa.int64())})
        known = ibis.memtable(codes)
        joined = events.left_join(known, events.name == known.known_name)
        return joined.select(*events.columns, step=ibis.coalesce(joined.known_code, rare))

    def decode(self, code: int) -> str | None:
        """Return the name of a code; None for other."""
        return self.names[code] if 0 <= code < len(self.names) else None

    def find(self, name: str) -> int:
        """Return the code of a name; -1 if there is no such step."""
        return self.names.index(name) if name in self.names else -1


def find_names(tables: AnalyticsTables, parameters: PathParameters) -> StepNames:
    """Return the names of steps, the most frequent first, equal ones by name; the goal comes last.

    Steps that are named by their event are counted by reading only the name, which is much faster.
    """
    if parameters.label:
        events = _select_step_events(tables, parameters)
        events = events.filter(events.is_step & (events.name != GOAL_NAME)).select("name")
    else:
        events = tables.events.filter(tables.events.occurred_at >= tables.get_first_moment(parameters)).select("name")
    counted = events.filter(events.name.notnull()).group_by("name").agg(events=ibis._.count())
    top = counted.order_by(ibis.desc("events"), "name").limit(MAX_NAMES)
    names = [row["name"] for row in tables.fetch(top)]
    others = [] if parameters.label else [*BEHAVIOR_TYPES, ORDER_EVENT]
    names = [name for name in names[: MAX_NAMES - len(others) - 1] if name and name not in others]
    return StepNames((*names, *others, *([GOAL_NAME] if parameters.goal else [])))


def _select_step_events(tables: AnalyticsTables, parameters: PathParameters) -> ir.Table:
    """Return all events of the sessions: customer_id, at, name, is_step, is_anchor and is_order."""
    matches = [*parameters.events]
    if parameters.anchor.label:
        matches.append(parameters.anchor)
    if parameters.goal:
        matches.append(parameters.goal)
    events = tables.select_visits(parameters, parameters.gap_minutes, *matches)
    name = events.name.nullif("")
    if parameters.label:
        name = ibis.coalesce(build_property(events, parameters.label, tables.engine), name)
    is_order = events.name == ORDER_EVENT
    is_step, is_anchor = ibis.literal(not parameters.events), ibis.literal(False)
    for match in parameters.events:
        is_step = is_step | build_match(events, match, tables.engine)
    if parameters.has_anchor:
        is_anchor = build_match(events, parameters.anchor, tables.engine)
        is_step = is_step | is_anchor
    if parameters.goal:
        is_goal = build_match(events, parameters.goal, tables.engine)
        is_step = is_step | is_goal
        name = ibis.ifelse(is_goal, GOAL_NAME, name)
    name = ibis.coalesce(name, events.type)
    return events.select("customer_id", "at", name=name, is_step=is_step, is_anchor=is_anchor, is_order=is_order)


@dataclass(frozen=True)
class SessionSteps:
    """The steps of sessions in order of time; what repeats at once is one step.

    Attributes: of length (steps,)
        customer: IDs. code: of the name. is_first: of its session. is_anchor: whether one of the events of a step is the anchor.
    """

    customer: Integers
    code: Codes
    is_first: Flags
    is_anchor: Flags


def build_coded_events(tables: AnalyticsTables, parameters: PathParameters, names: StepNames) -> ir.Table:
    """Return customer_id, at and code: of the name of the event, then the bits is_anchor and is_step; all codes of orders are larger."""
    events = names.build_code(_select_step_events(tables, parameters))
    flags = events.is_anchor.cast("int64") * 2 + events.is_step.cast("int64")
    code = (events.is_order.cast("int64") * names.size + events.step) * 4 + flags
    return events.select("customer_id", "at", code=code)


def read_steps(tables: AnalyticsTables, parameters: PathParameters, names: StepNames) -> Iterator[SessionSteps]:
    """Yield the steps of all sessions, in parts. Of events with the same time, the more frequent name comes first."""
    events, bits = build_coded_events(tables, parameters, names), (names.size * 8).bit_length()
    for part in read_sorted_events(tables, parameters, events, bits=bits):
        yield collapse_steps(part, parameters, names)


def collapse_steps(events: SortedEvents, parameters: PathParameters, names: StepNames) -> SessionSteps:
    """Return the steps of events whose code ends with the bits is_anchor and is_step. Orders without a session are left out."""
    is_order = events.code >= names.size * 4
    # the pause is that between any two events, whether they are steps or not
    session = number_visits(events, is_order, parameters.gap_minutes)
    code = np.where(is_order, events.code - names.size * 4, events.code)
    has_session = session >= 0
    customer, code, is_first = events.customer[has_session], code[has_session], mark_changes(session[has_session])
    if parameters.events:
        is_step = (code & 1).astype(bool)
        number = np.cumsum(is_first)[is_step]
        customer, code, is_first = customer[is_step], code[is_step], mark_changes(number)
    step = code >> 2
    starts = np.flatnonzero(is_first | mark_changes(step))
    is_anchor = (code & 2).astype(bool)
    is_anchor = np.logical_or.reduceat(is_anchor, starts) if len(starts) else is_anchor
    return SessionSteps(customer[starts], step[starts], is_first[starts], is_anchor)


@dataclass(frozen=True)
class PathArrays:
    """Paths as arrays: customer (paths,); codes (levels + 1, paths), END after the end."""

    customer: Integers
    codes: Codes


def find_paths(steps: SessionSteps, parameters: PathParameters) -> PathArrays:
    """Return the path of each session from its first anchor on, or, read backward, from its last one."""
    starts = np.flatnonzero(steps.is_first)
    ends = np.append(starts[1:], len(steps.code))
    if parameters.has_anchor:
        anchors = np.flatnonzero(steps.is_anchor)
        session = (np.cumsum(steps.is_first, dtype=np.int32) - 1)[anchors]
        chosen = mark_changes(session[::-1])[::-1] if parameters.is_backward else mark_changes(session)
        begins, session = anchors[chosen], session[chosen]
        starts, ends = starts[session], ends[session]
    else:
        begins = ends - 1 if parameters.is_backward else starts
    codes = np.full((parameters.levels + 1, len(begins)), END, np.int16)
    for level in range(parameters.levels + 1):
        at = begins - level if parameters.is_backward else begins + level
        inside = at >= starts if parameters.is_backward else at < ends
        codes[level, inside] = steps.code[at[inside]]
    return PathArrays(steps.customer[begins], codes)


class PathCounter:
    """Counts paths by level, and the moves between steps, over all parts."""

    def __init__(self, parameters: PathParameters, names: StepNames) -> None:
        self.parameters, self.names = parameters, names
        self.paths = self.people = 0
        self.moves: Counter[tuple[str | None, str | None]] = Counter()
        self.parts: list[Codes] = []

    def add(self, steps: SessionSteps) -> None:
        """Count the steps of some people."""
        paths = find_paths(steps, self.parameters)
        self.paths += len(paths.customer)
        self.people += int(mark_changes(paths.customer).sum())
        self.parts.append(paths.codes)
        if self.parameters.goal is not None:
            self._count_moves(steps)

    def _count_moves(self, steps: SessionSteps) -> None:
        """Count the moves from step to step in order of time, from the start and to the end."""
        goal, size = self.names.find(GOAL_NAME), self.names.size
        source = np.full(len(steps.code), START, np.int32)
        source[1:] = steps.code[:-1]
        # a goal ends a path, and what follows in the session begins another one
        source[steps.is_first] = START
        source[source == goal] = START
        is_last = np.ones(len(source), bool)
        is_last[:-1] = steps.is_first[1:]
        counts = np.bincount((source + 1) * size + steps.code, minlength=(size + 1) * size)
        for number in np.flatnonzero(counts).tolist():
            before, after = number // size - 1, number % size
            name = None if before == START else self._name(before)
            self.moves[name, self._name(after)] += int(counts[number])
        for code, count in enumerate(np.bincount(steps.code[is_last], minlength=size).tolist()):
            if count and code != goal:
                self.moves[self._name(code), None] += count

    def _name(self, code: int) -> str:
        return self.names.decode(code) or RARE_NAME

    def find_top(self, level: int) -> list[int]:
        """Return the most frequent steps of a level; equal counts by how frequent they are on all levels."""
        counts = sum(count_codes(codes[level], self.names.size) for codes in self.parts)
        named = np.asarray(counts)[:-1]
        order = np.argsort(-named, kind="stable")[: self.parameters.top]
        return [int(code) for code in order if named[code]]

    def count_levels(self) -> tuple[tuple[PathNode, ...], tuple[PathLink, ...]]:
        """Return the steps of each level, and the links to the next one, most frequent first."""
        nodes: list[PathNode] = []
        links: list[PathLink] = []
        levels = self.parameters.levels
        top = [self.find_top(level) for level in range(levels + 1)]
        for level in range(levels + 1):
            names = [*map(self.names.decode, top[level]), None]
            following = [*map(self.names.decode, top[level + 1]), None] if level < levels else [None]
            counts = self._count_links(level, top)  # (steps, next steps and the end)
            for source, name in enumerate(names):
                row = counts[source].tolist()
                links += [
                    PathLink(level=level, source=name, target=following[target], paths=count)
                    for target, count in sorted(enumerate(row[:-1]), key=lambda item: -item[1])
                    if count
                ]
                if total := sum(row):
                    nodes.append(
                        PathNode(level=level, name=name, paths=total, continued=total - row[-1], ended=row[-1])
                    )
        return tuple(nodes), tuple(links)

    def _count_links(self, level: int, top: Sequence[Sequence[int]]) -> Integers:
        sources = len(top[level]) + 1
        is_last = level == self.parameters.levels
        targets = 1 if is_last else len(top[level + 1]) + 2
        counts = np.zeros(sources * targets, np.int64)
        for codes in self.parts:
            open_paths = codes[level] != END
            source = rank_codes(codes[level][open_paths], top[level], self.names.size)
            target = 0 if is_last else rank_codes(codes[level + 1][open_paths], top[level + 1], self.names.size)
            counts += np.bincount(source * targets + target, minlength=len(counts))
        return counts.reshape(sources, targets)


def count_codes(codes: Codes, size: int) -> Integers:
    """Return how often each code occurs: (size,)."""
    return np.bincount(codes[codes != END], minlength=size)


def rank_codes(codes: Codes, top: Sequence[int], size: int) -> Integers:
    """Return the position of each code in the list; after it come other codes, then END."""
    ranks = np.full(size + 1, len(top))
    ranks[list(top)] = np.arange(len(top))
    ranks[END] = len(top) + 1
    return ranks[codes]


def run_paths(tables: AnalyticsTables, parameters: PathParameters) -> PathResult:
    """Count the paths by level, and measure what the goal would lose without each step."""
    names = find_names(tables, parameters)
    counter = PathCounter(parameters, names)
    for steps in read_steps(tables, parameters, names):
        counter.add(steps)
    nodes, links = counter.count_levels()
    conversion: float | None = None
    effects: tuple[StepEffect, ...] = ()
    if parameters.goal is not None:
        moves = [(source, target, count) for (source, target), count in counter.moves.items()]
        conversion, effects = measure_removal_effects(moves, goal=GOAL_NAME)
    return PathResult(
        as_of=tables.as_of,
        paths=counter.paths,
        people=counter.people,
        nodes=nodes,
        links=links,
        conversion=conversion,
        effects=effects,
    )


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
    counter, parts = PathCounter(replace(parameters, goal=None), names), []
    for steps in read_steps(tables, parameters, names):
        paths = find_paths(steps, parameters)
        counter.parts.append(paths.codes)
        parts.append(paths)
    return make_people([paths.customer[_is_selected(paths, counter, selection)] for paths in parts])


def _is_selected(paths: PathArrays, counter: PathCounter, selection: PathSelection) -> Flags:
    level = selection.level
    selected = _is_named(paths, counter, level, selection.name)
    if selection.is_ended and level < counter.parameters.levels:
        selected &= paths.codes[level + 1] == END
    if selection.is_link:
        selected &= _is_named(paths, counter, level + 1, selection.next_name)
    return selected


def _is_named(paths: PathArrays, counter: PathCounter, level: int, name: str | None) -> Flags:
    codes = paths.codes[level]
    if name is not None:
        code = counter.names.find(name)
        return (codes == code) & (code >= 0)
    return (codes != END) & ~np.isin(codes, counter.find_top(level))
