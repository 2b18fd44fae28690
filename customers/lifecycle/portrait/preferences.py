"""Preferences of a customer: weighted shares of their actions, with a half-life of `HALF_LIFE_DAYS`.

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
    """What was done with products, each act with a product once a day; shape (m,): row among the products, when in microseconds since
    1970, weight."""

    products: list[PortraitProduct]
    product: Ints
    at: Ints
    weight: Floats


def read_product_actions(*, bought: PurchasedProducts, events: Sequence[CustomerEvent]) -> ProductActions:
    """Purchases are those of the orders; what events tell of them is there already."""
    looks = [
        (ACTION_TYPES.index(meaning), product_id, event.at)
        for event in events
        if event.product_ids
        and (meaning := _lookup_event_meaning(event)) in ACTION_WEIGHTS
        and meaning != Meaning.PURCHASE
        for product_id in event.product_ids
    ]
    products = read_products(
        ids=np.unique(bought.product).tolist(), product_ids=sorted({product_id for _kind, product_id, _at in looks})
    )
    by_key = {product.id: row for row, product in enumerate(products)}
    by_id = {product.product_id: row for row, product in enumerate(products)}
    kind = np.array(
        [kind for kind, _product_id, _at in looks] + [ACTION_TYPES.index(Meaning.PURCHASE)] * len(bought.at), np.int64
    )
    product = np.array(
        [by_id.get(product_id, -1) for _kind, product_id, _at in looks]
        + [by_key.get(key, -1) for key in bought.product.tolist()],
        np.int64,
    )
    at = np.concatenate((np.array([at for _kind, _product_id, at in looks], np.int64), bought.at))
    once = find_newest_per_day((kind * (len(products) + 1) + product)[product >= 0], at[product >= 0])
    chosen = np.flatnonzero(product >= 0)[once]
    weights = np.array([ACTION_WEIGHTS[one] for one in ACTION_TYPES], np.float64)
    return ProductActions(products, product[chosen], at[chosen], weights[kind[chosen]])


def find_newest_per_day(code: Ints, at: Ints) -> Ints:
    """Return the positions of the newest fact of each code on each day."""
    order = np.argsort(-at, kind="stable")
    pairs = np.stack((code[order], at[order] // DAY))
    return np.sort(order[np.unique(pairs, axis=1, return_index=True)[1]])


class _Preference(NamedTuple):
    """The interests behind one line of the portrait, with the names of what they are in."""

    key: str
    name: str | Promise
    interests: Interests
    names: Sequence[str | Promise]  # by position in `interests`
    codes: Sequence[str | int] | None = None  # what programs call the same; None: by their names
    source: FactSource = FactSource.ORDERS_AND_EVENTS


def make_preference_lines(
    *, acts: ProductActions, documents: OrderDocuments, events: Sequence[CustomerEvent], as_of: datetime
) -> list[PortraitLine]:
    """Return the preferences that the facts before `as_of` show."""
    preferences = _measure_product_preferences(acts, as_of) + _measure_visit_preferences(documents, events, as_of)
    return [_make_shares_line(preference, as_of) for preference in preferences]


def _measure_product_preferences(acts: ProductActions, as_of: datetime) -> list[_Preference]:
    """Return the preferences for categories, subcategories, brands and price levels."""
    tops, top_names = _encode_names([product.top for product in acts.products])
    paths, path_names = _encode_names([product.path if " > " in product.path else "" for product in acts.products])
    brands, brand_names = _encode_names([product.brand for product in acts.products])
    prices = np.array([np.nan if product.price is None else product.price for product in acts.products], np.float64)
    bands = assign_price_bands(price=prices, edges=read_quintiles(products=acts.products))

    def measure(codes: Ints, size: int) -> Interests:
        return _measure_action_interests(acts, codes, size, as_of)

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


def measure_category_interests(*, acts: ProductActions, as_of: datetime) -> Interests:
    """Among the categories as deep as the products stand in them."""
    codes, names = _encode_names([one.path for one in acts.products])
    return _measure_action_interests(acts, codes, len(names), as_of)


def _measure_action_interests(acts: ProductActions, codes: Ints, n_codes: int, as_of: datetime) -> Interests:
    return _measure_interests(InterestFacts(codes[acts.product], to_days(acts.at), acts.weight), n_codes, as_of)


def _measure_interests(facts: InterestFacts, n_codes: int, as_of: datetime) -> Interests:
    return compute_interests(facts=facts, as_of=datetime_to_days(as_of), half_life_days=HALF_LIFE_DAYS, n_codes=n_codes)


def _encode_names(names: Sequence[str]) -> tuple[Ints, list[str]]:
    """The place of each name among the different ones, −1 for the empty one."""
    different = sorted(set(names) - {""})
    places = {name: place for place, name in enumerate(different)}
    return np.array([places.get(name, -1) for name in names], np.int64), different


def _read_visits(
    documents: OrderDocuments, events: Sequence[CustomerEvent]
) -> tuple[InterestFacts, InterestFacts, InterestFacts, InterestFacts, list[str]]:
    """Hours, weekdays, devices and languages of what was done; the last are places in the list of codes."""
    done = [event for event in events if _is_visit(event)]
    at = np.array([event.at for event in done], np.int64)
    all_at = np.concatenate((documents.at[documents.is_sale], at))
    hour = np.concatenate((documents.hour[documents.is_sale], np.array([event.hour for event in done], np.int64)))
    weekday = np.concatenate(
        (documents.weekday[documents.is_sale], np.array([event.weekday for event in done], np.int64))
    )
    devices = np.array([_classify_event_device(event) for event in done], np.int64)
    languages, codes = _encode_names([_parse_language(event.locale) for event in done])
    return (
        _count_once_per_day(hour, all_at),
        _count_once_per_day(weekday, all_at),
        _count_once_per_day(devices, at),
        _count_once_per_day(languages, at),
        codes,
    )


def _count_once_per_day(code: Ints, at: Ints) -> InterestFacts:
    chosen = find_newest_per_day(code, at)
    return InterestFacts(code[chosen], to_days(at[chosen]), np.ones(len(chosen)))


def _is_visit(event: CustomerEvent) -> bool:
    """Return whether the event comes from a browser or app; servers and email providers say nothing about visits."""
    return bool(event.user_agent or event.device or event.locale)


def _classify_event_device(event: CustomerEvent) -> int:
    kind = classify_device(type=event.device, model=event.model, user_agent=event.user_agent)
    return -1 if kind is None else DEVICE_TYPES.index(kind)


@lru_cache(maxsize=1024)
def _parse_language(locale: str) -> str:
    match = LANGUAGE_TAG.fullmatch(locale.strip())
    return match[1].lower() if match else ""


def _lookup_event_meaning(event: CustomerEvent) -> Meaning | None:
    return lookup_meaning(event.name) if event.type == "track" else None
