"""Texts to terms: words where words are separated by spaces, pieces of one to three characters where they are not."""

import re
import unicodedata
from collections.abc import Iterable, Iterator

SEPARATOR = "\x1f"  # between the values of a list, none of which holds it
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # kana and Chinese characters
_RUN = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}]+")
_VALUE = re.compile(r"\s*[>|;,]\s*")


def split_terms(text: str) -> Iterator[str]:
    """Lower-case words; of a Chinese or Japanese run all pieces of 1, 2 and 3 characters."""
    for run in _RUN.findall(unicodedata.normalize("NFKC", text).casefold()):
        if not _is_unspaced(run[0]):
            yield run
            continue
        for length in (1, 2, 3):
            for start in range(len(run) - length + 1):
                yield run[start : start + length]


def split_values(field: str, text: str) -> Iterator[str]:
    """One term field=value for each value: of a list that `joined` made, else of those that > | ; or , separate.

    Levels of a category, brands, attributes.
    """
    normal = unicodedata.normalize("NFKC", text).casefold()
    for value in normal.split(SEPARATOR) if SEPARATOR in normal else _VALUE.split(normal):
        if stripped := value.strip():
            yield f"{field}={stripped}"


def join_values(parts: Iterable[str]) -> str:
    """Values as one text that `values` takes apart again, whatever is in them."""
    return "".join(f"{part.replace(SEPARATOR, ' ')}{SEPARATOR}" for part in parts)


def _is_unspaced(letter: str) -> bool:
    return "\u3040" <= letter <= "\u30ff" or "\u3400" <= letter <= "\u9fff" or "\uf900" <= letter <= "\ufaff"
