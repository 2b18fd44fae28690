"""The restock list as its readers see it: the page, the CSV file and the REST API."""

from django.db.models import Count, Q, QuerySet, Sum

from customers.demand.models import RestockItem

SOON_DAYS = 7


def query_restock_items(state: str = "") -> QuerySet[RestockItem]:
    """Return the items with their products: all, those to order now ("now"), or within a week ("soon")."""
    items = RestockItem.objects.select_related("product")
    if state == "now":
        return items.filter(order_quantity__gt=0)
    if state == "soon":
        return items.filter(order_quantity=0, days_left__lte=SOON_DAYS)
    return items


def summarize_restock() -> dict[str, int | float]:
    """Return how many products to order now and soon, what the order costs, how many have no cost, and the margin at risk.

    costed: products with a purchase cost or an assumed one; if there are none, the margin at risk is the whole revenue.
    """
    now = query_restock_items("now")
    sums = now.aggregate(
        value=Sum("order_value"), risk=Sum("money_at_risk"), unknown=Count("pk", filter=Q(order_value=None))
    )
    return {
        **RestockItem.objects.aggregate(items=Count("pk"), costed=Count("order_value")),
        "now": now.count(),
        "soon": query_restock_items("soon").count(),
        "unknown": sums["unknown"],
        "value": float(sums["value"] or 0),
        "risk": float(sums["risk"] or 0),
    }
