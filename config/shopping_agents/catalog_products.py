"""Reads the public products of the catalog, with all variants of a product together."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import groupby
from typing import Any, NamedTuple

from django.db.models import Case, F, QuerySet, When
from django.utils.translation import gettext_lazy as _

from catalog.models import Product
from catalog.product_links import resolve_product_url
from catalog.sold_out import is_sold_out
from config.shopping_agents.models import AgentFeedSettings

CHUNK = 2000
MAX_VARIANTS = 500  # of one product; further ones are left out, so that no product fills the memory
COLUMNS = (
    "product_id", "parent_id", "sku", "title", "description", "category__path", "brand", "price", "currency",
    "availability", "stock", "image_url", "url", "attributes", "tags", "is_active", "is_draft",
    "published_at",
)  # fmt: skip


# the ID of the product of which a row is a variant
GROUP = Case(When(parent_id="", then=F("product_id")), default=F("parent_id"))


class LeftOut(StrEnum):
    """Why a product of the catalog is not published."""

    INACTIVE = "inactive"
    NOT_YET_PUBLISHED = "not_yet_published"
    NO_PRICE = "no_price"
    NO_PAGE = "no_page"
    SOLD_OUT = "sold_out"
    TOO_MANY_VARIANTS = "too_many_variants"


LEFT_OUT_LABELS = {
    LeftOut.INACTIVE: (_("Inactive products and drafts"), _("Activate the products that the shop sells.")),
    LeftOut.NOT_YET_PUBLISHED: (
        _("Before their publication date"),
        _("Nothing: they are published on that date."),
    ),
    LeftOut.NO_PRICE: (
        _("Without a price"),
        _("Provide the price and the currency in the product feed or through the REST API."),
    ),
    LeftOut.NO_PAGE: (
        _("Without a product page"),
        _("Give the URL of the product page in the catalog, or set PRODUCT_URL to the pattern of the shop."),
    ),
    LeftOut.SOLD_OUT: (_("Sold out"), _("Update the stock, or include sold-out products in the settings below.")),
    LeftOut.TOO_MANY_VARIANTS: (
        _("Variants beyond the limit of 500 per product"),
        _("Check the product group: products that are not variants of each other need different groups."),
    ),
}


class CatalogVariant(NamedTuple):
    """A row of the catalog."""

    product_id: str
    parent_id: str
    sku: str
    title: str
    description: str
    category: str | None
    brand: str
    price: Decimal | None
    currency: str
    availability: str
    stock: int | None
    image_url: str
    url: str
    attributes: dict[str, Any]
    tags: list[str]
    is_active: bool
    is_draft: bool
    published_at: datetime | None

    @property
    def group(self) -> str:
        """The ID of the product of which this is a variant; its own without variants."""
        return self.parent_id or self.product_id

    @property
    def is_sold_out(self) -> bool:
        return is_sold_out(availability=self.availability, stock=self.stock)

    @property
    def page(self) -> str:
        """The address of the product page; empty if it is unknown."""
        return resolve_product_url(self.url, self.product_id)


@dataclass
class CatalogProduct:
    """A product with its variants: at least one, and each with a price and a page."""

    id: str
    variants: list[CatalogVariant]

    @property
    def featured(self) -> CatalogVariant:
        """The variant that represents the product: the parent itself, else the first that is not sold out."""
        for variant in self.variants:
            if variant.product_id == self.id:
                return variant
        return next((variant for variant in self.variants if not variant.is_sold_out), self.variants[0])


@dataclass
class ProductReader:
    """Reads products in the order of their IDs, and counts what is left out while it reads.

    Attributes:
        now: products with a later publication date are left out.
    """

    feed_settings: AgentFeedSettings
    now: datetime
    left_out: Counter[str] = field(default_factory=Counter)

    def read_all(self) -> Iterator[CatalogProduct]:
        """Yield all public products; the database sorts, and a server-side cursor hands over one chunk at a time."""
        return self._group(Product.objects.all())

    def read(self, references: Collection[str]) -> list[CatalogProduct]:
        """Return the products with these product or variant IDs, with all their variants."""
        groups = (
            Product.objects.filter(product_id__in=references)
            .annotate(group_key=GROUP)
            .values_list("group_key", flat=True)
        )
        wanted = {*groups, *references}
        related = Product.objects.filter(parent_id__in=wanted) | Product.objects.filter(
            product_id__in=wanted, parent_id=""
        )
        return list(self._group(related))

    def _group(self, products: QuerySet[Product]) -> Iterator[CatalogProduct]:
        rows = (
            products.annotate(group_key=GROUP)
            .order_by("group_key", "id")
            .values_list(*COLUMNS)
            .iterator(chunk_size=CHUNK)
        )
        for group, members in groupby(map(CatalogVariant._make, rows), key=lambda variant: variant.group):
            variants: list[CatalogVariant] = []
            for variant in members:
                if reason := self.find_reason(variant, len(variants)):
                    self.left_out[reason] += 1
                else:
                    variants.append(variant)
            if variants:
                yield CatalogProduct(group, variants)

    def find_reason(self, variant: CatalogVariant, before: int) -> LeftOut | None:
        """Return why a variant is left out; None if it is published. before: how many variants of its product precede it."""
        if not variant.is_active or variant.is_draft:
            return LeftOut.INACTIVE
        if variant.published_at is not None and variant.published_at > self.now:
            return LeftOut.NOT_YET_PUBLISHED
        if variant.price is None:
            return LeftOut.NO_PRICE
        if not variant.page:
            return LeftOut.NO_PAGE
        if variant.is_sold_out and not self.feed_settings.includes_sold_out:
            return LeftOut.SOLD_OUT
        return LeftOut.TOO_MANY_VARIANTS if before >= MAX_VARIANTS else None
