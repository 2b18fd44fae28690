"""Texts to terms: words where words are separated by spaces, pieces of one to three characters where they are not."""

import re
import unicodedata
from collections.abc import Iterator

_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # kana and Chinese characters
_RUN = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}]+")
_VALUE = re.compile(r"\s*[>|;,]\s*")


def terms(text: str) -> Iterator[str]:
    """Lower-case words; of a Chinese or Japanese run all pieces of 1, 2 and 3 characters."""
    for run in _RUN.findall(unicodedata.normalize("NFKC", text).casefold()):
        if not _is_unspaced(run[0]):
            yield run
            continue
        for length in (1, 2, 3):
            for start in range(len(run) - length + 1):
                yield run[start : start + length]


def values(field: str, text: str) -> Iterator[str]:
    """One term field=value for each of the values that > | ; or , separate: levels of a category, attributes, a brand."""
    for value in _VALUE.split(unicodedata.normalize("NFKC", text).casefold().strip()):
        if value:
            yield f"{field}={value}"


def _is_unspaced(letter: str) -> bool:
    return "\u3040" <= letter <= "\u30ff" or "\u3400" <= letter <= "\u9fff" or "\uf900" <= letter <= "\ufaff"
