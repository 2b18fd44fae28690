"""``manage.py export_warehouse``: exports changed rows to the warehouse."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from config.foundation.database.advisory_locks import AlreadyRunningError
from config.foundation.progress import ProgressBar
from customers.warehouse.export import export_table, export_warehouse
from customers.warehouse.parquet_files import WarehouseWriteError, get_warehouse_root
from customers.warehouse.tables import TABLES


class Command(BaseCommand):
    help = "Write the tables of the warehouse as Parquet files: only the days whose rows have changed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--table", choices=list(TABLES), help="only this table")

    def handle(self, *, table: str | None, **options: Any) -> None:
        progress = ProgressBar("Warehouse")
        try:
            if table:
                exports = [export_table(table=table, started_at=timezone.now(), progress=progress)]
            else:
                exports = export_warehouse(started_at=timezone.now(), progress=progress)
            root = get_warehouse_root()
        except (AlreadyRunningError, ImproperlyConfigured, WarehouseWriteError) as error:
            raise CommandError(str(error)) from error
        for export in exports:
            self.stdout.write(
                f"{export.table}: {export.rows_total:,} rows in {export.parts_total:,} files, "
                f"{export.parts_written:,} files written, {export.parts_removed:,} removed"
            )
        self.stdout.write(f"The warehouse is in {root}.")
