"""What people call the algorithms and their measures."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

ALGORITHM_NAMES: dict[str, str | Promise] = {
    "popularity": _("Popularity"),
    "repeat": _("What this customer buys most"),
    "item-knn": _("Similar products (item-kNN)"),
    "user-knn": _("Similar customers (user-kNN)"),
    "content": _("Content-based"),
    "blend": _("Blend of all"),
    "active": _("The version that served before"),
}
METRIC_NAMES: dict[str, str | Promise] = {
    "ndcg": "NDCG",
    "precision": _("Precision"),
    "recall": _("Recall"),
    "f1": "F1",
    "hit_rate": _("Hit rate"),
    "map": "MAP",
    "coverage": _("Coverage"),
}


def algorithm_name(algorithm: str) -> str:
    return str(ALGORITHM_NAMES.get(algorithm, algorithm))


def metric_name(metric: str) -> str:
    """hit_rate@10 → Hit rate@10."""
    kind, at, n = metric.partition("@")
    return f"{METRIC_NAMES.get(kind, kind)}{at}{n}"
