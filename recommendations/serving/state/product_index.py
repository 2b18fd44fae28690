"""The catalog in the memory of a worker, to filter and show products without a query."""

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache, partial
from itertools import batched, repeat
from operator import is_, itemgetter
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from django.db.models import FloatField, Func, QuerySet

from catalog.fingerprint import UNKNOWN_CHANGES, RecentChanges, summarize_changes
from catalog.models import Product
from catalog.product_links import resolve_product_url
from catalog.sold_out import is_sold_out
from recommendations.engine import IdMap
from recommendations.serving.expressions.expression import BoundBoost, BoundExpression
from recommendations.serving.expressions.product_masks import compute_boosts, compute_mask
from recommendations.serving.state.pauses import pause_for_requests
from recommendations.serving.state.product_values import ProductValues, ValueColumn, list_product_values

# In the order of `write_row`; moments as seconds since 1970, because psycopg makes datetimes slowly.
PRODUCT_FIELDS = (
    "product_id",
    "parent_id",
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
    "published",
    "sku",
    "is_draft",
    "attributes",
    "tags",
    "created",
    "updated",
)
COLUMN_NAMES = (
    "active", "shown", "in_stock", "price", "stock", "margin", "published", "created", "updated", "brand", "category",
    "currency", "parent",
)  # fmt: skip
SPARE_SHARE = 0.02  # room for products that are added later, as a share of the present ones
MIN_SPARE_ROWS = 256
# A shop is new while fewer products were sold, and a smaller share of the catalog: all of its products count as sold.
MIN_SOLD, MIN_SOLD_SHARE = 50, 0.2
MAX_MASKS = 64
MAX_BOOSTS = 16  # cached arrays of factors, which are four times as large as masks
FETCH_SIZE = 500
ROWS_PER_PAUSE = 100  # a few milliseconds of work

type ProductRow = tuple[Any, ...]


class Seconds(Func):
    """A moment as seconds since 1970, with microseconds."""

    template = "extract(epoch from %(expressions)s)::float8"
    output_field = FloatField()


MOMENTS = {name: Seconds(f"{name}_at") for name in ("published", "created", "updated")}


@dataclass(frozen=True, slots=True)
class ProductCard:
    """What a storefront shows of a product."""

    product_id: str
    title: str
    price: Decimal | None
    currency: str
    image_url: str
    url: str
    brand: str
    category: str


class ProductJSON(msgspec.Struct):
    """A product card as it is sent over REST."""

    title: str
    price: str | None
    currency: str
    image_url: str
    url: str
    brand: str
    category: str


END_OF_ITEM = b"},"


class ItemParts(NamedTuple):
    """The JSON of an item before its rank (head), and from the field of its product to the comma after the item (tail)."""

    card: ProductCard | None
    product_id: str
    head: bytes
    tail: bytes

    @classmethod
    def encode(cls, product_id: str, card: ProductCard | None) -> "ItemParts":
        """Return the parts of a product, null for one that the catalog does not know."""
        product = b"null"
        if card is not None:
            price = None if card.price is None else str(card.price)
            url = resolve_product_url(card.url, card.product_id)
            product = msgspec.json.encode(
                ProductJSON(card.title, price, card.currency, card.image_url, url, card.brand, card.category)
            )
        head = b'{"product_id":%b,"rank":' % msgspec.json.encode(product_id)
        return cls(card, product_id, head, b',"product":%b%b' % (product, END_OF_ITEM))


UNKNOWN_PRODUCT = ItemParts(None, "", b"", b"")
GET_CARD = itemgetter(0)  # of ItemParts


class ProductFilters(NamedTuple):
    """Which products may be shown. category: a path, which includes the categories below it.

    expression: the condition that a request adds.
    priced: only products with a price above 0, unless no product has one. sold: only products that were sold before, unless
    none was.
    """

    in_stock: bool = True
    category: str = ""
    brand: str = ""
    price_min: Decimal | None = None
    price_max: Decimal | None = None
    expression: BoundExpression | None = None
    priced: bool = False
    sold: bool = False


class ProductIndex:
    """Arrays of length n, one row per product.

    First come the model's items in their order, then products that the model does not know, then spare rows. Products that
    were deleted from the database are never shown. One thread refreshes while others read: a change takes effect when the
    array `shown` and the cached masks are replaced, last of all.
    """

    def __init__(self, items: IdMap, *, more: int = 0) -> None:
        """Make room for the items and at least ``more`` other products."""
        self.n_items = len(items)
        product_ids = items.get_ids()
        self.n = self.n_items + more + max(MIN_SPARE_ROWS, int(SPARE_SHARE * (self.n_items + more)))
        self.filled = self.n_items
        self.product_ids: list[str] = product_ids
        self.row_by_id: dict[str, int] = {product_id: row for row, product_id in enumerate(product_ids)}
        self.cards: list[ProductCard | None] = [None] * self.n
        self.skus: list[str] = [""] * self.n
        self.row_by_sku: dict[str, int] = {}
        self._has_new_skus = False
        self.active = np.zeros(self.n, np.bool_)
        self.shown = np.zeros(self.n, np.bool_)
        self.in_stock = np.zeros(self.n, np.bool_)
        self.sold = np.ones(self.n, np.bool_)
        self.is_early = False  # whether few products were sold yet
        self.price = np.full(self.n, np.nan)
        self.stock = np.full(self.n, np.nan)
        self.margin = np.full(self.n, np.nan, np.float32)
        self.published = np.full(self.n, np.nan)
        self.created = np.full(self.n, np.nan)
        self.updated = np.full(self.n, np.nan)
        self.brand = np.full(self.n, -1, np.int32)
        self.category = np.full(self.n, -1, np.int32)
        self.parent = np.full(self.n, -1, np.int32)
        self.parents: dict[str, int] = {}
        self.parents_generation = 0  # changes with the product groups of the catalog
        self.currency = np.full(self.n, -1, np.int32)
        self.brands: dict[str, int] = {}
        self.categories: dict[str, int] = {}
        self.currencies: dict[str, int] = {}
        self.values = ProductValues()
        self.known_until: datetime | None = None
        self.known_recent_changes: RecentChanges = (0, None, None)
        self.generation = 0
        self.is_full = False  # if no row is left for a product, the loader replaces this index with a larger one
        self._json: list[ItemParts] = [UNKNOWN_PRODUCT] * self.n
        self._masks: dict[ProductFilters, npt.NDArray[np.bool_]] = {}
        self._unpriced: dict[ProductFilters, npt.NDArray[np.bool_]] = {}
        self._between: dict[tuple[float, float], npt.NDArray[np.bool_]] = {}
        self._newest: npt.NDArray[np.int32] | None = None
        self._added_last: npt.NDArray[np.int32] | None = None
        self._recent: tuple[int, npt.NDArray[np.int32]] | None = None
        self._forget_expressions()

    def find_row(self, product_id: str) -> int:
        """Return the row of a product by its ID or its SKU; -1 for an unknown one."""
        row = self.row_by_id.get(product_id)
        return self.row_by_sku.get(product_id, -1) if row is None else row

    def find_rows(self, product_ids: Iterable[str]) -> npt.NDArray[np.int32]:
        """Return the rows of products in their order; -1 for unknown ones."""
        ids = list(product_ids)
        rows = list(map(self.row_by_id.get, ids))
        # almost all requests name products by their ID, and a Python call per product takes longer than everything else
        return np.array(list(map(self.find_row, ids)) if None in rows else rows, np.int32)

    def rearrange(self, items: IdMap) -> "ProductIndex":
        """Return an index of the same products in the order of other items, without a query."""
        more = max(self.filled - len(items), 0) + (self.filled if self.is_full else 0)
        other = ProductIndex(items, more=more)
        filled = self.filled
        rows = other.assign_rows(self.product_ids)
        has_row = rows >= 0
        for name in COLUMN_NAMES:
            getattr(other, name)[rows[has_row]] = getattr(self, name)[:filled][has_row]
        pause_for_requests()
        old_rows = np.full(other.n, -1, np.int64)
        old_rows[rows[has_row]] = np.flatnonzero(has_row)
        other.cards = select_or_default(self.cards, old_rows, None)
        other.skus = select_or_default(self.skus, old_rows, "")
        pause_for_requests()
        other._index_skus()
        other.brands, other.categories, other.parents = dict(self.brands), dict(self.categories), dict(self.parents)
        other.parents_generation = self.parents_generation + 1
        other.currencies, other.values = dict(self.currencies), self.values.rearrange(old_rows)
        other.known_until, other.known_recent_changes = self.known_until, self.known_recent_changes
        other.generation = self.generation + 1
        if self.is_full:
            other.known_until = None  # read all products again, because some have no row here
        return other

    def mark_sold(self, sold: npt.NDArray[np.bool_]) -> None:
        """Note which of the model's items were sold; products newer than the model count as not sold.

        In a new shop, all products count as sold: placements would otherwise show only the few products of its first orders.
        """
        self.is_early = int(sold.sum()) < min(MIN_SOLD, MIN_SOLD_SHARE * len(sold))
        marked = np.full(self.n, self.is_early)
        marked[: len(sold)] |= sold
        if not np.array_equal(marked, self.sold):
            self.sold = marked
            self._discard_masks()

    def assign_rows(self, product_ids: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the rows of products as `assign_row` does."""
        rows = np.fromiter(map(self.row_by_id.get, product_ids, repeat(-1)), np.int64, len(product_ids))
        for position in np.flatnonzero(rows < 0).tolist():
            rows[position] = self.assign_row(product_ids[position])
        return rows

    def assign_row(self, product_id: str) -> int:
        """Return the row of a product, a spare one for a new product; -1 if none is left."""
        row = self.row_by_id.get(product_id)
        if row is None:
            if self.filled == self.n:
                self.is_full = True
                return -1
            row = self.filled
            self.product_ids.append(product_id)
            self.row_by_id[product_id] = row
            self.filled += 1
        return row

    def refresh(self, *, now: datetime, thorough: bool = True) -> int:
        """Read the products that have changed since the last call, at first all.

        Return how many were read.

        The search for changes starts a minute before the newest known one, because a transaction may commit after another
        that began later; that minute is read again only when the products in it or their change times have changed.
        thorough: also check whether products were deleted, which counts all products. Only products of the database have a change time here.
        """
        read, is_first = 0, self.known_until is None
        if not is_first and (changes := self.read_recent_changes()) != self.known_recent_changes:
            self.known_recent_changes = changes
            read = self.load_rows(self.read_changed_rows())
        # counted after new products were read, because they would hide that as many others were deleted
        if is_first or (thorough and Product.objects.count() < np.isfinite(self.updated).sum()):
            read = self.read_all_products()
        if self._has_new_skus:
            self._index_skus()
        self._publish(now, changed=read > 0 or is_first)
        return read

    def read_all_products(self) -> int:
        """Read all products and hide those that no longer exist; return how many were read."""
        self.known_until = None
        is_present = np.zeros(self.n, np.bool_)
        read = self.load_rows(read_rows(Product.objects.all()), is_present=is_present)
        self.active[~is_present] = False
        self.updated[~is_present] = np.nan
        self.known_recent_changes = UNKNOWN_CHANGES  # products may have changed since they were read
        return read

    def read_changed_rows(self) -> Iterator[ProductRow]:
        """Yield the products that have changed since the cutoff and are not known yet.

        Times are compared first: an import may have changed a hundred thousand products within the minute of the cutoff.
        """
        changed = Product.objects.filter(updated_at__gt=self.get_change_cutoff()).order_by("id")
        rows = changed.values_list("id", "product_id", MOMENTS["updated"]).iterator(chunk_size=FETCH_SIZE)
        for some in batched(rows, FETCH_SIZE):
            get_row, updated = self.row_by_id.get, self.updated
            new = [key for key, product_id, at in some if (row := get_row(product_id)) is None or updated[row] != at]
            if new:
                yield from read_rows(Product.objects.filter(id__in=new))
            pause_for_requests()

    def get_change_cutoff(self) -> datetime:
        """Return the moment a minute before the newest known change; 1970 for an empty catalog."""
        return (self.known_until or datetime(1970, 1, 1, tzinfo=UTC)) - timedelta(minutes=1)

    def read_recent_changes(self) -> RecentChanges:
        return summarize_changes(self.get_change_cutoff())

    def load_rows(self, rows: Iterable[ProductRow], *, is_present: npt.NDArray[np.bool_] | None = None) -> int:
        """Write database rows into the arrays; return how many.

        is_present: becomes True for their products.
        """
        read = 0
        newest = self.known_until.timestamp() if self.known_until is not None else 0.0
        for some in batched(rows, ROWS_PER_PAUSE):
            read += len(some)
            newest = max(newest, *(row[-1] for row in some))
            for row in some:
                number = self.assign_row(row[0])
                if number >= 0:
                    self.write_row(number, row)
                    if is_present is not None:
                        is_present[number] = True
            pause_for_requests()
        self.known_until = datetime.fromtimestamp(newest, UTC) if newest else None
        return read

    def write_row(self, number: int, row: ProductRow) -> None:
        """Write one database row, in the order of PRODUCT_FIELDS, into row ``number`` of the arrays."""
        (
            product_id,
            parent_id,
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
            sku,
            is_draft,
            attributes,
            tags,
            created,
            updated,
        ) = row
        if is_draft:  # what an event reports about a product is never shown, not even in a reason
            brand = category = None
            attributes, tags = {}, ()
        self.cards[number] = (
            None if is_draft else ProductCard(product_id, title, price, currency, image_url, url, brand, category or "")
        )
        if sku != self.skus[number]:
            self.skus[number] = sku
            self._has_new_skus = True
        self.active[number] = active
        self.in_stock[number] = not is_sold_out(availability=availability, stock=stock)
        self.stock[number] = np.nan if stock is None else stock
        self.published[number] = np.nan if published is None else published
        self.price[number] = np.nan if price is None else float(price)
        self.margin[number] = np.nan if cost is None or not price else (price - cost) / price
        parent = self.parents.setdefault(parent_id, len(self.parents)) if parent_id else -1
        if parent != self.parent[number]:
            self.parent[number] = parent
            self.parents_generation += 1
        self.brand[number] = self.brands.setdefault(brand, len(self.brands)) if brand else -1
        self.category[number] = self.categories.setdefault(category, len(self.categories)) if category else -1
        self.currency[number] = self.currencies.setdefault(currency, len(self.currencies)) if currency else -1
        self.created[number] = np.nan if created is None else created
        self.updated[number] = updated
        self.values.write(number, list_product_values(attributes, tags))

    def _index_skus(self) -> None:
        """Map each SKU to its row; a SKU of several products to none of them."""
        rows: dict[str, int] = {}
        for row, sku in enumerate(self.skus):
            if sku:
                rows[sku] = -1 if sku in rows else row
        self.row_by_sku, self._has_new_skus = rows, False

    def get_json(self, row: int) -> "ItemParts":
        """Return the parts of the JSON of an item that are the same in all responses, encoded once per card."""
        card, encoded = self.cards[row], self._json[row]
        # a refresh may replace the card while another thread encodes it
        if encoded.card is not card or encoded is UNKNOWN_PRODUCT:
            encoded = self._json[row] = ItemParts.encode(self.product_ids[row], card)
        return encoded

    def list_json(self, rows: Sequence[int]) -> "Sequence[ItemParts]":
        """Return `get_json` of each row, UNKNOWN_PRODUCT for rows of -1."""
        parts = list(map(self._json.__getitem__, rows))
        is_current = map(is_, map(GET_CARD, parts), map(self.cards.__getitem__, rows))
        if all(is_current) and -1 not in rows:
            return parts
        return [self.get_json(row) if row >= 0 else UNKNOWN_PRODUCT for row in rows]

    def find_parents(self) -> npt.NDArray[np.int32]:
        """Return the number of each row's product group, -1 without one; a product whose ID is the name of a group belongs to it."""
        parents = self.parent.copy()
        for product_id, number in self.parents.items():
            row = self.row_by_id.get(product_id, -1)
            if row >= 0 and parents[row] < 0:
                parents[row] = number
        return parents

    def has_category(self, path: str) -> bool:
        """Return whether any product is in the category or below it."""
        return path in self.categories or any(name.startswith(f"{path} > ") for name in self.categories)

    def get_mask(self, filters: ProductFilters) -> npt.NDArray[np.bool_]:
        """Return which rows may be shown; cached until a product changes, never write to it."""
        return get_or_make_mask(self._masks, filters, self._make_mask)

    def is_priced(self, row: int) -> bool:
        """Return whether a product has a price above 0; true for all products of a shop without prices."""
        return bool(self._find_priced()[row])

    def get_expression_mask(self, bound: BoundExpression) -> npt.NDArray[np.bool_]:
        """Return which rows match an expression; cached until a product changes, never write to it."""
        return self._compute_mask(bound)

    def get_boosts(self, bound: BoundBoost) -> npt.NDArray[np.float32]:
        """Return the factor of each row by the boosts of a request; cached like the masks."""
        return self._compute_boosts(bound)

    def list_texts(self, name: str) -> Sequence[str]:
        """Return the texts of product_id, sku or title, from the first row on."""
        if name == "title":
            return [card.title if card is not None else "" for card in self.cards]
        return self.skus if name == "sku" else list(self.product_ids)

    def list_folded_texts(self, name: str) -> Sequence[str]:
        """Return the same texts without differences of case; cached like the masks."""
        return self._list_folded_texts(name)

    def get_codes(self, name: str) -> tuple[npt.NDArray[np.int32], Mapping[str, int]]:
        """Return the codes of brand, category or currency of all rows, -1 for none, and a mapping from texts to codes."""
        return {
            "brand": (self.brand, self.brands),
            "category": (self.category, self.categories),
            "currency": (self.currency, self.currencies),
        }[name]

    def get_numbers(self, name: str) -> npt.NDArray[np.floating]:
        """Return price, stock, margin, published or created; NaN for none."""
        columns: dict[str, npt.NDArray[np.floating]] = {
            "price": self.price,
            "stock": self.stock,
            "margin": self.margin,
            "published": self.published,
            "created": self.created,
        }
        return columns[name]

    def get_flags(self, name: str) -> npt.NDArray[np.bool_]:
        """Return in_stock."""
        return {"in_stock": self.in_stock}[name]

    def get_column(self, name: str) -> ValueColumn | None:
        """Return the values of tag or of an attribute of the catalog."""
        return self.values.get_column(name)

    def get_price_mask(self, low: float, high: float) -> npt.NDArray[np.bool_]:
        """Return which rows cost more than low and less than high; cached like the masks."""
        return get_or_make_mask(
            self._between, (low, high), lambda ends: (self.price > ends[0]) & (self.price < ends[1])
        )

    def get_newest_rows(self) -> npt.NDArray[np.int32]:
        """Return the rows that have a publication date, newest first."""
        newest = self._newest
        if newest is None:
            # NaN, a missing date, sorts last
            order = np.argsort(-self.published, kind="stable").astype(np.int32)
            newest = self._newest = order[: int(np.isfinite(self.published).sum())]
        return newest

    def get_rows_added_last(self) -> npt.NDArray[np.int32]:
        """Return all rows, the last added to the catalog first; products added together stay in the order of the catalog."""
        added = self._added_last
        if added is None:
            added = self._added_last = np.argsort(-self.created, kind="stable").astype(np.int32)
        return added

    def get_rows_published_since(self, moment: float) -> npt.NDArray[np.int32]:
        """Return the rows published after a moment, newest first.

        The first call of an hour decides for all moments of that hour, so that the result can be cached.
        """
        hour = int(moment // 3600)
        cached = self._recent
        if cached is None or cached[0] != hour:
            rows = self.get_newest_rows()
            # newest first is ascending in the negative times, as searchsorted requires
            cached = self._recent = (hour, rows[: int(np.searchsorted(-self.published[rows], -moment))])
        return cached[1]

    def _make_mask(self, filters: ProductFilters) -> npt.NDArray[np.bool_]:
        """Return the mask of filters with prices.

        The rest of the filters takes longer and is cached on its own.
        """
        low, high = filters.price_min, filters.price_max
        allowed = get_or_make_mask(
            self._unpriced,
            filters._replace(price_min=None, price_max=None, expression=None),
            self._make_unpriced_mask,
        )
        # a comparison with NaN is false: products without a price pass no price filter
        if low is not None:
            allowed = allowed & (self.price >= float(low))
        if high is not None:
            allowed = allowed & (self.price <= float(high))
        if filters.expression is not None:
            allowed = allowed & self.get_expression_mask(filters.expression)
        return allowed

    def _make_unpriced_mask(self, filters: ProductFilters) -> npt.NDArray[np.bool_]:
        """Return the mask of filters without prices."""
        allowed = self.shown & self.in_stock if filters.in_stock else self.shown.copy()
        if filters.sold:
            allowed &= self.sold
        if filters.priced:
            allowed &= self._find_priced()
        if filters.brand:
            allowed &= self.brand == self.brands.get(filters.brand, -2)
        if filters.category:
            allowed &= self.find_in_category(filters.category)
        return allowed

    def find_in_category(self, category_path: str) -> npt.NDArray[np.bool_]:
        """Return which rows are in the category or below it."""
        below = f"{category_path} > "
        codes = [
            code for path, code in list(self.categories.items()) if path == category_path or path.startswith(below)
        ]
        category = self.category.copy()  # a refresh may be writing into it
        highest = max(int(category.max(initial=-1)), *codes, -1)
        # one look-up per row instead of one comparison per category; the last entry is for products without one, code -1
        is_selected = np.zeros(highest + 2, np.bool_)
        is_selected[codes] = True
        return is_selected[category]

    def _find_priced(self) -> npt.NDArray[np.bool_]:
        """Return which rows have a price above 0; all rows if no product has one, for shops that send no prices."""
        has_price = self.price > 0
        return has_price if (has_price & self.active).any() else np.ones(self.n, np.bool_)

    def _forget_expressions(self) -> None:
        """Replace the caches as a whole, so that what is computed from old values cannot get into the new ones."""
        self._compute_mask = lru_cache(MAX_MASKS)(partial(_call_with_index, compute_mask, weakref.ref(self)))
        self._list_folded_texts = lru_cache(partial(_call_with_index, fold_texts, weakref.ref(self)))
        self._compute_boosts = lru_cache(MAX_BOOSTS)(partial(_call_with_index, compute_boosts, weakref.ref(self)))

    def _publish(self, now: datetime, *, changed: bool) -> None:
        """Make the changes visible; a product is shown from its publication date on."""
        with np.errstate(invalid="ignore"):
            shown = self.active & ~(self.published > now.timestamp())
        if changed or not np.array_equal(shown, self.shown):
            self.shown = shown
            self._discard_masks()

    def _discard_masks(self) -> None:
        self._unpriced, self._between = {}, {}
        self._newest, self._added_last, self._recent = None, None, None
        self.values.publish()
        self._forget_expressions()
        self._masks = {}  # last, because masks are made from the values replaced above
        self.generation += 1


def read_rows(products: QuerySet[Product]) -> Iterator[ProductRow]:
    """Yield products with PRODUCT_FIELDS, in the order of their creation."""
    yield from products.annotate(**MOMENTS).order_by("id").values_list(*PRODUCT_FIELDS).iterator(chunk_size=FETCH_SIZE)


def select_or_default[T](values: Sequence[T], rows: npt.NDArray[np.int64], default: T) -> list[T]:
    """Return the values at these rows, and the default for rows of -1."""
    column = np.empty(len(values) + 1, np.object_)
    column[:-1], column[-1] = values, default
    selected: list[T] = column[rows].tolist()
    return selected


def _call_with_index[A, R](
    compute: Callable[[A, ProductIndex], R], reference: weakref.ref[ProductIndex], argument: A
) -> R:
    """Compute a value that the index caches: a cache that referred to its own index would keep it alive after it is replaced."""
    products = reference()
    assert products is not None, "its caller holds it"
    return compute(argument, products)


def fold_texts(name: str, products: ProductIndex) -> list[str]:
    """Return the texts of a column without differences of case."""
    return [text.casefold() for text in products.list_texts(name)]


def get_or_make_mask[K](
    cache: dict[K, npt.NDArray[np.bool_]], key: K, make: Callable[[K], npt.NDArray[np.bool_]]
) -> npt.NDArray[np.bool_]:
    """Return the cached mask of a key, made if needed; a cache never holds more than MAX_MASKS."""
    mask = cache.get(key)
    if mask is None:
        if len(cache) >= MAX_MASKS:
            cache.clear()
        mask = cache[key] = make(key)
    return mask
