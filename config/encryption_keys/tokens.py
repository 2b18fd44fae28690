"""Finds encrypted tokens in the values of columns, in text and inside JSON."""

import re
from collections.abc import Sequence

from config.foundation.keys.fernet_batches import FernetKey, find_token_keys, reencrypt_tokens

TOKEN = re.compile(r"gAAAAA[A-Za-z0-9_-]{90,}={0,2}")  # the version and a time before 2106, and at least one block


def find_tokens(value: str | None) -> list[str]:
    """Return the tokens of a value, which is a token itself or contains some."""
    return TOKEN.findall(value) if value else []


def reencrypt_values(
    values: Sequence[str | None], keys: Sequence[FernetKey]
) -> tuple[list[str | None], list[int | None]]:
    """Return the values with their tokens under the first key, and the numbers of the keys they were under."""
    found = [find_tokens(value) for value in values]
    tokens = [token for own in found for token in own]
    renewed, numbers = reencrypt_tokens(tokens, keys)
    result, start = list(values), 0
    for position, own in enumerate(found):
        for offset, token in enumerate(own):
            new = renewed[start + offset]
            if new is not token:
                result[position] = new if values[position] == token else str(result[position]).replace(token, new)
        start += len(own)
    return result, numbers


def count_keys(values: Sequence[str | None], keys: Sequence[FernetKey]) -> list[int | None]:
    """Return the number of the key of every token in the values; None for unknown keys."""
    return find_token_keys([token for value in values for token in find_tokens(value)], keys)
