"""Splits texts into terms: words, and for Chinese and Japanese all runs of one to three characters."""

import re
import unicodedata
from collections.abc import Iterable, Iterator

SEPARATOR = "\x1f"  # separates the values of a list; no value contains it
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Japanese kana and Chinese characters
_RUN = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}]+")
_VALUE = re.compile(r"[>|;,]")


def split_terms(text: str) -> Iterator[str]:
    """Return lower-case words; for Chinese or Japanese text all substrings of 1, 2 and 3 characters."""
    for run in _RUN.findall(unicodedata.normalize("NFKC", text).casefold()):
        if not _is_unspaced(run[0]):
            yield run
            continue
        for length in (1, 2, 3):
            for start in range(len(run) - length + 1):
                yield run[start : start + length]


def split_values(field: str, text: str) -> Iterator[str]:
    """Return one term field=value per value of a text joined by `join_values`, else separated by > | ; or ,.

    For levels of a category, brands and attributes.
    """
    normal = unicodedata.normalize("NFKC", text).casefold()
    for value in normal.split(SEPARATOR) if SEPARATOR in normal else _VALUE.split(normal):
        if stripped := value.strip():
            yield f"{field}={stripped}"


def join_values(parts: Iterable[str]) -> str:
    """Join values into one text that `split_values` splits again, whatever characters they contain."""
    return "".join(f"{part.replace(SEPARATOR, ' ')}{SEPARATOR}" for part in parts)


def _is_unspaced(letter: str) -> bool:
    return "\u3040" <= letter <= "\u30ff" or "\u3400" <= letter <= "\u9fff" or "\uf900" <= letter <= "\ufaff"
