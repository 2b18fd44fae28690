"""URLs of the pages: a question's parameters are JSON in the URL, so that an address can be shared."""

import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from config.foundation.backoffice.date_range import MAX_YEAR, MIN_YEAR, PRESETS
from config.foundation.json_nesting import load_json
from customers.analytics.expressions.parameters import ParameterError

DEFAULT_RANGE = "90d"
# of an address with a question, which browsers and servers limit
MAX_LENGTH = 5_000
HASH_LENGTH = 32
# what a page shows of a result, and by which name its days go: no parameters of the question
VIEW_OPTIONS = ("range", "measure")


def parse_json(text: str, field: str) -> dict[str, Any]:
    """Return the JSON object of a URL. Raises ParameterError."""
    if len(text) > MAX_LENGTH:
        raise ParameterError(field, "too long; leave something out.")
    try:
        content = load_json(text, parse_constant=reject_constant)
        written = json.dumps(content, ensure_ascii=False)
        written.encode()  # half a surrogate pair is not valid
    except (ValueError, RecursionError):
        content, written = None, ""
    if not isinstance(content, dict) or "\\u0000" in written:
        raise ParameterError(field, "no JSON object; use a link of the page.")
    return content


def reject_constant(name: str) -> Any:
    """Reject NaN and Infinity, which JSON and the database do not have."""
    raise ValueError(name)


def format_json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False)


def resolve_days(content: Mapping[str, Any], *, today: date) -> dict[str, Any]:
    """Return parameters with the days of their range, unless they have days. Raises ParameterError: there is no such range."""
    parameters = {name: value for name, value in content.items() if name not in VIEW_OPTIONS}
    if parameters.get("since") and parameters.get("until"):
        for name in ("since", "until"):
            check_year(name, parameters[name])
        return parameters
    preset = content.get("range") or DEFAULT_RANGE
    if not isinstance(preset, str) or preset not in PRESETS:
        raise ParameterError("range", f"{preset!r} is not valid; valid: {', '.join(PRESETS)}.")
    # today is part of the period, but does not end the month
    days = PRESETS[preset][1](today if preset == "last_month" else today + timedelta(days=1))
    return parameters | {"since": days.first.isoformat(), "until": days.last.isoformat()}


def check_year(name: str, day: Any) -> None:
    """Check that a day has a year that every engine knows. Raises ParameterError."""
    try:
        year = date.fromisoformat(day).year
    except (TypeError, ValueError):
        raise ParameterError(name, f"{day!r} is not valid; use YYYY-MM-DD.") from None
    if not MIN_YEAR < year < MAX_YEAR:
        raise ParameterError(name, f"{day} is not valid; use a year between {MIN_YEAR + 1} and {MAX_YEAR - 1}.")


def make_question_url(question: str, parameters: Mapping[str, Any], **more: str) -> str:
    return f"{reverse(f'analytics:{question}')}?{urlencode({'ask': format_json(parameters), **more})}"


def make_people_url(question: str, key: str, selection: Mapping[str, Any], *, as_of: datetime) -> str:
    """Return the URL of the people behind one figure, as of the moment of the figure.

    Args:
        key: the hash of the parameters, which would make a chart's hundreds of links too long.
    """
    values = {"k": key[:HASH_LENGTH], "s": format_json(selection), "at": as_of.isoformat()}
    return f"{reverse('analytics:people', args=[question])}?{urlencode(values)}"
