"""Measures what is known about a session at each of its events; only that event and earlier ones count."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import AnyInts, Flags, Floats, Ints
from customers.intent.prediction.session_events import SECOND, UNKNOWN, Device, EventKind, Orderings, SessionEvents

type Matrix = npt.NDArray[np.float32]

LOOKBACK_DAYS = 30  # how long earlier visits count
DAY = 86_400 * SECOND
MAX_ORDERS = 50
KIND_COUNTS: Mapping[str, EventKind] = {
    "views": EventKind.VIEW,
    "list_views": EventKind.LIST_VIEW,
    "searches": EventKind.SEARCH,
    "carts": EventKind.CART,
    "cart_removals": EventKind.CART_REMOVAL,
    "wishlists": EventKind.WISHLIST,
    "cart_views": EventKind.CART_VIEW,
    "checkouts": EventKind.CHECKOUT,
    "clicks": EventKind.CLICK,
    "other_events": EventKind.OTHER,
}
LAST_KINDS: Mapping[str, EventKind] = {
    "last_view": EventKind.VIEW,
    "last_list_view": EventKind.LIST_VIEW,
    "last_search": EventKind.SEARCH,
    "last_cart": EventKind.CART,
    "last_cart_view": EventKind.CART_VIEW,
    "last_checkout": EventKind.CHECKOUT,
    "last_other": EventKind.OTHER,
}
# related features count as one reason
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "cart": ("carts", "cart_removals", "cart_views", "in_cart", "last_cart", "last_cart_view", "seconds_since_cart"),
    "checkout": ("checkouts", "last_checkout"),
    "length": ("events", "seconds", "pause", "mean_pause"),
    "views": ("views", "last_view", "products", "repeat_views", "known_products", "wishlists", "clicks"),
    "browsing": ("list_views", "searches", "categories", "last_list_view", "last_search", "other_events", "last_other"),
    "history": ("orders_before", "is_buyer", "days_since_visit", "is_new"),
    "moment": ("hour_sin", "hour_cos", "is_weekend"),
    "device": ("is_mobile", "is_desktop"),
}


def measure_features(events: SessionEvents, orders: Orderings, rows: Ints) -> Matrix:
    """Return the features at some events, (q, k) float32; columns as in `FEATURES`.

    rows: row numbers of the events, (q,). orders: all that are known; only those before the session count.
    """
    columns = SessionColumns(events, orders, rows)
    return np.stack([compute(columns) for compute in FEATURES_BY_NAME.values()], axis=1).astype(np.float32)


class SessionColumns:
    """Counts over the events of each session so far, at some events."""

    def __init__(self, events: SessionEvents, orders: Orderings, rows: Ints) -> None:
        self.events, self.orders, self.rows = events, orders, rows
        self.sessions = events.sessions
        self.start = self.sessions.first[self.sessions.of_event[rows]]
        self.at = events.at[rows]
        self.started_at = events.at[self.start]
        self.previous_of_product = find_previous(events.person, events.product)
        self.previous_of_category = find_previous(self.sessions.of_event, events.category)

    def count(self, is_counted: Flags) -> Floats:
        """Return how many events of the session so far are counted, this one included."""
        total = np.concatenate(([0], np.cumsum(is_counted)))
        return (total[self.rows + 1] - total[self.start]).astype(np.float64)

    def count_kind(self, kind: EventKind) -> Floats:
        return self.count(self.events.kind == kind)

    def count_new_values(self, values: AnyInts, previous: Ints) -> Floats:
        """Return how many different known values the session has."""
        start_of_event = self.sessions.first[self.sessions.of_event]
        return self.count((values != UNKNOWN) & (previous < start_of_event))

    def count_repeated_views(self) -> Floats:
        start_of_event = self.sessions.first[self.sessions.of_event]
        return self.count((self.events.kind == EventKind.VIEW) & (self.previous_of_product >= start_of_event))

    def count_known_products(self) -> Floats:
        """Return how many different products of the session also occurred at an earlier visit of the person, in the last 30 days."""
        previous = self.previous_of_product
        start_of_event = self.sessions.first[self.sessions.of_event]
        is_recent = self.events.at - self.events.at[np.maximum(previous, 0)] <= LOOKBACK_DAYS * DAY
        return self.count((previous >= 0) & (previous < start_of_event) & is_recent)

    def measure_pause(self) -> Floats:
        """Return the seconds since the previous event of the session; 0 at the first event."""
        previous = np.maximum(self.rows - 1, self.start)
        return (self.at - self.events.at[previous]) / SECOND

    def measure_mean_pause(self) -> Floats:
        return (self.at - self.started_at) / SECOND / np.maximum(self.rows - self.start, 1)

    def measure_since_cart(self) -> Floats:
        """Return the seconds since a product was last added to the cart, or since the start of the session if none was."""
        last = np.maximum.accumulate(np.where(self.events.kind == EventKind.CART, np.arange(len(self.events)), -1))
        return (self.at - self.events.at[np.maximum(last[self.rows], self.start)]) / SECOND

    def count_orders_before(self) -> Floats:
        known = self.orders.count_until(self.events.person[self.rows], self.started_at, inclusive=False)
        return np.minimum(known, MAX_ORDERS).astype(np.float64)

    def measure_days_since_visit(self) -> Floats:
        """Return the days from the end of the previous visit to the start of this one, at most 30; also 30 without a previous visit."""
        previous = np.maximum(self.start - 1, 0)
        has_previous = (self.start > 0) & (self.events.person[previous] == self.events.person[self.start])
        days = (self.started_at - self.events.at[previous]) / DAY
        return np.where(has_previous, np.minimum(days, LOOKBACK_DAYS), LOOKBACK_DAYS)

    def is_kind(self, kind: EventKind) -> Floats:
        return (self.events.kind[self.rows] == kind).astype(np.float64)


def find_previous(group: AnyInts, value: AnyInts) -> Ints:
    """Return the row of the previous event with the same group and value, (n,); -1 without one or for unknown values."""
    n = len(value)
    order = np.lexsort((np.arange(n), value, group))
    is_same = np.zeros(n, np.bool_)
    is_same[1:] = (group[order[1:]] == group[order[:-1]]) & (value[order[1:]] == value[order[:-1]])
    previous = np.full(n, -1, np.int64)
    previous[order[is_same]] = order[np.flatnonzero(is_same) - 1]
    previous[value == UNKNOWN] = -1
    return previous


def _make_kind_count(kind: EventKind) -> "Compute":
    return lambda columns: columns.count_kind(kind)


def _make_last_kind(kind: EventKind) -> "Compute":
    return lambda columns: columns.is_kind(kind)


type Compute = Callable[[SessionColumns], Floats | Flags]

FEATURES_BY_NAME: Mapping[str, Compute] = {
    "events": lambda columns: (columns.rows - columns.start + 1).astype(np.float64),
    "seconds": lambda columns: (columns.at - columns.started_at) / SECOND,
    "pause": SessionColumns.measure_pause,
    "mean_pause": SessionColumns.measure_mean_pause,
    **{name: _make_kind_count(kind) for name, kind in KIND_COUNTS.items()},
    "in_cart": lambda columns: np.maximum(
        columns.count_kind(EventKind.CART) - columns.count_kind(EventKind.CART_REMOVAL), 0
    ),
    "seconds_since_cart": SessionColumns.measure_since_cart,
    "products": lambda columns: columns.count_new_values(columns.events.product, columns.previous_of_product),
    "categories": lambda columns: columns.count_new_values(columns.events.category, columns.previous_of_category),
    "repeat_views": SessionColumns.count_repeated_views,
    "known_products": SessionColumns.count_known_products,
    **{name: _make_last_kind(kind) for name, kind in LAST_KINDS.items()},
    "orders_before": SessionColumns.count_orders_before,
    "is_buyer": lambda columns: columns.count_orders_before() > 0,
    "days_since_visit": SessionColumns.measure_days_since_visit,
    "is_new": lambda columns: columns.measure_days_since_visit() >= LOOKBACK_DAYS,
    "hour_sin": lambda columns: np.sin(columns.events.hour[columns.rows] * (np.pi / 12)),
    "hour_cos": lambda columns: np.cos(columns.events.hour[columns.rows] * (np.pi / 12)),
    "is_weekend": lambda columns: columns.events.is_weekend[columns.rows],
    "is_mobile": lambda columns: columns.events.device[columns.rows] == Device.MOBILE,
    "is_desktop": lambda columns: columns.events.device[columns.rows] == Device.DESKTOP,
}
FEATURES = tuple(FEATURES_BY_NAME)
