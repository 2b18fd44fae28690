"""Imports files of past orders in one transaction: each row is loaded, unchanged, or rejected with a reason."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import duckdb
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from config.foundation.currencies import get_known_currencies
from config.foundation.database.advisory_locks import exclusive_lock
from config.foundation.progress import Progress, ignore_progress
from config.foundation.shop.profile import get_shop
from customers.events.models import Source
from customers.orders.imports.arrow_copy import prefetch
from customers.orders.imports.column_mapping import ColumnMapping, ColumnMappingError, resolve_mapping
from customers.orders.imports.files.order_file import open_rows
from customers.orders.imports.files.row_batches import OrderRows, UnreadableOrderFileError, leave_out_rows
from customers.orders.imports.loading.load_result import LoadResult
from customers.orders.imports.loading.staged_load import load_staged_orders
from customers.orders.imports.parsing import ImportOptions
from customers.orders.imports.presets.registry import DEFAULT_PRESET
from customers.orders.imports.rejected_rows import WRONG_COLUMN_COUNT, write_rejected_rows
from customers.orders.imports.staging import Staging
from customers.orders.models import OrderImport
from customers.orders.source_lock import name_source_lock

# the share of the work that is done once all rows are read and checked
READING_SHARE = 0.4
UNFINISHED = "The import stopped before it finished; nothing was written."
UnknownProducts = Literal["create", "reject"]


class ImportOptionError(Exception):
    """An option has an invalid value, such as an unknown currency or time zone."""


def import_orders(
    *,
    path: Path,
    source: Source,
    started_at: datetime,
    preset: str = DEFAULT_PRESET,
    mapping: Mapping[str, str | Sequence[str]] | None = None,
    is_complete_mapping: bool = False,
    currency: str = "",
    timezone: str = "UTC",
    encoding: str | None = None,
    date_formats: Sequence[str] = (),
    products: UnknownProducts = "create",
    keep_zero_quantity: bool = False,
    dry_run: bool = False,
    progress: Progress = ignore_progress,
    run: OrderImport | None = None,
    file_name: str = "",
) -> OrderImport:
    """Import a CSV file (also gzipped) or a Parquet file, in one transaction.

    Orders are identified by source and order ID, lines by order and line number: a second import of a file changes nothing,
    and a changed file changes only what differs. Without a line number column, lines are numbered in file order and the file
    must contain all lines of its orders. Every valid row counts as loaded or unchanged, every other one as rejected.

    Args:
        mapping: field → column or columns; takes precedence over the preset.
        is_complete_mapping: fields that are not in ``mapping`` have no column, even if the preset knows one.
        currency: the currency of rows without one; empty for the shop's currency.
        timezone: the time zone of times without an offset.
        products: whether unknown products are created, or their rows rejected.
        keep_zero_quantity: accept rows with quantity 0, which tills write for coupons.
        dry_run: check and count the rows; write only the import record.
        run: the record to fill in; a new one by default.
        file_name: the file name for the record; that of the path by default.

    Raises:
        UnreadableOrderFileError, ColumnMappingError, ImportOptionError: nothing was imported; the record has the reason.
        AlreadyRunningError: another import of this source is running.
    """
    run = run or OrderImport(source=source)
    run.file_name, run.dry_run, run.started_at = file_name or path.name, dry_run, started_at
    with record_import(run, source):
        return import_rows(
            rows=open_rows(path, encoding=encoding),
            run=run,
            preset=preset,
            mapping=mapping,
            is_complete_mapping=is_complete_mapping,
            currency=currency,
            timezone=timezone,
            date_formats=date_formats,
            products=products,
            keep_zero_quantity=keep_zero_quantity,
            progress=progress,
        )


@contextmanager
def record_import(run: OrderImport, source: Source) -> Iterator[None]:
    """Lock the source for the import, and record how the import ends."""
    with exclusive_lock(name_source_lock(source.key)):
        # the lock is free only if no other import of this source runs, so the process of every unfinished import has ended
        OrderImport.objects.filter(source=source, finished_at=None, error="").exclude(pk=run.pk).update(
            error=UNFINISHED
        )
        run.error = ""
        run.save()
        try:
            yield
        except BaseException as error:
            run.error = UNFINISHED if isinstance(error, KeyboardInterrupt) else str(error) or type(error).__name__
            run.save(update_fields=["error"])
            raise


def import_rows(
    *,
    rows: OrderRows,
    run: OrderImport,
    preset: str = DEFAULT_PRESET,
    mapping: Mapping[str, str | Sequence[str]] | None = None,
    is_complete_mapping: bool = False,
    currency: str = "",
    timezone: str = "UTC",
    date_formats: Sequence[str] = (),
    products: UnknownProducts = "create",
    keep_zero_quantity: bool = False,
    progress: Progress = ignore_progress,
) -> OrderImport:
    """Import the rows of an open file into a saved record; see ``import_orders``."""
    columns = resolve_mapping(
        columns=rows.columns,
        preset=preset,
        mapping=mapping,
        is_complete=is_complete_mapping,
        date_formats=date_formats,
    )
    options = ImportOptions(
        mapping=columns,
        currency=check_currency(currency or get_shop().currency),
        timezone=check_timezone(timezone),
        as_of=run.started_at,
        decimal_comma=rows.decimal_comma,
        keep_zero_quantity=keep_zero_quantity,
    )
    run.mapping = {name: list(names) for name, names in columns.columns.items()}
    with open_scratch_folder(run.source) as folder, Staging(options=options, folder=folder) as staging:
        try:
            return check_and_load(rows, run, options, staging, products=products, progress=progress)
        except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
            raise UnreadableOrderFileError(
                _("Writing temporary data to %(folder)s failed: %(reason)s") % {"folder": folder, "reason": error}
            ) from error


def check_and_load(
    rows: OrderRows,
    run: OrderImport,
    options: ImportOptions,
    staging: Staging,
    *,
    products: UnknownProducts,
    progress: Progress,
) -> OrderImport:
    """Stage all rows, then write the orders and the record in one transaction."""
    started = monotonic()
    total = stage_rows(rows, staging, options.mapping, progress)
    with transaction.atomic():
        result = load_staged_orders(
            staging=staging,
            options=options,
            source_id=run.source_id,
            at=run.started_at,
            create_products=products == "create",
            progress=lambda loaded_lines: progress(
                int(total * READING_SHARE + loaded_lines * (1 - READING_SHARE)), total
            ),
        )
        fill_record(run, rows, staging, result)
        if run.rejected:
            run.error_file = f"imports/orders-{run.pk}-rejected.csv"
            write_rejected_rows(path=get_error_file(run), rows=rows, mapping=options.mapping, staging=staging)
        run.finished_at = run.started_at + timedelta(seconds=monotonic() - started)
        if run.dry_run:
            transaction.set_rollback(True)
        else:
            run.save()  # with the orders, so that a finished record always means that its orders are stored
    if run.dry_run:
        run.save()  # after the rollback, which would undo it
    progress(total, total)
    return run


def stage_rows(rows: OrderRows, staging: Staging, mapping: ColumnMapping, progress: Progress) -> int:
    """Read and check all rows; return their number."""
    for batch in prefetch(rows.batches(mapping.list_columns())):
        staging.add(leave_out_rows(batch, mapping.part_columns))
        progress(int(batch.rows_read * READING_SHARE), batch.total_rows)
    if not staging.staged:
        raise UnreadableOrderFileError(
            _("No row of %(name)s has the same number of values as the header.") % {"name": rows.name}
        )
    staging.check_orders()
    return staging.staged + len(rows.malformed)


def fill_record(run: OrderImport, rows: OrderRows, staging: Staging, result: LoadResult) -> None:
    """Set the counts of the record.

    Loaded, unchanged and rejected rows add up to the rows of the file.
    """
    problems = staging.count_problems()
    if rows.malformed:
        problems[WRONG_COLUMN_COUNT] = len(rows.malformed)
    run.rows = staging.staged + len(rows.malformed)
    run.loaded = result.loaded
    run.unchanged = result.unchanged
    run.rejected = sum(problems.values())
    run.problems = problems
    run.counts = result.counts
    if run.loaded + run.unchanged + run.rejected != run.rows:
        raise RowCountMismatchError(run)


class RowCountMismatchError(Exception):
    """A bug in the import: the counts do not add up to the rows of the file, so nothing is written."""

    def __init__(self, run: OrderImport) -> None:
        super().__init__(
            f"{run.rows} rows, but {run.loaded} loaded, {run.unchanged} unchanged and {run.rejected} rejected"
        )


def get_error_file(run: OrderImport) -> Path:
    """Return the path of the file with the rejected rows."""
    return Path(settings.EXPORTS_DIR) / run.error_file


@contextmanager
def open_scratch_folder(source: Source) -> Iterator[Path]:
    """Yield an empty folder for temporary data, named after the source.

    A killed import may have left files in it.
    """
    folder = Path(settings.VAR_DIR) / "tmp" / f"orders-{source.key}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def check_currency(code: str) -> str:
    """Return the code; raise ImportOptionError if no such currency exists."""
    if code not in get_known_currencies():
        raise ImportOptionError(
            _("Unknown currency %(code)s; use an ISO 4217 code such as EUR.") % {"code": repr(code)}
        )
    return code


def check_timezone(name: str) -> str:
    """Return the name; raise ImportOptionError if no such time zone exists."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ImportOptionError(
            _("Unknown time zone %(name)s; use a name such as Europe/Berlin.") % {"name": repr(name)}
        ) from error
    return name


__all__ = [
    "ColumnMappingError",
    "ImportOptionError",
    "UnreadableOrderFileError",
    "get_error_file",
    "import_orders",
    "import_rows",
    "record_import",
]
