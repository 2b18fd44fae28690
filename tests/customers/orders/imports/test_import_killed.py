"""An import killed at any point and run again gives the same result as one clean run, on a real server."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from catalog.models import Product
from customers.identity.models import Customer, Identifier
from customers.orders.imports.file_import import import_orders
from customers.orders.models import Order, OrderImport, OrderLine
from tests.child_processes import kill_after_output, start_child
from tests.makers import make_source

pytestmark = pytest.mark.acceptance

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ROWS = 3_000
CHILD = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from customers.events.models import Source
from customers.orders.imports.files import csv_rows
from customers.orders.imports.loading import known_orders, lines, orders, staged_load
from customers.orders.imports.file_import import import_orders
csv_rows.CHUNK_BYTES = 8192
for module in (known_orders, lines, orders):
    module.COPY_ROWS = 500
staged_load.MIN_LINES_FOR_REBUILD = int(sys.argv[3])

def progress(done, total):
    if done >= int(sys.argv[2]):
        print("there", flush=True)
        sys.stdin.read()  # until the process is killed

import_orders(path=Path(sys.argv[1]), source=Source.objects.get(key="shop"), started_at=datetime(2026, 11, 24, 12, tzinfo=UTC),
              progress=progress)
"""


def write_file(path: Path) -> Path:
    rows = [f"A{n % 500},c{n % 500 % 90},2026-05-0{n % 500 % 9 + 1},p{n % 40},{n % 3 + 1},2.50" for n in range(ROWS)]
    path.write_text("order_id,customer_id,placed_at,product_id,quantity,unit_price\n" + "\n".join(rows) + "\n")
    return path


def counts() -> dict[str, int]:
    models = (Order, OrderLine, Product, Customer, Identifier)
    return {model.__name__: model.objects.count() for model in models}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("stop_at", "rebuild_from"),
    [
        pytest.param(1, 10**9, id="while reading"),
        pytest.param(2_000, 10**9, id="while writing lines"),
        pytest.param(2_000, 1, id="while writing lines without keys"),
        pytest.param(ROWS, 1, id="at the end, committed"),
    ],
)
def test_killed_import_neither_loses_nor_duplicates_rows(
    settings: Any, tmp_path: Path, stop_at: int, rebuild_from: int
) -> None:
    settings.EXPORTS_DIR, settings.VAR_DIR = tmp_path / "exports", tmp_path / "var"
    source = make_source()
    file = write_file(tmp_path / "orders.csv")
    arguments = f"import sys\nsys.argv[1:] = {[str(file), str(stop_at), str(rebuild_from)]}\n"
    kill_after_output(start_child(arguments + CHILD, PERENNIAL_VAR=str(tmp_path / "var")), "there")
    committed = stop_at == ROWS and OrderImport.objects.get().finished_at is not None
    assert Order.objects.count() == (500 if committed else 0)
    assert Customer.objects.count() == (90 if committed else 0)

    run = import_orders(path=file, source=source, started_at=NOW)
    assert (run.rows, run.loaded + run.unchanged, run.rejected) == (ROWS, ROWS, 0)
    assert counts() == {"Order": 500, "OrderLine": ROWS, "Product": 40, "Customer": 90, "Identifier": 90}
    assert set(Order.objects.values_list("lines__line_number", flat=True)) == set(range(1, 7))
    unfinished = OrderImport.objects.filter(finished_at=None)
    assert all("nothing was written" in record.error for record in unfinished)
