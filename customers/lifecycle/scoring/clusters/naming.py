"""Ranks the distinctive features of each cluster and builds names from them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Floats

type ClusterName = tuple[tuple[str, str], ...]

HIGH, LOW, TYPICAL, NUMBER = "high", "low", "typical", "number"
MIN_DEVIATION = 0.25  # standard deviations
MIN_PARTS, MAX_PARTS = 2, 3  # parts of a name; clusters with the same three parts are numbered


@dataclass(frozen=True)
class FeatureDeviation:
    """A feature of a cluster.

    size: its mean less that of all customers, in standard deviations of all. direction: "high" or "low".
    """

    feature: str
    direction: str
    size: float


def rank_deviations(
    *, means: Floats, overall_mean: Floats, features: Sequence[str]
) -> list[tuple[FeatureDeviation, ...]]:
    """Return for each of k clusters its d features, the farthest from the overall mean first.

    means: (k, d) and overall_mean: (d,), of scaled features, so already in standard deviations.
    """
    return [
        tuple(
            FeatureDeviation(features[index], HIGH if row[index] > 0 else LOW, float(row[index]))
            for index in np.argsort(-np.abs(row), kind="stable")
        )
        for row in means - overall_mean
    ]


def build_unique_names(
    *,
    deviations: Sequence[Sequence[FeatureDeviation]],
    retained_names: Sequence[ClusterName | None],
    numbers: Sequence[int],
) -> list[ClusterName]:
    """Name each cluster by its two most distinctive features, or three where two are ambiguous.

    retained_names: names that stay, None where one is needed. numbers: the clusters' ids, appended to names that three parts leave ambiguous.
    A cluster without a feature 0.25 deviations from the mean is (("typical", ""),).
    """
    parts = [
        tuple((d.direction, d.feature) for d in row if abs(d.size) >= MIN_DEVIATION)[:MAX_PARTS] or ((TYPICAL, ""),)
        for row in deviations
    ]
    names: list[ClusterName | None] = list(retained_names)
    for length in range(MIN_PARTS, MAX_PARTS + 1):
        candidate_names = {index: parts[index][:length] for index, name in enumerate(names) if name is None}
        used = [frozenset(name) for name in names if name is not None]
        for index, name in candidate_names.items():
            is_unique = sum(frozenset(name) == frozenset(other) for other in candidate_names.values()) == 1
            if is_unique and frozenset(name) not in used:
                names[index] = name
    return [name or (*parts[index], (NUMBER, str(numbers[index]))) for index, name in enumerate(names)]


def is_name_accurate(*, name: ClusterName, deviations: Sequence[FeatureDeviation]) -> bool:
    """Return whether each feature of a name still deviates in the named direction.

    Missing features do not deviate.
    """
    direction_of = {d.feature: d.direction for d in deviations}
    return all(direction_of.get(feature) == direction for direction, feature in name if direction in (HIGH, LOW))
