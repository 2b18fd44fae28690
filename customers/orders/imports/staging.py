"""Checks and arranges the rows of a file in DuckDB, beside the database: every row is either good or has one reason.

DuckDB does this on all cores, in bounded memory (it spills to a folder), and leaves PostgreSQL only what it alone can do:
keys, constraints, the comparison with what is there.
"""

# ruff: noqa: S608 — the names that stand in statements are constants of this package, values are parameters

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import numpy as np
import pyarrow as pa

from customers.orders.imports.arrow_arrays import integers
from customers.orders.imports.file_reader import RowBatch
from customers.orders.imports.parsing import COLUMN_TYPES, MONEY, Choices, build_parse, quote, trimmed

MEMORY_LIMIT = "1GB"
# rows of one order may differ by this much and are still one order: tills write each line with its own time
SAME_ORDER_HOURS = 24
PARSE_ROWS = 400_000
TOGETHER = "h.last_row - h.first_row + 1 = h.row_count"
# fields that belong to the order: the first row that has them says them
HEAD_FIELDS = (
    "customer_id",
    "email",
    "placed_at",
    "currency",
    "status",
    "order_discount",
    "shipping",
    "tax",
    "total",
    "refunded",
    "coupon",
    "channel",
    "country",
)


class Staging:
    """The rows of one import. Use it in a ``with`` block; its folder must exist and is only used when memory runs out."""

    def __init__(self, *, choices: Choices, folder: Path) -> None:
        self.choices = choices
        self.connection = duckdb.connect(
            config={
                "memory_limit": MEMORY_LIMIT,
                "temp_directory": str(folder),
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        self.run(f"SET TimeZone = {quote(choices.timezone)}")
        self.run("SET preserve_insertion_order = false")
        self.run("SET enable_progress_bar = false")  # it writes to standard output, also where that is no terminal
        self.staged = 0
        self.parsed = False
        self.waiting: list[pa.Table] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()

    def run(self, statement: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        try:
            return self.connection.execute(statement, parameters).fetchall()
        except (RuntimeError, duckdb.InterruptException) as error:
            if "interrupted" in str(error).lower():  # Ctrl-C stops the query, under another name
                raise KeyboardInterrupt from error
            raise

    def one(self, statement: str) -> Any:
        return self.run(statement)[0][0]

    def put(self, name: str, table: pa.Table) -> None:
        """Makes a table of DuckDB from one of Arrow."""
        self.connection.register("arrow_table", table)
        self.run(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM arrow_table")
        self.connection.unregister("arrow_table")

    def stream(self, statement: str, rows: int) -> Iterator[pa.RecordBatch]:
        yield from self.connection.sql(statement).to_arrow_reader(rows)

    def add(self, batch: RowBatch) -> None:
        """Takes some rows of the file; they are parsed when there are enough to share among the cores."""
        columns = {
            name: trimmed(pa.chunked_array([column]))
            for name, column in zip(batch.rows.schema.names, batch.rows.columns, strict=True)
        }
        numbers = integers(np.arange(self.staged, self.staged + batch.rows.num_rows))
        self.waiting.append(pa.table({**columns, "file line": batch.lines, "file row": numbers}))
        self.staged += batch.rows.num_rows
        if sum(table.num_rows for table in self.waiting) >= PARSE_ROWS:
            self._parse()

    def _parse(self) -> None:
        """Parses each value of the waiting rows and notes the first thing wrong with each row."""
        table = pa.concat_tables(self.waiting, promote_options="default")
        self.connection.register("batch", table)
        verb = "INSERT INTO parsed BY NAME" if self.parsed else "CREATE TABLE parsed AS"
        self.run(f"{verb} {build_parse(table.schema, self.choices)}")
        self.connection.unregister("batch")
        self.parsed = True
        self.waiting = []

    def check_orders(self) -> None:
        """After the last row: what only shows when an order's rows are seen together.

        Leaves the table ``heads`` (one row an order, with ``seq`` in the order of the file) and ``lines`` (all rows,
        with ``problem`` where there is one).
        """
        if self.waiting:
            self._parse()
        self._number_orders()
        lines = f"""
            SELECT p.line, h.seq, CAST({{number}} AS INTEGER) AS line_number, p.product_id, p.quantity, p.unit_price,
                   p.discount, p.net AS total, {self._problem()} AS problem
            FROM parsed p LEFT JOIN heads h ON h.order_id = p.order_id
        """
        if self.choices.mapping.has("line_number"):
            self.run(f"CREATE TABLE lines AS {lines.format(number='p.line_number')}")
            self.run(
                """
                UPDATE lines SET problem = 'duplicate_line:line_number'
                FROM (SELECT line, row_number() OVER (PARTITION BY seq, line_number ORDER BY line) AS nth
                      FROM lines WHERE problem IS NULL) AS numbered
                WHERE lines.line = numbered.line AND numbered.nth > 1
                """
            )
            return
        # where an order's rows stand together, as they mostly do, counting needs no sorting
        together = lines.format(number="p.row - h.first_row + 1") + f" WHERE h.seq IS NULL OR {TOGETHER}"
        apart = (
            lines.format(number="row_number() OVER (PARTITION BY h.seq ORDER BY p.row)") + f" WHERE NOT ({TOGETHER})"
        )
        self.run(f"CREATE TABLE lines AS {together} UNION ALL {apart}")

    def _number_orders(self) -> None:
        heads = [name for name in HEAD_FIELDS if self._filled(name)]
        firsts = ", ".join(f"arg_min({name}, row) AS {name}" for name in heads)
        nulls = ", ".join(f"NULL::{COLUMN_TYPES[name]} AS {name}" for name in HEAD_FIELDS if name not in heads)
        columns = ", ".join(part for part in (firsts, nulls) if part)
        self.run(
            f"""
            CREATE TABLE heads AS
            SELECT row_number() OVER (ORDER BY first_row) AS seq, * FROM (
                SELECT order_id, min(row) AS first_row, max(row) AS last_row, count(*) AS row_count, {columns}
                FROM parsed WHERE order_id IS NOT NULL GROUP BY order_id)
            """
        )

    def _filled(self, name: str) -> bool:
        if name == "status":
            return self.choices.mapping.has("status", "financial_status", "cancelled_at")
        return self.choices.mapping.has(name)

    def _problem(self) -> str:
        """The first thing wrong with a row, now that its order is known."""
        mapping = self.choices.mapping
        tests = ["WHEN p.problem IS NOT NULL THEN p.problem", "WHEN h.placed_at IS NULL THEN 'missing_date:placed_at'"]
        said = [name for name in ("customer_id", "currency") if mapping.has(name)]
        if mapping.has("email") and not mapping.has("customer_id"):
            said.append("email")
        tests += [f"WHEN p.{name} <> h.{name} THEN 'order_conflict:{name}'" for name in said]
        apart = f"abs(epoch(p.placed_at) - epoch(h.placed_at)) > {SAME_ORDER_HOURS * 3600}"
        tests.append(f"WHEN {apart} THEN 'order_conflict:placed_at'")
        return f"CASE {' '.join(tests)} END"

    def refuse_unknown_products(self) -> None:
        """Marks rows whose product is not in ``products`` (a table of product_id and id)."""
        self.run(
            """
            UPDATE lines SET problem = 'unknown_product:product_id'
            WHERE problem IS NULL AND product_id NOT IN (SELECT product_id FROM products)
            """
        )

    def refuse_incomplete_orders(self) -> None:
        """Rejects all rows of an order of which one is wrong."""
        self.run(
            """
            UPDATE lines SET problem = 'incomplete_order:order_id'
            WHERE problem IS NULL AND seq IN (SELECT seq FROM lines WHERE problem IS NOT NULL)
            """
        )

    def total_orders(self) -> None:
        """Sums the good lines; leaves the table ``orders``, without those whose total cannot be."""
        return_total = "-abs(h.total)"
        self.run(
            f"""
            CREATE TABLE orders AS
            WITH sums AS (
                SELECT seq, sum(total) AS subtotal, max(quantity) < 0 AS negative FROM lines WHERE problem IS NULL GROUP BY seq
            ), kinds AS (
                SELECT h.*, s.subtotal,
                       CASE WHEN s.negative OR s.subtotal < 0 THEN 'return' ELSE 'sale' END AS kind
                FROM heads h JOIN sums s ON s.seq = h.seq
            )
            SELECT h.* EXCLUDE (order_discount, shipping, tax, total, refunded, status, currency, subtotal),
                   CAST(h.subtotal AS {MONEY}) AS subtotal,
                   abs(coalesce(h.order_discount, 0)) AS discount,
                   coalesce(h.shipping, 0) AS shipping, coalesce(h.tax, 0) AS tax,
                   CAST(coalesce(CASE WHEN h.kind = 'return' THEN {return_total} ELSE h.total END,
                        h.subtotal - abs(coalesce(h.order_discount, 0)) + coalesce(h.shipping, 0) + coalesce(h.tax, 0)
                       ) AS {MONEY}) AS total,
                   abs(coalesce(h.refunded, 0)) AS refunded,
                   coalesce(h.status, 'placed') AS status, coalesce(h.currency, {quote(self.choices.currency)}) AS currency
            FROM kinds h
            """
        )
        self.run(
            """
            UPDATE lines SET problem = 'negative_total:total' FROM orders o
            WHERE lines.seq = o.seq AND lines.problem IS NULL AND o.kind = 'sale' AND o.total < 0
            """
        )
        self.run("DELETE FROM orders WHERE kind = 'sale' AND total < 0")
        self.run("UPDATE orders SET refunded = abs(total) WHERE status = 'refunded' AND refunded = 0")

    def problems(self) -> dict[str, int]:
        """How many rows have which problem."""
        rows = self.run(
            "SELECT split_part(problem, ':', 1), count(*) FROM lines WHERE problem IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1"
        )
        return dict(rows)
