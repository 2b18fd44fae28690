"""A flow definition as a graph: the steps in document order, and which step follows each outcome.

Steps only lead to later steps, so one pass over them in document order takes any number of people as far as they can go.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recommendations.flows.machine.definition_schema import FIXED_BRANCHES, WAITING_STEPS


@dataclass(frozen=True)
class FlowStep:
    """One step of a graph.

    Attributes:
        settings: the fields of the step, as in the definition.
        depth: the number of branches around it.
        branch: the name of the branch in which it is; empty at the top.
        parent: the key of the step with that branch; empty at the top.
        following: the next step for each outcome; None at the end.
        default: the next step for outcomes without a branch.
    """

    key: str
    kind: str
    settings: Mapping[str, Any]
    depth: int
    branch: str
    parent: str
    following: Mapping[str, str | None]
    default: str | None

    @property
    def waits(self) -> bool:
        return self.kind in WAITING_STEPS


@dataclass(frozen=True)
class FlowGraph:
    """A valid definition, ready to be executed."""

    trigger: Mapping[str, Any]
    condition: Mapping[str, Any] | None
    reentry: Mapping[str, Any]
    goal: Mapping[str, Any] | None
    exits: Sequence[Mapping[str, Any]]
    steps: Mapping[str, FlowStep]

    @property
    def first(self) -> str:
        return next(iter(self.steps))

    def find_next(self, key: str, outcome: str) -> str | None:
        """Return the key of the step after an outcome; None at the end of the flow."""
        step = self.steps[key]
        return None if step.kind == "exit" else step.following.get(outcome, step.default)

    def list_awaited_events(self) -> list[str]:
        """Return the names of the events that steps, the goal and exits wait for."""
        parts = [step.settings for step in self.steps.values() if step.kind == "wait_event"]
        parts += [part for part in (self.goal, *self.exits) if part and part["kind"] == "event"]
        return sorted({part["event"] for part in parts})

    def list_stop_conditions(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Return the conditions that end the stay, with the status that each leads to; the goal first."""
        parts = [("goal", self.goal), *(("exited", part) for part in self.exits)]
        return [(status, part["condition"]) for status, part in parts if part and part["kind"] == "condition"]

    def list_stop_events(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Return the events that end the stay, as their definitions, with the status that each leads to; the goal first."""
        parts = [("goal", self.goal), *(("exited", part) for part in self.exits)]
        return [(status, part) for status, part in parts if part and part["kind"] == "event"]


def build_graph(definition: Mapping[str, Any]) -> FlowGraph:
    """Build the graph of a valid definition."""
    steps: dict[str, FlowStep] = {}
    _add_steps(steps, definition["steps"], after=None, depth=0, branch="", parent="")
    return FlowGraph(
        trigger=definition["trigger"],
        condition=definition.get("filter"),
        reentry=definition["reentry"],
        goal=definition.get("goal"),
        exits=definition.get("exits", []),
        steps=steps,
    )


def _add_steps(
    steps: dict[str, FlowStep],
    raw: Sequence[Mapping[str, Any]],
    *,
    after: str | None,
    depth: int,
    branch: str,
    parent: str,
) -> None:
    """Add a list of steps; ``after`` follows the last one."""
    for index, step in enumerate(raw):
        following = raw[index + 1]["key"] if index + 1 < len(raw) else after
        branches = step.get("branches", {})
        steps[step["key"]] = FlowStep(
            key=step["key"],
            kind=step["kind"],
            settings=step,
            depth=depth,
            branch=branch,
            parent=parent,
            following={name: inner[0]["key"] for name, inner in branches.items() if inner},
            default=following,
        )
        for name in list_branches(step):
            inner = branches.get(name, [])
            _add_steps(steps, inner, after=following, depth=depth + 1, branch=name, parent=step["key"])


def list_branches(step: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of a step's branches, in order; empty for a step without branches."""
    return FIXED_BRANCHES.get(step["kind"]) or tuple(step.get("weights", ()))
