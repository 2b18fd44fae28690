"""What stands out about each cluster, and names made of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Floats

type Name = tuple[tuple[str, str], ...]

HIGH, LOW, TYPICAL, NUMBER = "high", "low", "typical", "number"
STANDS_OUT = 0.25  # standard deviations
SHORTEST, LONGEST = 2, 3  # parts of a name; clusters that share three are numbered


@dataclass(frozen=True)
class Deviation:
    """A feature of a cluster: its mean less that of all customers, in standard deviations of all. direction: "high" or "low"."""

    feature: str
    direction: str
    deviations: float


def deviations_of(*, means: Floats, mean_of_all: Floats, features: Sequence[str]) -> list[tuple[Deviation, ...]]:
    """For each of k clusters its d features, the farthest from the mean of all customers first.

    means: (k, d) and mean_of_all: (d,), of scaled features, so already in standard deviations.
    """
    return [
        tuple(
            Deviation(features[place], HIGH if row[place] > 0 else LOW, float(row[place]))
            for place in np.argsort(-np.abs(row), kind="stable")
        )
        for row in means - mean_of_all
    ]


def unique_names(
    *, standing_out: Sequence[Sequence[Deviation]], taken: Sequence[Name | None], numbers: Sequence[int]
) -> list[Name]:
    """A name for each cluster: the two features that stand out most, or three where two don't tell it from the others.

    taken: names that stay, None where one is wanted. numbers: the clusters' ids, which end the names of those that three parts don't
    tell apart. A cluster where nothing is 0.25 deviations from the mean is (("typical", ""),).
    """
    parts = [
        tuple((d.direction, d.feature) for d in row if abs(d.deviations) >= STANDS_OUT)[:LONGEST] or ((TYPICAL, ""),)
        for row in standing_out
    ]
    names: list[Name | None] = list(taken)
    for length in range(SHORTEST, LONGEST + 1):
        wanted = {place: parts[place][:length] for place, name in enumerate(names) if name is None}
        used = [frozenset(name) for name in names if name is not None]
        for place, name in wanted.items():
            alone = sum(frozenset(name) == frozenset(other) for other in wanted.values()) == 1
            if alone and frozenset(name) not in used:
                names[place] = name
    return [name or (*parts[place], (NUMBER, str(numbers[place]))) for place, name in enumerate(names)]


def still_true(*, name: Name, standing_out: Sequence[Deviation]) -> bool:
    """Whether what a name says of features has still the same direction; what it says of features that are gone is not true."""
    found = {d.feature: d.direction for d in standing_out}
    return all(found.get(feature) == direction for direction, feature in name if direction in (HIGH, LOW))
