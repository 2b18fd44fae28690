"""Checks by other apps for addresses that must get no confirmation mail, such as those that complained."""

from collections.abc import Callable

_checks: list[Callable[[str], bool]] = []


def register_address_check(check: Callable[[str], bool]) -> None:
    """Add a function that returns whether an address must get no mail."""
    _checks.append(check)


def is_refused(email: str) -> bool:
    return any(check(email) for check in _checks)
