"""The tables of the performance pages: placements side by side, and the products of one placement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from catalog.models import Product
from catalog.placeholder_images.drawing import choose_image_url
from config.foundation.backoffice.date_range import DateChoice
from config.foundation.backoffice.tables import Cell, Column, Table, build_table
from config.foundation.number_formats import (
    format_change,
    format_count,
    format_money,
    format_percent,
    format_whole_money,
)
from config.foundation.statistics import compute_change
from recommendations.placement_labels import get_placement_label
from recommendations.serving.impressions.comparison import FiguresComparison, ProductFigures


@dataclass(frozen=True)
class PlacementRow:
    """A placement in the table; revenue in the main currency of the page."""

    placement: str
    label: str
    shown: int
    click_rate: float | None
    orders: int
    revenue: Decimal
    change: float | None


def build_placements_table(
    request: HttpRequest, comparisons: Mapping[str, FiguresComparison], *, choice: DateChoice, currency: str
) -> Table:
    """Return the placements, those with the most revenue first; each opens its own page."""
    rows = [
        PlacementRow(
            placement=name,
            label=get_placement_label(name),
            shown=each.now.shown,
            click_rate=each.click_rate,
            orders=each.now.orders,
            revenue=each.now.revenue.get(currency, Decimal(0)),
            change=compute_change(
                each.now.revenue.get(currency, Decimal(0)),
                each.before.revenue.get(currency, Decimal(0)) if each.before else None,
            ),
        )
        for name, each in comparisons.items()
    ]

    def format_row(row: PlacementRow) -> dict[str, Any]:
        return {
            "label": Cell(row.label, "?" + urlencode({"scenario": row.placement, **choice.to_parameters()})),
            "shown": format_count(row.shown),
            "click_rate": format_percent(row.click_rate, 2),
            "orders": format_count(row.orders),
            "revenue": format_whole_money(row.revenue, currency) if currency else None,
            "change": format_change(row.change),
        }

    columns = [
        Column(key="label", label=_("Placement"), sort="label", align="text"),
        Column(key="shown", label=_("Impressions"), sort="shown"),
        Column(key="click_rate", label=_("Click-through rate"), sort="click_rate"),
        Column(key="orders", label=_("Orders"), sort="orders"),
        Column(key="revenue", label=_("Revenue"), sort="revenue"),
    ]
    if choice.compared:
        columns.append(Column(key="change", label=_("Change of revenue"), sort="change"))
    return build_table(
        request,
        rows,
        id="placements",
        label=_("Placements"),
        columns=columns,
        format_row=format_row,
        default_sort="-revenue",
    )


def get_product_image(product: Product) -> str:
    category = product.category.path if product.category else ""
    return choose_image_url(image_url=product.image_url, category=category, title=product.title)


def build_products_table(request: HttpRequest, products: Sequence[ProductFigures], *, currency: str) -> Table:
    """Return the products of a placement with their titles, in one query."""
    known = {
        product.product_id: product
        for product in Product.objects.filter(product_id__in=[row.product_id for row in products]).select_related(
            "category"
        )
    }

    def format_row(row: ProductFigures) -> dict[str, Any]:
        product = known.get(row.product_id)
        url = reverse("admin:catalog_product_change", args=[product.pk]) if product else ""
        return {
            "product": Cell(
                product.title if product else row.product_id,
                url,
                title=row.product_id,
                image=get_product_image(product) if product else "",
            ),
            "shown": format_count(row.shown),
            "clicked": format_count(row.clicked),
            "click_rate": format_percent(row.click_rate, 2),
            "orders": format_count(row.orders),
            "revenue": format_money(row.revenue, currency) if currency else None,
        }

    return build_table(
        request,
        products,
        id="products",
        label=_("Products"),
        columns=[
            Column(key="product", label=_("Product"), align="text"),
            Column(key="shown", label=_("Impressions"), sort="shown"),
            Column(key="clicked", label=_("Clicks"), sort="clicked"),
            Column(key="click_rate", label=_("Click-through rate"), sort="click_rate"),
            Column(key="orders", label=_("Orders"), sort="orders"),
            Column(key="revenue", label=_("Revenue"), sort="revenue"),
        ],
        format_row=format_row,
        default_sort="-revenue",
    )
