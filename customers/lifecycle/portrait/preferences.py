"""Preferences of a customer: weighted shares of their actions.

Weights decay with a half-life of `HALF_LIFE_DAYS`.
Actions with products count by `ACTION_WEIGHTS`, each with a product once per day. Hours and devices also count once per day, so fifty
pages in one evening are one fact.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from django.utils.dates import WEEKDAYS
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy, pgettext_lazy

from config.foundation.array_types import Floats, Ints
from config.foundation.shop.profile import get_shop_clock
from customers.events.collector.devices import DeviceType, classify_device
from customers.events.event_taxonomy import Meaning, lookup_meaning
from customers.lifecycle.facts.histories import from_microseconds
from customers.lifecycle.portrait.line import (
    FactSource,
    PortraitGroup,
    PortraitLine,
    ValueFormat,
    find_missing_reason,
    format_share,
    join_list,
    make_line,
)
from customers.lifecycle.portrait.queries import (
    CustomerEvent,
    OrderDocuments,
    PortraitProduct,
    PurchasedProducts,
    datetime_to_days,
    read_products,
    read_quintiles,
    to_days,
)
from customers.lifecycle.portrait.trait_labels import LANGUAGE_TAG, get_language_name
from customers.lifecycle.scoring.interests.interests import (
    HOURS,
    InterestFacts,
    Interests,
    assign_price_bands,
    compute_hour_interests,
    compute_interests,
)
from customers.lifecycle.scoring.stages.order_gaps import DAY

HALF_LIFE_DAYS = 90.0
ACTION_WEIGHTS: dict[Meaning, float] = {Meaning.VIEW: 1, Meaning.WISHLIST: 2, Meaning.CART: 3, Meaning.PURCHASE: 5}
ACTION_TYPES = list(ACTION_WEIGHTS)
MAX_SHARES = 5
PRICE_BANDS: list[str | Promise] = [
    gettext_lazy("cheapest 20%"),
    gettext_lazy("20–40%"),
    gettext_lazy("40–60%"),
    gettext_lazy("60–80%"),
    gettext_lazy("most expensive 20%"),
]
DEVICE_LABELS: dict[DeviceType, str | Promise] = {
    DeviceType.PHONE: pgettext_lazy("device", "phone"),
    DeviceType.TABLET: gettext_lazy("tablet"),
    DeviceType.DESKTOP: gettext_lazy("desktop"),
}
DEVICE_TYPES = list(DeviceType)


@dataclass(frozen=True, eq=False)
class ProductActions:
    """The actions of a customer with products, each type of action with a product once per day.

    Arrays of shape (m,). product: row in `products`. at: microseconds since 1970.
    """

    products: list[PortraitProduct]
    product: Ints
    at: Ints
    weight: Floats


def read_product_actions(*, purchases: PurchasedProducts, events: Sequence[CustomerEvent]) -> ProductActions:
    """Return the actions with products: purchases from the orders, all others from the events."""
    event_actions = [
        (ACTION_TYPES.index(meaning), product_id, event.at)
        for event in events
        if event.product_ids
        and (meaning := _lookup_event_meaning(event)) in ACTION_WEIGHTS
        and meaning != Meaning.PURCHASE  # the orders have them already
        for product_id in event.product_ids
    ]
    products = read_products(
        ids=np.unique(purchases.product).tolist(),
        product_ids=sorted({product_id for _kind, product_id, _at in event_actions}),
    )
    row_by_key = {product.id: position for position, product in enumerate(products)}
    row_by_id = {product.product_id: position for position, product in enumerate(products)}
    kind = np.array(
        [kind for kind, _product_id, _at in event_actions] + [ACTION_TYPES.index(Meaning.PURCHASE)] * len(purchases.at),
        np.int64,
    )
    product = np.array(
        [row_by_id.get(product_id, -1) for _kind, product_id, _at in event_actions]
        + [row_by_key.get(key, -1) for key in purchases.product.tolist()],
        np.int64,
    )
    at = np.concatenate((np.array([at for _kind, _product_id, at in event_actions], np.int64), purchases.at))
    newest_per_day = find_newest_per_day((kind * (len(products) + 1) + product)[product >= 0], at[product >= 0])
    rows = np.flatnonzero(product >= 0)[newest_per_day]
    weights = np.array([ACTION_WEIGHTS[action_type] for action_type in ACTION_TYPES], np.float64)
    return ProductActions(products, product[rows], at[rows], weights[kind[rows]])


def find_newest_per_day(code: Ints, at: Ints) -> Ints:
    """Return the positions, ascending, of the newest fact of each code on each day of the shop."""
    # np.unique returns the first position of each pair, which is the newest in this order.
    order = np.argsort(-at, kind="stable")
    pairs = np.stack((code[order], get_shop_clock().count_days(at[order])))
    return np.sort(order[np.unique(pairs, axis=1, return_index=True)[1]])


class _Preference(NamedTuple):
    """The interests behind one line of the portrait.

    names: by position in `interests`. codes: machine-readable keys of the names; None if the names serve as keys.
    """

    key: str
    name: str | Promise
    interests: Interests
    names: Sequence[str | Promise]
    codes: Sequence[str | int] | None = None
    source: FactSource = FactSource.ORDERS_AND_EVENTS


def make_preference_lines(
    *, actions: ProductActions, documents: OrderDocuments, events: Sequence[CustomerEvent], as_of: datetime
) -> list[PortraitLine]:
    """Return a line for each preference, from facts before `as_of`."""
    preferences = _measure_product_preferences(actions, as_of) + _measure_visit_preferences(documents, events, as_of)
    return [_make_shares_line(preference, as_of) for preference in preferences]


def _measure_product_preferences(actions: ProductActions, as_of: datetime) -> list[_Preference]:
    """Return the preferences for categories, subcategories, brands and price levels."""
    tops, top_names = _encode_names([product.top for product in actions.products])
    paths, path_names = _encode_names([product.path if " > " in product.path else "" for product in actions.products])
    brands, brand_names = _encode_names([product.brand for product in actions.products])
    prices = np.array([np.nan if product.price is None else product.price for product in actions.products], np.float64)
    bands = assign_price_bands(price=prices, edges=read_quintiles(products=actions.products))

    def measure(codes: Ints, size: int) -> Interests:
        return _measure_action_interests(actions, codes, size, as_of)

    return [
        _Preference("categories", gettext_lazy("categories"), measure(tops, len(top_names)), top_names),
        _Preference("subcategories", gettext_lazy("subcategories"), measure(paths, len(path_names)), path_names),
        _Preference("brands", gettext_lazy("brands"), measure(brands, len(brand_names)), brand_names),
        _Preference(
            "price_bands",
            gettext_lazy("price level within the category"),
            measure(bands, len(PRICE_BANDS)),
            PRICE_BANDS,
            range(len(PRICE_BANDS)),
        ),
    ]


def _measure_visit_preferences(
    documents: OrderDocuments, events: Sequence[CustomerEvent], as_of: datetime
) -> list[_Preference]:
    """Return the preferences for times of day, weekdays, devices and languages."""
    hours, weekdays, devices, languages, language_codes = _read_visits(documents, events)
    return [
        _Preference(
            "hours",
            gettext_lazy("time of day"),
            compute_hour_interests(facts=hours, as_of=datetime_to_days(as_of), half_life_days=HALF_LIFE_DAYS),
            [f"{hour}:00–{(hour + 1) % HOURS}:00" for hour in range(HOURS)],
            range(HOURS),
        ),
        _Preference(
            "weekdays",
            gettext_lazy("day of the week"),
            _measure_interests(weekdays, 7, as_of),
            list(WEEKDAYS.values()),
            range(7),
        ),
        _Preference(
            "devices",
            gettext_lazy("device"),
            _measure_interests(devices, len(DEVICE_TYPES), as_of),
            [DEVICE_LABELS[device] for device in DEVICE_TYPES],
            DEVICE_TYPES,
            FactSource.EVENTS,
        ),
        _Preference(
            "languages",
            gettext_lazy("device language"),
            _measure_interests(languages, len(language_codes), as_of),
            [get_language_name(code) for code in language_codes],
            language_codes,
            FactSource.EVENTS,
        ),
    ]


def _make_shares_line(preference: _Preference, as_of: datetime) -> PortraitLine:
    """Return the line of a preference: its largest shares."""
    interests = preference.interests
    codes = preference.names if preference.codes is None else preference.codes
    facts = interests.total_facts
    shares = [
        {
            "code": str(codes[position]),
            "name": str(preference.names[position]),
            "share": round(share, 4),
            "facts": share_facts,
        }
        for position, share, share_facts in zip(
            interests.code[:MAX_SHARES].tolist(),
            interests.share[:MAX_SHARES].tolist(),
            interests.facts[:MAX_SHARES].tolist(),
            strict=True,
        )
    ]
    return make_line(
        key=preference.key,
        group=PortraitGroup.PREFERENCES,
        name=preference.name,
        format=ValueFormat.SHARES,
        value=shares,
        text=join_list([format_share(share["name"], share["share"]) for share in shares]),
        source=preference.source,
        facts=facts,
        newest=from_microseconds(round(interests.newest.max() * DAY)) if facts else None,
        missing=find_missing_reason(facts),
        as_of=as_of,
    )


def measure_category_interests(*, actions: ProductActions, as_of: datetime) -> Interests:
    """Return the interests in categories, each product by its full path."""
    codes, names = _encode_names([product.path for product in actions.products])
    return _measure_action_interests(actions, codes, len(names), as_of)


def _measure_action_interests(actions: ProductActions, codes: Ints, n_codes: int, as_of: datetime) -> Interests:
    return _measure_interests(
        InterestFacts(codes[actions.product], to_days(actions.at), actions.weight), n_codes, as_of
    )


def _measure_interests(facts: InterestFacts, n_codes: int, as_of: datetime) -> Interests:
    return compute_interests(facts=facts, as_of=datetime_to_days(as_of), half_life_days=HALF_LIFE_DAYS, n_codes=n_codes)


def _encode_names(names: Sequence[str]) -> tuple[Ints, list[str]]:
    """Return the position of each name among the distinct names, and the distinct names.

    The position is −1 for the empty name.
    """
    distinct = sorted(set(names) - {""})
    positions = {name: position for position, name in enumerate(distinct)}
    return np.array([positions.get(name, -1) for name in names], np.int64), distinct


def _read_visits(
    documents: OrderDocuments, events: Sequence[CustomerEvent]
) -> tuple[InterestFacts, InterestFacts, InterestFacts, InterestFacts, list[str]]:
    """Return the facts on hours, weekdays, devices and languages, and the language codes.

    The facts on languages are positions in the codes. Hours and weekdays also count orders.
    """
    visits = [event for event in events if _is_visit(event)]
    at = np.array([event.at for event in visits], np.int64)
    all_at = np.concatenate((documents.at[documents.is_sale], at))
    hour = np.concatenate((documents.hour[documents.is_sale], np.array([event.hour for event in visits], np.int64)))
    weekday = np.concatenate(
        (documents.weekday[documents.is_sale], np.array([event.weekday for event in visits], np.int64))
    )
    devices = np.array([_classify_event_device(event) for event in visits], np.int64)
    languages, codes = _encode_names([_parse_language(event.locale) for event in visits])
    return (
        _count_once_per_day(hour, all_at),
        _count_once_per_day(weekday, all_at),
        _count_once_per_day(devices, at),
        _count_once_per_day(languages, at),
        codes,
    )


def _count_once_per_day(code: Ints, at: Ints) -> InterestFacts:
    newest = find_newest_per_day(code, at)
    return InterestFacts(code[newest], to_days(at[newest]), np.ones(len(newest)))


def _is_visit(event: CustomerEvent) -> bool:
    """Return whether the event comes from a browser or app.

    Events from servers and email providers are not visits.
    """
    return bool(event.user_agent or event.device or event.locale)


def _classify_event_device(event: CustomerEvent) -> int:
    device_type = classify_device(type=event.device, model=event.model, user_agent=event.user_agent)
    return -1 if device_type is None else DEVICE_TYPES.index(device_type)


@lru_cache(maxsize=1024)
def _parse_language(locale: str) -> str:
    match = LANGUAGE_TAG.fullmatch(locale.strip())
    return match[1].lower() if match else ""


def _lookup_event_meaning(event: CustomerEvent) -> Meaning | None:
    return lookup_meaning(event.name) if event.type == "track" else None
