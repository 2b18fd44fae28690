"""Blocks of customers, with the histories that requests of these customers would use."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from config.foundation.array_types import Rows
from recommendations.engine import Histories
from recommendations.engine.linear_algebra.sparse import make_csr
from recommendations.merchandising.rules.rule_book import RuleEffects
from recommendations.serving.state.loader import ServingState
from recommendations.serving.state.model import ServingModel
from recommendations.serving.state.suppression import list_name_hashes


@dataclass(frozen=True, eq=False)
class CustomerBlock:
    """A block of n customers.

    names: all their identifiers as "kind:value". owner: the customer of each name, 0 … n − 1, sorted.
    """

    n: int
    names: Sequence[str]
    owner: Rows

    def list_names_by_customer(self) -> list[list[str]]:
        """Return the names of each customer."""
        names_by_customer: list[list[str]] = [[] for _customer in range(self.n)]
        for name, owner in zip(self.names, self.owner.tolist(), strict=True):
            names_by_customer[owner].append(name)
        return names_by_customer

    def slice(self, start: int, stop: int) -> "CustomerBlock":
        """Return the customers start … stop − 1, numbered from 0 again."""
        first, last = np.searchsorted(self.owner, [start, stop])
        return CustomerBlock(
            min(stop, self.n) - start, self.names[first:last], self.owner[first:last] - np.int32(start)
        )


class BlockState(NamedTuple):
    """What the model and the rules know about a block of customers.

    opted_out: (n,), refused consent or erased.
    """

    customers: CustomerBlock
    histories: Histories
    opted_out: npt.NDArray[np.bool_]
    dismissed: csr_array
    rule_effects: list[RuleEffects | None]


def load_block(
    state: ServingState, model: ServingModel, customers: CustomerBlock, *, scenario: str, now: datetime
) -> BlockState:
    """Return the histories that a request would use, in the order of the customers.

    Empty for those who opted out.
    """
    opted_out = find_opted_out(state, customers)
    pairs = find_user_rows(model, customers)
    pairs = pairs[~opted_out[pairs[:, 0]]]
    rule_effects = [
        state.rules.apply(scenario=scenario, names=[] if is_hidden else names, now=now)
        for names, is_hidden in zip(customers.list_names_by_customer(), opted_out.tolist(), strict=True)
    ]
    histories = build_histories(model, pairs, customers.n, now=now.timestamp())
    return BlockState(customers, histories, opted_out, build_dismissed_matrix(model, pairs, customers.n), rule_effects)


def find_opted_out(state: ServingState, customers: CustomerBlock) -> npt.NDArray[np.bool_]:
    """Return which customers refused consent or are erased."""
    # one comparison for the whole block instead of one for each customer
    opted_out = np.zeros(customers.n, np.bool_)
    if len(customers.names) and len(state.suppressions.hashes):
        hashes = np.array(list_name_hashes(customers.names), np.uint64).reshape(-1, len(customers.names))
        opted_out[customers.owner[np.isin(hashes, state.suppressions.hashes).any(axis=0)]] = True
    return opted_out


def find_user_rows(model: ServingModel, customers: CustomerBlock) -> npt.NDArray[np.int64]:
    """Return (customer, user row of the model) pairs, shape (m, 2), sorted and distinct."""
    names = list(customers.names)
    users = np.full(len(names), -1, np.int64)
    maps = [(model.identifiers, model.identifier_user)]
    if model.refreshed is not None:  # last, because it knows who was merged since the training
        maps.append((model.refreshed.identifiers, model.refreshed.identifier_user))
    for identifiers, identifier_user in maps:
        rows = identifiers.get_rows(names) if names else np.empty(0, np.int32)
        users[rows >= 0] = identifier_user[rows[rows >= 0]]
    pairs = np.stack([customers.owner.astype(np.int64), users], axis=1)
    pairs = pairs[pairs[:, 1] >= 0]
    return np.unique(pairs, axis=0)


def build_histories(model: ServingModel, pairs: npt.NDArray[np.int64], n: int, *, now: float) -> Histories:
    """Return one history per customer, oldest first, from the training and its newest refresh."""
    trained = pairs[pairs[:, 1] < model.n_trained]
    columns = [
        select_interactions(
            trained,
            model.history_indptr,
            (model.history_item, model.history_order, model.history_weight, model.history_kind),
        )
    ]
    if model.refreshed is not None:
        selected = pairs[pairs[:, 1] < len(model.refreshed.indptr) - 1]
        columns.append(select_interactions(selected, model.refreshed.indptr, tuple(model.refreshed.columns)))
    owner, item, order, weight, kind = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    in_order = np.lexsort((order, owner))  # by customer, then by time
    # algorithms with trained vectors per user need a user row; customers merged from several users have none
    user = np.full(n, -1, np.int32)
    alone, first, times = np.unique(trained[:, 0], return_index=True, return_counts=True)
    user[alone[times == 1]] = trained[first[times == 1], 1]
    return Histories(
        indptr=np.searchsorted(owner[in_order], np.arange(n + 1)).astype(np.int64),
        item=item[in_order].astype(np.int32),
        order=order[in_order],
        weight=weight[in_order],
        kind=kind[in_order],
        user=user,
        n_items=len(model.items),
        as_of=max(model.as_of, now),
    )


def select_interactions(
    pairs: npt.NDArray[np.int64], indptr: npt.NDArray[np.int64], columns: tuple[npt.NDArray, ...]
) -> tuple[npt.NDArray, ...]:
    """Return the customer of each interaction of these users, and its entry in every column."""
    low, high = indptr[pairs[:, 1]], indptr[pairs[:, 1] + 1]
    lengths = high - low
    # low[0], low[0] + 1, …, high[0] − 1, low[1], …: the positions of all interactions without a loop over the users
    positions = np.arange(lengths.sum()) + np.repeat(low - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths)
    positions = positions.astype(np.int64)
    return (np.repeat(pairs[:, 0], lengths), *(np.asarray(column[positions]) for column in columns))


def build_dismissed_matrix(model: ServingModel, pairs: npt.NDArray[np.int64], n: int) -> csr_array:
    """Return the products that each customer dismissed, shape (n, items)."""
    if model.dismissed is None:
        return make_csr(np.empty(0), np.empty(0, np.int32), np.zeros(n + 1), (n, len(model.items)))
    indptr, item = model.dismissed
    owner, rows = select_interactions(pairs[pairs[:, 1] < len(indptr) - 1], indptr, (item,))
    return make_csr(np.ones(len(rows)), rows, np.searchsorted(owner, np.arange(n + 1)), (n, len(model.items)))


def select_histories(histories: Histories, rows: npt.NDArray[np.int64]) -> Histories:
    """Return the histories of some rows."""
    if len(rows) == len(histories):
        return histories
    pairs = np.stack([np.arange(len(rows)), rows], axis=1)
    columns = (histories.item, histories.order, histories.weight, histories.kind)
    _owner, item, order, weight, kind = select_interactions(pairs, histories.indptr, columns)
    lengths = np.diff(histories.indptr)[rows]
    return Histories(
        indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        item=item,
        order=order,
        weight=weight,
        kind=kind,
        user=histories.user[rows],
        n_items=histories.n_items,
        as_of=histories.as_of,
    )
