"""Converts a decision tree's leaves to readable conditions."""

from dataclasses import dataclass
from typing import Literal

from customers.lifecycle.scoring.propensity.models.array_models import TreeModel


@dataclass(frozen=True)
class TreeCondition:
    """The column `feature` is at most (`<=`) or above (`>`) the value."""

    feature: str
    operator: Literal["<=", ">"]
    value: float


@dataclass(frozen=True)
class TreeRule:
    """All conditions hold for `share` of the customers, of whom `probability` are positive."""

    conditions: tuple[TreeCondition, ...]
    share: float
    probability: float


def extract_rules(*, tree: TreeModel, names: tuple[str, ...]) -> tuple[TreeRule, ...]:
    """Return one rule per leaf, most probable first.

    Of several bounds of one column on one side, a rule has only the narrowest.
    The shares add up to 1. Errors: ValueError for a model of more than one tree, or whose leaves are no probabilities.
    """
    if len(tree.root) != 1 or tree.scale != "probability":
        raise ValueError(f"extract_rules needs one tree of probabilities, got {len(tree.root)} of {tree.scale}")
    rules: list[TreeRule] = []

    def visit_node(node: int, bounds: dict[tuple[str, Literal["<=", ">"]], float]) -> None:
        if tree.feature[node] < 0:
            conditions = tuple(TreeCondition(*key, value) for key, value in bounds.items())
            rules.append(TreeRule(conditions, float(tree.share[node]), float(tree.base + tree.value[node])))
            return
        name, value = names[tree.feature[node]], float(tree.threshold[node])
        visit_node(int(tree.left[node]), bounds | {(name, "<="): min(value, bounds.get((name, "<="), value))})
        visit_node(int(tree.right[node]), bounds | {(name, ">"): max(value, bounds.get((name, ">"), value))})

    visit_node(int(tree.root[0]), {})
    return tuple(sorted(rules, key=lambda rule: -rule.probability))
