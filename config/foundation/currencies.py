"""The currency codes of ISO 4217."""

from functools import lru_cache

from babel import Locale
from babel.numbers import get_territory_currencies, list_currencies


@lru_cache(maxsize=1)
def get_known_currencies() -> frozenset[str]:
    """Return all codes, also of earlier currencies, which old orders may have."""
    return frozenset(list_currencies())


@lru_cache(maxsize=1)
def get_current_currencies() -> frozenset[str]:
    """Return the codes of the currencies that some country uses today."""
    territories = Locale("en").territories
    return (
        frozenset(code for territory in territories for code in get_territory_currencies(str(territory)))
        & get_known_currencies()
    )
