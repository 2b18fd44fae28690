"""docs/warehouse.md describes every table and column of the warehouse, and its SQL reads the files."""

import re
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.conf import settings

from customers.warehouse.parquet_files import build_append_path, build_part_path
from customers.warehouse.tables import EVENTS, TABLES

PAGES = [Path(settings.BASE_DIR) / "docs" / name for name in ("warehouse.md", "warehouse.zh-hans.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_column_is_described(page: Path) -> None:
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", page.read_text(), re.MULTILINE | re.DOTALL))
    assert list(sections) == list(TABLES)
    for name, table in TABLES.items():
        first_cells = " ".join(re.findall(r"^\|([^|]*)\|", sections[name], re.MULTILINE))
        assert sorted(re.findall(r"`(\w+)`", first_cells)) == sorted(table.schema.names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_query_returns_each_event_once(page: Path, tmp_path: Path) -> None:
    """Files that were joined, and those that an export has replaced, are still there."""
    day = "2026-11-23"
    write_events(build_part_path(tmp_path, EVENTS, day), {1: "exported", 2: "exported"})
    write_events(build_append_path(tmp_path, EVENTS, day, 1, 1), {2: "appended"})
    write_events(build_append_path(tmp_path, EVENTS, day, 2, 3), {3: "joined", 4: "joined"})
    write_events(build_append_path(tmp_path, EVENTS, day, 3, 3), {4: "joined"})
    (query,) = re.findall(r"```sql\n(SELECT \* .*?);\n```", page.read_text(), re.DOTALL)
    with duckdb.connect() as connection:
        rows = connection.execute(f"SELECT id, name FROM ({query.replace('var/warehouse', str(tmp_path))})").fetchall()
    assert sorted(rows) == [(1, "exported"), (2, "exported"), (3, "joined"), (4, "joined")]


def write_events(path: Path, names: dict[int, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [dict.fromkeys(EVENTS.schema.names, None) | {"id": key, "name": name} for key, name in names.items()]
    pq.write_table(pa.Table.from_pylist(rows, schema=EVENTS.schema), path)
