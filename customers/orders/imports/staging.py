"""Checks the rows of a file and groups them into orders, in DuckDB: every row is either valid or has one problem.

DuckDB uses all cores and bounded memory (it spills to a folder). PostgreSQL is left with what only it can do: keys,
constraints and the comparison with the stored orders.
"""

# ruff: noqa: S608 — the names in the statements are constants of this package, values are quoted

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import numpy as np
import pyarrow as pa

from customers.orders.imports.amounts import normalize_amounts
from customers.orders.imports.arrow_arrays import build_integer_array
from customers.orders.imports.files.row_batches import RowBatch
from customers.orders.imports.parsing import COLUMN_TYPES, ImportOptions, build_parse_query, quote_text, trim_column
from customers.orders.order_rules import MONEY

MEMORY_LIMIT = "1GB"
# rows of one order may have times this far apart: tills write each line with its own time
SAME_ORDER_HOURS = 24
PARSE_ROWS = 400_000
# shop systems round the refunds of an order one by one
REFUND_TOLERANCE = "0.01"
CONTIGUOUS = "h.last_row - h.first_row + 1 = h.row_count"
# fields of the order itself; each is taken from the first row that has a value
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
    """The rows of one import, in a DuckDB database; a context manager.

    The folder must exist; DuckDB writes to it only when memory runs out.
    """

    def __init__(self, *, options: ImportOptions, folder: Path) -> None:
        self.options = options
        self.connection = duckdb.connect(
            config={
                "memory_limit": MEMORY_LIMIT,
                "temp_directory": str(folder),
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        self.run(f"SET TimeZone = {quote_text(options.timezone)}")
        # rows carry their own numbers, so DuckDB need not preserve their order, which would cost memory
        self.run("SET preserve_insertion_order = false")
        # the database is in memory: a checkpoint makes nothing durable, but would rewrite all tables, which takes a second per million rows
        self.run("SET checkpoint_threshold = '1TB'")
        self.run("SET enable_progress_bar = false")  # it would write to standard output, even if that is not a terminal
        self.staged = 0
        self.has_parsed_table = False
        self.pending: list[pa.Table] = []

    @property
    def identity_column(self) -> str:
        """The column that identifies the customer: the customer ID, or the hash of the address."""
        return "customer_id" if self.options.mapping.has("customer_id") else "email_hash"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()

    def run(self, statement: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        try:
            return self.connection.execute(statement, parameters).fetchall()
        except (RuntimeError, duckdb.InterruptException) as error:
            if "interrupted" in str(error).lower():  # DuckDB turns Ctrl-C into its own error
                raise KeyboardInterrupt from error
            raise

    def fetch_value(self, statement: str) -> Any:
        """Return the only value of a query."""
        return self.run(statement)[0][0]

    def put_table(self, name: str, table: pa.Table) -> None:
        """Copy an Arrow table to DuckDB."""
        self.connection.register("arrow_table", table)
        self.run(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM arrow_table")
        self.connection.unregister("arrow_table")

    def stream(self, statement: str, rows: int) -> Iterator[pa.RecordBatch]:
        """Yield the result of a query in batches of this many rows."""
        yield from self.connection.sql(statement).to_arrow_reader(rows)

    def add(self, batch: RowBatch) -> None:
        """Add rows of the file; they are parsed once there are enough to keep all cores busy."""
        columns = {
            name: trim_column(pa.chunked_array([column]))
            for name, column in zip(batch.rows.schema.names, batch.rows.columns, strict=True)
        }
        normalize_amounts(columns, self.options)
        numbers = build_integer_array(np.arange(self.staged, self.staged + batch.rows.num_rows))
        self.pending.append(pa.table({**columns, "file line": batch.lines, "file row": numbers}))
        self.staged += batch.rows.num_rows
        if sum(table.num_rows for table in self.pending) >= PARSE_ROWS:
            self._parse()

    def _parse(self) -> None:
        """Parse the waiting rows and record the first problem of each."""
        table = pa.concat_tables(self.pending, promote_options="default")
        self.connection.register("batch", table)
        verb = "INSERT INTO parsed BY NAME" if self.has_parsed_table else "CREATE TABLE parsed AS"
        self.run(f"{verb} {build_parse_query(table.schema, self.options)}")
        self.connection.unregister("batch")
        self.has_parsed_table = True
        self.pending = []

    def check_orders(self) -> None:
        """Check, after the last row, what can only be seen from all rows of an order together.

        Leaves the tables ``heads`` (one row per order, numbered by ``seq`` in file order) and ``lines`` (all rows, with
        their ``problem`` or NULL).
        """
        if self.pending:
            self._parse()
        self._number_orders()
        lines = f"""
            SELECT p.line, h.seq, CAST({{number}} AS INTEGER) AS line_number, p.product_id, p.quantity, p.unit_price,
                   p.discount, p.net AS total, {self._build_problem()} AS problem
            FROM parsed p LEFT JOIN heads h ON h.order_id = p.order_id
        """
        if self.options.mapping.has("line_number"):
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
        # if the rows of an order are contiguous, as they mostly are, numbering them needs no sorting
        contiguous = lines.format(number="p.row - h.first_row + 1") + f" WHERE h.seq IS NULL OR {CONTIGUOUS}"
        scattered = (
            lines.format(number="row_number() OVER (PARTITION BY h.seq ORDER BY p.row)") + f" WHERE NOT ({CONTIGUOUS})"
        )
        self.run(f"CREATE TABLE lines AS {contiguous} UNION ALL {scattered}")

    def list_parsed_problems(self) -> list[tuple[Any, ...]]:
        """Return line and problem of the rows whose values have one, without comparing the rows of an order."""
        if self.pending:
            self._parse()
        return self.run("SELECT line, problem FROM parsed WHERE problem IS NOT NULL ORDER BY line")

    def _number_orders(self) -> None:
        """Create the table ``heads``."""
        head_fields = [name for name in HEAD_FIELDS if self._has_field(name)]
        firsts = ", ".join(f"arg_min({name}, row) AS {name}" for name in head_fields)
        nulls = ", ".join(f"NULL::{COLUMN_TYPES[name]} AS {name}" for name in HEAD_FIELDS if name not in head_fields)
        columns = ", ".join(part for part in (firsts, nulls) if part)
        self.run(
            f"""
            CREATE TABLE heads AS
            SELECT row_number() OVER (ORDER BY first_row) AS seq, * FROM (
                SELECT order_id, min(row) AS first_row, max(row) AS last_row, count(*) AS row_count, {columns}
                FROM parsed WHERE order_id IS NOT NULL GROUP BY order_id)
            """
        )

    def _has_field(self, name: str) -> bool:
        if name == "status":
            return self.options.mapping.has("status", "financial_status", "cancelled_at")
        return self.options.mapping.has(name)

    def _build_problem(self) -> str:
        """Return the expression of a row's first problem, now that its order is known."""
        mapping = self.options.mapping
        checks = ["WHEN p.problem IS NOT NULL THEN p.problem", "WHEN h.placed_at IS NULL THEN 'missing_date:placed_at'"]
        unique_fields = [name for name in ("customer_id", "currency") if mapping.has(name)]
        if mapping.has("email") and not mapping.has("customer_id"):
            unique_fields.append("email")
        checks += [f"WHEN p.{name} <> h.{name} THEN 'order_conflict:{name}'" for name in unique_fields]
        is_distant = f"abs(epoch(p.placed_at) - epoch(h.placed_at)) > {SAME_ORDER_HOURS * 3600}"
        checks.append(f"WHEN {is_distant} THEN 'order_conflict:placed_at'")
        return f"CASE {' '.join(checks)} END"

    def reject_unknown_products(self) -> None:
        """Reject the rows whose product is not in the table ``products`` (product_id, id)."""
        self.run(
            """
            UPDATE lines SET problem = 'unknown_product:product_id'
            WHERE problem IS NULL AND product_id NOT IN (SELECT product_id FROM products)
            """
        )

    def reject_incomplete_orders(self) -> None:
        """Reject all rows of an order if one of them is rejected."""
        self.run(
            """
            UPDATE lines SET problem = 'incomplete_order:order_id'
            WHERE problem IS NULL AND seq IN (SELECT seq FROM lines WHERE problem IS NOT NULL)
            """
        )

    def sum_orders(self) -> None:
        """Sum the valid lines.

        Leaves the table ``orders``, without the sales whose total is negative and the orders whose sums are too large.
        """
        return_total = "-abs(h.total)"  # files state the total of a return with either sign
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
                   TRY_CAST(h.subtotal AS {MONEY.sql_type}) AS subtotal,
                   abs(coalesce(h.order_discount, 0)) AS discount,
                   coalesce(h.shipping, 0) AS shipping, coalesce(h.tax, 0) AS tax,
                   TRY_CAST(coalesce(CASE WHEN h.kind = 'return' THEN {return_total} ELSE h.total END,
                        h.subtotal - abs(coalesce(h.order_discount, 0)) + coalesce(h.shipping, 0) + coalesce(h.tax, 0)
                       ) AS {MONEY.sql_type}) AS total,
                   abs(coalesce(h.refunded, 0)) AS refunded, h.status, h.total IS NOT NULL AS states_total,
                   coalesce(h.currency, {quote_text(self.options.currency)}) AS currency
            FROM kinds h
            """
        )
        self.run(
            """
            UPDATE lines
            SET problem = CASE WHEN o.subtotal + o.total IS NULL THEN 'bad_number:total' ELSE 'negative_total:total' END
            FROM orders o
            WHERE lines.seq = o.seq AND lines.problem IS NULL
              AND (o.subtotal IS NULL OR o.total IS NULL OR o.kind = 'sale' AND o.total < 0)
            """
        )
        self.run("DELETE FROM orders WHERE subtotal IS NULL OR total IS NULL OR kind = 'sale' AND total < 0")
        self._check_refunds()

    def _check_refunds(self) -> None:
        """Complete refunded amounts and statuses from each other; reject or cap a refund of a sale that is larger than its total."""
        is_too_large = f"kind = 'sale' AND refunded > total + {REFUND_TOLERANCE}"
        if self.options.caps_refunds:
            self.run(f"UPDATE orders SET refunded = total WHERE {is_too_large}")
        else:
            # a file with line numbers may have only some lines of an order, so that a computed total is too small
            if self.options.mapping.has("line_number"):
                is_too_large += " AND states_total"
            self.run(
                f"""
                UPDATE lines SET problem = 'refunded_too_large:refunded'
                WHERE problem IS NULL AND seq IN (SELECT seq FROM orders WHERE {is_too_large})
                """
            )
            self.run(f"DELETE FROM orders WHERE {is_too_large}")
        self.run("UPDATE orders SET refunded = total WHERE kind = 'sale' AND status = 'refunded' AND refunded = 0")
        self.run(
            """
            UPDATE orders SET status = CASE WHEN kind <> 'sale' OR refunded = 0 THEN 'placed'
                                            WHEN refunded >= total THEN 'refunded' ELSE 'partly_refunded' END
            WHERE status IS NULL
            """
        )

    def count_problems(self) -> dict[str, int]:
        """Return the number of rows per problem, the most frequent first."""
        rows = self.run(
            "SELECT split_part(problem, ':', 1), count(*) FROM lines WHERE problem IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1"
        )
        return dict(rows)
