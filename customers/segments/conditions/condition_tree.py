"""The nodes of a parsed condition tree, and the problems of one that is not valid."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from customers.segments.conditions.fields import ConditionField


@dataclass(frozen=True)
class ConditionProblem:
    """A reason why a condition is not valid; ``path`` looks like ``$.all[1].value``."""

    path: str
    code: str
    message: str


class ConditionError(ValueError):
    """The condition is not valid; ``problems`` lists the reasons."""

    def __init__(self, problems: list[ConditionProblem]) -> None:
        super().__init__("; ".join(f"{problem.path}: {problem.message}" for problem in problems))
        self.problems = problems


@dataclass(frozen=True)
class Period:
    """A point in time, or the day of a date: from ``start`` to ``end``, exclusive."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class Comparison:
    """A valid comparison; ``times``, ``days`` and ``period`` apply to events only.

    Attributes:
        days: the event was in the last so many days.
        period: the event was in these days.
    """

    path: str
    field: ConditionField
    op: str
    value: Any = None
    times: int = 1
    days: int | None = None
    period: Period | None = None


@dataclass(frozen=True)
class EventSequence:
    """The first event, then the second at most ``gap_days`` later; both in the last ``days``, in ``period``, or ever."""

    steps: tuple[Comparison, Comparison]
    gap_days: int
    days: int | None = None
    period: Period | None = None


@dataclass(frozen=True)
class Group:
    """All (``every``) or any of the children apply."""

    every: bool
    children: tuple["Node", ...]


@dataclass(frozen=True)
class Negation:
    """The child does not apply."""

    child: "Node"


Node = Comparison | EventSequence | Group | Negation
