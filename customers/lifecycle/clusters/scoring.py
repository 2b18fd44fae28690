"""Groups of customers who are alike, found anew by every refresh; those that are found again keep their numbers and names."""

from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from psycopg import sql

from config.foundation.array_types import Floats
from config.foundation.database.binary_copy import read_integers
from customers.lifecycle.facts.histories import microseconds, orders_of
from customers.lifecycle.models import LifecycleRun, ScoreModel
from customers.lifecycle.refresh.score_columns import Scores
from customers.lifecycle.scoring.clusters import ClusterModel, NoClusters, find_clusters, packed, unpacked
from customers.lifecycle.scoring.stages.derivation import Histories
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
COUNTED = sql.SQL("""
    SELECT customer_id, orders::bigint AS orders, returns::bigint AS returns, (discounts * 100)::bigint AS discounts,
           (COALESCE(average_order_value, 0) * 100)::bigint AS order_value, sessions::bigint AS sessions
    FROM lifecycle_counters WHERE orders > 0 ORDER BY customer_id
""")


def cluster_everybody(*, histories: Histories, as_of: datetime, run: LifecycleRun) -> Scores:
    """The cluster of everybody who ordered, from the temporary table of counters."""
    rows, at = orders_of(histories)
    buyers, first, orders = np.unique(rows, return_index=True, return_counts=True)
    customer = histories.customer[buyers]
    features = features_of(customer=customer, first=at[first], last=at[first + orders - 1], as_of=microseconds(as_of))
    found = find_clusters(features=features, names=FEATURES, previous=former_model())
    card = ScoreModel(run=run, kind=ScoreModel.Kind.CLUSTERS)
    if isinstance(found, NoClusters):
        card.reason = found.reason
        return Scores(customer, {"cluster": np.full(len(customer), -1, np.int64)}, cards=[card])
    card.algorithm = found.model.method
    card.parameters = saved(found.model)
    return Scores(customer, {"cluster": found.cluster}, cards=[card])


def features_of(
    *, customer: npt.NDArray[np.int64], first: npt.NDArray[np.int64], last: npt.NDArray[np.int64], as_of: int
) -> Floats:
    """Shape (n, len(FEATURES)); NaN where there is none, as a gap with one order."""
    names = ["customer_id", "orders", "returns", "discounts", "order_value", "sessions"]
    counted = read_integers(COUNTED, names)
    if not np.array_equal(counted["customer_id"], customer):
        raise ValueError("The counters are of other customers than the histories.")
    orders = counted["orders"]
    full = counted["order_value"] * orders + counted["discounts"]
    repeats = np.maximum(orders - 1, 1)
    columns = {
        "recency_days": (as_of - last) / DAY,
        "orders": orders.astype(np.float64),
        "order_value": counted["order_value"] / 100,
        "gap_days": np.where(orders > 1, (last - first) / DAY / repeats, np.nan),
        "tenure_days": (as_of - first) / DAY,
        "discount_share": np.where(full > 0, counted["discounts"] / np.maximum(full, 1), np.nan),
        "return_share": counted["returns"] / (orders + counted["returns"]),
        "sessions": counted["sessions"].astype(np.float64),
    }
    return np.stack([columns[name] for name in FEATURES], axis=1)


def former_model() -> ClusterModel | None:
    """That of the newest refresh that found clusters; None where there is none that this version reads."""
    card = ScoreModel.objects.filter(kind=ScoreModel.Kind.CLUSTERS, reason="").order_by("-run_id").first()
    return None if card is None else loaded(card.parameters)


def saved(model: ClusterModel) -> dict[str, Any]:
    arrays, words = packed(model)
    return {"arrays": {name: values.tolist() for name, values in arrays.items()}, "words": words}


def loaded(parameters: dict[str, Any]) -> ClusterModel | None:
    """What `saved` told. None where it is of another format: clusters then begin anew."""
    try:
        arrays = {name: np.array(values, np.float64) for name, values in parameters["arrays"].items()}
        return unpacked(arrays, parameters["words"])
    except (KeyError, ValueError):
        return None
