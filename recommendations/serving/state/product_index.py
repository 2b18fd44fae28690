"""What a worker knows of the products: enough to filter and to show them without asking the database."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import msgspec
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
    "cost",
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
SPARE = 0.02  # room for products that come after the model, as a share of those that there are
LEAST_SPARE = 256
MOST_MASKS = 64
PAGE = 2000


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


class ShownProduct(msgspec.Struct):
    """A card as it stands in an answer."""

    title: str
    price: str | None
    currency: str
    image_url: str
    url: str
    brand: str
    category: str


class Filters(NamedTuple):
    """Which products may be shown. A category is named by its path and includes what lies below it."""

    in_stock: bool = True
    category: str = ""
    brand: str = ""
    price_min: Decimal | None = None
    price_max: Decimal | None = None


class Catalogue:
    """Arrays of one length n, by row: first the model's items in their order, then products that the model does not know, then spare rows.

    What is not in the database any more is never shown. One thread refreshes, others read meanwhile.
    """

    def __init__(self, items: IdMap, *, more: int = 0) -> None:
        """more: how many rows there are to be at least, beside the items."""
        self.n_items = len(items)
        known = items.ids()
        self.n = self.n_items + more + max(LEAST_SPARE, int(SPARE * (self.n_items + more)))
        self.filled = self.n_items
        self.product_ids: list[str] = known
        self.places: dict[str, int] = {product_id: row for row, product_id in enumerate(known)}
        self.cards: list[Card | None] = [None] * self.n
        self.active = np.zeros(self.n, np.bool_)
        self.shown = np.zeros(self.n, np.bool_)
        self.in_stock = np.zeros(self.n, np.bool_)
        self.price = np.full(self.n, np.nan)
        self.stock = np.full(self.n, np.nan)
        self.margin = np.full(self.n, np.nan, np.float32)
        self.published = np.full(self.n, np.nan)
        self.brand = np.full(self.n, -1, np.int32)
        self.category = np.full(self.n, -1, np.int32)
        self.brands: dict[str, int] = {}
        self.categories: dict[str, int] = {}
        self.known_until: datetime | None = None
        self.known_count = 0
        self.known_lately: tuple[int, datetime | None] = (0, None)
        self.generation = 0
        self.full = False  # a product did not find room: the loader makes a larger one
        self._blobs: dict[int, msgspec.Raw] = {}
        self._masks: dict[Filters, npt.NDArray[np.bool_]] = {}
        self._unpriced: dict[Filters, npt.NDArray[np.bool_]] = {}
        self._between: dict[tuple[float, float], npt.NDArray[np.bool_]] = {}
        self._newest: npt.NDArray[np.int32] | None = None
        self._lately: tuple[int, npt.NDArray[np.int32]] | None = None

    def row_of(self, product_id: str) -> int:
        """-1 for a product that is not known."""
        return self.places.get(product_id, -1)

    def rows_of(self, product_ids: Iterable[str]) -> npt.NDArray[np.int32]:
        places = self.places
        return np.array([places.get(product_id, -1) for product_id in product_ids], np.int32)

    def arranged(self, items: IdMap) -> "Catalogue":
        """The same products in the order of another model's items, without asking the database."""
        more = max(self.filled - len(items), 0) + (self.filled if self.full else 0)
        other = Catalogue(items, more=more)
        known = self.filled
        rows = np.fromiter((other.place(product_id) for product_id in self.product_ids), np.int64, known)
        kept = rows >= 0
        for name in ("active", "shown", "in_stock", "price", "stock", "margin", "published", "brand", "category"):
            getattr(other, name)[rows[kept]] = getattr(self, name)[:known][kept]
        for old, new in enumerate(rows.tolist()):
            if new >= 0:
                other.cards[new] = self.cards[old]
        other.brands, other.categories = dict(self.brands), dict(self.categories)
        other.known_until, other.known_count, other.known_lately = self.known_until, self.known_count, self.known_lately
        other.generation = self.generation + 1
        if self.full:
            other.known_until = None  # what found no room is read again, with all the rest
        return other

    def place(self, product_id: str) -> int:
        """The row of a product, a spare one for a new product; -1 where none is left."""
        row = self.places.get(product_id)
        if row is None:
            if self.filled == self.n:
                self.full = True
                return -1
            row = self.filled
            self.product_ids.append(product_id)
            self.places[product_id] = row
            self.filled += 1
        return row

    def refresh(self, *, now: datetime, thorough: bool = True) -> int:
        """Reads what changed since the last call, everything at first; returns how many products it read.

        A change is looked for a minute before the newest one known, because a transaction may commit after another that began
        later; that minute is read again only when the number of products in it has changed. thorough: whether products were
        deleted is looked at too, for which all are counted.
        """
        products = Product.objects.order_by("id").values_list(*FIELDS)
        count = Product.objects.count() if thorough or self.known_until is None else self.known_count
        read = 0
        if self.known_until is None or count < self.known_count:
            self.known_until, self.known_count = None, count
            seen = np.zeros(self.n, np.bool_)
            read = self.take(products.iterator(chunk_size=PAGE), seen=seen)
            self.active[~seen] = False
            self.known_lately = self.lately()
        else:
            self.known_count = count
            if (found := self.lately()) != self.known_lately:
                self.known_lately = found
                read = self.take(products.filter(updated_at__gt=self.look_back()).iterator(chunk_size=PAGE))
        self._publish(now, changed=read > 0 or count == 0)
        return read

    def look_back(self) -> datetime:
        """A minute before the newest change known; the beginning of time for an empty catalogue."""
        return (self.known_until or datetime(1970, 1, 1, tzinfo=UTC)) - timedelta(minutes=1)

    def lately(self) -> tuple[int, datetime | None]:
        """How many products changed since then, and when the newest did."""
        changed = Product.objects.filter(updated_at__gt=self.look_back())
        found = changed.aggregate(count=Count("id"), newest=Max("updated_at"))
        return found["count"], found["newest"]

    def take(self, rows: Iterable[tuple], *, seen: npt.NDArray[np.bool_] | None = None) -> int:
        """How many rows there were; seen becomes True for the places of their products."""
        read = 0
        newest = self.known_until
        for row in rows:
            read += 1
            if newest is None or row[-1] > newest:
                newest = row[-1]
            place = self.place(row[0])
            if place >= 0:
                self.put(place, row)
                if seen is not None:
                    seen[place] = True
        self.known_until = newest
        return read

    def put(self, place: int, row: tuple) -> None:
        (
            product_id,
            title,
            price,
            currency,
            cost,
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
        self._blobs.pop(place, None)
        self.active[place] = active
        self.in_stock[place] = availability != Availability.OUT_OF_STOCK and (stock is None or stock > 0)
        self.stock[place] = np.nan if stock is None else stock
        self.published[place] = np.nan if published is None else published.timestamp()
        self.price[place] = np.nan if price is None else float(price)
        self.margin[place] = np.nan if cost is None or not price else (price - cost) / price
        self.brand[place] = self.brands.setdefault(brand, len(self.brands)) if brand else -1
        self.category[place] = self.categories.setdefault(category, len(self.categories)) if category else -1

    def blob(self, row: int) -> msgspec.Raw:
        """The card as JSON, made once."""
        found = self._blobs.get(row)
        if found is None:
            card = self.cards[row]
            if card is None:
                return msgspec.Raw(b"null")
            price = None if card.price is None else str(card.price)
            shown = ShownProduct(card.title, price, card.currency, card.image_url, card.url, card.brand, card.category)
            found = self._blobs[row] = msgspec.Raw(msgspec.json.encode(shown))
        return found

    def has_category(self, path: str) -> bool:
        """Whether any product is in the category or below it."""
        return path in self.categories or any(name.startswith(f"{path} > ") for name in self.categories)

    def mask(self, filters: Filters) -> npt.NDArray[np.bool_]:
        """Which rows may be shown; kept until something changes, and not to be written to."""
        return kept_in(self._masks, filters, self._priced)

    def priced_between(self, low: float, high: float) -> npt.NDArray[np.bool_]:
        """Which rows cost more than low and less than high; kept as a mask is."""
        return kept_in(self._between, (low, high), lambda ends: (self.price > ends[0]) & (self.price < ends[1]))

    def newest(self) -> npt.NDArray[np.int32]:
        """Rows with a day of publication, the newest first."""
        found = self._newest
        if found is None:
            order = np.argsort(-self.published, kind="stable").astype(np.int32)
            found = self._newest = order[: int(np.isfinite(self.published).sum())]
        return found

    def published_since(self, moment: float) -> npt.NDArray[np.int32]:
        """Rows that were published after a moment, the newest first; the same for all moments of one hour, which its first decides."""
        hour = int(moment // 3600)
        kept = self._lately
        if kept is None or kept[0] != hour:
            rows = self.newest()
            kept = self._lately = (hour, rows[: int(np.searchsorted(-self.published[rows], -moment))])
        return kept[1]

    def _priced(self, filters: Filters) -> npt.NDArray[np.bool_]:
        """There are many ranges of prices and few other wishes, which take longer."""
        low, high = filters.price_min, filters.price_max
        allowed = kept_in(self._unpriced, filters._replace(price_min=None, price_max=None), self._mask)
        if low is not None:
            allowed = allowed & (self.price >= float(low))
        if high is not None:
            allowed = allowed & (self.price <= float(high))
        return allowed

    def _mask(self, filters: Filters) -> npt.NDArray[np.bool_]:
        allowed = self.shown & self.in_stock if filters.in_stock else self.shown.copy()
        if filters.brand:
            allowed &= self.brand == self.brands.get(filters.brand, -2)
        if filters.category:
            below = f"{filters.category} > "
            codes = [
                code
                for path, code in list(self.categories.items())
                if path == filters.category or path.startswith(below)
            ]
            category = self.category.copy()  # a refresh may be writing into it
            most = max(int(category.max(initial=-1)), *codes, -1)
            wanted = np.zeros(most + 2, np.bool_)  # the last is that of products without a category
            wanted[codes] = True
            allowed &= wanted[category]
        return allowed

    def _publish(self, now: datetime, *, changed: bool) -> None:
        """What is shown, as of now: a product comes when its day of publication does."""
        with np.errstate(invalid="ignore"):
            shown = self.active & ~(self.published > now.timestamp())
        if changed or not np.array_equal(shown, self.shown):
            self.shown = shown
            self._unpriced, self._between, self._newest, self._lately = {}, {}, None, None
            self._masks = {}  # last: what is made for them comes out of the new
            self.generation += 1


def kept_in[K](
    kept: dict[K, npt.NDArray[np.bool_]], key: K, make: Callable[[K], npt.NDArray[np.bool_]]
) -> npt.NDArray[np.bool_]:
    """The mask of a key; there are never more than MOST_MASKS."""
    found = kept.get(key)
    if found is None:
        if len(kept) >= MOST_MASKS:
            kept.clear()
        found = kept[key] = make(key)
    return found
