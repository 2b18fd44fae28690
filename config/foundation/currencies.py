"""The currency codes of ISO 4217."""

from functools import lru_cache

from babel.numbers import list_currencies


@lru_cache(maxsize=1)
def get_known_currencies() -> frozenset[str]:
    return frozenset(list_currencies())
