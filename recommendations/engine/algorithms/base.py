"""The contract of every algorithm, and the registry of all algorithms.

To add one, put a file into `algorithms/` with a class that derives from `Algorithm`, has a `name` and a `spec`, lists its fitted arrays
in `fitted` and is decorated with `@register`. Training, serving and the back office read the rest from its `spec`.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array, issparse

from recommendations.engine.algorithms.spec import AlgorithmSpec, ExplanationReason
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.id_map import IdMap
from recommendations.engine.data.interactions import KIND_CODES, KINDS, Interactions
from recommendations.engine.data.products import Products
from recommendations.engine.linear_algebra.sparse import make_csr
from recommendations.engine.online.batch_scorer import BatchScorer
from recommendations.engine.online.context import OnlineScorer
from recommendations.engine.pair_support.support import PairSupport

COLUMN_BYTES = 32_000_000  # dense scores in memory at once
VISIT_PREFIX = "visit/"  # of sources that score the current visit instead of the whole history

type Array = npt.NDArray[Any]
type Scores = npt.NDArray[np.float32] | csr_array


class NotFittedError(RuntimeError):
    """score, explain or arrays was called before fit."""


class NothingToLearnError(ValueError):
    """The training data contain no interaction that the algorithm can use."""


class WrongModelError(ValueError):
    """Saved arrays or parameters that do not belong to the algorithm."""


class Contribution(NamedTuple):
    """Part of a score: `value` comes from `item` of the history (-1: from no single item) through the algorithm `source`."""

    source: str
    item: int
    value: float


@dataclass(frozen=True, eq=False)
class Attribution:
    """Parts of the scores of m items for one history: parts[row, column] of a column's score comes from items[row].

    items: int32 (h,) rows of the history's items, -1 for parts that no single item causes. parts: float (h, m).
    """

    source: str
    items: npt.NDArray[np.int32]
    parts: npt.NDArray[np.floating]

    def list_contributions(self, column: int, limit: int | None = None) -> list[Contribution]:
        """Return the parts of one column that are not 0, largest first, at most `limit`."""
        values = self.parts[:, column]
        rows = np.flatnonzero(values)
        rows = rows[np.argsort(-values[rows], kind="stable")][:limit]
        pairs = zip(self.items[rows].tolist(), values[rows].tolist(), strict=True)
        return [Contribution(self.source, item, value) for item, value in pairs]


def list_contributions(
    attributions: Sequence[Attribution], n_items: int, *, limit: int | None = None
) -> list[list[Contribution]]:
    """Return the parts of each item, largest first; with `limit` only that many of the largest values of each source."""
    contributions = [
        [part for attribution in attributions for part in attribution.list_contributions(column, limit)]
        for column in range(n_items)
    ]
    return [sorted(parts, key=lambda part: -part.value) for parts in contributions]


class FittedModel:
    """A model that learns the arrays named in `fitted`. `__init__` only stores its keyword arguments."""

    name: ClassVar[str]
    fitted: ClassVar[tuple[str, ...]]

    def get_parameters(self) -> dict[str, Any]:
        """Return the current arguments of `__init__`, as JSON data."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def to_arrays(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Return the fitted arrays by name, and JSON data: {"algorithm", "parameters", "shapes"}."""
        self.require_fit()
        arrays: dict[str, Array] = {}
        shapes: dict[str, list[int]] = {}
        for name in self.fitted:
            value = getattr(self, name)
            if issparse(value):
                shapes[name] = list(value.shape)
                arrays |= {f"{name}.{part}": getattr(value, part) for part in ("data", "indices", "indptr")}
            elif isinstance(value, IdMap):
                arrays |= {f"{name}.{part}": array for part, array in value.to_arrays().items()}
            else:
                arrays[name] = value
        return arrays, {"algorithm": self.name, "parameters": self.get_parameters(), "shapes": shapes}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], saved: Mapping[str, Any]) -> Self:
        """Return the model of these `to_arrays()`; memory-mapped arrays stay memory-mapped. Errors: WrongModelError."""
        if saved.get("algorithm") != cls.name:
            raise WrongModelError(f"algorithm is {saved.get('algorithm')!r}, {cls.__name__} reads {cls.name!r}")
        try:
            model = cls(**saved["parameters"])
            for name in cls.fitted:
                setattr(model, name, _restore_array(name, arrays, saved["shapes"]))
        except (KeyError, TypeError) as problem:  # arrays are missing, or `__init__` has no such parameter
            raise WrongModelError(f"saved {cls.name} is incomplete or of another version: {problem}") from problem
        return model

    def require_fit(self) -> None:
        """Check that the model is fitted. Errors: NotFittedError."""
        missing = [name for name in self.fitted if not hasattr(self, name)]
        if missing:
            raise NotFittedError(f"{type(self).__name__}: call fit before using it ({missing[0]} is missing)")


class Algorithm(FittedModel, ABC):
    """Learns from interactions, then scores all items for any histories.

    `__init__` stores its keyword arguments unchanged and nothing else; `fit` discards what was fitted before; fitted attributes end in
    `_`. The same input gives the same result, and a batch gives the same results as its single rows.
    """

    spec: ClassVar[AlgorithmSpec]
    support_of: ClassVar[str] = ""  # the fitted matrix whose pairs have a support
    support_: PairSupport | None = None

    @abstractmethod
    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        """Learn from interactions; `products` describes their items. Errors: NothingToLearnError on empty data, ValueError on parameters."""

    def learn_support(self, interactions: Interactions) -> None:
        """Count the orders and people of each pair that a reason may name; after the last fit only, because scores do not need it."""

    def to_arrays(self) -> tuple[dict[str, Array], dict[str, Any]]:
        arrays, saved = super().to_arrays()
        if self.support_ is not None:
            arrays |= {f"support.{name}": array for name, array in self.support_.to_arrays().items()}
        return arrays, saved

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], saved: Mapping[str, Any]) -> Self:
        model = super().from_arrays(arrays, saved)
        support = {
            name.removeprefix("support."): array for name, array in arrays.items() if name.startswith("support.")
        }
        if support and cls.support_of:
            model.support_ = PairSupport.of_arrays(getattr(model, cls.support_of), support)
        return model

    @abstractmethod
    def score(self, histories: Histories) -> Scores:
        """Return scores (n, n_items): CSR, or dense float32. An entry that CSR does not store, -inf or NaN means "no score".

        Dense results are meant for blocks of rows: see `topn.recommend`.
        """

    def score_item(self, histories: Histories, item: int) -> npt.NDArray[np.float32]:
        """Return column `item` of `score`, shape (n,), 0 where there is no score; faster where one column needs less work."""
        column_scores = np.zeros(len(histories), np.float32)
        block_rows = max(1, COLUMN_BYTES // (4 * max(1, histories.n_items)))
        for start in range(0, len(histories), block_rows):
            scores = self.score(histories.slice_rows(start, start + block_rows))
            column = scores[:, [item]].toarray().ravel() if isinstance(scores, csr_array) else scores[:, item]
            column_scores[start : start + block_rows] = np.where(np.isfinite(column), column, 0)
        return column_scores

    @abstractmethod
    def attribute(self, history: Histories, items: Sequence[int]) -> list[Attribution]:
        """Split the scores of some items for one history by item of the history; the parts of an item sum to its score."""

    def explain(self, history: Histories, item: int) -> list[Contribution]:
        """Return the parts of one item's score as a list, largest first; the values sum to the score."""
        return self.explain_many(history, [item])[0]

    def explain_many(
        self, history: Histories, items: Sequence[int], *, limit: int | None = None
    ) -> list[list[Contribution]]:
        """Return `explain` for each item; with `limit` only that many of the largest values of each source."""
        return list_contributions(self.attribute(history, items), len(items), limit=limit)

    def make_online_scorer(self, *, for_similar: bool) -> OnlineScorer:
        """Return a scorer for one history at a time; by default one that scores a batch of one.

        for_similar: the history consists of the products that a page names, not of a customer's interactions.
        """
        return BatchScorer(self)

    def get_static_scores(self) -> npt.NDArray[np.float32] | None:
        """Return the scores (n_items,) if they are the same for every history, else None."""
        return None

    def require_histories(self, histories: Histories, n_items: int) -> None:
        """Check the histories. Errors: NotFittedError; ValueError if they are numbered by another catalog."""
        self.require_fit()
        if histories.n_items != n_items:
            raise ValueError(f"histories are over {histories.n_items} items, the model was fitted on {n_items}")


class UpdatableAlgorithm(Algorithm):
    """An algorithm that can be updated without its training data."""

    @abstractmethod
    def update(self, new_interactions: Interactions, *, since: float) -> Self:
        """Return a new model that equals `fit` on all data; this model stays as it is.

        new_interactions: all interactions from `since` on. This model was fitted on all interactions before.
        """


def _restore_array(name: str, arrays: Mapping[str, Array], shapes: Mapping[str, Any]) -> Array | csr_array | IdMap:
    if name in arrays:
        return arrays[name]
    if name not in shapes:
        return IdMap.from_arrays({part: arrays[f"{name}.{part}"] for part in IdMap.PARTS})
    n_rows, n_columns = shapes[name]
    return make_csr(arrays[f"{name}.data"], arrays[f"{name}.indices"], arrays[f"{name}.indptr"], (n_rows, n_columns))


ALGORITHMS: dict[str, type[Algorithm]] = {}


def register[Class: type[Algorithm]](algorithm: Class) -> Class:
    """Class decorator: register the algorithm under its name.

    Raises:
        ValueError: the class has no spec of its own, or its name is taken.
    """
    if ALGORITHMS.get(algorithm.name, algorithm) is not algorithm:
        raise ValueError(f"algorithm name {algorithm.name!r} is taken by {ALGORITHMS[algorithm.name].__name__}")
    if "spec" not in vars(algorithm):
        raise ValueError(f"{algorithm.__name__} has no spec; give it an AlgorithmSpec of its own")
    ALGORITHMS[algorithm.name] = algorithm
    return algorithm


def restore(arrays: Mapping[str, Array], saved: Mapping[str, Any]) -> Algorithm:
    """Return the fitted algorithm of `to_arrays()`, of any class. Errors: WrongModelError."""
    name = saved.get("algorithm")
    if name not in ALGORITHMS:
        raise WrongModelError(f"algorithm {name!r} is unknown; valid: {', '.join(sorted(ALGORITHMS))}")
    return ALGORITHMS[name].from_arrays(arrays, saved)


def require_weight(interactions: Interactions) -> None:
    """Check the data. Errors: NothingToLearnError if no interaction has a weight above 0."""
    if not (interactions.weight > 0).any():
        raise NothingToLearnError(
            f"nothing to learn from: {len(interactions)} interactions, none with a weight above 0"
            if len(interactions)
            else "nothing to learn from: there is no interaction at all"
        )


def select_purchases(histories: Histories, kinds: Sequence[str] | None) -> Histories:
    """Return the histories with only the interactions that count as purchases: those of these kinds (None: all) that have a weight."""
    is_purchase = histories.weight > 0
    if kinds is not None:
        is_chosen = np.zeros(len(KINDS), np.bool_)  # faster than np.isin for the few lines of one history
        is_chosen[[KIND_CODES[kind] for kind in kinds]] = True
        is_purchase &= is_chosen[histories.kind]
    return histories.select_entries(is_purchase)


def require_purchases(interactions: Interactions, kinds: Sequence[str] | None) -> Histories:
    """Return all histories with only their purchases. Errors: NothingToLearnError without any."""
    require_weight(interactions)
    purchases = select_purchases(interactions.build_histories(), kinds)
    if not len(purchases.item):
        raise NothingToLearnError(f"nothing to learn from: no interaction of a kind among {kinds} has a weight")
    return purchases


def get_reason(source: str) -> ExplanationReason:
    """Return the reason that a part of a score by the named algorithm represents."""
    algorithm = ALGORITHMS.get(source.removeprefix(VISIT_PREFIX))
    return algorithm.spec.reason if algorithm is not None else ExplanationReason.SAME_BUYERS
