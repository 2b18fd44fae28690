"""The active model as memory-mapped arrays, and the histories of its users."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from customers.events.recent.interactions import RecentInteraction
from customers.lifecycle.scoring.next_order.repurchase import ProductRhythms
from recommendations.engine import KIND_CODES, Histories, IdMap, restore
from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble
from recommendations.engine.algorithms.repeat.due_purchases import get_product_rhythms
from recommendations.engine.exploration import ExplorationTrials
from recommendations.serving.state.cold_start import ColdStartModel
from recommendations.serving.state.interaction_columns import (
    InteractionColumns,
    RefreshedHistories,
    join_interactions,
    list_interactions,
)
from recommendations.training.registry.artifacts import Artifact

# can score any visitor who has viewed a product
VISIT_ALGORITHMS = ("item-knn", "co-purchase", "content")
PURCHASE = KIND_CODES["purchase"]
MAX_RECENT_INTERACTIONS = 50
NO_ROWS = np.empty(0, np.int32)


@dataclass(frozen=True, eq=False)
class ServingModel:
    """The arrays of one model version.

    items: product ids. identifiers: "kind:value" of known users; identifier_user: their rows in the training data.
    history_*: the interactions of each user, as CSR. exclude_seen: whether for-you leaves out what a customer has bought.
    seen_kinds: the interactions (indexes in KINDS) that make a product seen, None for any. known_until: every event received
    before this second is in the histories. scenarios: weights and evaluation of each placement. people: number of users who
    interacted with each item. dismissed: products that users asked not to see, as CSR. near_identical: equal numbers for items
    with nearly the same content, None if unknown. sold: whether each item was ever sold.
    """

    version: str
    algorithm: str
    blend: WeightedEnsemble
    items: IdMap
    identifiers: IdMap
    identifier_user: npt.NDArray[np.int32]
    history_indptr: npt.NDArray[np.int64]
    history_item: npt.NDArray[np.int32]
    history_order: npt.NDArray[np.float64]
    history_weight: npt.NDArray[np.float32]
    history_kind: npt.NDArray[np.int8]
    refreshed: RefreshedHistories | None
    kind_weights: dict[str, float]
    exclude_seen: bool
    seen_kinds: list[int] | None
    as_of: float
    known_until: float
    cold_start: ColdStartModel | None = None
    trials: ExplorationTrials | None = None
    people: npt.NDArray[np.int32] = field(default_factory=lambda: NO_ROWS)
    scenarios: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    dismissed: tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]] | None = None
    near_identical: npt.NDArray[np.int32] | None = None
    sold: npt.NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))

    @classmethod
    def from_artifact(
        cls, *, version: str, algorithm: str, artifact: Artifact, refresh: Artifact | None = None
    ) -> "ServingModel":
        """Return the model of a version; the arrays of its refresh replace those of the training."""
        if refresh is not None:
            artifact = Artifact({**artifact.arrays, **refresh.arrays}, {**artifact.saved, **refresh.saved})
        saved: dict[str, Any] = dict(artifact.saved)
        blend = restore(artifact.get_part("model"), saved["model"])
        if not isinstance(blend, WeightedEnsemble):
            raise TypeError(f"{version} has a {type(blend).__name__}; serving needs a WeightedEnsemble")
        history, exploration = artifact.get_part("history"), artifact.get_part("exploration")
        items = IdMap.from_arrays(artifact.get_part("items"))
        refreshed = RefreshedHistories.from_artifact(refresh) if refresh is not None else None
        return cls(
            version=version,
            algorithm=algorithm,
            blend=blend,
            items=items,
            identifiers=IdMap.from_arrays(artifact.get_part("identifiers")),
            identifier_user=artifact.arrays["identifier_user"],
            history_indptr=history["indptr"],
            history_item=history["item"],
            history_order=history["order"],
            history_weight=history["weight"],
            history_kind=history["kind"],
            refreshed=refreshed,
            kind_weights=saved["kind_weights"],
            exclude_seen=saved["exclude_seen"],
            seen_kinds=saved.get("seen_kinds"),
            as_of=saved["as_of"],
            known_until=saved.get("known_until", saved["as_of"]),  # releases before this one recorded only as_of
            cold_start=ColdStartModel.from_artifact(artifact),
            # releases before this one counted interactions instead of impressions
            trials=ExplorationTrials.of_arrays(exploration) if "quantiles" in exploration else None,
            people=exploration.get("people", NO_ROWS),
            scenarios=saved.get("scenarios", {}),
            dismissed=(rows["indptr"], rows["item"]) if (rows := artifact.get_part("dismissed")) else None,
            near_identical=artifact.arrays.get("near_identical"),
            sold=_find_sold_items(artifact, refreshed, len(items)),
        )

    @cached_property
    def product_rhythms(self) -> ProductRhythms:
        """The usual gaps between purchases of each item."""
        return get_product_rhythms(self.blend.components_, len(self.items))

    @cached_property
    def visit_blend(self) -> WeightedEnsemble | None:
        """The equally weighted ensemble for visits that the trained weights give no personal score.

        Training selects weights by purchases, which may leave only components that need purchases.
        """
        components = {name: part for name, part in self.blend.components_.items() if name in VISIT_ALGORITHMS}
        return WeightedEnsemble.of_fitted(components) if components else None

    @property
    def n_trained(self) -> int:
        """The number of users in the training data.

        Higher rows belong to users that the refresh added.
        """
        return len(self.history_indptr) - 1

    def find_user_rows(self, identifiers: Sequence[str]) -> list[int]:
        """Return the rows of the users with these "kind:value" identifiers, each once.

        Unknown ones are skipped.
        """
        if not identifiers:
            return []
        rows: set[int] = set()
        for name in identifiers:
            # the refresh knows best whose identifier it is: people may have been merged since the training
            if self.refreshed is not None and (number := self.refreshed.identifiers.get_row(name)) >= 0:
                rows.add(int(self.refreshed.identifier_user[number]))
            elif (number := self.identifiers.get_row(name)) >= 0:
                rows.add(int(self.identifier_user[number]))
        return sorted(rows)

    def build_history(
        self,
        *,
        users: Sequence[int],
        recent: Sequence[RecentInteraction],
        find_row: Callable[[str], int] | None = None,
        now: float = 0.0,
    ) -> Histories:
        """Return one history of all interactions of these users until now, oldest first.

        recent: newest first; those that the model does not contain are added, at most MAX_RECENT_INTERACTIONS.
        find_row: the row of a product id, -1 for an unknown one, if the caller has a faster look-up than the model's own.
        """
        trained = [user for user in users if user < self.n_trained]
        if len(trained) == len(users) == 1 and (
            self.refreshed is None or not self.refreshed.has_interactions(users[0])
        ):
            return self._build_single_history(users[0], recent, find_row, now)
        parts = [
            InteractionColumns(
                self.history_item[lines],
                self.history_order[lines],
                self.history_weight[lines],
                self.history_kind[lines],
            )
            for lines in (slice(int(self.history_indptr[user]), int(self.history_indptr[user + 1])) for user in trained)
        ]
        if self.refreshed is not None and users:
            parts += self.refreshed.select(users)
        parts.append(self._select_recent(recent, find_row, parts))
        item, order, weight, kind = (np.concatenate(column) for column in zip(*parts, strict=True))
        # mostly sorted already, and checking is cheaper than sorting
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

    def _build_single_history(
        self, user: int, recent: Sequence[RecentInteraction], find_row: Callable[[str], int] | None, now: float
    ) -> Histories:
        """Return what `build_history` does for one user of the training without interactions in the refresh, most visitors."""
        start, stop = int(self.history_indptr[user]), int(self.history_indptr[user + 1])
        trained = InteractionColumns(
            self.history_item[start:stop],
            self.history_order[start:stop],
            self.history_weight[start:stop],
            self.history_kind[start:stop],
        )
        item, order, weight, kind = join_interactions(*trained, *self._select_recent(recent, find_row, [trained]))
        return Histories(
            indptr=np.array([0, len(item)], np.int64),
            item=item,
            order=order,
            weight=weight,
            kind=kind,
            user=np.array([user], np.int32),
            n_items=len(self.items),
            as_of=max(self.as_of, now, float(order[-1]) if len(order) else 0.0),
        )

    def build_product_history(self, rows: npt.NDArray[np.int32]) -> Histories:
        """Return a history with each of these products once."""
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

    def find_dismissed_rows(self, users: Sequence[int]) -> npt.NDArray[np.int32]:
        """Return the products that these users had dismissed by the training or its refresh."""
        if self.dismissed is None:
            return NO_ROWS
        indptr, item = self.dismissed
        parts = [item[int(indptr[user]) : int(indptr[user + 1])] for user in users if user < len(indptr) - 1]
        return np.concatenate(parts) if parts else NO_ROWS

    def _select_recent(
        self,
        recent: Sequence[RecentInteraction],
        find_row: Callable[[str], int] | None,
        parts: Sequence[InteractionColumns],
    ) -> InteractionColumns:
        """Return the recent interactions that the model does not contain, oldest first.

        What was received before `known_until` is in the parts already, and some of what was received since.
        """
        weights, n_items = self.kind_weights, len(self.items)
        since = int(self.known_until)  # recent lists have a resolution of one second
        newer = [
            interaction
            for interaction in recent
            if interaction.at + interaction.delay >= since and weights.get(interaction.kind, 0) > 0
        ][MAX_RECENT_INTERACTIONS - 1 :: -1]
        if find_row is None:
            rows = self.items.get_rows([interaction.product_id for interaction in newer]).tolist() if newer else []
        else:
            rows = [find_row(interaction.product_id) for interaction in newer]
        known = [(row, interaction) for row, interaction in zip(rows, newer, strict=True) if 0 <= row < n_items]
        if known and (contained := list_interactions(parts, since=known[0][1].at)):
            known = [
                (row, interaction)
                for row, interaction in known
                if (row, KIND_CODES[interaction.kind], int(interaction.at)) not in contained
            ]
        return InteractionColumns(
            np.array([row for row, _ in known], np.int32),
            np.array([interaction.at for _, interaction in known], np.float64),
            np.array([weights[interaction.kind] for _, interaction in known], np.float32),
            np.array([KIND_CODES[interaction.kind] for _, interaction in known], np.int8),
        )


def _find_sold_items(artifact: Artifact, refreshed: RefreshedHistories | None, n: int) -> npt.NDArray[np.bool_]:
    """Return whether each item was sold before the training, also in orders without a customer, or since."""
    history, sales = artifact.get_part("history"), artifact.get_part("sales")
    sold = np.zeros(n, np.bool_)
    sold[history["item"][history["kind"] == PURCHASE]] = True
    if sales:  # versions of earlier releases have no such part
        sold |= sales["sold"]
    if refreshed is not None:
        sold[refreshed.columns.item[refreshed.columns.kind == PURCHASE]] = True
    return sold
