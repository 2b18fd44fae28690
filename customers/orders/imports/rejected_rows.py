"""The error file of an import: the rejected rows as they stand in the file, with their lines and reasons."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from customers.orders.imports.arrow_arrays import integers
from customers.orders.imports.column_mapping import ColumnMapping
from customers.orders.imports.file_reader import MalformedRow, OrderRows
from customers.orders.imports.staging import Staging

MALFORMED = "wrong_column_count"
REASONS: dict[str, Promise] = {
    "missing_order_id": _("The order id is missing."),
    "missing_product": _("The product id is missing."),
    "missing_quantity": _("The quantity is missing."),
    "missing_price": _("Neither a unit price nor a line total is given."),
    "missing_date": _("No row of the order says when it was placed."),
    "too_long": _("The id is too long."),
    "bad_date": _("This is no date; write it like 2026-05-17 09:30:00, or name the format with --date-format."),
    "future_date": _("The date lies more than a day in the future."),
    "bad_number": _("This is no number, or too large a one; write it like 1234.50."),
    "bad_line_number": _("The line number must be a whole number from 0."),
    "negative_price": _("The price is negative; what is given back has a negative quantity instead."),
    "zero_quantity": _("The quantity is zero."),
    "stock_movement": _("A negative quantity without a price moves stock; it is neither a sale nor a return."),
    "total_mismatch": _("The line total is not price times quantity less the discount."),
    "unknown_currency": _("This is no ISO 4217 code such as EUR."),
    "unknown_status": _(
        "This status is not known; there are placed, cancelled, refunded, partly refunded and the words of Shopify and WooCommerce."
    ),
    "unknown_product": _("The catalog has no such product; import it first, or let the import create products."),
    "duplicate_line": _("The order has had a line of this number before; the first is taken."),
    "order_conflict": _("An earlier row of this order says otherwise; the first is taken."),
    "negative_total": _("The order's total is negative, though it is not a return."),
    "incomplete_order": _("Another line of the order is wrong."),
    MALFORMED: _("The row has too few or too many values."),
}


def write_rejects(
    *, path: Path, rows: OrderRows, mapping: ColumnMapping, staging: Staging, malformed: list[MalformedRow]
) -> None:
    """Writes ``path`` at once, whole: line, field, value, code, reason, then the row's own columns."""
    draft = path.with_name(f"{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    with draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["line", "field", "value", "code", "reason", *rows.columns])
        writer.writerows(rejected_rows(rows, mapping, staging))
        for row in malformed:
            writer.writerow([row.line, "", f"{row.found} ≠ {row.expected}", MALFORMED, REASONS[MALFORMED], row.text])
    draft.replace(path)


def rejected_rows(rows: OrderRows, mapping: ColumnMapping, staging: Staging) -> Iterator[list[Any]]:
    """Reads the file again, as far as there are rejected rows, and gives those."""
    rejected = staging.connection.sql(
        "SELECT line, problem FROM lines WHERE problem IS NOT NULL ORDER BY line"
    ).to_arrow_table()
    lines = rejected["line"].to_numpy()
    problems = rejected["problem"]
    start = 0
    for batch in rows.batches():
        if start >= len(lines) or not batch.rows.num_rows:
            break
        stop = int(np.searchsorted(lines, batch.lines[-1].as_py(), side="right"))
        positions = np.searchsorted(batch.lines.to_numpy(), lines[start:stop])
        for raw, problem in zip(
            batch.rows.take(integers(positions)).to_pylist(), problems[start:stop].to_pylist(), strict=True
        ):
            code, _colon, name = problem.partition(":")
            value = next((raw[column] for column in mapping.columns.get(name, ()) if raw[column] not in (None, "")), "")
            yield [int(lines[start]), name, value, code, REASONS[code], *raw.values()]
            start += 1
