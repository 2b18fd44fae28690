"""Counts the n-grams of texts in hashed columns: 1–2 words of English, 1–3 characters of Chinese."""

import re
import unicodedata
from collections.abc import Sequence
from zlib import crc32

import numpy as np
from scipy import sparse

from config.foundation.array_types import Ints
from customers.feedback.sentiment.languages import Language

COLUMN_BITS = 20
COLUMNS = 1 << COLUMN_BITS
MAX_TEXT_LENGTH = 5_000  # characters of a text that are read
BOUNDARY = 1  # the ID of what separates clauses
MULTIPLIER = np.uint64(
    0x9E3779B97F4A7C15
)  # odd, so that it loses no bit; 2⁶⁴ ÷ golden ratio, as Knuth's multiplicative hashing

# A unit is a word, a Chinese character, or whatever separates them.
UNITS = {
    Language.ENGLISH: re.compile(r"[a-z]+(?:'[a-z]+)*|[0-9]+|[!?]|[\u3400-\u9fff]"),
    Language.CHINESE: re.compile("[\u3400-\u9fff]|[a-z0-9]+|[^\u3400-\u9fffa-z0-9]+"),
}
MAX_GRAM = {Language.ENGLISH: 2, Language.CHINESE: 3}


def normalize_text(text: str) -> str:
    """Return a text in lower case, with half-width letters and straight apostrophes."""
    return unicodedata.normalize("NFKC", text[:MAX_TEXT_LENGTH]).lower().replace("’", "'")


def split_units(text: str, language: Language) -> list[str]:
    """Return the words or characters of a text, and what separates them."""
    return UNITS[language].findall(normalize_text(text))


def is_separator(unit: str) -> bool:
    return not unit[0].isalnum() and unit not in ("!", "?")


def count_ngrams(texts: Sequence[str], language: Language) -> sparse.csr_matrix:
    """Return the n-grams of each text, 1 + ln(count), in a matrix of shape (texts, COLUMNS).

    An n-gram may begin or end at the boundary of a clause, but not cross it. Its column is a hash of its units, h₁ = u₁,
    hₖ = hₖ₋₁·M + uₖ, the upper bits of hₖ·M (Knuth, TAOCP 6.4). Hashing needs no vocabulary; the columns that a model uses are chosen
    when it is fitted.
    """
    ids: dict[str, int] = {}
    flat: list[int] = []
    lengths = np.zeros(len(texts), np.int64)
    for row, text in enumerate(texts):
        units = split_units(text, language)
        for unit in units:
            if unit not in ids:
                ids[unit] = BOUNDARY if is_separator(unit) else crc32(unit.encode()) + BOUNDARY + 1
        flat.append(BOUNDARY)
        flat.extend(ids[unit] for unit in units)
        flat.append(BOUNDARY)
        lengths[row] = len(units) + 2
    return build_matrix(np.asarray(flat, np.uint64), np.repeat(np.arange(len(texts)), lengths), len(texts), language)


def build_matrix(units: np.ndarray, rows: Ints, n_rows: int, language: Language) -> sparse.csr_matrix:
    """Return the matrix of the n-grams of a sequence of units; rows: the text of each unit."""
    n, is_boundary = len(units), units == BOUNDARY
    mixed, is_valid = np.zeros(n, np.uint64), np.ones(n, np.bool_)
    cells = [np.zeros(0, np.int64)]
    for size in range(1, MAX_GRAM[language] + 1):
        end = n - size + 1
        if end <= 0:
            break
        if size > 2:  # the last unit of the shorter n-grams is now inside
            is_valid = is_valid[:end] & ~is_boundary[size - 2 : n - 1]
        mixed, is_valid = mixed[:end] * MULTIPLIER + units[size - 1 :], is_valid[:end]
        is_used = is_valid & ~(is_boundary[:end] & is_boundary[size - 1 :]) if size < 3 else is_valid
        columns = ((mixed[is_used] * MULTIPLIER) >> np.uint64(64 - COLUMN_BITS)).astype(np.int64)
        cells.append(rows[:end][is_used] * COLUMNS + columns)
    unique, counts = np.unique(np.concatenate(cells), return_counts=True)
    pointers = np.searchsorted(unique, np.arange(n_rows + 1, dtype=np.int64) * COLUMNS)
    values = (1 + np.log(counts)).astype(np.float32)
    return sparse.csr_matrix((values, (unique % COLUMNS).astype(np.int32), pointers), shape=(n_rows, COLUMNS))
