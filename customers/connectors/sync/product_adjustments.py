"""Adjusts the fields of products that a shop allows and the catalog does not, so that price and stock of these products stay up to date."""

from collections.abc import Callable, Collection, Mapping
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Any

from catalog.bulk_results import FieldProblem
from catalog.upsert import MAX_DESCRIPTION, MAX_TITLE
from customers.connectors.platforms.values import read_amount

CENT = Decimal("0.01")


def cut_text(length: int) -> Callable[[Any], Any]:
    return lambda value: str(value).strip()[:length].rstrip()


def round_price(value: Any) -> Any:
    return str(read_amount(value).quantize(CENT, ROUND_HALF_UP))


def round_stock_down(value: Any) -> Any:
    return int(read_amount(value).to_integral_value(ROUND_FLOOR))


# field and code of a problem → what makes the value valid; other fields are left out
ADJUSTERS: Mapping[tuple[str, str], Callable[[Any], Any]] = {
    ("title", "too_long"): cut_text(MAX_TITLE),
    ("description", "too_long"): cut_text(MAX_DESCRIPTION),
    ("price", "too_many_decimals"): round_price,
    ("cost", "too_many_decimals"): round_price,
    ("stock", "too_many_decimals"): round_stock_down,
}
NEEDED = frozenset({"product_id", "title"})


def adjust_product(item: Mapping[str, Any], problems: Collection[FieldProblem]) -> dict[str, Any] | None:
    """Return a product whose invalid fields are shortened, rounded or left out; None if it has no valid ID or title."""
    adjusted = dict(item)
    for problem in problems:
        if adjuster := ADJUSTERS.get((problem.field, problem.code)):
            adjusted[problem.field] = adjuster(item[problem.field])
        elif problem.field in NEEDED or problem.field not in item:
            return None
        else:
            del adjusted[problem.field]
    return adjusted
