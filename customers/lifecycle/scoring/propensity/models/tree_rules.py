"""A decision tree's leaves as conditions that a person can read."""

from dataclasses import dataclass
from typing import Literal

from customers.lifecycle.scoring.propensity.models.array_models import Trees


@dataclass(frozen=True)
class Condition:
    """The column `feature` is at most (`<=`) or above (`>`) the value."""

    feature: str
    operator: Literal["<=", ">"]
    value: float


@dataclass(frozen=True)
class Rule:
    """All conditions hold for `share` of the customers, and it came true for `probability` of these."""

    conditions: tuple[Condition, ...]
    share: float
    probability: float


def rules_of(*, tree: Trees, names: tuple[str, ...]) -> tuple[Rule, ...]:
    """One rule a leaf, most probable first; of several bounds of one column on one side only the narrowest stays.

    The shares add up to 1. Errors: ValueError for a model of more than one tree, or whose leaves are no probabilities.
    """
    if len(tree.root) != 1 or tree.scale != "probability":
        raise ValueError(f"rules need one tree of probabilities, got {len(tree.root)} of {tree.scale}")
    found: list[Rule] = []

    def follow(node: int, bounds: dict[tuple[str, Literal["<=", ">"]], float]) -> None:
        if tree.feature[node] < 0:
            conditions = tuple(Condition(*key, value) for key, value in bounds.items())
            found.append(Rule(conditions, float(tree.share[node]), float(tree.base + tree.value[node])))
            return
        name, value = names[tree.feature[node]], float(tree.threshold[node])
        follow(int(tree.left[node]), bounds | {(name, "<="): min(value, bounds.get((name, "<="), value))})
        follow(int(tree.right[node]), bounds | {(name, ">"): max(value, bounds.get((name, ">"), value))})

    follow(int(tree.root[0]), {})
    return tuple(sorted(found, key=lambda rule: -rule.probability))
