"""Replaces characters in JSON that PostgreSQL cannot store, so that the event around them is kept.

These are NUL, lone surrogates (half of an emoji that a program has cut) and bytes that are not UTF-8. All replacements are made in
the JSON text, so they reach keys and values at every level.
"""

import json
import re
from typing import Any

# a pair of surrogates is one character and another escape is left as it is; what remains is a lone surrogate or NUL
ESCAPES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(\\u(?:[dD][89a-fA-F][0-9a-fA-F]{2}|0000))"
    rb"|\\[^\n]"
)
REPLACEMENT = b"\\ufffd"


def replace_unstorable(data: bytes) -> bytes:
    """Return JSON with U+FFFD instead of each escaped NUL and lone surrogate."""
    return ESCAPES.sub(lambda match: REPLACEMENT if match[1] else match[0], data)


def escape_invalid_bytes(data: bytes) -> bytes:
    """Return UTF-8: invalid bytes become escaped lone surrogates, which `replace_unstorable` replaces in their item."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return data.decode(errors="surrogateescape").encode(errors="backslashreplace")
    return data


def parse_lenient_json(data: bytes) -> Any:
    """Parse JSON with lone surrogates, NaN, NUL and other control characters, which strict parsers refuse.

    Raises:
        ValueError: it is not JSON even by these rules.
    """
    return json.loads(data, strict=False)
