"""Parameters of questions: checked when they are created, read from JSON, and identified by a hash."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import msgspec

MAX_DAYS = 3660


class ParameterError(ValueError):
    """A parameter is not valid: names the field, what is wrong and what would be right."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field, self.problem = field, problem


@dataclass(frozen=True, kw_only=True)
class DateRange:
    """The days of a question in the time zone of the shop, both included, and optionally only the customers of one segment.

    Attributes:
        segment: the key of a segment; empty for everyone.
    """

    since: date
    until: date
    segment: str = ""

    def __post_init__(self) -> None:
        if self.until < self.since:
            raise ParameterError("until", f"{self.until} is before since ({self.since}); choose a later day.")
        if (self.until - self.since).days >= MAX_DAYS:
            raise ParameterError("since", f"more than {MAX_DAYS} days before until; choose a later day.")


def require_between(field: str, value: float, low: float, high: float) -> None:
    """Check that a number is within limits, both included. Raises ParameterError."""
    if not low <= value <= high:
        raise ParameterError(field, f"{value} is not valid; choose {low} to {high}.")


def require_one_of(field: str, value: str, valid: Collection[str]) -> None:
    """Check that a text is one of those that are valid. Raises ParameterError."""
    if value not in valid:
        raise ParameterError(field, f"{value!r} is not valid; valid: {', '.join(valid)}.")


def parse_parameters[T](kind: type[T], content: Any) -> T:
    """Return parameters from JSON values. Raises ParameterError."""
    if isinstance(content, dict):
        known = set(getattr(kind, "__dataclass_fields__", {}))
        for name in content:
            if name not in known:
                raise ParameterError(str(name), f"unknown; valid: {', '.join(sorted(known))}.")
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, ParameterError):
            raise error.__cause__ from error
        problem, _, path = str(error).rpartition(" - at `")
        field = path.removeprefix("$").strip(".`") if problem else ""
        raise ParameterError(field or "parameters", f"{problem or error}.") from error


def dump_parameters(parameters: Any) -> dict[str, Any]:
    """Return parameters as JSON values, with all defaults."""
    # msgspec leaves out defaults that its own `convert` did not set, so that equal parameters would have different hashes
    return dict(msgspec.to_builtins(asdict(parameters)))


def hash_parameters(parameters: Any) -> str:
    """Return the SHA-256 of the parameters: equal parameters have an equal hash."""
    return hashlib.sha256(json.dumps(dump_parameters(parameters), sort_keys=True).encode()).hexdigest()
