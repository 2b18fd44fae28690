"""Compares an engine of the warehouse with DuckDB, before WAREHOUSE_ENGINE is set to it."""

import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from config.engine_comparison.comparison import list_unequal
from config.engine_comparison.computations import list_computations
from config.engine_comparison.samples import AS_OF, CURRENCY, LABELS, ZONE, write_sample_warehouse
from config.engine_comparison.tables import open_comparison_tables
from config.foundation.shop.profile import get_shop, get_time_zone
from customers.warehouse.engines.base import WarehouseEngineError
from customers.warehouse.engines.registry import ENGINES


class Command(BaseCommand):
    help = "Run every computation of the warehouse on an engine and on DuckDB, and list the values that differ."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("engines", nargs="+", choices=[key for key in ENGINES if key != "duckdb"], metavar="ENGINE")
        parser.add_argument(
            "--sample", action="store_true", help="use generated events and orders instead of those of the shop"
        )

    def handle(self, *, engines: list[str], sample: bool, **options: Any) -> None:
        differing = []
        try:
            with open_data(sample=sample) as data:
                expected = {key: result for key, result, _ in run_computations("duckdb", data)}
                for engine in engines:
                    for key, result, seconds in run_computations(engine, data):
                        differences = list_unequal(expected[key], result)
                        differing += [f"{engine} {key}"] if differences else []
                        self.stdout.write(f"{engine} {key}: {'; '.join(differences) or 'equal'} ({seconds:.1f} s)")
        except WarehouseEngineError as error:
            raise CommandError(str(error)) from error
        if differing:
            raise CommandError(f"Other results than on duckdb: {', '.join(differing)}.")
        self.stdout.write(f"{len(expected)} computations agree on {', '.join(engines)} and duckdb.")


@contextmanager
def open_data(*, sample: bool) -> Iterator[dict[str, Any]]:
    """Return the options of `open_comparison_tables` for the shop's data, or for a generated warehouse."""
    if not sample:
        yield {"as_of": timezone.now(), "zone": get_time_zone(), "currency": get_shop().currency}
        return
    with TemporaryDirectory(prefix="perennial-sample-") as folder:
        write_sample_warehouse(Path(folder))
        settings.WAREHOUSE_URL = folder
        yield {"as_of": AS_OF, "zone": ZONE, "currency": CURRENCY, "labels": LABELS}


def run_computations(engine: str, data: dict[str, Any]) -> Iterator[tuple[str, Any, float]]:
    """Yield the key, result and seconds of each computation on an engine."""
    with open_comparison_tables(ENGINES[engine], **data) as tables:
        for key, run in list_computations().items():
            start = time.perf_counter()
            result = run(tables)
            yield key, result, time.perf_counter() - start
