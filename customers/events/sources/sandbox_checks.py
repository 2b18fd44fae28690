"""What would be wrong with an order event of a sandbox: nothing processes the event, so only the response to the call can report it."""

from collections.abc import Callable, Mapping
from typing import Any

from customers.events.event_taxonomy import Meaning

type Problem = tuple[str, str]  # code, text
type OrderCheck = Callable[[Mapping[str, Any], Meaning, str], Problem | None]

NO_PROBLEM = ("", "")
_order_checks: list[OrderCheck] = []


def register_order_check(check: OrderCheck) -> None:
    """Add a check of an order event's properties, meaning and name; called when the app that processes orders is ready."""
    if check not in _order_checks:
        _order_checks.append(check)


def find_order_problem(properties: Mapping[str, Any], meaning: Meaning, name: str) -> Problem:
    """Return the first problem of an order event; empty texts if it could be processed."""
    return next((problem for check in _order_checks if (problem := check(properties, meaning, name))), NO_PROBLEM)
