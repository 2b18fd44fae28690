"""The customers of past actions with a holdout group, whose attribution window is over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from psycopg import sql

from config.foundation.array_types import Flags, Floats, Ints
from recommendations.uplift.features import FEATURES, read_features
from recommendations.uplift.kinds.action_kind import PastAction

MAX_ROWS = 200_000  # of all actions of a pool; beyond it, customers are sampled by a hash
SAMPLE_PARTS = 10_000
# The hash of the sample differs from that of the holdout group.
SAMPLE = sql.SQL("SELECT * FROM ({members}) x WHERE abs(hashint8(x.customer_id)::bigint) %% {all} < {parts}")
MEMBERS = sql.SQL("""
    SELECT {action}::bigint AS action, x.*, EXISTS (
               SELECT FROM orders_order o WHERE o.customer_id = x.customer_id AND o.kind = 'sale' AND o.status <> 'cancelled'
               AND o.placed_at >= x.since AND o.placed_at < x.until
           ) AS has_ordered
    FROM ({members}) x
""")
COLUMNS: Mapping[str, str] = {
    "action": "i",
    "customer_id": "i",
    "is_treated": "f",
    "share": "f",
    "has_ordered": "f",
}


@dataclass(frozen=True, eq=False)
class PastCustomers:
    """n assignments of customers to recipients or holdout group.

    action: the row number of the action, (n,). customer: IDs, (n,). treated, ordered: (n,). propensity: (n,), the share of recipients.
    matrix: (n, k), see FEATURES.
    """

    action: Ints
    customer: Ints
    treated: Flags
    ordered: Floats
    propensity: Floats
    matrix: Floats

    def __len__(self) -> int:
        return len(self.action)

    def select(self, rows: "np.ndarray") -> "PastCustomers":
        return PastCustomers(
            self.action[rows],
            self.customer[rows],
            self.treated[rows],
            self.ordered[rows],
            self.propensity[rows],
            self.matrix[rows],
        )


def build_samples(actions: Sequence[PastAction], rows: int = MAX_ROWS) -> list[sql.Composable]:
    """Return the members of each action; samples if there are many, so that small actions are read completely."""
    sizes = np.array([action.size for action in actions], np.float64)
    return [
        sample_members(action, SAMPLE_PARTS * min(limit / max(action.size, 1), 1.0))
        for action, limit in zip(actions, share_rows(sizes, rows), strict=True)
    ]


def share_rows(sizes: Floats, rows: float) -> Floats:
    """Return how many rows of each action are read: all of the small ones, and equally many of the others."""
    order = np.argsort(sizes, kind="stable")
    limits = np.empty(len(sizes))
    for position, index in enumerate(order):
        limits[index] = min(sizes[index], rows / (len(sizes) - position))
        rows -= limits[index]
    return limits


def sample_members(action: PastAction, parts: float) -> sql.Composable:
    if parts >= SAMPLE_PARTS:
        return action.members
    return SAMPLE.format(members=action.members, all=sql.Literal(SAMPLE_PARTS), parts=sql.Literal(max(int(parts), 1)))


def read_past_customers(samples: Sequence[sql.Composable]) -> PastCustomers:
    """Return the customers of the actions with what was known of them at the start."""
    if not samples:
        nothing = np.empty(0)
        return PastCustomers(
            np.empty(0, np.int64),
            np.empty(0, np.int64),
            np.empty(0, np.bool_),
            nothing,
            nothing,
            np.empty((0, len(FEATURES))),
        )
    members = sql.SQL(" UNION ALL ").join(
        MEMBERS.format(action=sql.Literal(number), members=sample) for number, sample in enumerate(samples)
    )
    blocks = list(read_features(members, {}, COLUMNS))
    columns = {name: np.concatenate([block[name] for block, _matrix in blocks]) for name in COLUMNS}
    return PastCustomers(
        columns["action"],
        columns["customer_id"],
        columns["is_treated"] > 0,
        columns["has_ordered"],
        1 - columns["share"],
        np.concatenate([matrix for _block, matrix in blocks]),
    )
