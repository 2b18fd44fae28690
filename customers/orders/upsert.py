"""Creates and updates orders sent over REST; they are checked and written like those of a file, each as a whole."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
from django.conf import settings
from django.db import connection, transaction
from django.utils.translation import gettext as _

from catalog.bulk_results import BulkResult, FieldProblem, ItemStatus, combine_results
from catalog.field_cleaning import InvalidValueError, clean_decimal, clean_price, clean_text, shorten_value
from customers.events.models import Source
from customers.orders.imports.arrow_arrays import build_integer_array, build_text_array
from customers.orders.imports.column_mapping import ColumnMapping
from customers.orders.imports.files.row_batches import RowBatch
from customers.orders.imports.loading.orders import read_order_statuses
from customers.orders.imports.loading.staged_load import load_staged_orders
from customers.orders.imports.parsing import NUMBERS, ImportOptions
from customers.orders.imports.staging import Staging
from customers.orders.order_rules import EMAIL_LENGTH, MAX_LINES, REASONS, TEXT_LENGTHS
from customers.orders.source_lock import lock_source

# field of the REST API → field of a file
ORDER_FIELDS = {
    "order_id": "order_id",
    "user_id": "customer_id",
    "email": "email",
    "placed_at": "placed_at",
    "currency": "currency",
    "status": "status",
    "discount": "order_discount",
    "shipping": "shipping",
    "tax": "tax",
    "total": "total",
    "refunded": "refunded",
    "coupon": "coupon",
    "channel": "channel",
    "country": "country",
}
LINE_FIELDS = {
    "product_id": "product_id",
    "title": "product_title",
    "category": "category",
    "brand": "brand",
    "quantity": "quantity",
    "unit_price": "unit_price",
    "discount": "line_discount",
    "total": "line_total",
}
# these columns are passed on only if an item has a value for them: a missing column is computed from the others
OPTIONAL = frozenset({"line_discount", "line_total", "unit_price", "total"})


# columns whose values are shortened if they are longer
MAX_LENGTHS = {**TEXT_LENGTHS, "email": EMAIL_LENGTH}


def upsert_orders(
    *,
    items: Sequence[Mapping[str, Any]],
    source: Source,
    at: datetime,
    currency: str,
    is_exact: bool = False,
    creates_drafts: bool = False,
) -> BulkResult:
    """Create new orders, replace those that differ, and leave the others untouched.

    An item is a complete order: missing fields are empty or computed from the others, and its lines are all its lines. An
    order with an error is rejected and the others are still written; if two orders have the same ``order_id``, the first
    counts. Unknown customers and products are created.

    Args:
        items: fields as in ``ORDER_FIELDS``, and ``lines`` with fields as in ``LINE_FIELDS``.
        at: now; an order date may be at most a day later.
        currency: the currency of orders without one.
        is_exact: reject values that could only be stored shortened, rounded, without their sign or as a smaller refund. The caller of the REST API
            can correct them; the orders of another system are taken as they are.
        creates_drafts: unknown products become drafts, for a caller whose catalog is complete: what it lacks is not sold.

    Raises:
        AlreadyRunningError: a file of this source is being imported.
    """
    keys = [read_order_key(item) for item in items]
    first = {key: index for index, key in reversed(list(enumerate(keys)))}
    problems = [
        find_problems(item, key=keys[index], is_repeated=first[keys[index]] < index, is_exact=is_exact)
        for index, item in enumerate(items)
    ]
    valid = [index for index, item_problems in enumerate(problems) if not item_problems]
    written: dict[str, ItemStatus] = {}
    if valid:
        rows, origin = flatten_orders([items[index] for index in valid])
        row_problems, written = write_rows(
            rows, source=source, at=at, currency=currency, creates_drafts=creates_drafts, caps_refunds=not is_exact
        )
        for line, code in row_problems:
            item, position = origin[line]
            problem = build_problem(code, position, items[valid[item]])
            # every row repeats the fields of the order itself, so a problem of these is found once per line
            if all(problem.field != other.field for other in problems[valid[item]]):
                problems[valid[item]].append(problem)
    if rejected := [index for index, item_problems in enumerate(problems) if item_problems]:
        add_value_problems([problems[index] for index in rejected], [items[index] for index in rejected], at=at)
    return combine_results(keys=keys, problems=problems, written=written)


def add_value_problems(
    problems: Sequence[list[FieldProblem]], items: Sequence[Mapping[str, Any]], *, at: datetime
) -> None:
    """Add the problems of all values of rejected orders to those that are known, at most one per field.

    The structure is checked first and a row that is written stops at its first problem, which would otherwise be corrected one by one.
    """
    checkable = make_checkable(items)
    rows, origin = flatten_orders(checkable)
    with TemporaryDirectory(dir=get_scratch_folder()) as folder:
        found = list_value_problems(rows, folder=Path(folder), at=at)
    for row, codes in found:
        item, position = origin[row]
        known = problems[item]
        for code in codes.split(" "):
            problem = build_problem(code, position, checkable[item])
            if not has_problem(known, problem, position):
                known.append(problem)


def has_problem(known: Sequence[FieldProblem], problem: FieldProblem, position: int) -> bool:
    """Return whether a problem is known, or only follows from a known one: of the same field, or of a line that cannot be read."""
    line = f"lines[{position}]"
    covered = {problem.field}
    if problem.field.startswith("lines["):
        covered |= {"lines", line}
    if problem.code == "missing_price":
        covered |= {f"{line}.unit_price", f"{line}.total"}
    return any(other.field in covered for other in known)


def make_checkable(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the orders without what cannot be written to a row, and with at least one line."""
    checkable = []
    for item in items:
        head = keep_readable(item, ORDER_FIELDS)
        lines = item.get("lines")
        if not isinstance(lines, list) or not 1 <= len(lines) <= MAX_LINES:
            lines = [{}]
        checkable.append(
            {**head, "lines": [keep_readable(line, LINE_FIELDS) if isinstance(line, Mapping) else {} for line in lines]}
        )
    return checkable


def keep_readable(values: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, Any]:
    return {
        name: value
        for name, value in values.items()
        if name in known and is_scalar(value) and not (isinstance(value, str) and has_bad_characters(value))
    }


def list_value_problems(rows: pa.RecordBatch, *, folder: Path, at: datetime) -> list[tuple[int, str]]:
    """Return each row that has problems, with these as ``code:field``, separated by spaces."""
    options = ImportOptions(
        mapping=ColumnMapping(columns={name: (name,) for name in rows.schema.names}),
        currency="",
        timezone="UTC",
        as_of=at,
        lists_all_problems=True,
    )
    with Staging(options=options, folder=folder) as staging:
        numbers = build_integer_array(range(rows.num_rows))
        staging.add(RowBatch(lines=numbers, rows=rows, rows_read=rows.num_rows, total_rows=rows.num_rows))
        found = staging.list_parsed_problems()
    return [(line, problem) for line, problem in found]


def read_order_key(item: Mapping[str, Any]) -> str:
    value = item.get("order_id")
    return shorten_value(format_scalar(value)).strip() if is_scalar(value) else ""


def is_scalar(value: Any) -> bool:
    return value is None or (isinstance(value, str | int | float | Decimal) and not isinstance(value, bool))


def find_problems(item: Mapping[str, Any], *, key: str, is_repeated: bool, is_exact: bool) -> list[FieldProblem]:
    """Return the problems of an order's structure, and of the values that are not stored as they are if these count.

    Its values are checked later, with those of the other orders.
    """
    problems = check_fields(item, ORDER_FIELDS, prefix="", other_names=("lines",), is_exact=is_exact)
    if not key:
        problems.append(FieldProblem("order_id", "required", str(REASONS["missing_order_id"])))
    elif is_repeated:
        problems.append(
            FieldProblem("order_id", "duplicate", _("Duplicate ID; the first item with this ID is kept."), key)
        )
    lines = item.get("lines")
    if not isinstance(lines, list) or not 1 <= len(lines) <= MAX_LINES:
        message = _("Must be a list of 1 to %(max)d lines.") % {"max": MAX_LINES}
        return [*problems, FieldProblem("lines", "invalid", message)]
    for position, line in enumerate(lines):
        if isinstance(line, Mapping):
            problems += check_fields(line, LINE_FIELDS, prefix=f"lines[{position}].", is_exact=is_exact)
        else:
            problems.append(FieldProblem(f"lines[{position}]", "invalid", _("Must be a JSON object.")))
    return problems


def check_fields(
    values: Mapping[str, Any],
    known: Mapping[str, str],
    *,
    prefix: str,
    is_exact: bool,
    other_names: Sequence[str] = (),
) -> list[FieldProblem]:
    problems = []
    for name, value in values.items():
        if name in other_names:
            continue
        if name not in known:
            message = _("Unknown field; valid: %(names)s.") % {"names": ", ".join([*known, *other_names])}
            problems.append(
                FieldProblem(f"{prefix}{shorten_value(name)}", "unknown_field", message, shorten_value(value))
            )
        elif not is_scalar(value):
            problems.append(
                FieldProblem(f"{prefix}{name}", "invalid", _("Must be a string or a number."), shorten_value(value))
            )
        elif isinstance(value, str) and has_bad_characters(value):
            message = _("Contains a NUL character or an unpaired surrogate; remove it.")
            problems.append(FieldProblem(f"{prefix}{name}", "bad_characters", message, shorten_value(value)))
        elif is_exact and (error := find_inexact_value(known[name], value)):
            problems.append(FieldProblem(f"{prefix}{name}", error.code, error.message, shorten_value(value)))
    return problems


def find_inexact_value(column: str, value: Any) -> InvalidValueError | None:
    """Return why a value would be stored shortened, rounded or without its sign; None if it is stored as it is.

    Values that are not valid at all are found later, as in a file.
    """
    try:
        if column in MAX_LENGTHS:
            clean_text(value, MAX_LENGTHS[column])
        elif column in NUMBERS and value is not None and not isinstance(value, int):
            clean_decimal(str(value).replace(",", ""), places=NUMBERS[column].places)
        if column == "refunded":
            clean_price(value)
    except InvalidValueError as error:
        return error if error.code in ("too_long", "too_many_decimals", "negative") else None
    return None


def has_bad_characters(value: str) -> bool:
    """Return whether a text has a NUL character or a surrogate, neither of which PostgreSQL stores."""
    if "\0" in value:
        return True
    if value.isascii():
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return True
    return False


def flatten_orders(items: Sequence[Mapping[str, Any]]) -> tuple[pa.RecordBatch, list[tuple[int, int]]]:
    """Return the orders as rows of texts, one per line.

    For each row, also return the index of its item and of its line.
    """
    columns: dict[str, list[str]] = {name: [] for name in [*ORDER_FIELDS.values(), *LINE_FIELDS.values()]}
    origin: list[tuple[int, int]] = []
    for index, item in enumerate(items):
        head = {column: format_scalar(item.get(name)) for name, column in ORDER_FIELDS.items()}
        for position, line in enumerate(item["lines"]):
            row = head | {column: format_scalar(line.get(name)) for name, column in LINE_FIELDS.items()}
            for column, value in row.items():
                columns[column].append(value)
            origin.append((index, position))
    # all values are texts, so that the same rules check them as those of a CSV file
    filled = {name: values for name, values in columns.items() if name not in OPTIONAL or any(values)}
    return pa.RecordBatch.from_arrays(
        [build_text_array(values) for values in filled.values()], names=list(filled)
    ), origin


def format_scalar(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # programs write IDs as floats: 1001.0 is 1001, as in events and files
    return "" if value is None else str(value)


def write_rows(
    rows: pa.RecordBatch, *, source: Source, at: datetime, currency: str, creates_drafts: bool, caps_refunds: bool
) -> tuple[list[tuple[int, str]], dict[str, ItemStatus]]:
    """Write rows; return the problems as (row, code), and the status of each order."""
    options = ImportOptions(
        mapping=ColumnMapping(columns={name: (name,) for name in rows.schema.names}),
        currency=currency,
        timezone="UTC",
        as_of=at,
        creates_drafts=creates_drafts,
        caps_refunds=caps_refunds,
    )
    with (
        TemporaryDirectory(dir=get_scratch_folder()) as folder,
        Staging(options=options, folder=Path(folder)) as staging,
    ):
        numbers = build_integer_array(range(rows.num_rows))
        staging.add(RowBatch(lines=numbers, rows=rows, rows_read=rows.num_rows, total_rows=rows.num_rows))
        staging.check_orders()
        staging.reject_incomplete_orders()
        with transaction.atomic():
            lock_source(source)
            load_staged_orders(
                staging=staging,
                options=options,
                source_id=source.pk,
                at=at,
                create_products=True,
                progress=lambda done: None,
            )
            with connection.cursor() as cursor:
                written = read_order_statuses(cursor, staging)
        problems = staging.run(
            "SELECT line, problem FROM lines WHERE problem IS NOT NULL AND problem NOT LIKE 'incomplete_order:%' ORDER BY line"
        )
    return [(line, problem) for line, problem in problems], written


def get_scratch_folder() -> Path:
    folder = Path(settings.VAR_DIR) / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def build_problem(problem: str, position: int, item: Mapping[str, Any]) -> FieldProblem:
    code, _colon, field = problem.partition(":")
    # there is no file whose date format could be chosen
    reason = _("Not a valid time; use ISO 8601, such as 2026-05-17T09:30:00Z.") if code == "bad_date" else REASONS[code]
    for name, column in LINE_FIELDS.items():
        if column == field:
            value = shorten_value(item["lines"][position].get(name))
            return FieldProblem(f"lines[{position}].{name}", code, str(reason), value)
    name = next(name for name, column in ORDER_FIELDS.items() if column == field)
    return FieldProblem(name, code, str(reason), shorten_value(item.get(name)))
