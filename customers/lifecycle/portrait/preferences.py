"""What a customer likes: shares of what they did, which fade with a half-life of `HALF_LIFE_DAYS`.

What was done with products counts by `WEIGHTS`, the same with the same product once a day. When and by which device somebody came counts
once an hour and once a day, however much they did then: fifty pages of one evening are one fact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import numpy as np
from django.utils.dates import WEEKDAYS
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy, pgettext_lazy

from config.foundation.array_types import Floats, Ints
from customers.events.collector.devices import DeviceKind, device_kind
from customers.events.event_taxonomy import Meaning, meaning_of
from customers.lifecycle.facts.histories import moment_of
from customers.lifecycle.portrait.line import Form, Group, Line, Origin, gap_of, listed, make_line, share_words
from customers.lifecycle.portrait.queries import (
    Bought,
    Documents,
    SeenEvent,
    SeenProduct,
    as_days,
    days,
    read_products,
    read_quintiles,
)
from customers.lifecycle.portrait.trait_labels import LANGUAGE, language_name
from customers.lifecycle.scoring.interests.interests import (
    HOURS,
    Facts,
    Interests,
    find_hours,
    find_interests,
    price_band,
)
from customers.lifecycle.scoring.stages.order_gaps import DAY

HALF_LIFE_DAYS = 90.0
WEIGHTS: dict[Meaning, float] = {Meaning.VIEW: 1, Meaning.WISHLIST: 2, Meaning.CART: 3, Meaning.PURCHASE: 5}
KINDS = list(WEIGHTS)
MOST_NAMED = 5
BANDS: list[str | Promise] = [
    gettext_lazy("cheapest fifth"),
    gettext_lazy("cheaper fifth"),
    gettext_lazy("middle fifth"),
    gettext_lazy("dearer fifth"),
    gettext_lazy("dearest fifth"),
]
DEVICES: dict[DeviceKind, str | Promise] = {
    DeviceKind.PHONE: pgettext_lazy("device", "phone"),
    DeviceKind.TABLET: gettext_lazy("tablet"),
    DeviceKind.DESKTOP: gettext_lazy("desktop"),
}
DEVICE_KINDS = list(DeviceKind)


@dataclass(frozen=True, eq=False)
class Acts:
    """What was done with products, each act with a product once a day; shape (m,): row among the products, when in microseconds since
    1970, weight."""

    products: list[SeenProduct]
    product: Ints
    at: Ints
    weight: Floats


def read_acts(*, bought: Bought, events: Sequence[SeenEvent]) -> Acts:
    """Purchases are those of the orders; what events tell of them is there already."""
    looks = [
        (KINDS.index(meaning), product_id, event.at)
        for event in events
        if event.product_ids and (meaning := _meaning(event)) in WEIGHTS and meaning != Meaning.PURCHASE
        for product_id in event.product_ids
    ]
    products = read_products(
        ids=np.unique(bought.product).tolist(), product_ids=sorted({product_id for _kind, product_id, _at in looks})
    )
    by_key = {product.id: row for row, product in enumerate(products)}
    by_id = {product.product_id: row for row, product in enumerate(products)}
    kind = np.array(
        [kind for kind, _product_id, _at in looks] + [KINDS.index(Meaning.PURCHASE)] * len(bought.at), np.int64
    )
    product = np.array(
        [by_id.get(product_id, -1) for _kind, product_id, _at in looks]
        + [by_key.get(key, -1) for key in bought.product.tolist()],
        np.int64,
    )
    at = np.concatenate((np.array([at for _kind, _product_id, at in looks], np.int64), bought.at))
    once = newest_of_days((kind * (len(products) + 1) + product)[product >= 0], at[product >= 0])
    chosen = np.flatnonzero(product >= 0)[once]
    weights = np.array([WEIGHTS[one] for one in KINDS], np.float64)
    return Acts(products, product[chosen], at[chosen], weights[kind[chosen]])


def newest_of_days(code: Ints, at: Ints) -> Ints:
    """The places of the newest fact of each code on each day."""
    order = np.argsort(-at, kind="stable")
    pairs = np.stack((code[order], at[order] // DAY))
    return np.sort(order[np.unique(pairs, axis=1, return_index=True)[1]])


def like_lines(*, acts: Acts, documents: Documents, events: Sequence[SeenEvent], as_of: datetime) -> list[Line]:
    """From what happened before as_of."""
    tops, top_names = _codes([one.top for one in acts.products])
    paths, path_names = _codes([one.path if " > " in one.path else "" for one in acts.products])
    brands, brand_names = _codes([one.brand for one in acts.products])
    prices = np.array([np.nan if one.price is None else one.price for one in acts.products], np.float64)
    bands = price_band(price=prices, edges=read_quintiles(products=acts.products))
    hours, weekdays, devices, languages, language_codes = _visits(documents, events)
    both = Origin.ORDERS_AND_EVENTS
    lines = (
        ("categories", gettext_lazy("categories"), _found(acts, tops, len(top_names), as_of), top_names, both),
        ("subcategories", gettext_lazy("within them"), _found(acts, paths, len(path_names), as_of), path_names, both),
        ("brands", gettext_lazy("brands"), _found(acts, brands, len(brand_names), as_of), brand_names, both),
        ("price_bands", gettext_lazy("price within the category"), _found(acts, bands, len(BANDS), as_of), BANDS, both),
        (
            "hours",
            gettext_lazy("time of day"),
            find_hours(facts=hours, as_of=as_days(as_of), half_life_days=HALF_LIFE_DAYS),
            [f"{hour}:00–{(hour + 1) % HOURS}:00" for hour in range(HOURS)],
            both,
        ),
        ("weekdays", gettext_lazy("day of the week"), _of(weekdays, 7, as_of), list(WEEKDAYS.values()), both),
        (
            "devices",
            gettext_lazy("device"),
            _of(devices, len(DEVICE_KINDS), as_of),
            [DEVICES[kind] for kind in DEVICE_KINDS],
            Origin.EVENTS,
        ),
        (
            "languages",
            gettext_lazy("language of the device"),
            _of(languages, len(language_codes), as_of),
            [language_name(code) for code in language_codes],
            Origin.EVENTS,
        ),
    )
    codes: Mapping[str, Sequence[str | int]] = {
        "price_bands": range(len(BANDS)),
        "hours": range(HOURS),
        "weekdays": range(7),
        "devices": DEVICE_KINDS,
        "languages": language_codes,
    }
    return [
        _shares_line(key, name, found, names, codes.get(key, [str(name) for name in names]), origin, as_of)
        for key, name, found, names, origin in lines
    ]


def _shares_line(
    key: str,
    name: str | Promise,
    found: Interests,
    names: Sequence[str | Promise],
    codes: Sequence[str | int],
    origin: Origin,
    as_of: datetime,
) -> Line:
    """codes: how programs call what `names` calls for people."""
    facts = found.total_facts
    shares = [
        {
            "code": str(codes[code]),
            "name": str(names[code]),
            "share": round(share, 4),
            "facts": facts_of,
        }
        for code, share, facts_of in zip(
            found.code[:MOST_NAMED].tolist(),
            found.share[:MOST_NAMED].tolist(),
            found.facts[:MOST_NAMED].tolist(),
            strict=True,
        )
    ]
    return make_line(
        key=key,
        group=Group.LIKES,
        name=name,
        form=Form.SHARES,
        value=shares,
        words=listed([share_words(one["name"], one["share"]) for one in shares]),
        origin=origin,
        facts=facts,
        newest=moment_of(round(found.newest.max() * DAY)) if facts else None,
        gap=gap_of(facts),
        as_of=as_of,
    )


def category_interests(*, acts: Acts, as_of: datetime) -> Interests:
    """Among the categories as deep as the products stand in them."""
    codes, names = _codes([one.path for one in acts.products])
    return _found(acts, codes, len(names), as_of)


def _found(acts: Acts, codes: Ints, n_codes: int, as_of: datetime) -> Interests:
    return _of(Facts(codes[acts.product], days(acts.at), acts.weight), n_codes, as_of)


def _of(facts: Facts, n_codes: int, as_of: datetime) -> Interests:
    return find_interests(facts=facts, as_of=as_days(as_of), half_life_days=HALF_LIFE_DAYS, n_codes=n_codes)


def _codes(names: Sequence[str]) -> tuple[Ints, list[str]]:
    """The place of each name among the different ones, −1 for the empty one."""
    different = sorted(set(names) - {""})
    places = {name: place for place, name in enumerate(different)}
    return np.array([places.get(name, -1) for name in names], np.int64), different


def _visits(documents: Documents, events: Sequence[SeenEvent]) -> tuple[Facts, Facts, Facts, Facts, list[str]]:
    """Hours, weekdays, devices and languages of what was done; the last are places in the list of codes."""
    done = [event for event in events if _is_visit(event)]
    at = np.array([event.at for event in done], np.int64)
    all_at = np.concatenate((documents.at[documents.is_sale], at))
    hour = np.concatenate((documents.hour[documents.is_sale], np.array([event.hour for event in done], np.int64)))
    weekday = np.concatenate(
        (documents.weekday[documents.is_sale], np.array([event.weekday for event in done], np.int64))
    )
    devices = np.array([_device(event) for event in done], np.int64)
    languages, codes = _codes([_language(event.locale) for event in done])
    return (
        _once_a_day(hour, all_at),
        _once_a_day(weekday, all_at),
        _once_a_day(devices, at),
        _once_a_day(languages, at),
        codes,
    )


def _once_a_day(code: Ints, at: Ints) -> Facts:
    chosen = newest_of_days(code, at)
    return Facts(code[chosen], days(at[chosen]), np.ones(len(chosen)))


def _is_visit(event: SeenEvent) -> bool:
    """What servers and mail providers report says nothing of when and how somebody comes."""
    return bool(event.user_agent or event.device or event.locale)


def _device(event: SeenEvent) -> int:
    kind = device_kind(type=event.device, model=event.model, user_agent=event.user_agent)
    return -1 if kind is None else DEVICE_KINDS.index(kind)


@lru_cache(maxsize=1024)
def _language(locale: str) -> str:
    match = LANGUAGE.fullmatch(locale.strip())
    return match[1].lower() if match else ""


def _meaning(event: SeenEvent) -> Meaning | None:
    return meaning_of(event.name) if event.type == "track" else None
