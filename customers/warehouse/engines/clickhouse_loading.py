"""Copies the files of the warehouse into tables of ClickHouse, a partition per day.

Each row has the fingerprint of the files of its day, so that data and fingerprint are replaced by one statement. A process that is
killed at any point leaves the old day or the new one, and a staging table that the next load removes.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from clickhouse_connect.driver.client import Client
from ibis.backends.sql.datatypes import ClickHouseType
from ibis.formats.pyarrow import PyArrowSchema

from customers.warehouse.engines.base import get_reader_schema, list_table_files
from customers.warehouse.tables import WarehouseTable

PREFIX = "perennial_"
FINGERPRINT = "files"
MAX_INSERT_ROWS = 1_000_000
LOADING_HOURS = 6
# how long the server keeps data that was replaced, which may contain erased people
OLD_SECONDS = 60


def load_changed_days(client: Client, root: Path, table: WarehouseTable) -> str:
    """Load the days whose files differ from those that were loaded, remove days without files; return the name of the table."""
    name = PREFIX + table.name
    client.command(build_statement(name, table))
    files = list_table_files(root, table)
    wanted = {day: describe_files(paths) for day, paths in files.items()}
    loaded = read_loaded_days(client, name, table)
    changed = [day for day, fingerprint in wanted.items() if loaded.get(day) != fingerprint]
    if changed:
        replace_days(client, name, table, {day: files[day] for day in changed}, wanted)
    for day in loaded.keys() - wanted.keys():
        client.command(f"ALTER TABLE `{name}` DROP PARTITION {format_partition(day)}")
    return name


def build_statement(name: str, table: WarehouseTable) -> str:
    """Return the statement that creates a table or its staging table."""
    schema = PyArrowSchema.to_ibis(get_reader_schema(table))
    kinds = {
        column: ClickHouseType.to_string(kind.copy(nullable=column != "date" and not kind.is_nested()))
        for column, kind in schema.items()
    }
    columns = ", ".join(f"`{column}` {kind}" for column, kind in kinds.items())
    partition = " PARTITION BY `date`" if table.moment else ""
    return (
        f"CREATE TABLE IF NOT EXISTS `{name}` ({columns}, `{FINGERPRINT}` String)"
        f" ENGINE = MergeTree{partition} ORDER BY tuple() SETTINGS old_parts_lifetime = {OLD_SECONDS}"
    )


def describe_files(paths: Sequence[Path]) -> str:
    """Return the names, sizes and times of files."""
    described = []
    for path in paths:
        stat = path.stat()
        described.append(f"{path.name}:{stat.st_size}:{stat.st_mtime_ns}")
    return " ".join(described)


def read_loaded_days(client: Client, name: str, table: WarehouseTable) -> dict[str, str]:
    """Return the fingerprint of each day in ClickHouse; ``""`` is the day of a table without days."""
    day = "toString(`date`)" if table.moment else "''"
    query = f"SELECT {day}, any(`{FINGERPRINT}`) FROM `{name}` GROUP BY 1"  # noqa: S608 — constant names
    rows = client.query(query).result_rows
    return {str(row[0]): str(row[1]) for row in rows}


def replace_days(
    client: Client,
    name: str,
    table: WarehouseTable,
    files: Mapping[str, Sequence[Path]],
    fingerprints: Mapping[str, str],
) -> None:
    """Load days into a table of their own, then replace each one by a statement."""
    drop_abandoned_tables(client, name)
    staging = f"{name}_loading_{uuid4().hex}"
    client.command(build_statement(staging, table))
    try:
        for rows in read_days(table, files, fingerprints):
            client.insert_arrow(staging, rows, settings={"max_partitions_per_insert_block": 0})
        for day in files:
            client.command(f"ALTER TABLE `{name}` REPLACE PARTITION {format_partition(day)} FROM `{staging}`")
    finally:
        client.command(f"DROP TABLE IF EXISTS `{staging}`")


def drop_abandoned_tables(client: Client, name: str, *, hours: int = LOADING_HOURS) -> None:
    """Drop staging tables that are at least this many hours old: their loads were killed. With 0, a running load fails and is repeated."""
    query = (
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND startsWith(name, {prefix:String})"
        " AND metadata_modification_time <= now() - toIntervalHour({hours:UInt8})"
    )
    parameters = {"prefix": f"{name}_loading_", "hours": hours}
    for (abandoned,) in client.query(query, parameters=parameters).result_rows:
        client.command(f"DROP TABLE IF EXISTS `{abandoned}`")


def find_rows(client: Client, name: str, values: Mapping[str, Sequence[int] | Sequence[str]]) -> dict[str, int]:
    """Return how many rows of a table and of its staging tables have one of the values in its column, by table."""
    query = "SELECT name FROM system.tables WHERE database = currentDatabase() AND (name = {name:String} OR startsWith(name, {loading:String}))"
    tables = client.query(query, parameters={"name": name, "loading": f"{name}_loading_"}).result_rows
    wanted = {column: list(known) for column, known in values.items() if len(known)}
    kinds = {column: "Int64" if isinstance(known[0], int) else "String" for column, known in wanted.items()}
    conditions = " OR ".join(f"`{column}` IN {{{column}:Array({kind})}}" for column, kind in kinds.items()) or "0"
    counts = {}
    for (table,) in tables:
        counted = client.query(f"SELECT count() FROM `{table}` WHERE {conditions}", parameters=wanted)  # noqa: S608 — names of ours
        counts[str(table)] = int(counted.result_rows[0][0])
    return counts


def read_days(
    table: WarehouseTable, files: Mapping[str, Sequence[Path]], fingerprints: Mapping[str, str]
) -> Iterator[pa.Table]:
    """Yield the rows of the days with their fingerprint, about a million at a time."""
    parts: list[pa.Table] = []
    for day, paths in files.items():
        for path in paths:
            rows = pq.read_table(path, schema=table.schema, partitioning=None).replace_schema_metadata(None)
            if table.moment:
                rows = rows.append_column(
                    "date", pa.repeat(pa.scalar(date.fromisoformat(day), pa.date32()), rows.num_rows)
                )
            parts.append(rows.append_column(FINGERPRINT, pa.repeat(pa.scalar(fingerprints[day]), rows.num_rows)))
            if sum(part.num_rows for part in parts) >= MAX_INSERT_ROWS:
                yield pa.concat_tables(parts)
                parts = []
    if sum(part.num_rows for part in parts):
        yield pa.concat_tables(parts)


def format_partition(day: str) -> str:
    """Return the partition of a day in a statement."""
    return f"'{date.fromisoformat(day)}'" if day else "tuple()"
