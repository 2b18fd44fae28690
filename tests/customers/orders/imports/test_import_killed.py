"""An import killed at any point and run again gives the same result as one clean run, on a real server."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings as django_settings
from django.db import connection

from catalog.models import Product
from customers.identity.models import Customer, Identifier
from customers.orders.imports.file_import import import_orders
from customers.orders.models import Order, OrderImport, OrderLine
from tests.makers import make_source
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ROWS = 3_000
CHILD = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
import django
django.setup()
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


def start_child(file: Path, *, stop_at: int, rebuild_from: int, var: Path) -> subprocess.Popen[str]:
    name = django_settings.DATABASES["default"]["NAME"]
    url = urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}"))
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(file), str(stop_at), str(rebuild_from)],
        env={**os.environ, "DATABASE_URL": url, "PERENNIAL_VAR": str(var)},
        cwd=Path(__file__).parents[4],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def session_is_gone() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()")
        return cursor.fetchone()[0] == 0


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
    child = start_child(file, stop_at=stop_at, rebuild_from=rebuild_from, var=tmp_path / "var")
    try:
        assert child.stdout is not None
        assert "there\n" in iter(child.stdout.readline, ""), "the child ended before it was there"
        child.send_signal(signal.SIGKILL)
    finally:
        child.kill()
        child.communicate()
    wait_until(session_is_gone, what="the end of the killed session")
    committed = stop_at == ROWS and OrderImport.objects.get().finished_at is not None
    assert Order.objects.count() == (500 if committed else 0)
    assert Customer.objects.count() == (90 if committed else 0)

    run = import_orders(path=file, source=source, started_at=NOW)
    assert (run.rows, run.loaded + run.unchanged, run.rejected) == (ROWS, ROWS, 0)
    assert counts() == {"Order": 500, "OrderLine": ROWS, "Product": 40, "Customer": 90, "Identifier": 90}
    assert set(Order.objects.values_list("lines__line_number", flat=True)) == set(range(1, 7))
    unfinished = OrderImport.objects.filter(finished_at=None)
    assert all("nothing was written" in record.error for record in unfinished)
