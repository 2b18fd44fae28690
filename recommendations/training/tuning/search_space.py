"""What a blend may be made of: where each algorithm starts, what is tried from there, and what memory it takes.

Nothing here belongs to one shop: the values are what the literature calls usual, and the search of every training moves them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from recommendations.engine import Products
from recommendations.training.budget import MEGABYTE, Size

HALF_LIVES = (7.0, 14.0, 28.0, 56.0, 90.0, 180.0, 365.0, None)
NEIGHBOURS = (20, 50, 100, 200, 400)
VECTOR_WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0)
WEIGHTINGS = ("binary", "log", "raw")


@dataclass(frozen=True)
class Candidate:
    """An algorithm to try.

    megabytes: about what fitting it takes beside the data. kept: other places than for-you need it. scoring: parameters that only
    scoring reads, so that a fitted one need not be fitted again for another value. fixed: parameters that are not tried.
    """

    algorithm: str
    start: Mapping[str, Any]
    space: Mapping[str, Sequence[Any]]
    megabytes: Callable[[Size, Mapping[str, Any]], float]
    kept: bool = False
    scoring: frozenset[str] = frozenset()
    fixed: Mapping[str, Any] = field(default_factory=dict)

    def described(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {"algorithm": self.algorithm, "parameters": {**self.fixed, **parameters}}


def of_neighbours(size: Size, parameters: Mapping[str, Any]) -> float:
    """The k columns of each row twice, while they are found and when they are kept; the matrix, weighted and transposed."""
    return (2 * 8 * size.items * min(parameters["k"], size.items) + 4 * 8 * size.entries) / MEGABYTE


def of_people(size: Size, parameters: Mapping[str, Any]) -> float:
    return 5 * 8 * size.entries / MEGABYTE


def of_counts(size: Size, parameters: Mapping[str, Any]) -> float:
    return (8 * size.items + 12 * size.lines) / MEGABYTE


def of_texts(size: Size, parameters: Mapping[str, Any]) -> float:
    """Some twenty terms a product, and its neighbours."""
    return (size.items * 20 * 8 * 4 + 2 * 8 * size.items * 50) / MEGABYTE


def of_factors(size: Size, parameters: Mapping[str, Any]) -> float:
    return (4 * parameters["factors"] * (size.items + size.users) * 2 + 2 * 8 * size.entries) / MEGABYTE


def of_sequences(size: Size, parameters: Mapping[str, Any]) -> float:
    return of_neighbours(size, parameters) + 60 * size.lines / MEGABYTE


def of_sessions(size: Size, parameters: Mapping[str, Any]) -> float:
    return 60 * size.lines / MEGABYTE


# in the order in which they are tried: the cheap and indispensable first
CANDIDATES: dict[str, Candidate] = {
    "popularity": Candidate(
        "popularity", {"half_life_days": 90.0}, {"half_life_days": HALF_LIVES}, of_counts, kept=True
    ),
    "repeat": Candidate(
        "repeat",
        {"half_life_days": 90.0},
        {"half_life_days": HALF_LIVES},
        of_counts,
        kept=True,
        scoring=frozenset({"half_life_days"}),
    ),
    "repeat-rhythm": Candidate(
        "repeat-rhythm",
        {"horizon_days": 28.0, "shrinkage": 1.0, "product_shrinkage": 5.0, "half_life_days": 90.0, "min_count": 1},
        {
            "shrinkage": (0.3, 0.6, 1.0, 2.0, 4.0),
            "horizon_days": (7.0, 14.0, 28.0, 56.0),
            "half_life_days": HALF_LIVES[2:],
            "product_shrinkage": (1.0, 2.0, 5.0, 20.0, 100.0),
            "min_count": (1, 2),
        },
        of_sessions,
        scoring=frozenset({"shrinkage", "horizon_days", "min_count"}),
    ),
    "item-knn": Candidate(
        "item-knn",
        {"k": 100, "weighting": "bm25", "shrinkage": 20.0, "history_half_life_days": 90.0},
        {
            "history_half_life_days": HALF_LIVES,
            "weighting": ("binary", "log", "tf-idf", "bm25"),
            "shrinkage": (0.0, 5.0, 20.0, 100.0),
            "k": NEIGHBOURS[1:4],
        },
        of_neighbours,
        kept=True,
        scoring=frozenset({"history_half_life_days"}),
    ),
    "user-knn": Candidate(
        "user-knn",
        {"k": 50, "weighting": "raw", "half_life_days": 90.0, "idf": False},
        {"half_life_days": HALF_LIVES, "k": (20, 30, 50, 100, 200, 400), "weighting": WEIGHTINGS, "idf": (False, True)},
        of_people,
    ),
    "co-purchase": Candidate(
        "co-purchase",
        {"k": 50, "damping": 0.5, "history_weighting": "binary", "history_half_life_days": None},
        {
            "history_half_life_days": HALF_LIVES,
            "damping": (0.0, 0.25, 0.5, 0.75),
            "history_weighting": WEIGHTINGS,
            "k": NEIGHBOURS[:4],
        },
        of_neighbours,
        kept=True,
        scoring=frozenset({"history_half_life_days", "history_weighting"}),
    ),
    "content": Candidate(
        "content",
        {"half_life_days": 90.0, "history_weighting": "log", "price_weight": 0.3},
        {"half_life_days": HALF_LIVES, "history_weighting": WEIGHTINGS, "price_weight": (0.0, 0.3, 1.0)},
        of_texts,
        kept=True,
        scoring=frozenset({"half_life_days", "history_weighting"}),
    ),
    "session-neighbours": Candidate(
        "session-neighbours",
        {
            "k": 200,
            "newest": 250,  # more costs every answer time, and on Diginetica ndcg@20 is the same from 50 to 1,000
            "decay": 0.8,
            "half_life_days": None,
            "damping": 0.2,
            "length_damping": 0.3,
            "own": 1.0,
        },
        {
            "k": (50, 100, 200, 500),
            "newest": (100, 250, 1000),
            "decay": (0.5, 0.7, 0.8, 0.9, 1.0),
            "damping": (0.0, 0.2, 0.4),
            "length_damping": (0.0, 0.3, 0.5, 1.0),
            "own": (0.0, 1.0),
        },
        of_sessions,
        scoring=frozenset({"k", "decay", "own"}),
    ),
    "transitions": Candidate(
        "transitions",
        {"k": 100, "reach": 3, "decay": 0.8, "backward": 0.5, "recency": 0.8, "target_damping": 0.1},
        {
            "recency": (0.5, 0.7, 0.8, 0.9, 1.0),
            "reach": (1, 2, 3, 5, 10, 20),
            "backward": (0.0, 0.3, 0.5, 1.0),
            "target_damping": (0.0, 0.1, 0.3, 0.5),
            "decay": (0.5, 0.8, 0.9, 1.0),
        },
        of_sequences,
        scoring=frozenset({"recency"}),
        fixed={"likeness": 0.0, "substitutes": 0.0},
    ),
    "graph-filter": Candidate(
        "graph-filter",
        {"k": 100, "user_exponent": 0.5, "item_exponent": 0.5, "power": 1.0, "half_life_days": 180.0},
        {
            "half_life_days": HALF_LIVES[2:],
            "power": (0.7, 1.0, 1.2, 1.5),
            "item_exponent": (0.3, 0.4, 0.5),
            "user_exponent": (0.3, 0.5, 0.7),
            "k": NEIGHBOURS[1:4],
        },
        of_neighbours,
    ),
    "rp3beta": Candidate(
        "rp3beta",
        {"k": 100, "exponent": 1.0, "damping": 0.4, "half_life_days": 180.0},
        {
            "half_life_days": HALF_LIVES[2:],
            "damping": (0.0, 0.2, 0.4, 0.6, 0.8),
            "exponent": (0.5, 0.8, 1.0, 1.3),
            "k": NEIGHBOURS[1:4],
        },
        of_neighbours,
    ),
    "ials": Candidate(
        "ials",
        {"factors": 32, "unobserved_weight": 16.0, "regularisation": 0.05, "iterations": 6, "half_life_days": 180.0},
        {
            "unobserved_weight": (2.0, 5.0, 16.0, 50.0),
            "regularisation": (0.01, 0.02, 0.05, 0.1, 0.2),
            "factors": (16, 32, 64),
            "half_life_days": HALF_LIVES[2:],
        },
        of_factors,
    ),
}


def candidates_for(products: Products) -> dict[str, Candidate]:
    """CANDIDATES; where there are vectors, how much they count beside the texts is tried too, and nothing at all among it."""
    if not products.vectors:
        return CANDIDATES
    content = CANDIDATES["content"]
    space = {"vector_weight": VECTOR_WEIGHTS, **content.space}
    return CANDIDATES | {"content": replace(content, start={**content.start, "vector_weight": 0.5}, space=space)}


def started(candidates: Mapping[str, Candidate] = CANDIDATES) -> dict[str, dict[str, Any]]:
    """Name → algorithm and parameters as they are before anything is tried."""
    return {name: candidate.described(candidate.start) for name, candidate in candidates.items()}
