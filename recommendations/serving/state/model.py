"""The model that serves, as arrays mapped into memory, and the history from which a person's recommendations start."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from customers.events.recent.interactions import RecentInteraction
from recommendations.engine import KIND_CODES, Histories, IdMap, restore
from recommendations.engine.algorithms.ensembles.weighted_ensemble import Blend
from recommendations.engine.exploration import Trials
from recommendations.serving.state.cold_start import NewcomerModel
from recommendations.training.registry.artifacts import Artifact

# these say something of whoever looked at anything
FOR_VISITS = ("item-knn", "co-purchase", "content")
PURCHASE = KIND_CODES["purchase"]
NOTHING = np.empty(0, np.int32)


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
    of what makes a product seen, None for whatever was done with it; scenarios: weights and judgement of each place of the shop;
    dismissed: as CSR by person, what they did not want to be shown.
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
    scenarios: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    dismissed: tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]] | None = None

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
            scenarios=saved.get("scenarios", {}),
            dismissed=(told["indptr"], told["item"]) if (told := artifact.part("dismissed")) else None,
        )

    @cached_property
    def visit_blend(self) -> Blend | None:
        """Equal parts of what any product can start, for visits that the chosen parts have nothing to say of.

        Weights are chosen by what buyers buy, and may leave nothing but their own habits.
        """
        parts = {name: part for name, part in self.blend.components_.items() if name in FOR_VISITS}
        return Blend.of_fitted(parts) if parts else None

    @property
    def n_trained(self) -> int:
        """How many people the training has seen; rows from there on are of people in the news."""
        return len(self.history_indptr) - 1

    def user_rows(self, identifiers: Sequence[str]) -> list[int]:
        """The rows of the people behind "kind:value" identifiers that the model has seen; no row twice."""
        if not identifiers:
            return []
        places = [self.identifiers.row(name) for name in identifiers]
        rows = {int(self.identifier_user[place]) for place in places if place >= 0}
        if self.news is not None:
            places = [self.news.identifiers.row(name) for name in identifiers]
            rows |= {int(self.news.identifier_user[place]) for place in places if place >= 0}
        return sorted(rows)

    def history(
        self,
        *,
        users: Sequence[int],
        recent: Sequence[RecentInteraction],
        places: Mapping[str, int] | None = None,
        now: float = 0.0,
    ) -> Histories:
        """One history of all that these people did until training and what came since, oldest first, as of now.

        places: product id → row, where the caller has a dictionary.
        """
        trained = [user for user in users if user < self.n_trained]
        parts = [
            Part(
                self.history_item[place],
                self.history_order[place],
                self.history_weight[place],
                self.history_kind[place],
            )
            for place in (slice(int(self.history_indptr[user]), int(self.history_indptr[user + 1])) for user in trained)
        ]
        if self.news is not None and users:
            parts += self.news.parts(users)
        parts.append(self._recent_part(recent, places))
        item, order, weight, kind = (np.concatenate(column) for column in zip(*parts, strict=True))
        if not (order[1:] >= order[:-1]).all():
            oldest_first = np.argsort(order, kind="stable")
            item, order, weight, kind = (
                item[oldest_first],
                order[oldest_first],
                weight[oldest_first],
                kind[oldest_first],
            )
        return Histories(
            indptr=np.array([0, len(item)], np.int64),
            item=item,
            order=order,
            weight=weight,
            kind=kind,
            user=np.array([trained[0] if len(trained) == 1 else -1], np.int32),
            n_items=len(self.items),
            as_of=max(self.as_of, now, float(order[-1]) if len(order) else 0.0),
        )

    def history_of(self, rows: npt.NDArray[np.int32]) -> Histories:
        """A history of some products, each once: what a place starts from that is given products."""
        return Histories(
            indptr=np.array([0, len(rows)], np.int64),
            item=rows,
            order=np.full(len(rows), self.as_of),
            weight=np.ones(len(rows), np.float32),
            kind=np.full(len(rows), PURCHASE, np.int8),
            user=np.full(1, -1, np.int32),
            n_items=len(self.items),
            as_of=self.as_of,
        )

    def dismissed_rows(self, users: Sequence[int]) -> npt.NDArray[np.int32]:
        """What these people did not want to be shown, as known at the training or its refresh."""
        if self.dismissed is None:
            return NOTHING
        indptr, item = self.dismissed
        parts = [item[int(indptr[user]) : int(indptr[user + 1])] for user in users if user < len(indptr) - 1]
        return np.concatenate(parts) if parts else NOTHING

    def _recent_part(self, recent: Sequence[RecentInteraction], places: Mapping[str, int] | None) -> Part:
        """What is newer than the training, oldest first."""
        weights, since, n_items = self.kind_weights, int(self.as_of), len(self.items)  # recent lists count in seconds
        known = [one for one in reversed(recent) if one.at >= since and weights.get(one.kind, 0) > 0]
        if places is None:
            rows = self.items.rows([one.product_id for one in known]).tolist() if known else []
        else:
            rows = [places.get(one.product_id, -1) for one in known]
        later = [(row, one) for row, one in zip(rows, known, strict=True) if 0 <= row < n_items]
        return Part(
            np.array([row for row, _ in later], np.int32),
            np.array([one.at for _, one in later], np.float64),
            np.array([weights[one.kind] for _, one in later], np.float32),
            np.array([KIND_CODES[one.kind] for _, one in later], np.int8),
        )
