"""Past orders given by the shop's own programs: checked and written as those of a file are, each order whole or not at all."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.utils.translation import gettext as _

from catalog.bulk_results import BulkResult, Problem, Status, merge_outcomes
from catalog.field_cleaning import show
from config.foundation.database.advisory_locks import AlreadyRunningError, lock_key
from customers.events.models import Source
from customers.orders.imports.arrow_arrays import integers, texts
from customers.orders.imports.column_mapping import ColumnMapping
from customers.orders.imports.file_reader import RowBatch
from customers.orders.imports.loading import load, outcomes
from customers.orders.imports.parsing import Choices
from customers.orders.imports.rejected_rows import REASONS
from customers.orders.imports.staging import Staging

MOST_LINES = 1000
LOCK_TIMEOUT = "10s"
# what a program calls a field → what a file calls it
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
# of these it matters whether anybody says them at all: what is not said follows from the others
OPTIONAL = frozenset({"line_discount", "line_total", "unit_price", "total"})


def upsert_orders(*, items: Sequence[Mapping[str, Any]], source: Source, at: datetime, currency: str) -> BulkResult:
    """Creates the orders that are new, replaces those that differ, leaves the others untouched.

    An order is given whole: what it lacks is empty or follows from the rest, and its lines are all its lines. One with
    anything wrong is rejected and keeps no other out; of two with the same ``order_id`` the first wins. Unknown customers and
    products are made.

    Args:
        items: fields as in ``ORDER_FIELDS``, and ``lines`` with fields as in ``LINE_FIELDS``.
        at: now; no order may be placed more than a day later.
        currency: of orders that name none.

    Raises:
        AlreadyRunningError: a file of this source is being imported.
    """
    keys = [read_key(item) for item in items]
    problems = [find_problems(item, key=keys[index], earlier=keys[:index]) for index, item in enumerate(items)]
    good = [index for index, wrong in enumerate(problems) if not wrong]
    written: dict[str, Status] = {}
    if good:
        rows, origin = flatten([items[index] for index in good])
        found, written = write(rows, source=source, at=at, currency=currency)
        for line, problem in found:
            item, position = origin[line]
            one = describe(problem, position, items[good[item]])
            if all(
                one.field != other.field for other in problems[good[item]]
            ):  # the order's own fields stand in each row
                problems[good[item]].append(one)
    return merge_outcomes(keys=keys, problems=problems, written=written)


def read_key(item: Mapping[str, Any]) -> str:
    value = item.get("order_id")
    return show(value).strip() if is_scalar(value) else ""


def is_scalar(value: Any) -> bool:
    return value is None or (isinstance(value, str | int | float | Decimal) and not isinstance(value, bool))


def find_problems(item: Mapping[str, Any], *, key: str, earlier: Sequence[str]) -> list[Problem]:
    """What is wrong with an order's form; its values are checked with those of the others."""
    problems = check_fields(item, ORDER_FIELDS, prefix="", more=("lines",))
    if not key:
        problems.append(Problem("order_id", "required", str(REASONS["missing_order_id"])))
    elif key in earlier:
        problems.append(Problem("order_id", "duplicate", _("This id came before; the first one is taken."), key))
    lines = item.get("lines")
    if not isinstance(lines, list) or not 1 <= len(lines) <= MOST_LINES:
        message = _("Give a list of 1 to %(most)d lines.") % {"most": MOST_LINES}
        return [*problems, Problem("lines", "invalid", message)]
    for position, line in enumerate(lines):
        if isinstance(line, Mapping):
            problems += check_fields(line, LINE_FIELDS, prefix=f"lines.{position}.")
        else:
            problems.append(Problem(f"lines.{position}", "invalid", _("Give a JSON object for each line.")))
    return problems


def check_fields(
    values: Mapping[str, Any], known: Mapping[str, str], *, prefix: str, more: Sequence[str] = ()
) -> list[Problem]:
    problems = []
    for name, value in values.items():
        if name in more:
            continue
        if name not in known:
            message = _("Unknown field. Known are: %(names)s.") % {"names": ", ".join([*known, *more])}
            problems.append(Problem(f"{prefix}{show(name)}", "unknown_field", message, show(value)))
        elif not is_scalar(value):
            problems.append(Problem(f"{prefix}{name}", "invalid", _("Give a text or a number."), show(value)))
        elif isinstance(value, str) and ("\0" in value or any("\ud800" <= char <= "\udfff" for char in value)):
            message = _("Contains a NUL or half of a surrogate pair; remove it.")
            problems.append(Problem(f"{prefix}{name}", "bad_characters", message, show(value)))
    return problems


def flatten(items: Sequence[Mapping[str, Any]]) -> tuple[pa.RecordBatch, list[tuple[int, int]]]:
    """The orders as rows of texts, one a line; and for each row, from 0, its item and the line's position in that."""
    columns: dict[str, list[str]] = {name: [] for name in [*ORDER_FIELDS.values(), *LINE_FIELDS.values()]}
    origin: list[tuple[int, int]] = []
    for index, item in enumerate(items):
        head = {column: as_text(item.get(name)) for name, column in ORDER_FIELDS.items()}
        for position, line in enumerate(item["lines"]):
            row = head | {column: as_text(line.get(name)) for name, column in LINE_FIELDS.items()}
            for column, value in row.items():
                columns[column].append(value)
            origin.append((index, position))
    wanted = {name: values for name, values in columns.items() if name not in OPTIONAL or any(values)}
    return pa.RecordBatch.from_arrays([texts(values) for values in wanted.values()], names=list(wanted)), origin


def as_text(value: Any) -> str:
    return "" if value is None else str(value)


def write(
    rows: pa.RecordBatch, *, source: Source, at: datetime, currency: str
) -> tuple[list[tuple[int, str]], dict[str, Status]]:
    """Writes rows; returns what is wrong with which (from 0), and what became of the orders."""
    choices = Choices(
        mapping=ColumnMapping(columns={name: (name,) for name in rows.schema.names}),
        currency=currency,
        timezone="UTC",
        as_of=at,
    )
    with TemporaryDirectory(dir=scratch()) as folder, Staging(choices=choices, folder=Path(folder)) as staging:
        numbers = integers(range(rows.num_rows))
        staging.add(RowBatch(lines=numbers, rows=rows, done=rows.num_rows, total=rows.num_rows))
        staging.check_orders()
        staging.refuse_incomplete_orders()
        with transaction.atomic():
            lock_source(source)
            load(
                staging=staging,
                choices=choices,
                source_id=source.pk,
                at=at,
                create_products=True,
                progress=lambda done: None,
            )
            with connection.cursor() as cursor:
                written = outcomes(cursor, staging)
        found = staging.run(
            "SELECT line, problem FROM lines WHERE problem IS NOT NULL AND problem NOT LIKE 'incomplete_order:%' ORDER BY line"
        )
    return [(line, problem) for line, problem in found], written


def scratch() -> Path:
    folder = Path(settings.VAR_DIR) / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def lock_source(source: Source) -> None:
    """Until the transaction ends, nobody else writes this source's orders."""
    name = f"orders:{source.key}"
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock_key(name)])
            cursor.execute("SET LOCAL lock_timeout = DEFAULT")
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") != "55P03":  # lock_not_available
            raise
        raise AlreadyRunningError(name) from error


def describe(problem: str, position: int, item: Mapping[str, Any]) -> Problem:
    code, _colon, field = problem.partition(":")
    for name, column in LINE_FIELDS.items():
        if column == field:
            value = show(item["lines"][position].get(name))
            return Problem(f"lines.{position}.{name}", code, str(REASONS[code]), value)
    name = next(name for name, column in ORDER_FIELDS.items() if column == field)
    return Problem(name, code, str(REASONS[code]), show(item.get(name)))
