"""The activity that a model version does not contain, for an incremental update.

It is read from the warehouse files and from PostgreSQL, and selected by when it was received, not by when it occurred. A customer
whom others were merged into since the training gets the history of all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from customers.identity.consent.consent_denials import find_customers_denying_profiling
from customers.warehouse.current_tables import (
    CurrentWarehouse,
    open_current_warehouse,
    read_current_identifiers,
    read_merges,
)
from recommendations.engine import KINDS, IdMap, Interactions
from recommendations.engine.data.event_weights import EventWeights
from recommendations.engine.exploration import ExplorationTrials
from recommendations.training.data.data_position import DataPosition
from recommendations.training.data.dismissals import Dismissals, read_dismissals
from recommendations.training.data.exploration_data import read_exploration_trials
from recommendations.training.data.extract import (
    build_interactions,
    drop_customers,
    index_identifiers,
    list_customer_ids,
)
from recommendations.training.data.interaction_tables import build_purchases_table, read_new_interactions
from recommendations.training.registry.artifacts import Artifact

HISTORY_COLUMNS = ("item", "order", "weight", "kind")
# a merge has the processing time of its event; a training at about that time may have missed it
MERGE_OVERLAP = timedelta(days=1)
type Pairs = Sequence[tuple[int, int]]


@dataclass(frozen=True, eq=False)
class ActivityUpdate:
    """Activity that the version does not contain. Customer rows are those of the version, followed by customers it does not know.

    interactions: new ones. inherited: those of customers who were merged since, under the customers they were merged into.
    identifiers, identifier_user: all identifiers of these customers, which replace those in the version. dismissed: all
    current dismissals, including those before the training; new_products: number of products the version does not know;
    position: what version and update contain together; trials: the current ones of new products.
    """

    interactions: Interactions
    inherited: Interactions
    identifiers: IdMap
    identifier_user: npt.NDArray[np.int32]
    dismissed: Dismissals
    new_products: int
    position: DataPosition
    trials: ExplorationTrials

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to add apart from dismissals."""
        return not len(self.interactions) and not len(self.inherited)


def read_activity_update(*, base: Artifact, event_weights: EventWeights, as_of: datetime) -> ActivityUpdate:
    """Read activity since the training, late events included, and all dismissals, except those of customers who deny profiling."""
    trained_at = datetime.fromtimestamp(base.saved["as_of"], UTC)
    as_of = max(as_of, trained_at)
    known = DataPosition.from_saved(base.saved)
    with open_current_warehouse(as_of=as_of) as tables:
        interaction_rows = read_new_interactions(tables, as_of=as_of, beyond=known)
        dismissal_rows = read_dismissals(tables, purchases=build_purchases_table(tables), as_of=as_of)
        denied = find_customers_denying_profiling()
        interaction_rows, dismissal_rows = (drop_customers(rows, denied) for rows in (interaction_rows, dismissal_rows))
        base_customers = IdMap.from_arrays(base.get_part("customers"))
        merges = select_known_merges(
            read_merges(since=known.known_until_moment - MERGE_OVERLAP), base_customers, denied
        )
        customer_ids = np.union1d(
            list_customer_ids(interaction_rows, dismissal_rows), np.array([kept for _merged, kept in merges], np.int64)
        )
        identifier_rows = read_current_identifiers(customer_ids.tolist())
        active = read_active_products(tables)
        position = DataPosition.of(tables)
        trials = read_exploration_trials(tables, as_of=as_of)
    customers = base_customers.extend(customer_ids)
    items = IdMap.from_arrays(base.get_part("items"))
    interactions = build_interactions(interaction_rows, customers=customers, items=items, as_of=as_of)
    trained, inherited = select_trained(base, interactions=interactions, merges=merges)
    names, rows = index_identifiers(identifier_rows, customers)
    return ActivityUpdate(
        event_weights.of(drop_known(interactions, trained)),
        inherited,
        names,
        rows,
        Dismissals.from_table(dismissal_rows, customers=customers, items=items),
        int((items.get_rows(active) < 0).sum()),
        position,
        trials,
    )


def read_active_products(tables: CurrentWarehouse) -> list[str]:
    """Return the ids of the active products."""
    products = tables["products"]
    product_ids: list[str] = (
        products.filter(products.is_active).select("product_id").to_pyarrow()["product_id"].to_pylist()
    )
    return product_ids


def select_known_merges(merges: Pairs, base_customers: IdMap, denied: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return the merges of customers whom the version knows, without those into customers who deny profiling."""
    rows = base_customers.get_rows(np.array([merged for merged, _kept in merges], np.int64))
    is_denied = np.isin(np.array([kept for _merged, kept in merges], np.int64), denied)
    return [pair for pair, is_used in zip(merges, ((rows >= 0) & ~is_denied).tolist(), strict=True) if is_used]


def select_trained(base: Artifact, *, interactions: Interactions, merges: Pairs) -> tuple[Interactions, Interactions]:
    """Return the trained interactions of customers with new interactions or merges, and the part that they inherit from merged customers.

    Both have the rows of the customers who are kept.
    """
    customers = interactions.users
    kept_rows = customers.get_rows(np.array([kept for _merged, kept in merges], np.int64))
    merged_rows = customers.get_rows(np.array([merged for merged, _kept in merges], np.int64))
    history = base.get_part("history")
    own = np.unique(np.concatenate([interactions.user, kept_rows]))
    own = own[own < len(history["indptr"]) - 1]
    trained = take_histories(
        interactions, history, np.concatenate([own, merged_rows]), np.concatenate([own, kept_rows])
    )
    return trained, take_histories(interactions, history, merged_rows, kept_rows)


def take_histories(
    like: Interactions,
    history: dict[str, npt.NDArray],
    rows: npt.NDArray[np.int32],
    owners: npt.NDArray[np.int32],
) -> Interactions:
    """Return the trained interactions of some rows, each under the row of its owner."""
    low, high = history["indptr"][rows], history["indptr"][rows + 1]
    lengths = high - low
    starts = np.cumsum(lengths) - lengths
    positions = (np.arange(lengths.sum()) + np.repeat(low - starts, lengths)).astype(np.int64)
    item, order, weight, kind = (np.asarray(history[name][positions]) for name in HISTORY_COLUMNS)
    user = np.repeat(owners, lengths).astype(np.int32)
    return Interactions(user, item, order, weight, kind, like.users, like.items, like.as_of)


def drop_known(interactions: Interactions, trained: Interactions) -> Interactions:
    """Return the interactions without those that are trained already: same customer, product, type and time."""
    what, trained_what = number_pairs(interactions), number_pairs(trained)
    # comparing whole numbers first is much faster than comparing pairs, and leaves only a few
    repeated = np.flatnonzero(np.isin(what, trained_what))
    old = np.flatnonzero(np.isin(trained_what, what[repeated]))
    is_known = np.isin(
        make_keys(what[repeated], interactions.order[repeated]), make_keys(trained_what[old], trained.order[old])
    )
    is_new = np.ones(len(interactions), np.bool_)
    is_new[repeated[is_known]] = False
    return interactions.select(is_new)


def number_pairs(interactions: Interactions) -> npt.NDArray[np.int64]:
    """Return a number for customer, product and type of each interaction."""
    pairs = interactions.user.astype(np.int64) * interactions.n_items + interactions.item
    return pairs * len(KINDS) + interactions.kind


def make_keys(what: npt.NDArray[np.int64], when: npt.NDArray[np.float64]) -> npt.NDArray[np.void]:
    """Return one comparable value for each pair."""
    keys = np.empty(len(what), [("what", np.int64), ("when", np.float64)])
    keys["what"], keys["when"] = what, when
    return keys


def join_interactions(first: Interactions, second: Interactions) -> Interactions:
    """Return both in chronological order."""
    user, item, order, weight, kind = (
        np.concatenate([getattr(first, name), getattr(second, name)]) for name in ("user", *HISTORY_COLUMNS)
    )
    by_time = np.argsort(order, kind="stable")
    columns = (user[by_time], item[by_time], order[by_time], weight[by_time], kind[by_time])
    return Interactions(*columns, first.users, first.items, first.as_of)
