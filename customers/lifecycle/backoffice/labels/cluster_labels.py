"""Labels of clusters and their features."""

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.number_formats import join_list
from customers.lifecycle.models import ScoreModel
from customers.lifecycle.scoring.clusters.naming import HIGH, LOW, NUMBER

CLUSTER_FEATURE_LABELS: dict[str, str | Promise] = {
    "recency_days": gettext_lazy("days since the last order"),
    "orders": gettext_lazy("orders"),
    "order_value": gettext_lazy("average order value"),
    "gap_days": gettext_lazy("days between orders"),
    "tenure_days": gettext_lazy("days since the first order"),
    "discount_share": gettext_lazy("discount share"),
    "return_share": gettext_lazy("return rate"),
    "sessions": gettext_lazy("sessions"),
}
TRAIT_PHRASES: dict[tuple[str, str], str | Promise] = {
    (HIGH, "recency_days"): gettext_lazy("no recent order"),
    (LOW, "recency_days"): gettext_lazy("recent order"),
    (HIGH, "orders"): gettext_lazy("many orders"),
    (LOW, "orders"): gettext_lazy("few orders"),
    (HIGH, "order_value"): gettext_lazy("large orders"),
    (LOW, "order_value"): gettext_lazy("small orders"),
    (HIGH, "gap_days"): gettext_lazy("order rarely"),
    (LOW, "gap_days"): gettext_lazy("order often"),
    (HIGH, "tenure_days"): gettext_lazy("long-time customers"),
    # compared with the other clusters: their first order can be months ago, so they are not "new"
    (LOW, "tenure_days"): gettext_lazy("newer customers"),
    (HIGH, "discount_share"): gettext_lazy("use discounts"),
    (LOW, "discount_share"): gettext_lazy("pay full price"),
    (HIGH, "return_share"): gettext_lazy("return a lot"),
    (LOW, "return_share"): gettext_lazy("return little"),
    (HIGH, "sessions"): gettext_lazy("visit often"),
    (LOW, "sessions"): gettext_lazy("visit rarely"),
}


def get_trait_phrase(direction: str, feature: str) -> str:
    if direction == NUMBER:
        return _("cluster %(number)s") % {"number": feature}
    return str(TRAIT_PHRASES.get((direction, feature)) or _("typical customers"))


def get_cluster_names(score_model: ScoreModel) -> dict[int, str]:
    """Return the names of the clusters of a score model by their numbers."""
    clusters = score_model.parameters.get("words", {}).get("clusters", [])
    return {
        cluster["id"]: join_list(get_trait_phrase(direction, feature) for direction, feature in cluster["name"])
        for cluster in clusters
    }
