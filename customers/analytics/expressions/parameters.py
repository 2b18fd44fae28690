"""Parameters of questions: checked when they are created, read from JSON, and identified by a hash."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import msgspec
import msgspec.inspect
from django.utils.translation import gettext as _

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
            raise ParameterError(
                "until",
                _("%(until)s is before since (%(since)s); choose a later day.")
                % {"until": self.until, "since": self.since},
            )
        if (self.until - self.since).days >= MAX_DAYS:
            raise ParameterError(
                "since", _("more than %(days)s days before until; choose a later day.") % {"days": MAX_DAYS}
            )


def describe_choices(value: str, valid: Collection[str]) -> str:
    """Return the problem of a text that is not one of those that are valid."""
    return _("%(value)s is not valid; valid: %(valid)s.") % {"value": repr(str(value)), "valid": ", ".join(valid)}


def require_between(field: str, value: float, low: float, high: float) -> None:
    """Check that a number is within limits, both included. Raises ParameterError."""
    if not low <= value <= high:
        raise ParameterError(
            field, _("%(value)s is not valid; choose %(low)s to %(high)s.") % {"value": value, "low": low, "high": high}
        )


def require_one_of(field: str, value: str, valid: Collection[str]) -> None:
    """Check that a text is one of those that are valid. Raises ParameterError."""
    if value not in valid:
        raise ParameterError(field, describe_choices(value, valid))


def parse_parameters[T](kind: type[T], content: Any) -> T:
    """Return parameters from JSON values. Raises ParameterError."""
    check_storable(content)
    check_names(msgspec.inspect.type_info(kind), content)
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        problem, _separator, path = str(error).rpartition(" - at `")
        field = path.removeprefix("$").strip(".`") if problem else ""
        if isinstance(error.__cause__, ParameterError):
            cause = error.__cause__
            raise ParameterError(".".join(filter(None, (field, cause.field))), cause.problem) from error
        raise ParameterError(field or "parameters", f"{problem or error}.") from error


def check_storable(content: Any) -> None:
    """Check that the database can store the values. Raises ParameterError."""
    try:
        written = json.dumps(content, allow_nan=False, ensure_ascii=False)
        written.encode()  # half a surrogate pair is not valid
    except (ValueError, RecursionError):
        written = "\\u0000"
    if "\\u0000" in written:
        raise ParameterError("parameters", _("a value is not a valid text or number; remove it."))


def check_names(kind: msgspec.inspect.Type, content: Any, path: str = "") -> None:
    """Check that all names are fields, also in objects within objects. Raises ParameterError."""
    if isinstance(kind, msgspec.inspect.UnionType) and isinstance(content, dict):
        for option in kind.types:
            check_names(option, content, path)
    elif isinstance(kind, msgspec.inspect.VarTupleType | msgspec.inspect.ListType) and isinstance(content, list):
        for number, item in enumerate(content):
            check_names(kind.item_type, item, f"{path}[{number}]")
    elif isinstance(kind, msgspec.inspect.DataclassType) and isinstance(content, dict):
        fields = {field.name: field.type for field in kind.fields}
        for name, value in content.items():
            inner = f"{path}.{name}" if path else str(name)
            if name not in fields:
                raise ParameterError(inner, _("unknown; valid: %(valid)s.") % {"valid": ", ".join(sorted(fields))})
            check_names(fields[name], value, inner)


def dump_parameters(parameters: Any) -> dict[str, Any]:
    """Return parameters as JSON values, with all defaults."""
    # msgspec leaves out defaults that its own `convert` did not set, so that equal parameters would have different hashes
    return dict(msgspec.to_builtins(asdict(parameters)))


def hash_parameters(parameters: Any) -> str:
    """Return the SHA-256 of the parameters: equal parameters have an equal hash."""
    return hashlib.sha256(json.dumps(dump_parameters(parameters), sort_keys=True).encode()).hexdigest()
