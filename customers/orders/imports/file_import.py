"""Imports files of past orders: each row ends up loaded, unchanged or rejected with its reason, and nothing half-done."""

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

from catalog.field_cleaning import known_currencies
from config.foundation.database.advisory_locks import exclusive
from config.foundation.progress import Progress, no_progress
from customers.events.models import Source
from customers.orders.imports.arrow_copy import ahead
from customers.orders.imports.column_mapping import ColumnMapping, MappingError, resolve_mapping
from customers.orders.imports.file_reader import OrderRows, UnreadableFileError, open_rows
from customers.orders.imports.loading import Written, load
from customers.orders.imports.parsing import Choices
from customers.orders.imports.rejected_rows import MALFORMED, write_rejects
from customers.orders.imports.staging import Staging
from customers.orders.models import OrderImport

# how much of the work is done when all rows are read and checked
READING_SHARE = 0.4
UNFINISHED = "Ended before it finished; nothing of it was written."
Products = Literal["create", "reject"]


class ImportOptionError(Exception):
    """A currency, time zone or the like that does not exist."""


def import_orders(
    *,
    path: Path,
    source: Source,
    started_at: datetime,
    preset: str = "own",
    mapping: Mapping[str, str] | None = None,
    currency: str = "",
    timezone: str = "UTC",
    encoding: str | None = None,
    date_formats: Sequence[str] = (),
    products: Products = "create",
    keep_zero_quantity: bool = False,
    dry_run: bool = False,
    progress: Progress = no_progress,
    run: OrderImport | None = None,
    file_name: str = "",
) -> OrderImport:
    """Imports a CSV file (also gzipped) or a Parquet file, in one transaction.

    Orders are known by (source, order id), lines by (order, line number), so a second import of a file changes nothing and a
    changed file changes what differs. Without a column for line numbers, an order's lines are numbered as they come and the
    file has all of them. Every good row counts as loaded or unchanged, every other as rejected with one reason.

    Args:
        mapping: field → column, before what ``preset`` says.
        currency: of rows that name none; the shop's when empty.
        timezone: of times without an offset.
        products: whether unknown products are made, or their rows rejected.
        keep_zero_quantity: take rows of quantity 0, as tills write them for coupons, instead of rejecting them.
        dry_run: check and count, and write nothing but this record.
        run: a record made before, to be filled; else a new one.
        file_name: as the record is to call the file.

    Raises:
        UnreadableFileError, MappingError, ImportOptionError: nothing could be read; the record says so too.
        AlreadyRunningError: another import of this source is under way.
    """
    run = run or OrderImport(source=source)
    run.file_name, run.dry_run, run.started_at = file_name or path.name, dry_run, started_at
    with recorded(run, source):
        return import_rows(
            rows=open_rows(path, encoding=encoding),
            run=run,
            preset=preset,
            mapping=mapping,
            currency=currency,
            timezone=timezone,
            date_formats=date_formats,
            products=products,
            keep_zero_quantity=keep_zero_quantity,
            progress=progress,
        )


@contextmanager
def recorded(run: OrderImport, source: Source) -> Iterator[None]:
    """Holds the source for one import at a time, and writes into the record how it ended."""
    with exclusive(f"orders:{source.key}"):
        # whoever was here before and did not finish is gone: the lock says so
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
    preset: str = "own",
    mapping: Mapping[str, str] | None = None,
    currency: str = "",
    timezone: str = "UTC",
    date_formats: Sequence[str] = (),
    products: Products = "create",
    keep_zero_quantity: bool = False,
    progress: Progress = no_progress,
) -> OrderImport:
    """What ``import_orders`` does, with the file opened and the record saved."""
    columns = resolve_mapping(columns=rows.columns, preset=preset, mapping=mapping, date_formats=date_formats)
    choices = Choices(
        mapping=columns,
        currency=check_currency(currency or settings.SHOP_CURRENCY),
        timezone=check_timezone(timezone),
        as_of=run.started_at,
        decimal_comma=rows.decimal_comma,
        keep_zero_quantity=keep_zero_quantity,
    )
    run.mapping = {name: list(found) for name, found in columns.columns.items()}
    with scratch_folder(run.source) as folder, Staging(choices=choices, folder=folder) as staging:
        try:
            return check_and_load(rows, run, choices, staging, products=products, progress=progress)
        except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
            raise UnreadableFileError(
                _("%(folder)s, where the import keeps rows that memory has no room for, fails: %(reason)s")
                % {"folder": folder, "reason": error}
            ) from error


def check_and_load(
    rows: OrderRows, run: OrderImport, choices: Choices, staging: Staging, *, products: Products, progress: Progress
) -> OrderImport:
    began = monotonic()
    total = stage(rows, staging, choices.mapping, progress)
    with transaction.atomic():
        written = load(
            staging=staging,
            choices=choices,
            source_id=run.source_id,
            at=run.started_at,
            create_products=products == "create",
            progress=lambda done: progress(int(total * READING_SHARE + done * (1 - READING_SHARE)), total),
        )
        account(run, rows, staging, written)
        if run.rejected:
            run.error_file = error_file_name(run)
            write_rejects(
                path=error_file(run), rows=rows, mapping=choices.mapping, staging=staging, malformed=rows.malformed
            )
        run.finished_at = run.started_at + timedelta(seconds=monotonic() - began)
        if run.dry_run:
            transaction.set_rollback(True)
        else:
            run.save()
    if run.dry_run:
        run.save()
    progress(total, total)
    return run


def stage(rows: OrderRows, staging: Staging, mapping: ColumnMapping, progress: Progress) -> int:
    """Reads and checks all rows; returns their number."""
    for batch in ahead(rows.batches(mapping.used_columns())):
        staging.add(batch)
        progress(int(batch.done * READING_SHARE), batch.total)
    if not staging.staged:
        raise UnreadableFileError(_("%(name)s has no row with as many values as its header.") % {"name": rows.name})
    staging.check_orders()
    return staging.staged + len(rows.malformed)


def account(run: OrderImport, rows: OrderRows, staging: Staging, written: Written) -> None:
    """Fills the record's figures; they add up to the rows of the file."""
    problems = staging.problems()
    if rows.malformed:
        problems[MALFORMED] = len(rows.malformed)
    run.rows = staging.staged + len(rows.malformed)
    run.loaded = written.loaded
    run.unchanged = written.unchanged
    run.rejected = sum(problems.values())
    run.problems = problems
    run.counts = written.counts
    if run.loaded + run.unchanged + run.rejected != run.rows:
        raise RowsUnaccountedError(run)


class RowsUnaccountedError(Exception):
    """A fault of the import itself: the figures do not add up, so nothing is written."""

    def __init__(self, run: OrderImport) -> None:
        super().__init__(
            f"{run.rows} rows, but {run.loaded} loaded, {run.unchanged} unchanged and {run.rejected} rejected"
        )


def error_file_name(run: OrderImport) -> str:
    return f"imports/orders-{run.pk}-rejected.csv"


def error_file(run: OrderImport) -> Path:
    """Where the rejected rows of an import lie."""
    return Path(settings.EXPORTS_DIR) / run.error_file


@contextmanager
def scratch_folder(source: Source) -> Iterator[Path]:
    """A folder of this source's import, which is alone with it; what a killed one left there goes first."""
    folder = Path(settings.VAR_DIR) / "tmp" / f"orders-{source.key}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def check_currency(code: str) -> str:
    if code not in known_currencies():
        raise ImportOptionError(
            _("%(code)s is not a currency; give an ISO 4217 code such as EUR.") % {"code": repr(code)}
        )
    return code


def check_timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ImportOptionError(
            _("%(name)s is not a time zone; give a name such as Europe/Berlin.") % {"name": repr(name)}
        ) from error
    return name


__all__ = [
    "ImportOptionError",
    "MappingError",
    "UnreadableFileError",
    "error_file",
    "import_orders",
    "import_rows",
    "recorded",
]
