"""What people call the algorithms and their measures."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

ALGORITHM_NAMES: dict[str, str | Promise] = {
    "popularity": _("Popularity"),
    "repeat": _("What this customer buys most"),
    "repeat-rhythm": _("What is due again (repeat rhythm)"),
    "item-knn": _("Similar products (item-kNN)"),
    "user-knn": _("Similar customers (user-kNN)"),
    "content": _("Content-based"),
    "category-popularity": _("Popularity of the category"),
    "co-purchase": _("Bought together"),
    "session-neighbours": _("Visits like this one"),
    "transitions": _("What comes next (transitions)"),
    "transition-walk": _("What comes after next"),
    "graph-filter": _("Graph filter"),
    "rp3beta": _("Random walk (RP3β)"),
    "ials": _("Matrix factorisation (iALS)"),
    "ease": _("Linear model (EASE)"),
    "clusters": _("Customers of one cluster"),
    "trending": _("What rises now"),
    "kinds": _("Weights of kinds"),
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
    "mrr": "MRR",
    "coverage": _("Coverage"),
    "novelty": _("Novelty"),
    "diversity": _("Diversity"),
    "popularity_lift": _("Popularity lift"),
    "gini": _("Gini of what is shown"),
}


def algorithm_name(algorithm: str) -> str:
    return str(ALGORITHM_NAMES.get(algorithm, algorithm))


def metric_name(metric: str) -> str:
    """hit_rate@10 → Hit rate@10."""
    kind, at, n = metric.partition("@")
    return f"{METRIC_NAMES.get(kind, kind)}{at}{n}"


KIND_NAMES: dict[str, str | Promise] = {
    "view": _("views"),
    "click": _("clicks"),
    "wishlist": _("wish lists"),
    "cart": _("carts"),
    "purchase": _("purchases"),
    "rating": _("ratings"),
}
SEGMENT_NAMES: dict[str, str | Promise] = {
    "new": _("New: one purchase at most"),
    "active": _("Active: two to four"),
    "loyal": _("Loyal: five and more"),
    "cold items": _("Cold products: fewer than five buyers"),
}


def kind_name(kind: str) -> str:
    return str(KIND_NAMES.get(kind, kind))


def segment_name(segment: str) -> str:
    return str(SEGMENT_NAMES.get(segment, segment))
