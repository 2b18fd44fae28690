"""What a recipe is: a flow that is ready to start, with the templates that it sends and the questions that it asks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise

type Text = str | Promise


@dataclass(frozen=True)
class RecipeQuestion:
    """A number that only the shop can know.

    Attributes:
        initial: the proposed answer.
        low, high: the valid answers.
    """

    name: str
    label: Text
    help: Text
    initial: int
    low: int
    high: int


@dataclass(frozen=True)
class FlowRecipe:
    """A ready-made flow.

    Attributes:
        templates: the keys of the ready-made templates that it sends.
        build: returns the definition for the answers to the questions.
    """

    key: str
    name: Text
    description: Text
    templates: tuple[str, ...]
    build: Callable[[Mapping[str, int]], dict[str, Any]]
    questions: tuple[RecipeQuestion, ...] = ()


ORDERED = {"kind": "event", "event": "order_placed"}
CATALOG_INTERESTS = ["viewed", "added", "wishlisted", "requested"]


def make_definition(trigger: dict[str, Any], steps: list[dict[str, Any]], **parts: Any) -> dict[str, Any]:
    """Return a definition; the goal is an order, and people may enter again after 30 days."""
    return {
        "schema": 1,
        "trigger": trigger,
        "filter": {"all": []},
        "reentry": {"rule": "after", "days": 30},
        "goal": ORDERED,
        "exits": [],
        "steps": steps,
        **parts,
    }


def wait(key: str, **duration: int) -> dict[str, Any]:
    return {"key": key, "kind": "wait", "for": duration}


def wait_for_result(days: int) -> dict[str, Any]:
    """Keep people in the flow for some days, so that orders in this time count as its goal."""
    return wait("result", days=days)


def message(key: str, template: str) -> dict[str, Any]:
    return {"key": key, "kind": "message", "template": template}


def compare(field: str, operator: str, value: Any = None, **options: Any) -> dict[str, Any]:
    """Return a comparison of a condition."""
    comparison = {"field": field, "op": operator, **options}
    return comparison if value is None else {**comparison, "value": value}
