"""Measures the nesting depth of JSON from its bytes, so that a parser never recurses too deeply into a body from outside.

Python's `json` and msgspec recurse in C. On a web server's thread, whose stack is small, some thousand levels overflow the
stack, which ends the process instead of raising RecursionError.
"""

import json
from typing import Any

import numpy as np

MAX_JSON_DEPTH = 64

_QUOTE = ord('"')
_STRUCTURE = b'[]{}"'
_OTHER_BYTES = bytes(set(range(256)) - set(_STRUCTURE))
_STEPS = np.zeros(256, np.int8)
_STEPS[[ord("["), ord("{")]] = 1
_STEPS[[ord("]"), ord("}")]] = -1
_SHORT = 8_192


class NestingError(ValueError):
    """JSON that is nested too deeply."""

    def __init__(self, max_depth: int) -> None:
        super().__init__(f"The JSON is nested more than {max_depth} levels deep.")


def measure_json_depth(data: bytes) -> int:
    """Return the largest number of lists and objects open at once, in one pass and without recursion.

    Brackets inside strings do not count. For text that is not valid JSON the result is an upper bound of what a parser reaches
    before it fails.
    """
    if b'\\"' in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")  # each remaining quote opens or closes a string
    marks = np.frombuffer(data.translate(None, _OTHER_BYTES), np.uint8)
    brackets = np.flatnonzero(marks != _QUOTE)
    # A bracket's position among the marks, less its position among the brackets, is the number of quotes before it: odd in a string.
    steps = _STEPS[marks[brackets]]
    steps[(brackets - np.arange(len(brackets))) & 1 == 1] = 0
    return int(np.cumsum(steps, dtype=np.int32).max(initial=0))


def require_shallow_json(data: bytes, max_depth: int = MAX_JSON_DEPTH) -> int:
    """Check the nesting of JSON before it is parsed, and return an upper bound of it. Errors: NestingError."""
    # counting is faster than measuring for a short text
    if len(data) < _SHORT and (count := data.count(b"{") + data.count(b"[")) <= max_depth:
        return count
    if (depth := measure_json_depth(data)) > max_depth:
        raise NestingError(max_depth)
    return depth


def load_json(text: str | bytes, **options: Any) -> Any:
    """Parse JSON from outside, such as a request body, with the options of `json.loads`.

    Errors: ValueError, also for text nested too deeply.
    """
    data = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    require_shallow_json(data)
    return json.loads(text, **options)
