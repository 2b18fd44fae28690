"""Tags and catalog attributes of products, of which a product can have any number, in the memory of a worker."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from recommendations.merchandising.rules.product_columns import list_attribute_values
from recommendations.serving.expressions.attributes import CATALOG_PREFIX

TAG = ""  # the name under which tags are kept; no attribute has an empty name
MAX_VALUES = 100  # per product

type Mask = npt.NDArray[np.bool_]
type Codes = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class ValueColumn:
    """The values of one attribute, or all tags. Entry i: product rows[i] has the value texts[codes[i]]. numbers: the texts as numbers, or NaN."""

    rows: Codes
    codes: Codes
    texts: Sequence[str]
    numbers: npt.NDArray[np.float64]

    def match(self, is_selected: Mask, n: int) -> Mask:
        """Return which of n products have one of the selected values."""
        mask = np.zeros(n, np.bool_)
        mask[self.rows[is_selected[self.codes]]] = True
        return mask

    def match_texts(self, matches: Callable[[str], bool], n: int) -> Mask:
        """Return which of n products have a value whose text matches."""
        return self.match(np.fromiter(map(matches, self.texts), np.bool_, len(self.texts)), n)


class ProductValues:
    """The values of all products. One thread writes rows while others read columns.

    A column is built from all rows when an expression first needs it, and again after a change.
    """

    def __init__(self) -> None:
        self.pairs: dict[tuple[str, str], int] = {}
        self.by_row: list[tuple[int, ...]] = []
        self.has_changed = False
        self._columns: Mapping[str, ValueColumn] | None = None

    def write(self, row: int, values: Sequence[tuple[str, str]]) -> None:
        """Replace the (name, text) values of a row."""
        if row >= len(self.by_row):
            self.by_row.extend([()] * (row + 1 - len(self.by_row)))
        pairs = self.pairs
        codes = tuple([pairs.setdefault(pair, len(pairs)) for pair in values])
        if codes != self.by_row[row]:
            self.by_row[row] = codes
            self.has_changed = True

    def rearrange(self, rows: npt.NDArray[np.int64]) -> "ProductValues":
        """Return a copy whose row i has the values of row rows[i], and no values where rows[i] is -1."""
        other = ProductValues()
        other.pairs = dict(self.pairs)
        # empty for rows that have never been written, and one more at the end, which -1 refers to
        column = np.empty(max(int(rows.max(initial=-1)) + 1, len(self.by_row)) + 1, np.object_)
        column.fill(())
        for row, values in enumerate(self.by_row):
            column[row] = values
        other.by_row = column[rows].tolist()
        return other

    def publish(self) -> None:
        """Make the changes visible to the columns built from now on."""
        if self.has_changed:
            self.has_changed, self._columns = False, None

    def get_column(self, name: str) -> ValueColumn | None:
        """Return the column of ``tag`` or ``attributes.NAME``; None if no product has a value."""
        columns = self._columns
        if columns is None:
            columns = self._columns = self._build_columns()
        return columns.get(name.removeprefix(CATALOG_PREFIX) if name.startswith(CATALOG_PREFIX) else TAG)

    def _build_columns(self) -> dict[str, ValueColumn]:
        """Return the column of each name.

        The rows are copied before the pairs, so that each code has its pair even while another thread is writing.
        """
        by_row = list(self.by_row)
        pairs = list(self.pairs)
        numbers_of_names: dict[str, int] = {}
        lengths = np.fromiter(map(len, by_row), np.int64, len(by_row))
        codes = np.fromiter(chain.from_iterable(by_row), np.int32, int(lengths.sum()))
        rows = np.repeat(np.arange(len(by_row), dtype=np.int32), lengths)
        name_of_pair = np.fromiter(
            (numbers_of_names.setdefault(name, len(numbers_of_names)) for name, _text in pairs), np.int32, len(pairs)
        )
        names = list(numbers_of_names)
        pair_order = np.argsort(name_of_pair, kind="stable")
        number_in_name = np.empty(len(pairs), np.int32)
        pair_ends = np.cumsum(np.bincount(name_of_pair, minlength=len(names)))
        pair_starts = np.concatenate([[0], pair_ends])[: len(names)]
        number_in_name[pair_order] = np.arange(len(pairs)) - pair_starts[name_of_pair[pair_order]]
        entry_order = np.argsort(name_of_pair[codes], kind="stable")
        entry_ends = np.cumsum(np.bincount(name_of_pair[codes], minlength=len(names)))
        rows, local = rows[entry_order], number_in_name[codes[entry_order]]
        columns = {}
        for number, name in enumerate(names):
            start, end = int(entry_ends[number - 1]) if number else 0, int(entry_ends[number])
            texts = [pairs[pair][1] for pair in pair_order[pair_starts[number] : pair_ends[number]].tolist()]
            numbers = np.fromiter(map(parse_text_number, texts), np.float64, len(texts))
            columns[name] = ValueColumn(rows[start:end], local[start:end], texts, numbers)
        return columns


def parse_text_number(text: str) -> float:
    """Convert a text such as 5, -0.5 or 1e3 to a number; return NaN for any other text."""
    if not text or len(text) > 40 or not text.isascii() or text[-1] not in "0123456789." or "_" in text:
        return np.nan
    try:
        number = float(text)
    except ValueError:
        return np.nan
    return number if np.isfinite(number) else np.nan


def list_product_values(attributes: Any, tags: Sequence[str]) -> list[tuple[str, str]]:
    """Return the tags and attributes of a product as (name, text), each once."""
    values = [(TAG, tag) for tag in tags]
    if isinstance(attributes, dict):
        for name, value in attributes.items():
            texts = [value] if type(value) is str else list_attribute_values(value)
            values += [(name, text) for text in texts if text and name]
    return list(dict.fromkeys(values))[:MAX_VALUES]
