"""The cities of customers: a personal trait, which is encrypted in the database and can only be counted in Python."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet

from customers.identity.models import Customer
from customers.identity.personal_data.chinese_addresses import normalize_city, parse_chinese_address

MAX_LENGTH = 100
CITY_TRAITS, PROVINCE_TRAITS = ("city", "城市", "市"), ("province", "state", "省份", "省")
ADDRESS_TRAITS = ("address", "地址")
HAS_CITY = Q(traits__has_any_keys=[*CITY_TRAITS, *ADDRESS_TRAITS])


def read_cities(customers: QuerySet[Customer]) -> dict[int, str]:
    """Return the city by customer, of those who have one; for counts, never to show the city of one person."""
    rows = customers.filter(HAS_CITY).order_by().values_list("pk", "traits")
    found = ((pk, find_city(traits)) for pk, traits in rows.iterator(chunk_size=5000))
    return {pk: city for pk, city in found if city}


def find_city(traits: Mapping[str, Any]) -> str:
    """Return the city among traits, as a trait of its own or in the address; empty without one. 上海市 and 上海 are one city."""
    address = next((traits[name] for name in ADDRESS_TRAITS if traits.get(name)), None)
    for values in (traits, address):
        if isinstance(values, Mapping) and (city := read_text(values, CITY_TRAITS)):
            return normalize_city(city, province=read_text(values, PROVINCE_TRAITS))[:MAX_LENGTH]
    return parse_chinese_address(address).city[:MAX_LENGTH] if isinstance(address, str) else ""


def read_text(values: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """Return the first text under one of the names; empty without one."""
    return next((value.strip() for name in names if isinstance(value := values.get(name), str) and value.strip()), "")
