"""The model that serves, as arrays mapped into memory, and the history from which a person's recommendations start."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from customers.events.recent import RecentInteraction
from recommendations.engine import KIND_CODES, Histories, IdMap, restore
from recommendations.engine.algorithms.blend import Blend
from recommendations.engine.algorithms.popularity import Popularity
from recommendations.engine.exploration import Trials
from recommendations.serving.newcomers import NewcomerModel
from recommendations.training.artifacts import Artifact

# these say something of whoever looked at anything
FOR_VISITS = ("item-knn", "co-purchase", "content")


class Part(NamedTuple):
    """What one person did since the training."""

    item: npt.NDArray[np.int32]
    order: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float32]
    kind: npt.NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class News:
    """What happened between the training and its newest refresh, as CSR by person, and the identifiers of these people."""

    indptr: npt.NDArray[np.int64]
    lines: Part
    identifiers: IdMap
    identifier_user: npt.NDArray[np.int32]

    @classmethod
    def of_artifact(cls, refresh: Artifact) -> "News":
        arrays = refresh.part("news")
        return cls(
            arrays["indptr"],
            Part(arrays["item"], arrays["order"], arrays["weight"], arrays["kind"]),
            IdMap.from_arrays(refresh.part("news-identifiers")),
            refresh.arrays["news_identifier_user"],
        )

    def parts(self, users: Sequence[int]) -> list[Part]:
        places = [
            slice(int(self.indptr[user]), int(self.indptr[user + 1])) for user in users if user < len(self.indptr) - 1
        ]
        item, order, weight, kind = self.lines
        return [Part(item[place], order[place], weight[place], kind[place]) for place in places]


@dataclass(frozen=True, eq=False)
class ServingModel:
    """One version's arrays.

    items: product ids; identifiers: "kind:value" of known people, identifier_user their rows in the training data; history_*: what
    each of those people did, as CSR by person; exclude_seen: whether for-you leaves out what someone has already bought; seen_kinds: places in KINDS
    of what makes a product seen, None for whatever was done with it.
    """

    version: str
    algorithm: str
    blend: Blend
    items: IdMap
    identifiers: IdMap
    identifier_user: npt.NDArray[np.int32]
    history_indptr: npt.NDArray[np.int64]
    history_item: npt.NDArray[np.int32]
    history_order: npt.NDArray[np.float64]
    history_weight: npt.NDArray[np.float32]
    history_kind: npt.NDArray[np.int8]
    news: "News | None"
    kind_weights: dict[str, float]
    exclude_seen: bool
    seen_kinds: list[int] | None
    as_of: float
    newcomers: NewcomerModel | None = None
    trials: Trials | None = None

    @classmethod
    def of_artifact(
        cls, *, version: str, algorithm: str, artifact: Artifact, refresh: Artifact | None = None
    ) -> "ServingModel":
        """refresh: what changed since, put on top."""
        if refresh is not None:
            artifact = Artifact({**artifact.arrays, **refresh.arrays}, {**artifact.saved, **refresh.saved})
        saved: dict[str, Any] = dict(artifact.saved)
        blend = restore(artifact.part("model"), saved["model"])
        if not isinstance(blend, Blend):
            raise TypeError(f"{version} holds {type(blend).__name__}, serving reads a Blend")
        history = artifact.part("history")
        return cls(
            version=version,
            algorithm=algorithm,
            blend=blend,
            items=IdMap.from_arrays(artifact.part("items")),
            identifiers=IdMap.from_arrays(artifact.part("identifiers")),
            identifier_user=artifact.arrays["identifier_user"],
            history_indptr=history["indptr"],
            history_item=history["item"],
            history_order=history["order"],
            history_weight=history["weight"],
            history_kind=history["kind"],
            news=News.of_artifact(refresh) if refresh is not None else None,
            kind_weights=saved["kind_weights"],
            exclude_seen=saved["exclude_seen"],
            seen_kinds=saved.get("seen_kinds"),
            as_of=saved["as_of"],
            newcomers=NewcomerModel.of_artifact(artifact),
            trials=Trials.of_arrays(trials) if (trials := artifact.part("exploration")) else None,
        )

    @cached_property
    def visit_blend(self) -> Blend | None:
        """Equal parts of what any product can start, for visits that the chosen parts have nothing to say of."""
        parts = {name: part for name, part in self.blend.components_.items() if name in FOR_VISITS}
        return Blend.of_fitted(parts) if parts else None

    def blend_for(self, history: Histories) -> Blend:
        """The blend that was chosen; for a visit without a purchase of which that knows no more than what is popular, `visit_blend`.

        Weights are chosen by what buyers buy, and may leave nothing but their own habits.
        """
        bought = history.kind == KIND_CODES["purchase"]
        if self.visit_blend is None or not len(history.item) or bought.any() or self._knows(history):
            return self.blend
        return self.visit_blend

    def _knows(self, history: Histories) -> bool:
        """Whether a part that counts, other than popularity, says anything of it."""
        parts = [self.blend.components_[name] for name, share in self.blend.shares().items() if share]
        return any(part.score(history).max() > 0 for part in parts if not isinstance(part, Popularity))

    @property
    def n_trained(self) -> int:
        """How many people the training has seen; rows from there on are of people in the news."""
        return len(self.history_indptr) - 1

    def warm_up(self) -> None:
        """Scores and explains once, so that compiled code and memory pages are there before the first visitor is."""
        users = [0] if len(self.history_indptr) > 1 else []
        history = self.history(users=users, recent=[])
        if len(history.item):
            self.blend.score(history)
            self.blend.explain_many(history, history.item[:1].tolist())

    def user_rows(self, identifiers: Sequence[str]) -> list[int]:
        """The rows of the people behind "kind:value" identifiers that the model has seen; no row twice."""
        if not identifiers:
            return []
        places = self.identifiers.rows(list(identifiers))
        rows = {int(self.identifier_user[place]) for place in places if place >= 0}
        if self.news is not None:
            places = self.news.identifiers.rows(list(identifiers))
            rows |= {int(self.news.identifier_user[place]) for place in places if place >= 0}
        return sorted(rows)

    def history(self, *, users: Sequence[int], recent: Sequence[RecentInteraction]) -> Histories:
        """One history of all that these people did until training and what came since, oldest first."""
        trained = [user for user in users if user < self.n_trained]
        parts = [slice(int(self.history_indptr[user]), int(self.history_indptr[user + 1])) for user in trained]
        since = self.news.parts(users) if self.news is not None else []
        known = [
            item for item in recent if self.kind_weights.get(item.kind, 0) > 0 and item.at >= int(self.as_of)
        ]  # recent lists count in seconds
        rows = self.items.rows([item.product_id for item in known]) if known else np.empty(0, np.int32)
        later = [(row, item) for row, item in zip(rows.tolist(), known, strict=True) if row >= 0]
        item = [
            *(self.history_item[part] for part in parts),
            *(part.item for part in since),
            np.array([row for row, _ in later], np.int32),
        ]
        order = [
            *(self.history_order[part] for part in parts),
            *(part.order for part in since),
            np.array([event.at for _, event in later]),
        ]
        weight = [
            *(self.history_weight[part] for part in parts),
            *(part.weight for part in since),
            np.array([self.kind_weights[event.kind] for _, event in later], np.float32),
        ]
        kind = [
            *(self.history_kind[part] for part in parts),
            *(part.kind for part in since),
            np.array([KIND_CODES[event.kind] for _, event in later], np.int8),
        ]
        orders = np.concatenate(order)
        oldest_first = np.argsort(orders, kind="stable")
        return Histories.of_lists(
            [np.concatenate(item)[oldest_first]],
            n_items=len(self.items),
            orders=[orders[oldest_first]],
            weights=[np.concatenate(weight)[oldest_first]],
            kinds=[np.concatenate(kind)[oldest_first]],
            users=np.array([trained[0] if len(trained) == 1 else -1], np.int32),
            as_of=max(self.as_of, float(orders.max()) if len(orders) else self.as_of),
        )
