"""The decisions of a flow that depend only on their arguments: random splits, property filters and re-entry."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

# two triggers of one customer that are closer than this count as one, whatever the rule says
MIN_REENTRY = timedelta(minutes=1)


def choose_variant(*, salt: str, step_key: str, customer_id: int, weights: Mapping[str, float]) -> str:
    """Return the branch of a customer in a random split; the same customer always gets the same one.

    The first 15 hexadecimal digits of SHA-256 over ``salt:step:customer``, as a share of 16¹⁵, fall into one of the weights.
    """
    digest = sha256(f"{salt}:{step_key}:{customer_id}".encode()).hexdigest()[:15]
    position = int(digest, 16) / 16**15 * sum(weights.values())
    total = 0.0
    for name, weight in weights.items():
        total += weight
        if position < total:
            return name
    return next(name for name, weight in reversed(list(weights.items())) if weight)


def matches_filters(properties: Mapping[str, Any], filters: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the properties of an event match all filters. In a list, one element that matches is enough."""
    return all(_matches(list(read_values(properties, part["property"].split("."))), part) for part in filters)


def read_values(value: Any, path: Sequence[str]) -> Any:
    """Yield the values at a path; lists on the way are searched."""
    if isinstance(value, list):
        for item in value:
            yield from read_values(item, path)
    elif not path:
        if value is not None:
            yield value
    elif isinstance(value, Mapping) and path[0] in value:
        yield from read_values(value[path[0]], path[1:])


def _matches(values: Sequence[Any], part: Mapping[str, Any]) -> bool:
    operator, expected = part["op"], part.get("value")
    if operator in ("is_set", "is_not_set"):
        return bool(values) == (operator == "is_set")
    if operator == "not_equals":
        return not any(_equals(value, expected) for value in values)
    return any(_compare(value, operator, expected) for value in values)


def _compare(value: Any, operator: str, expected: Any) -> bool:
    if operator == "equals":
        return _equals(value, expected)
    if operator == "contains":
        return str(expected).casefold() in str(value).casefold()
    number = _to_number(value)
    return number is not None and (number >= expected if operator == "at_least" else number <= expected)


def _equals(value: Any, expected: Any) -> bool:
    number, other = _to_number(value), _to_number(expected)
    if number is not None and other is not None:
        return number == other
    # As texts, so that true equals "true", which many shops send.
    return str(value).casefold() == str(expected).casefold()


def _to_number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def compute_reentry_limit(reentry: Mapping[str, Any], *, at: datetime) -> datetime | None:
    """Return the time since which an earlier trigger prevents an entry; None if any earlier one does."""
    if reentry["rule"] == "never":
        return None
    return at - (max(timedelta(days=reentry["days"]), MIN_REENTRY) if reentry["rule"] == "after" else MIN_REENTRY)


def may_enter(reentry: Mapping[str, Any], *, last_triggered_at: datetime | None, is_inside: bool, at: datetime) -> bool:
    """Return whether a customer may enter a flow."""
    if is_inside:
        return False
    if last_triggered_at is None:
        return True
    limit = compute_reentry_limit(reentry, at=at)
    return limit is not None and last_triggered_at <= limit
