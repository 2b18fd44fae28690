"""Labels of algorithms, metrics, event types and customer segments."""

import django.utils.translation as django_translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from recommendations.engine import ALGORITHMS
from recommendations.engine.algorithms.base import VISIT_PREFIX

# Rows of a training that are not registered algorithms.
OTHER_ALGORITHM_LABELS: dict[str, str | Promise] = {
    "category-popularity": _("Popularity within the category"),
    "kinds": _("Event weights"),
    "active": _("Active model version"),
}
METRIC_LABELS: dict[str, str | Promise] = {
    "ndcg": "NDCG",
    "precision": _("Precision"),
    "recall": _("Recall"),
    "f1": "F1",
    "hit_rate": _("Hit rate"),
    "ndcg_new": _("NDCG, products new to the customer"),
    "hit_rate_new": _("Hit rate, products new to the customer"),
    "ndcg_limited": _("NDCG, few purchased products"),
    "hit_rate_limited": _("Hit rate, few purchased products"),
    "map": "MAP",
    "mrr": "MRR",
    "coverage": _("Coverage"),
    "novelty": _("Novelty"),
    "diversity": _("Diversity"),
    "popularity_lift": _("Popularity lift"),
    "gini": _("Gini coefficient"),
}


def is_algorithm(name: str) -> bool:
    """Return whether the name is that of an algorithm or of another row of a training."""
    return name in ALGORITHMS or name in OTHER_ALGORITHM_LABELS


def get_algorithm_label(algorithm: str) -> str:
    """Return the label of an algorithm; the engine's specs hold it in English."""
    if algorithm.startswith(VISIT_PREFIX):
        label = get_algorithm_label(algorithm.removeprefix(VISIT_PREFIX))
        return str(_("Current visit: %(algorithm)s")) % {"algorithm": label}
    if algorithm in ALGORITHMS:
        return django_translation.gettext(ALGORITHMS[algorithm].spec.label)
    return str(OTHER_ALGORITHM_LABELS.get(algorithm, algorithm))


def get_metric_label(metric: str) -> str:
    """Return the label of a metric: hit_rate@10 → Hit rate@10."""
    kind, at, n = metric.partition("@")
    return f"{METRIC_LABELS.get(kind, kind)}{at}{n}"


EVENT_TYPE_LABELS: dict[str, str | Promise] = {
    "view": _("views"),
    "click": _("clicks"),
    "wishlist": _("wishlist adds"),
    "cart": _("cart adds"),
    "purchase": _("purchases"),
    "rating": _("ratings"),
}
SEGMENT_LABELS: dict[str, str | Promise] = {
    "new": _("0–1 purchases"),
    "active": _("2–4 purchases"),
    "loyal": _("5 or more purchases"),
    "cold items": _("Cold products: fewer than five buyers"),
}


def get_event_type_label(kind: str) -> str:
    return str(EVENT_TYPE_LABELS.get(kind, kind))


def get_segment_label(segment: str) -> str:
    return str(SEGMENT_LABELS.get(segment, segment))
