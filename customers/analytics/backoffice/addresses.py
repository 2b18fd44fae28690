"""URLs of the pages: a question's parameters are JSON in the URL, so that an address can be shared."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from config.foundation.json_nesting import load_json
from customers.analytics.expressions.parameters import ParameterError

# of the parameters in a URL, because browsers and servers limit the length of URLs
MAX_LENGTH = 5_000
HASH_LENGTH = 32


def parse_json(text: str, field: str) -> dict[str, Any]:
    """Return the JSON object of a URL. Raises ParameterError."""
    if len(text) > MAX_LENGTH:
        raise ParameterError(field, _("too long; leave something out."))
    try:
        content = load_json(text, parse_constant=reject_constant)
        written = json.dumps(content, ensure_ascii=False)
        written.encode()  # half a surrogate pair is not valid
    except (ValueError, RecursionError):
        content, written = None, ""
    if not isinstance(content, dict) or "\\u0000" in written:
        raise ParameterError(field, _("not a JSON object; use a link from the page."))
    return content


def reject_constant(name: str) -> Any:
    """Reject NaN and Infinity, which JSON and the database do not have."""
    raise ValueError(name)


def format_json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False)


def make_question_url(question: str, parameters: Mapping[str, Any], **more: str) -> str:
    return f"{reverse(f'analytics:{question}')}?{urlencode({'ask': format_json(parameters), **more})}"


def make_people_url(question: str, key: str, selection: Mapping[str, Any], *, as_of: datetime) -> str:
    """Return the URL of the people behind one figure, as of the moment of the figure.

    Args:
        key: the hash of the parameters; with the parameters themselves, the hundreds of links of a chart would be too long.
    """
    values = {"k": key[:HASH_LENGTH], "s": format_json(selection), "at": as_of.isoformat()}
    try:
        url = reverse(f"analytics:{question}-people")
    except NoReverseMatch:  # other pages show its results
        url = reverse("analytics:people", args=[question])
    return f"{url}?{urlencode(values)}"
