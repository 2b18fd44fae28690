"""What a worker knows of the products of its model: enough to filter and to show them without asking the database."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import numpy.typing as npt
from django.db.models import Count, Max

from catalog.models import Availability, Product
from recommendations.engine import IdMap

FIELDS = (
    "product_id",
    "title",
    "price",
    "currency",
    "image_url",
    "url",
    "brand",
    "category__path",
    "availability",
    "stock",
    "is_active",
    "published_at",
    "updated_at",
)


@dataclass(frozen=True, slots=True)
class Card:
    """A product as a storefront shows it."""

    product_id: str
    title: str
    price: Decimal | None
    currency: str
    image_url: str
    url: str
    brand: str
    category: str


@dataclass(eq=False)
class Catalogue:
    """Arrays in the order of the model's items. What is not in the database any more is never shown."""

    items: IdMap
    cards: list[Card | None] = field(init=False)
    shown: npt.NDArray[np.bool_] = field(init=False)
    in_stock: npt.NDArray[np.bool_] = field(init=False)
    price: npt.NDArray[np.float64] = field(init=False)
    brand: npt.NDArray[np.int32] = field(init=False)
    category: npt.NDArray[np.int32] = field(init=False)
    published: npt.NDArray[np.float64] = field(init=False)
    brands: dict[str, int] = field(default_factory=dict)
    categories: dict[str, int] = field(default_factory=dict)
    known_until: datetime | None = None
    known_count: int = 0
    known_lately: tuple[int, datetime | None] = (0, None)

    def __post_init__(self) -> None:
        n = len(self.items)
        self.cards = [None] * n
        self.shown = np.zeros(n, np.bool_)
        self.in_stock = np.zeros(n, np.bool_)
        self.price = np.full(n, np.nan)
        self.brand = np.full(n, -1, np.int32)
        self.category = np.full(n, -1, np.int32)
        self.published = np.full(n, np.nan)

    def refresh(self, *, now: datetime) -> int:
        """Reads what changed since the last call, everything at first; returns how many products it read.

        A change is looked for a minute before the newest one known, because a transaction may commit after another that began
        later; that minute is read again only when the number of products in it has changed.
        """
        count = Product.objects.count()
        products = Product.objects.order_by("id").values_list(*FIELDS)
        if self.known_until is None or count < self.known_count:
            self.__post_init__()
            self.known_until, self.known_count = None, count
            read = self.take(products.iterator(chunk_size=5000), now=now)
            self.known_lately = self.lately()
            return read
        self.known_count = count
        if (found := self.lately()) == self.known_lately:
            return 0
        self.known_lately = found
        return self.take(products.filter(updated_at__gt=self.look_back()).iterator(chunk_size=5000), now=now)

    def look_back(self) -> datetime:
        """A minute before the newest change known; the beginning of time for an empty catalogue."""
        return (self.known_until or datetime(1970, 1, 1, tzinfo=UTC)) - timedelta(minutes=1)

    def lately(self) -> tuple[int, datetime | None]:
        """How many products changed since then, and when the newest did."""
        changed = Product.objects.filter(updated_at__gt=self.look_back())
        found = changed.aggregate(count=Count("id"), newest=Max("updated_at"))
        return found["count"], found["newest"]

    def take(self, rows: Iterable[tuple], *, now: datetime) -> int:
        batch = list(rows)
        if not batch:
            return 0
        places = self.items.rows([row[0] for row in batch])
        for place, row in zip(places.tolist(), batch, strict=True):
            if self.known_until is None or row[-1] > self.known_until:
                self.known_until = row[-1]
            if place >= 0:
                self.put(place, row, now=now)
        return len(batch)

    def put(self, place: int, row: tuple, *, now: datetime) -> None:
        (
            product_id,
            title,
            price,
            currency,
            image_url,
            url,
            brand,
            category,
            availability,
            stock,
            active,
            published,
            _,
        ) = row
        self.cards[place] = Card(product_id, title, price, currency, image_url, url, brand, category or "")
        self.shown[place] = active and (published is None or published <= now)
        self.in_stock[place] = availability != Availability.OUT_OF_STOCK and (stock is None or stock > 0)
        self.published[place] = np.nan if published is None else published.timestamp()
        self.price[place] = np.nan if price is None else float(price)
        self.brand[place] = self.brands.setdefault(brand, len(self.brands)) if brand else -1
        self.category[place] = self.categories.setdefault(category, len(self.categories)) if category else -1

    def has_category(self, path: str) -> bool:
        """Whether any product is in the category or below it."""
        return path in self.categories or any(name.startswith(f"{path} > ") for name in self.categories)

    def mask(
        self,
        *,
        in_stock: bool,
        category: str = "",
        brand: str = "",
        price_min: Decimal | None = None,
        price_max: Decimal | None = None,
    ) -> npt.NDArray[np.bool_]:
        """Which items may be shown. A category is named by its path and includes what lies below it."""
        allowed = self.shown & self.in_stock if in_stock else self.shown.copy()
        if brand:
            allowed &= self.brand == self.brands.get(brand, -2)
        if category:
            below = f"{category} > "
            codes = [code for path, code in self.categories.items() if path == category or path.startswith(below)]
            allowed &= np.isin(self.category, codes)
        if price_min is not None:
            allowed &= self.price >= float(price_min)
        if price_max is not None:
            allowed &= self.price <= float(price_max)
        return allowed
