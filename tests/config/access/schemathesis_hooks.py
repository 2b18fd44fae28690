"""Schemathesis hooks for rules of this API that OpenAPI cannot express; `schemathesis.toml` loads this file.

No check is disabled. Some rules cannot be expressed in OpenAPI, such as that a referenced object exists; their violation has an error
code, and exactly these codes are allowed for exactly these operations.
"""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from itertools import count
from typing import Any

import schemathesis
from schemathesis.generation.meta import CoverageScenario, TestPhase

ACCEPTED_INVALID, REJECTED_VALID = "ST201", "ST202"
# JSON Schema cannot limit the digits of a number, nor the value of a string of digits
DIGITS = frozenset({"max_digits", "max_decimal_places", "max_whole_digits", "max_value", "min_value"})
# names must exist, segments must not form a cycle, ranges must be ordered, at most 12 levels
CONDITION = frozenset({"unknown_name", "unknown_segment", "broken_segment", "cycle", "range", "too_large"})
EXPRESSION = frozenset({"invalid_expression"})
# operation → error codes of rules that its schema cannot express
ALLOWED_CODES: dict[str, frozenset[str]] = {
    # each question has its own parameters, and their limits depend on each other
    "POST /api/v1/analytics/queries/": frozenset({"invalid"}),
    # a split by segment needs a segment, which must exist
    "GET /api/v1/outcomes/": frozenset({"required", "does_not_exist"}),
    "GET /api/v1/recommendations/performance/": frozenset({"does_not_exist"}),
    "POST /api/v1/campaigns/": DIGITS | {"does_not_exist", "unique"},
    # the type of a campaign or segment cannot change, and only the stored object has it
    "PATCH /api/v1/campaigns/{key}/": DIGITS | {"does_not_exist", "unique", "immutable"},
    # the end must be after the start, each language has one content
    "POST /api/v1/offers/": DIGITS | {"does_not_exist", "unique", "invalid"},
    "PATCH /api/v1/offers/{key}/": DIGITS | {"does_not_exist", "unique", "immutable", "invalid", "required"},
    # a draft of any state is stored; what it lacks is named when it is launched or published
    "POST /api/v1/campaigns/{key}/launch/": frozenset({"invalid"}),
    "POST /api/v1/flows/": DIGITS | {"unique", "invalid"},
    "PATCH /api/v1/flows/{key}/": DIGITS | {"unique", "immutable", "invalid"},
    "POST /api/v1/flows/{key}/publish/": frozenset({"invalid"}),
    # the grammar of MJML
    "POST /api/v1/message-templates/": frozenset({"unique", "invalid"}),
    "PATCH /api/v1/message-templates/{key}/": frozenset({"unique", "immutable", "invalid"}),
    "PUT /api/v1/message-templates/{key}/": frozenset({"unique", "immutable", "invalid"}),
    "POST /api/v1/message-templates/{key}/publish/": frozenset({"invalid"}),
    # an address that a mail server could accept is more than its format
    "POST /api/v1/forms/newsletter/": frozenset({"invalid"}),
    # one of two fields must be given, which depends on the third; the customer must exist
    "POST /api/v1/privacy/requests/": frozenset({"invalid", "does_not_exist"}),
    "POST /api/v1/privacy/links/": frozenset({"does_not_exist"}),
    # a public https URL, and a point of the curve
    "POST /api/v1/push-subscriptions/": frozenset({"invalid"}),
    "POST /api/v1/segments/": CONDITION | {"unique"},
    "PUT /api/v1/segments/{key}/": CONDITION | {"unique", "immutable", "other_type"},
    "PATCH /api/v1/segments/{key}/": CONDITION | {"unique", "immutable", "other_type"},
    "POST /api/v1/segments/preview/": CONDITION,
    # reversed ranges, an attribute without a value; for a change, also a conflict with the stored fields of the rule
    "POST /api/v1/rules/": DIGITS | {"does_not_exist", "contradictory"},
    "PATCH /api/v1/rules/{id}/": DIGITS | {"does_not_exist", "contradictory"},
    # unprintable characters, in any script
    "POST /api/v1/products/vectors/": frozenset({"bad_characters"}),
    # the grammar of texts, and which operators and values an attribute has
    "POST /api/v1/rank/": EXPRESSION,
    "POST /api/v1/recommendations/batch/": EXPRESSION | DIGITS | {"unique"},
    "POST /api/v1/customers/merge/": frozenset({"not_found", "same_customer"}),
    "POST /api/v1/customers/{user_id}/consents/": frozenset({"in_future"}),
    # the days must be in order and between 1901 and 2199, the customer must exist
    "GET /api/v1/feedback/summary/": frozenset({"invalid"}),
    "GET /api/v1/feedback/worst-products/": frozenset({"invalid"}),
    "POST /api/v1/survey-links/": frozenset({"does_not_exist"}),
}
# the values of a product are converted, as those of a feed are: 5 is a title, "in stock" an availability
CONVERTING_OPERATIONS = ("PATCH /api/v1/products/{product_id}/",)
PRODUCT = frozenset(
    {
        "unknown_currency", "too_many_decimals", "too_large", "not_a_url", "bad_url", "bad_time", "bad_json", "bad_characters",
        "too_long", "required", "immutable", "not_a_number", "negative",
    }
)  # fmt: skip
# bulk operation → the list whose items are validated one by one: the response is 200 and names the rejected items
BULK_LISTS = {
    "PUT /api/v1/customers/": "customers",
    "PUT /api/v1/products/": "products",
    "PUT /api/v1/reviews/": "reviews",
    "POST /api/v1/orders/": "orders",
    "POST /api/v1/products/vectors/": "vectors",
    "POST /api/v1/surveys/": "answers",
}
# operations whose bodies contain a condition, which has thousands of valid and invalid forms
CONDITION_OPERATIONS = (
    "POST /api/v1/segments/",
    "PUT /api/v1/segments/{key}/",
    "PATCH /api/v1/segments/{key}/",
    "POST /api/v1/segments/preview/",
)
CONDITION_CASE_INTERVAL = 50
# the five or six wrong types of each of thousands of fields are nearly half of all cases; test_hostile_input sends them to every field
WRONG_TYPE_INTERVAL = 5
MAX_KEY_LENGTH = 200
numbers, conditions, wrong_types = count(1), count(), count()
tried_methods: set[tuple[str, str]] = set()


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Run a part of the enumerated cases that repeat each other; other phases draw the configured number."""
    if case.meta.phase.name != TestPhase.COVERAGE:
        return True
    if case.operation.label in CONDITION_OPERATIONS:
        return next(conditions) % CONDITION_CASE_INTERVAL == 0
    scenario = case.meta.phase.data.scenario
    if scenario == CoverageScenario.INCORRECT_TYPE:
        return next(wrong_types) % WRONG_TYPE_INTERVAL == 0
    if scenario == CoverageScenario.UNSPECIFIED_HTTP_METHOD:  # once for each path instead of for each of its operations
        attempt = (case.method, case.operation.path)
        is_new = attempt not in tried_methods
        tried_methods.add(attempt)
        return is_new
    return True


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Make every Idempotency-Key unique, because the API rejects a key that was used for another request."""
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and 0 < len(key) <= MAX_KEY_LENGTH:
        case.headers["Idempotency-Key"] = f"{next(numbers)}-{key}"[:MAX_KEY_LENGTH]


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Return False for a failure that an allowed error code explains."""
    if (failure.code, response.status_code) == (REJECTED_VALID, 400):
        return not is_allowed_rejection(case, response.json()["errors"])
    if (failure.code, response.status_code) == (ACCEPTED_INVALID, 200):
        return not (case.operation.label in CONVERTING_OPERATIONS or reports_each_item(case, response))
    return True


def is_allowed_rejection(case: Any, errors: list[dict[str, str]]) -> bool:
    """Return whether every error has a code that the schema cannot express."""
    allowed_codes = ALLOWED_CODES.get(case.operation.label, frozenset())
    if case.operation.label in CONVERTING_OPERATIONS:
        allowed_codes |= PRODUCT
    return bool(errors) and all(
        error["code"] in allowed_codes or is_invalid_parameter(case, error) or is_invalid_placement(case, error)
        for error in errors
    )


def is_invalid_parameter(case: Any, error: dict[str, str]) -> bool:
    """Return whether a query parameter is invalid in a way the schema cannot express, such as a random cursor or a reversed range."""
    allowed: dict[str, Callable[[dict[str, Any]], bool]] = {
        "cursor": lambda query: bool(query.get("cursor")),
        "price_min": lambda query: is_above(query.get("price_min"), query.get("price_max")),
        "placed_after": lambda query: bool(query.get("placed_before")),
        "queued_since": lambda query: bool(query.get("queued_until")),
        "filter": lambda query: bool(query.get("filter")),
        "boost": lambda query: bool(query.get("boost")),
        "landing_category": lambda query: bool(query.get("landing_category")),
        "selection": lambda query: bool(query.get("selection")),
        "since": lambda query: bool(query.get("since") or query.get("until")),
        "product_id": lambda query: not query.get("product_id"),
        "product_ids": lambda query: not query.get("product_ids"),
    }
    return case.method == "GET" and error["field"] in allowed and allowed[error["field"]](case.query or {})


def is_invalid_placement(case: Any, error: dict[str, str]) -> bool:
    """Return whether a placement of a batch lacks its product or has a reversed range, or the landing category is unknown."""
    field = (error["field"] or "").rpartition(".")[2]
    is_batch = case.operation.label == "POST /api/v1/recommendations/batch/"
    return is_batch and field in ("product_id", "product_ids", "price_min", "landing_category")


def is_above(low: Any, high: Any) -> bool:
    try:
        return Decimal(str(low)) > Decimal(str(high))
    except InvalidOperation:
        return False


def reports_each_item(case: Any, response: Any) -> bool:
    """Return whether a bulk operation received a list and reports a result for every item."""
    name = BULK_LISTS.get(case.operation.label)
    items = case.body.get(name) if name is not None and isinstance(case.body, dict) else None
    return isinstance(items, list) and len(response.json()["results"]) == len(items)
