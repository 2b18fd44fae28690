"""An erasure removes people from the copy of the warehouse on a ClickHouse server, and its proof looks there."""

import importlib.util
from pathlib import Path

import pytest

from tests.child_processes import start_child

# chDB has one engine per process, and leaves threads behind
PROGRAM = """
import sys
from pathlib import Path
from django.conf import settings
folder = Path({folder!r})
for name in ("MODELS_DIR", "MERCHANDISING_DIR", "EXPORTS_DIR", "VAR_DIR"):
    setattr(settings, name, folder / name)
settings.WAREHOUSE_URL, settings.CLICKHOUSE_URL = str(folder / "warehouse"), f"chdb://{{folder / 'clickhouse'}}"
settings.WAREHOUSE_ENGINE = "clickhouse"

from config.engine_comparison.samples import SampleSize, write_sample_warehouse
from config.foundation.personal_data.person import Person
from config.foundation.personal_data.registry import find_store
from customers.erasure.proof.verification import search_everything
from customers.warehouse.engines.registry import get_engine
from customers.warehouse.parquet_files import get_warehouse_root

write_sample_warehouse(get_warehouse_root(), events=200, orders=60, size=SampleSize(customers=10))
ada, bob = Person(7, replacement_id=900_001), Person(8)
files, copies = find_store("warehouse.files"), find_store("warehouse.server_copies")
get_engine().refresh_copies(get_warehouse_root())
with get_engine().connect() as backend:
    # what a killed loading leaves
    backend.con.command("CREATE TABLE perennial_orders_loading_1 ENGINE = MergeTree ORDER BY tuple() AS SELECT * FROM perennial_orders")

def find(person):
    found = {{finding.location: finding.count for finding in search_everything([person]).findings}}
    return {{name: count for name, count in found.items() if name.startswith("ClickHouse")}}

before, others = find(ada), find(bob)
assert before.keys() == others.keys() == {{
    f"ClickHouse table perennial_{{name}}" for name in ("events", "orders", "order_lines", "reviews", "orders_loading_1")
}}, before
# the files alone: a server that was away meanwhile still has everything
settings.WAREHOUSE_ENGINE = "duckdb"
assert files.erase([ada]) > 0
settings.WAREHOUSE_ENGINE = "clickhouse"
assert find(ada) == before
assert copies.erase([ada]) == sum(before.values())
assert find(ada) == {{}}
del others["ClickHouse table perennial_orders_loading_1"]
assert find(bob) == others
assert copies.erase([ada]) == 0
print("done")
"""


@pytest.mark.acceptance
@pytest.mark.django_db
def test_an_erasure_removes_people_from_the_copy_on_a_clickhouse_server(tmp_path: Path) -> None:
    if importlib.util.find_spec("chdb") is None:
        pytest.skip("chdb is not installed: requirements/engines.txt could not be installed here")
    output, problems = start_child(PROGRAM.format(folder=str(tmp_path))).communicate(timeout=300)
    assert output.splitlines()[-1:] == ["done"], problems[-3000:]
