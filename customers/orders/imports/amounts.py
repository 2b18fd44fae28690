"""Amounts as spreadsheets format them, beside the sign of a currency or in full-width digits, become plain numbers."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import pyarrow as pa

from config.foundation.currencies import fits_currency, split_amount
from customers.orders.imports.parsing import NUMBERS, ImportOptions

PLAIN_BYTES = b"0123456789.,+-"
MAX_LENGTH = 100  # a longer text is no amount, and thousands of them in the cache would fill the memory


def normalize_amounts(columns: dict[str, pa.ChunkedArray], options: ImportOptions) -> None:
    """Replace the amounts in the trimmed columns of a batch; a sign must be that of the row's currency, and a quantity has none.

    The search for other characters costs a few milliseconds per million values; only the columns that have some are read one by one.
    """
    currencies: list[str] | None = None
    for name in NUMBERS:
        for column in options.mapping.columns.get(name, ()):
            values = columns[column]
            if not has_other_characters(values):
                continue
            if currencies is None:
                currencies = list_currencies(columns, options)
            units: Iterable[str] = ("" for _value in currencies) if name == "quantity" else currencies
            plain = [
                normalize_amount(text, unit) if text and len(text) <= MAX_LENGTH else text
                for text, unit in zip(values.to_pylist(), units, strict=True)
            ]
            columns[column] = pa.chunked_array([pa.array(plain, values.type)])


def has_other_characters(column: pa.ChunkedArray) -> bool:
    """Return whether a column has texts, and any of them other characters than those of plain numbers."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return False
    texts = (chunk.buffers()[2] for chunk in column.chunks)
    return any(data is not None and data.to_pybytes().translate(None, PLAIN_BYTES) for data in texts)


def list_currencies(columns: dict[str, pa.ChunkedArray], options: ImportOptions) -> list[str]:
    """Return the currency of each row: the first one in its columns, or that of the import."""
    count = len(next(iter(columns.values())))
    own = [columns[column].to_pylist() for column in options.mapping.columns.get("currency", ())]
    rows: Iterable[tuple[Any, ...]] = zip(*own, strict=True) if own else (() for _row in range(count))
    return [next((str(code).upper() for code in row if code), options.currency) for row in rows]


@lru_cache(maxsize=100_000)
def normalize_amount(text: str, currency: str) -> str:
    """Return the number of an amount; the text itself if the amount is in another currency."""
    number, unit = split_amount(text)
    return number if not unit or fits_currency(unit, currency) else text
