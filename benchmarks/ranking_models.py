"""What benchmarks.topn and benchmarks.sequences share: the task of ranking for the users of a split, and the models that solve it."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender, TFIDFRecommender
from scipy.sparse import csr_array, csr_matrix
from threadpoolctl import threadpool_limits

from recommendations.engine import Algorithm, Histories, Interactions, Products, recommend
from recommendations.engine.evaluation import Split
from recommendations.engine.evaluation.runner import find_relevant_items

IMPLICIT_MODELS: dict[str, type] = {
    "implicit-bm25": BM25Recommender,
    "implicit-tfidf": TFIDFRecommender,
    "implicit-cosine": CosineRecommender,
    "implicit-als": AlternatingLeastSquares,
}


@dataclass(frozen=True, eq=False)
class RankingTask:
    """The training data, the histories of the users to evaluate, and the relevant items that came later."""

    train: Interactions
    histories: Histories
    relevant: csr_array
    exclude_seen: bool

    @classmethod
    def of_split(cls, split: Split, *, exclude_seen: bool = True, max_users: int | None = None, seed: int = 0) -> Self:
        users = np.unique(split.test.user)
        if max_users is not None and len(users) > max_users:
            users = np.sort(np.random.default_rng(seed).choice(users, max_users, replace=False))
        relevant = find_relevant_items(split.test, split.train, users, exclude_seen=exclude_seen)
        return cls(split.train, split.train.build_histories(users), relevant, exclude_seen)


class PerennialModel:
    """An algorithm of ours that recommends n items."""

    def __init__(self, model: Algorithm, products: Products | None = None, *, n: int) -> None:
        self.model, self.products, self.n = model, products, n

    def fit(self, train: Interactions) -> None:
        self.model.fit(train, self.products)

    def recommend_items(self, task: RankingTask) -> npt.NDArray[np.int32]:
        return recommend(self.model, task.histories, self.n, exclude_seen=task.exclude_seen, tie_seed=0).items


class ImplicitModel:
    """An algorithm of implicit that recommends n items."""

    def __init__(self, name: str, parameters: Mapping[str, Any], *, n: int) -> None:
        seed = {"random_state": 0} if name == "implicit-als" else {}
        self.n = n
        self.make_model = lambda: IMPLICIT_MODELS[name](**parameters, **seed)

    def fit(self, train: Interactions) -> None:
        # implicit recommends one BLAS thread, because it has its own threads
        with warnings.catch_warnings(), threadpool_limits(1, "blas"):
            warnings.simplefilter("ignore")
            self.model = self.make_model()
            self.model.fit(csr_matrix(train.build_user_items()), show_progress=False)

    def recommend_items(self, task: RankingTask) -> npt.NDArray[np.int32]:
        users, own = task.histories.user, csr_matrix(task.histories.build_matrix())
        items, scores = self.model.recommend(users, own, N=self.n, filter_already_liked_items=task.exclude_seen)
        return np.where(np.isfinite(scores) & (scores > -1e38), items, -1).astype(np.int32)
