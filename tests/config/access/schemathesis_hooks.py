"""What Schemathesis cannot know of this API; `schemathesis.toml` names this file.

No check is off. What an OpenAPI document cannot say, such as that a reference leads somewhere, an answer says by its code, and exactly
these codes are allowed for exactly these operations.
"""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from itertools import count
from typing import Any

import schemathesis
from schemathesis.generation.meta import TestPhase

ACCEPTED_THOUGH_WRONG, REFUSED_THOUGH_RIGHT = "ST201", "ST202"
# a number has no digits in JSON Schema, and a text of digits no size
DIGITS = frozenset({"max_digits", "max_decimal_places", "max_whole_digits", "max_value", "min_value"})
# names that exist, no circle through other segments, the lower end of a range first, at most 12 levels
CONDITION = frozenset({"unknown_name", "unknown_segment", "broken_segment", "circle", "range", "too_large"})
# operation → codes of what its schema cannot say
REFUSALS: dict[str, frozenset[str]] = {
    "POST /api/v1/campaigns/": DIGITS | {"does_not_exist", "unique"},
    # what a campaign or segment is stays; which it is, only the stored one says
    "PATCH /api/v1/campaigns/{key}/": DIGITS | {"does_not_exist", "unique", "stays"},
    "POST /api/v1/segments/": CONDITION | {"unique"},
    "PUT /api/v1/segments/{key}/": CONDITION | {"unique", "stays", "other_kind"},
    "PATCH /api/v1/segments/{key}/": CONDITION | {"unique", "stays", "other_kind"},
    "POST /api/v1/segments/preview/": CONDITION,
    # ends of ranges exchanged, an attribute without a value; and of a change, what the stored rest of the rule makes of it
    "POST /api/v1/rules/": DIGITS | {"does_not_exist", "contradictory"},
    "PATCH /api/v1/rules/{id}/": DIGITS | {"does_not_exist", "contradictory"},
    # characters that no printer has, of whichever script
    "POST /api/v1/products/vectors/": frozenset({"bad_characters"}),
    "POST /api/v1/customers/merge/": frozenset({"not_found", "same_customer"}),
    "POST /api/v1/customers/{user_id}/consents/": frozenset({"in_future"}),
}
# bulk operation → the list whose items are judged one by one: the answer is 200 and names those that were rejected
BULK = {
    "PUT /api/v1/customers/": "customers",
    "PUT /api/v1/products/": "products",
    "PUT /api/v1/reviews/": "reviews",
    "POST /api/v1/orders/": "orders",
    "POST /api/v1/products/vectors/": "vectors",
    "POST /api/v1/surveys/": "answers",
}
# whose bodies hold a condition, which can be written in thousands of ways, right and wrong
OF_CONDITIONS = (
    "POST /api/v1/segments/",
    "PUT /api/v1/segments/{key}/",
    "PATCH /api/v1/segments/{key}/",
    "POST /api/v1/segments/preview/",
)
ONE_IN = 50
MOST_KEY = 200
numbers, conditions = count(1), count()


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Of the cases that are enumerated for conditions one in fifty; other phases draw as many as they are told."""
    if case.operation.label not in OF_CONDITIONS or case.meta.phase.name != TestPhase.COVERAGE:
        return True
    return next(conditions) % ONE_IN == 0


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """A new Idempotency-Key for each request: one that was used for another request is refused, rightly."""
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and 0 < len(key) <= MOST_KEY:
        case.headers["Idempotency-Key"] = f"{next(numbers)}-{key}"[:MOST_KEY]


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """False for what is none."""
    if (failure.code, response.status_code) == (REFUSED_THOUGH_RIGHT, 400):
        return not is_right_refusal(case, response.json()["errors"])
    if (failure.code, response.status_code) == (ACCEPTED_THOUGH_WRONG, 200):
        return not judges_each_item(case, response)
    return True


def is_right_refusal(case: Any, errors: list[dict[str, str]]) -> bool:
    """Whether each thing that is wrong is one that the schema cannot say."""
    known = REFUSALS.get(case.operation.label, frozenset())
    return bool(errors) and all(error["code"] in known or is_made_up(case, error) for error in errors)


def is_made_up(case: Any, error: dict[str, str]) -> bool:
    """Parameters of addresses: a cursor that looks like one but is none, a range with its ends exchanged, nothing to start from."""
    allowed: dict[str, Callable[[dict[str, Any]], bool]] = {
        "cursor": lambda query: bool(query.get("cursor")),
        "price_min": lambda query: is_above(query.get("price_min"), query.get("price_max")),
        "landing_category": lambda query: bool(query.get("landing_category")),
        "since": lambda query: bool(query.get("since") or query.get("until")),
        "product_id": lambda query: not query.get("product_id"),
        "product_ids": lambda query: not query.get("product_ids"),
    }
    return case.method == "GET" and error["field"] in allowed and allowed[error["field"]](case.query or {})


def is_above(low: Any, high: Any) -> bool:
    try:
        return Decimal(str(low)) > Decimal(str(high))
    except InvalidOperation:
        return False


def judges_each_item(case: Any, response: Any) -> bool:
    """Whether a bulk operation was given a list, and answers for each of its items."""
    name = BULK.get(case.operation.label)
    items = case.body.get(name) if name is not None and isinstance(case.body, dict) else None
    return isinstance(items, list) and len(response.json()["results"]) == len(items)
