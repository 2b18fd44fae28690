"""Which products are sold out: one rule for recommendations, search, messages, the feed for shopping agents, demand and the back office."""

from django.db.models import Q

IN_STOCK, OUT_OF_STOCK = "in_stock", "out_of_stock"  # values of catalog.models.Availability

SOLD_OUT = Q(availability=OUT_OF_STOCK) | Q(availability=IN_STOCK, stock__lte=0)


def is_sold_out(*, availability: str, stock: float | None) -> bool:
    """Return whether a product cannot be bought.

    A tracked stock of zero means so, except for preorders and backorders, which the shop sells without stock.
    """
    return availability == OUT_OF_STOCK or (availability == IN_STOCK and stock is not None and stock <= 0)
