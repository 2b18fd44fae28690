"""What each prediction still needs, such as “needs 30 customers with two orders; you have 12”."""

from django.db.models import Count
from django.utils.translation import ngettext

from config.foundation.number_formats import format_count
from customers.lifecycle.scoring.clusters.model_selection import MIN_CUSTOMERS_PER_CLUSTER, MIN_K
from customers.lifecycle.scoring.clv.fitting import MIN_REPEAT_BUYERS
from customers.lifecycle.scoring.propensity.training import MIN_CUSTOMERS
from customers.orders.models import Order

MIN_CLUSTERED = MIN_K * MIN_CUSTOMERS_PER_CLUSTER


def count_buyers(*, min_orders: int, up_to: int) -> int:
    """Return the number of customers with at least `min_orders` orders; no more than `up_to` are counted."""
    orders = Order.objects.sales().known().values("customer").annotate(n=Count("id")).order_by()
    return len(orders.filter(n__gte=min_orders).values_list("customer")[:up_to])


def describe_missing_value_data() -> str:
    """Return which data value predictions still need; "" if there is enough."""
    repeat_buyers = count_buyers(min_orders=2, up_to=MIN_REPEAT_BUYERS)
    if repeat_buyers >= MIN_REPEAT_BUYERS:
        return ""
    return ngettext(
        "Value predictions need %(needed)s customers with two orders; you have %(count)s.",
        "Value predictions need %(needed)s customers with two orders; you have %(count)s.",
        repeat_buyers,
    ) % {"needed": format_count(MIN_REPEAT_BUYERS), "count": format_count(repeat_buyers)}


def describe_missing_propensity_data() -> str:
    """Return which data churn and purchase predictions still need; "" if there are enough customers."""
    buyers = count_buyers(min_orders=1, up_to=2 * MIN_CUSTOMERS)
    if buyers >= 2 * MIN_CUSTOMERS:
        return ""
    return ngettext(
        "Churn and purchase predictions need %(needed)s customers who ordered again and %(needed)s who did not; "
        "you have %(count)s customer with an order.",
        "Churn and purchase predictions need %(needed)s customers who ordered again and %(needed)s who did not; "
        "you have %(count)s customers with an order.",
        buyers,
    ) % {"needed": format_count(MIN_CUSTOMERS), "count": format_count(buyers)}


def describe_missing_cluster_data() -> str:
    """Return which data clusters still need; "" if there is enough."""
    buyers = count_buyers(min_orders=1, up_to=MIN_CLUSTERED)
    if buyers >= MIN_CLUSTERED:
        return ""
    return ngettext(
        "Clusters need %(needed)s customers with an order; you have %(count)s.",
        "Clusters need %(needed)s customers with an order; you have %(count)s.",
        buyers,
    ) % {"needed": format_count(MIN_CLUSTERED), "count": format_count(buyers)}
