"""Label, tuning and explanation of an algorithm for the rest of the project; each declares one `AlgorithmSpec`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

MEGABYTE = 1e6
HALF_LIVES = (7.0, 14.0, 28.0, 56.0, 90.0, 180.0, 365.0, None)
LONG_HALF_LIVES = HALF_LIVES[2:]
NEIGHBOR_COUNTS = (20, 50, 100, 200, 400)
WEIGHTINGS = ("binary", "log", "raw")


class ExplanationReason(StrEnum):
    """Why an item is recommended, according to the algorithm; serving turns it into a sentence."""

    SAME_BUYERS = "same-buyers"
    SIMILAR_PRODUCT = "similar-product"
    SIMILAR_CUSTOMERS = "similar-customers"
    BOUGHT_TOGETHER = "bought-together"
    CHOSEN_NEXT = "chosen-next"
    DUE_AGAIN = "due-again"
    TRENDING = "trending"
    POPULAR = "popular"


@dataclass(frozen=True)
class DataSize:
    """The size of the training data; `entries` counts distinct (customer, product) pairs."""

    users: int
    items: int
    entries: int
    interactions: int


type MemoryEstimate = Callable[[DataSize, Mapping[str, Any]], float]


@dataclass(frozen=True, kw_only=True)
class SearchSpace:
    """How training tunes an algorithm.

    The values are those usual in the literature and belong to no single shop; the search of each training moves them.

    order: algorithms are tried in ascending order, cheap and indispensable ones first. start: the first trial. values: parameter →
    values to try. estimate_mb: MB that fitting takes besides the data. is_required: placements other than for-you need it, so training
    keeps it even with a weight of 0. scoring_only: parameters that only scoring reads, so another value needs no new fit. fixed: parameters that are
    not tuned. vector_start: parameters of the first trial where products have vectors. vector_values: further values to try then.
    """

    order: int
    start: Mapping[str, Any]
    values: Mapping[str, Sequence[Any]]
    estimate_mb: MemoryEstimate
    is_required: bool = False
    scoring_only: frozenset[str] = frozenset()
    fixed: Mapping[str, Any] = field(default_factory=dict)
    vector_start: Mapping[str, Any] = field(default_factory=dict)
    vector_values: Mapping[str, Sequence[Any]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AlgorithmSpec:
    """Label, tuning and explanation of an algorithm.

    label: English, marked with `translatable`. search: how training tunes it; without one, not_tried says why training leaves it out.
    reason: the explanation of an item whose score comes mostly from this algorithm.

    Raises:
        ValueError: both or neither of `search` and `not_tried` are given.
    """

    label: str
    search: SearchSpace | None = None
    not_tried: str = ""
    reason: ExplanationReason = ExplanationReason.SAME_BUYERS

    def __post_init__(self) -> None:
        if (self.search is None) == (not self.not_tried):
            raise ValueError(f"algorithm spec {self.label!r} needs either a search space or a reason in not_tried")


def estimate_neighbors_mb(size: DataSize, parameters: Mapping[str, Any]) -> float:
    """Return the MB of the k columns of each row twice (during the search and in the result) and of the matrix, weighted and transposed."""
    return (2 * 8 * size.items * min(parameters["k"], size.items) + 4 * 8 * size.entries) / MEGABYTE


def estimate_counts_mb(size: DataSize, parameters: Mapping[str, Any]) -> float:
    """Return the MB of one count per item and one weight per interaction."""
    return (8 * size.items + 12 * size.interactions) / MEGABYTE


def estimate_sessions_mb(size: DataSize, parameters: Mapping[str, Any]) -> float:
    """Return the MB of the sorted interactions and their index by item."""
    return 60 * size.interactions / MEGABYTE


def estimate_transitions_mb(size: DataSize, parameters: Mapping[str, Any]) -> float:
    """Return the MB of the k columns of each row and of the sorted interactions."""
    return estimate_neighbors_mb(size, parameters) + estimate_sessions_mb(size, parameters)
