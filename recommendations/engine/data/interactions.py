"""Interactions of users with products as frozen arrays: the only form in which data enter the engine."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine.data.groups import expand_ranges
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.id_map import IdMap, Ids, WrongIdsError
from recommendations.engine.data.rated_weights import RatedWeights
from recommendations.engine.data.weighting import decay_weights
from recommendations.engine.linear_algebra.sparse import sum_entries

KINDS = ("view", "click", "wishlist", "cart", "purchase", "rating")
KIND_CODES: dict[str, int] = {name: code for code, name in enumerate(KINDS)}


class WrongInteractionsError(ValueError):
    """Inconsistent interactions; the message names the field, the first wrong entry and the valid values."""


@dataclass(frozen=True, eq=False)
class Interactions:
    """m interactions of n users with k items.

    user, item: int32 (m,) rows of `users` and `items`. order: float64 (m,) seconds since 1970, or a position where there is no
    time. weight: float32 (m,) ≥ 0. kind: int8 (m,) indexes of KINDS. as_of: the moment that the data describe, by default the
    newest `order`; ages are counted back from it. ratings: None if no rating changes a weight; otherwise `weight` is that at as_of.
    day_offset_s: seconds by which the shop's clocks are ahead of UTC; its days begin at their midnight.
    """

    user: npt.NDArray[np.int32]
    item: npt.NDArray[np.int32]
    order: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float32]
    kind: npt.NDArray[np.int8]
    users: IdMap
    items: IdMap
    as_of: float
    ratings: RatedWeights | None = None
    day_offset_s: float = 0.0

    @classmethod
    def from_ids(
        cls,
        *,
        user_ids: Ids,
        item_ids: Ids,
        order: npt.ArrayLike | None = None,
        weight: npt.ArrayLike | None = None,
        kind: npt.ArrayLike | None = None,
        users: IdMap | None = None,
        items: IdMap | None = None,
        as_of: float | None = None,
    ) -> Self:
        """Build interactions from columns of equal length.

        With `items` (or `users`) rows are numbered by a given list, for instance the whole catalog including products never bought; ids
        that the list lacks are an error. `order` defaults to the position, `weight` to 1, `kind` to purchase; `order` may be datetime64.
        """
        users, user = _number_ids("user_ids", user_ids, users)
        items, item = _number_ids("item_ids", item_ids, items)
        return cls.from_rows(
            user=user, item=item, order=order, weight=weight, kind=kind, users=users, items=items, as_of=as_of
        )

    @classmethod
    def from_rows(
        cls,
        *,
        user: npt.ArrayLike,
        item: npt.ArrayLike,
        users: IdMap,
        items: IdMap,
        order: npt.ArrayLike | None = None,
        weight: npt.ArrayLike | None = None,
        kind: npt.ArrayLike | None = None,
        as_of: float | None = None,
    ) -> Self:
        """Build interactions from row numbers. Errors: WrongInteractionsError."""
        user_rows, item_rows = _parse_rows("user", user, len(users)), _parse_rows("item", item, len(items))
        m = len(user_rows)
        times = np.arange(m, dtype=np.float64) if order is None else _parse_seconds(order)
        weights = np.ones(m, np.float32) if weight is None else np.asarray(weight, np.float32)
        kinds = np.full(m, KIND_CODES["purchase"], np.int8) if kind is None else np.asarray(kind, np.int8)
        for name, column in (("item", item_rows), ("order", times), ("weight", weights), ("kind", kinds)):
            if column.shape != (m,):
                raise WrongInteractionsError(
                    f"{name} has shape {column.shape}, user has {m} entries; they must have the same length"
                )
        _require_valid("order", times, ~np.isfinite(times), "a finite number")
        _require_valid("weight", weights, ~(np.isfinite(weights) & (weights >= 0)), "finite and not negative")
        _require_valid("kind", kinds, (kinds < 0) | (kinds >= len(KINDS)), f"0…{len(KINDS) - 1}, an index of {KINDS}")
        if as_of is None:
            as_of = float(times.max()) if m else 0.0
        elif m and times.max() > as_of:
            raise WrongInteractionsError(f"as_of is {as_of}, but order goes to {times.max()}; use before(as_of) first")
        return cls(user_rows, item_rows, times, weights, kinds, users, items, as_of)

    def __len__(self) -> int:
        return len(self.user)

    @property
    def n_users(self) -> int:
        return len(self.users)

    @property
    def n_items(self) -> int:
        return len(self.items)

    def select(self, selection: npt.NDArray[np.bool_] | npt.NDArray[np.integer]) -> Self:
        """Return the chosen interactions; users, items and as_of stay."""
        return replace(
            self,
            user=self.user[selection],
            item=self.item[selection],
            order=self.order[selection],
            weight=self.weight[selection],
            kind=self.kind[selection],
            ratings=self.ratings.select(selection) if self.ratings is not None else None,
        )

    def before(self, time: float) -> Self:
        """Return the data known at `time`: interactions with order < time, and as_of = time."""
        return replace(self.select(self.order < time).weigh_before(time), as_of=time)

    def weigh_before(self, time: float) -> Self:
        """Return the same interactions with the weights known at `time`: a rating since then takes none away."""
        if self.ratings is None:
            return self
        is_rating = self.kind == KIND_CODES["rating"]
        return replace(self, weight=self.ratings.compute_weights(is_rating=is_rating, order=self.order, before=time))

    def after(self, time: float) -> Self:
        """Return the interactions with order ≥ time."""
        return self.select(self.order >= time)

    def build_user_items(self, *, half_life_days: float | None = None) -> csr_array:
        """Return CSR (n_users, n_items) of summed weights; with a half-life h multiplied by 2^(−age / h) at as_of."""
        weight = decay_weights(self.weight, self.order, self.as_of, half_life_days)
        return sum_entries(self.user, self.item, weight, (self.n_users, self.n_items))

    def number_baskets(self, *, gap_s: float = 0.0) -> npt.NDArray[np.int32]:
        """Return the basket number of each interaction, from 0: a user's interactions at one moment, as in an order.

        With `gap_s`, interactions with pauses of at most that many seconds belong to the same basket.
        """
        if not gap_s >= 0:
            raise ValueError(f"gap_s must be at least 0, got {gap_s}")
        by_user = np.lexsort((self.order, self.user))
        user, order = self.user[by_user], self.order[by_user]
        begins = (np.diff(user) != 0) | (np.diff(order) > gap_s)
        numbers = np.empty(len(self), np.int32)
        numbers[by_user] = np.concatenate([[0], np.cumsum(begins)])[: len(self)]  # the slice serves empty data
        return numbers

    def build_histories(self, users: npt.NDArray[np.integer] | None = None) -> Histories:
        """Return the interactions of the given user rows (default: all) as histories, oldest first."""
        user_rows = (
            np.arange(self.n_users, dtype=np.int32) if users is None else _parse_rows("users", users, self.n_users)
        )
        by_user = np.lexsort((self.order, self.user))
        starts = np.searchsorted(self.user[by_user], np.arange(self.n_users + 1))
        begins, ends = starts[user_rows], starts[user_rows + 1]
        indptr = np.concatenate([[0], np.cumsum(ends - begins)])
        lines = by_user[expand_ranges(begins, ends)[1]]
        return Histories(
            indptr=indptr.astype(np.int64),
            item=self.item[lines],
            order=self.order[lines],
            weight=self.weight[lines],
            kind=self.kind[lines],
            user=user_rows,
            n_items=self.n_items,
            as_of=self.as_of,
            day_offset_s=self.day_offset_s,
        )

    def group_users_by_activity(self, *, warm_below: int = 5) -> dict[str, npt.NDArray[np.int32]]:
        """Return user rows by activity: cold (no interaction), warm (fewer than `warm_below`), hot (the rest)."""
        counts = np.bincount(self.user, minlength=self.n_users)
        return {
            "hot": np.flatnonzero(counts >= warm_below).astype(np.int32),
            "warm": np.flatnonzero((counts > 0) & (counts < warm_below)).astype(np.int32),
            "cold": np.flatnonzero(counts == 0).astype(np.int32),
        }


def _number_ids(field: str, ids: Ids, known: IdMap | None) -> tuple[IdMap, npt.NDArray[np.int32]]:
    try:
        if known is None:
            return IdMap.number_ids(ids)
        rows = known.get_rows(ids)
    except WrongIdsError as problem:
        raise WrongInteractionsError(f"{field}: {problem}") from problem
    missing = np.flatnonzero(rows < 0)
    if len(missing):
        raise WrongInteractionsError(
            f"{field}: {len(missing)} ids are not among the {len(known)} known ones, first {ids[missing[0]]!r} at position {missing[0]}"
        )
    return known, rows


def _parse_rows(field: str, rows: npt.ArrayLike, limit: int) -> npt.NDArray[np.int32]:
    array = np.asarray(rows)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise WrongInteractionsError(
            f"{field} must be one row of whole numbers, got {array.dtype} of shape {array.shape}"
        )
    _require_valid(field, array, (array < 0) | (array >= limit), f"0…{limit - 1}")
    return array.astype(np.int32, copy=False)


def _parse_seconds(order: npt.ArrayLike) -> npt.NDArray[np.float64]:
    array = np.asarray(order)
    if array.dtype.kind == "M":
        missing = np.isnat(array)  # as an integer, NaT would be a very early moment
        seconds = array.astype("datetime64[us]").astype(np.int64) / 1e6
        return np.where(missing, np.nan, seconds)
    return array.astype(np.float64)


def _require_valid(field: str, values: npt.NDArray[np.generic], wrong: npt.NDArray[np.bool_], right: str) -> None:
    if wrong.any():
        position = int(np.argmax(wrong))
        raise WrongInteractionsError(
            f"{field} must be {right}: {int(wrong.sum())} entries are not, first {values[position]} at position {position}"
        )
