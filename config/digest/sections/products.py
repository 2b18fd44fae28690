"""The products that sold most, and those whose revenue fell most against the week before."""

from decimal import Decimal
from typing import Any

from django.db.models import Q, Sum
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.translation import gettext as _

from catalog.models import Product
from config.backoffice.home.sales import in_range, query_best_sellers, query_lines
from config.digest.sections.base import DigestRow, DigestSection, SectionContent
from config.digest.weeks import DigestWeek
from config.foundation.number_formats import format_change, format_whole_money
from config.foundation.statistics import compute_change
from customers.lifecycle.facts.amounts import build_net_line, get_amount_currency

SHOWN = 5


def build_best(week: DigestWeek) -> SectionContent | None:
    """Return the products with the highest revenue."""
    currency = get_amount_currency()
    best = query_best_sellers(week.compare(week.before), currency=currency, limit=SHOWN)
    rows = [
        DigestRow(
            product.title,
            format_pair(product.revenue, product.revenue_before, currency),
            reverse("admin:catalog_product_change", args=[product.pk]),
        )
        for product in best
    ]
    if not rows:
        return None
    return SectionContent(
        _("Best sellers"), rows=tuple(rows), url=reverse("analytics:products"), action=_("Product performance")
    )


def build_fallen(week: DigestWeek) -> SectionContent | None:
    """Return the products whose revenue fell most against the week before, in two queries."""
    currency = get_amount_currency()
    changes = [row for row in count_changes(week, currency) if row["now"] < row["before"]]
    products = Product.objects.in_bulk([row["product_id"] for row in changes])
    rows = [
        DigestRow(
            products[row["product_id"]].title,
            format_pair(row["now"], row["before"], currency),
            reverse("admin:catalog_product_change", args=[row["product_id"]]),
        )
        for row in changes
        if row["product_id"] in products
    ]
    return SectionContent(_("Largest declines"), rows=tuple(rows)) if rows else None


def count_changes(week: DigestWeek, currency: str) -> list[dict[str, Any]]:
    """Return the products with the lowest change in revenue between the two weeks."""
    now, before = in_range(week.days, "order__"), in_range(week.before, "order__")
    parts = (("now", now), ("before", before))
    sums = {name: Coalesce(Sum(build_net_line(), filter=part), Decimal(0)) for name, part in parts}
    rows: Any = (
        query_lines(now | before, currency).filter(Q(product__is_active=True)).values("product_id").annotate(**sums)
    )
    return list(rows.annotate(change=sums["now"] - sums["before"]).order_by("change", "product_id")[:SHOWN])


def format_pair(now: Decimal, before: Decimal | None, currency: str) -> str:
    """Return the revenue with its change, such as "€120 (−8.0%)"."""
    change = compute_change(now, before)
    text = format_whole_money(now, currency)
    return text if change is None else f"{text} ({format_change(change)})"


BEST_PRODUCTS = DigestSection("best_products", "orders.view_order", build_best)
FALLEN_PRODUCTS = DigestSection("fallen_products", "orders.view_order", build_fallen)
