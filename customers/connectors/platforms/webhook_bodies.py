"""Reads the bodies of webhooks."""

from typing import Any

from config.foundation.json_nesting import load_json


def read_body_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body. Raises ValueError."""
    value = load_json(body)
    if not isinstance(value, dict):
        raise ValueError("The body is not a JSON object.")
    return value
