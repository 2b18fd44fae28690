"""Clusters of similar customers, computed by every refresh.

A cluster that is found again keeps its number and name.
"""

from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from psycopg import sql

from config.foundation.array_types import Floats
from config.foundation.database.binary_copy import read_integers
from customers.lifecycle.facts.histories import select_orders, to_microseconds
from customers.lifecycle.models import LifecycleRun, ScoreModel
from customers.lifecycle.refresh.score_columns import ProfileScores
from customers.lifecycle.scoring.clusters.cluster_model import ClusterModel
from customers.lifecycle.scoring.clusters.clustering import ClusteringUnavailable, find_clusters
from customers.lifecycle.scoring.clusters.serialization import deserialize_clusters, serialize_clusters
from customers.lifecycle.scoring.stages.derivation import OrderHistories
from customers.lifecycle.scoring.stages.order_gaps import DAY

FEATURES = (
    "recency_days",
    "orders",
    "order_value",
    "gap_days",
    "tenure_days",
    "discount_share",
    "return_share",
    "sessions",
)
SELECT_COUNTERS = sql.SQL("""
    SELECT customer_id, orders::bigint AS orders, returns::bigint AS returns, (discounts * 100)::bigint AS discounts,
           (sales * 100)::bigint AS sales, (COALESCE(average_order_value, 0) * 100)::bigint AS order_value,
           sessions::bigint AS sessions
    FROM lifecycle_counters WHERE orders > 0 ORDER BY customer_id
""")


def score_clusters(*, histories: OrderHistories, as_of: datetime, run: LifecycleRun) -> ProfileScores:
    """Return the cluster of all customers who ordered, from the temporary table of counters."""
    rows, at = select_orders(histories)
    buyers, first, orders = np.unique(rows, return_index=True, return_counts=True)
    customer = histories.customer[buyers]
    # Orders are sorted by customer and time, so the first and the last row of a customer are the first and the last order.
    features = build_features(
        customer=customer, first=at[first], last=at[first + orders - 1], as_of=to_microseconds(as_of)
    )
    clustering = find_clusters(features=features, names=FEATURES, previous=load_previous_model())
    score_model = ScoreModel(run=run, kind=ScoreModel.Kind.CLUSTERS)
    if isinstance(clustering, ClusteringUnavailable):
        score_model.reason = clustering.reason
        return ProfileScores(customer, {"cluster": np.full(len(customer), -1, np.int64)}, score_models=[score_model])
    score_model.algorithm = clustering.model.method
    score_model.parameters = dump_model(clustering.model)
    return ProfileScores(customer, {"cluster": clustering.cluster}, score_models=[score_model])


def build_features(
    *, customer: npt.NDArray[np.int64], first: npt.NDArray[np.int64], last: npt.NDArray[np.int64], as_of: int
) -> Floats:
    """Return the features, shape (n, len(FEATURES)).

    A value is NaN where it is undefined, such as the gap with one order.
    customer, first, last: shape (n,), IDs and times of the first and last order. Errors: ValueError if the counters differ in customers.
    """
    names = ["customer_id", "orders", "returns", "discounts", "sales", "order_value", "sessions"]
    counters = read_integers(SELECT_COUNTERS, names)
    if not np.array_equal(counters["customer_id"], customer):
        raise ValueError("The counters and the histories have different customers.")
    orders = counters["orders"]
    undiscounted = counters["sales"] + counters["discounts"]
    repeats = np.maximum(orders - 1, 1)
    columns = {
        "recency_days": (as_of - last) / DAY,
        "orders": orders.astype(np.float64),
        "order_value": counters["order_value"] / 100,
        "gap_days": np.where(orders > 1, (last - first) / DAY / repeats, np.nan),
        "tenure_days": (as_of - first) / DAY,
        "discount_share": np.where(undiscounted > 0, counters["discounts"] / np.maximum(undiscounted, 1), np.nan),
        "return_share": counters["returns"] / (orders + counters["returns"]),
        "sessions": counters["sessions"].astype(np.float64),
    }
    return np.stack([columns[name] for name in FEATURES], axis=1)


def load_previous_model() -> ClusterModel | None:
    """Return the model of the latest refresh that found clusters.

    Return None without one in the current format.
    """
    score_model = ScoreModel.objects.filter(kind=ScoreModel.Kind.CLUSTERS, reason="").order_by("-run_id").first()
    return None if score_model is None else parse_model(score_model.parameters)


def dump_model(model: ClusterModel) -> dict[str, Any]:
    """Return the model as plain values for JSON."""
    arrays, metadata = serialize_clusters(model)
    return {"arrays": {name: values.tolist() for name, values in arrays.items()}, "words": metadata}


def parse_model(parameters: dict[str, Any]) -> ClusterModel | None:
    """Return the model of `dump_model`.

    Return None if its format is unknown; then no previous clusters are continued.
    """
    try:
        arrays = {name: np.array(values, np.float64) for name, values in parameters["arrays"].items()}
        return deserialize_clusters(arrays, parameters["words"])
    except (KeyError, ValueError):
        return None
