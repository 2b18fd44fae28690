"""The algorithms that training tunes, from the spec of each registered algorithm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from recommendations.engine import ALGORITHMS, Products
from recommendations.engine.algorithms.spec import MemoryEstimate, SearchSpace


@dataclass(frozen=True)
class Candidate:
    """An algorithm to tune; the other fields are those of its `SearchSpace`."""

    algorithm: str
    start: Mapping[str, Any]
    values: Mapping[str, Sequence[Any]]
    estimate_mb: MemoryEstimate
    is_required: bool = False
    scoring_only: frozenset[str] = frozenset()
    fixed: Mapping[str, Any] = field(default_factory=dict)

    def describe(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return what an ensemble needs to build the algorithm with these parameters."""
        return {"algorithm": self.algorithm, "parameters": {**self.fixed, **parameters}}


def _list_search_spaces() -> dict[str, SearchSpace]:
    """Return the search spaces in the order in which training tries them."""
    spaces = {name: algorithm.spec.search for name, algorithm in ALGORITHMS.items()}
    tried = {name: space for name, space in spaces.items() if space is not None}
    return dict(sorted(tried.items(), key=lambda item: (item[1].order, item[0])))


def _make_candidate(name: str, space: SearchSpace) -> Candidate:
    return Candidate(
        name, space.start, space.values, space.estimate_mb, space.is_required, space.scoring_only, space.fixed
    )


SEARCH_SPACES = _list_search_spaces()
CANDIDATES: dict[str, Candidate] = {name: _make_candidate(name, space) for name, space in SEARCH_SPACES.items()}


def list_candidates(products: Products) -> dict[str, Candidate]:
    """Return CANDIDATES.

    If products have vectors, candidates that use vectors also tune their weight, down to 0.
    """
    if not products.vectors:
        return CANDIDATES
    return {
        name: replace(
            candidate,
            start={**candidate.start, **SEARCH_SPACES[name].vector_start},
            values={**SEARCH_SPACES[name].vector_values, **candidate.values},
        )
        for name, candidate in CANDIDATES.items()
    }


def describe_starts(candidates: Mapping[str, Candidate] = CANDIDATES) -> dict[str, dict[str, Any]]:
    """Return name → algorithm and the parameters of its first trial."""
    return {name: candidate.describe(candidate.start) for name, candidate in candidates.items()}
