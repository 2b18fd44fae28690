"""Names of clusters and of what they are made of, in the reader's language."""

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from customers.lifecycle.models import ScoreModel
from customers.lifecycle.scoring.clusters import HIGH, LOW, NUMBER

FEATURE_NAMES: dict[str, str | Promise] = {
    "recency_days": gettext_lazy("days since the last order"),
    "orders": gettext_lazy("orders"),
    "order_value": gettext_lazy("average order value"),
    "gap_days": gettext_lazy("days between orders"),
    "tenure_days": gettext_lazy("days since the first order"),
    "discount_share": gettext_lazy("share of discounts"),
    "return_share": gettext_lazy("share of returns"),
    "sessions": gettext_lazy("sessions"),
}
PARTS: dict[tuple[str, str], str | Promise] = {
    (HIGH, "recency_days"): gettext_lazy("long away"),
    (LOW, "recency_days"): gettext_lazy("ordered lately"),
    (HIGH, "orders"): gettext_lazy("many orders"),
    (LOW, "orders"): gettext_lazy("few orders"),
    (HIGH, "order_value"): gettext_lazy("large orders"),
    (LOW, "order_value"): gettext_lazy("small orders"),
    (HIGH, "gap_days"): gettext_lazy("order seldom"),
    (LOW, "gap_days"): gettext_lazy("order often"),
    (HIGH, "tenure_days"): gettext_lazy("customers for long"),
    (LOW, "tenure_days"): gettext_lazy("customers for a short time"),
    (HIGH, "discount_share"): gettext_lazy("like discounts"),
    (LOW, "discount_share"): gettext_lazy("pay full prices"),
    (HIGH, "return_share"): gettext_lazy("return much"),
    (LOW, "return_share"): gettext_lazy("return little"),
    (HIGH, "sessions"): gettext_lazy("visit often"),
    (LOW, "sessions"): gettext_lazy("visit seldom"),
}


def part_name(direction: str, feature: str) -> str:
    if direction == NUMBER:
        return _("group %(number)s") % {"number": feature}
    return str(PARTS.get((direction, feature)) or _("typical customers"))


def cluster_names(card: ScoreModel) -> dict[int, str]:
    """The name of every cluster of a card, by its number."""
    clusters = card.parameters.get("words", {}).get("clusters", [])
    return {
        cluster["id"]: ", ".join(part_name(direction, feature) for direction, feature in cluster["name"])
        for cluster in clusters
    }
