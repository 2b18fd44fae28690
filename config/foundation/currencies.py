"""The currency codes of ISO 4217, and the signs of currencies in amounts."""

from collections.abc import Mapping
from functools import lru_cache

from babel import Locale
from babel.numbers import get_territory_currencies, list_currencies

DOLLARS = frozenset({"ARS", "AUD", "CAD", "CLP", "COP", "HKD", "MXN", "NZD", "SGD", "TWD", "USD", "UYU"})
# sign, in upper case → the currencies that it stands for
CURRENCY_SIGNS: Mapping[str, frozenset[str]] = {
    "¥": frozenset({"CNY", "JPY"}),
    "元": frozenset({"CNY", "HKD", "MOP", "TWD"}),
    "円": frozenset({"JPY"}),
    "CN¥": frozenset({"CNY"}),
    "RMB": frozenset({"CNY"}),
    "$": DOLLARS,
    "US$": frozenset({"USD"}),
    "HK$": frozenset({"HKD"}),
    "€": frozenset({"EUR"}),
    "£": frozenset({"EGP", "GBP"}),
}
NUMBER_CHARACTERS = frozenset("0123456789.,+-")
# full-width letters, digits and signs, and spaces that do not break → what they are in ASCII
PLAIN_CHARACTERS = str.maketrans(
    {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    | {"￥": "¥", "￡": "£"}
    | dict.fromkeys("\u00a0\u202f\u3000", " ")
)


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


def split_amount(text: str) -> tuple[str, str]:
    """Return the number of an amount, and the sign or code of the currency before or after it.

    ``-¥ 19.90`` becomes ``-19.90`` and ``¥``; full-width digits become digits. A text that is no amount comes back whole.
    """
    plain = text.translate(PLAIN_CHARACTERS).strip()
    minus = plain[:1] if plain[:1] in ("-", "+") else ""
    rest = plain[len(minus) :]
    positions = [position for position, character in enumerate(rest) if character in NUMBER_CHARACTERS]
    if not positions:
        return plain, ""
    before, number, after = rest[: positions[0]], rest[positions[0] : positions[-1] + 1], rest[positions[-1] + 1 :]
    unit = (before + after).strip()
    return (minus + number, unit.upper()) if not before.strip() or not after.strip() else (plain, "")


def fits_currency(unit: str, currency: str) -> bool:
    """Return whether the sign or code of an amount, in upper case, can stand for a currency."""
    return unit == currency or currency in CURRENCY_SIGNS.get(unit, ())
