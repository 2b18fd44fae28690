"""Writes staged orders into the database, set by set, inside the caller's transaction."""

# ruff: noqa: S608 — the names that stand in statements are constants of this package, values are parameters

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa
from django.db import connection
from django.db.backends.utils import CursorWrapper

from catalog.bulk_results import Status
from catalog.categories import clean_path, ensure_categories
from config.foundation.database.index_rebuild import keys_rebuilt
from customers.identity.personal_data.encrypted_field import encrypt
from customers.identity.personal_data.hashing import hash_email
from customers.orders.imports.arrow_arrays import integers, texts
from customers.orders.imports.arrow_copy import copy_in, fetch
from customers.orders.imports.parsing import Choices, quote
from customers.orders.imports.staging import Staging

COPY_ROWS = 131_072
# building keys anew for all lines costs about a sixth of keeping them up and checking them for each new one
REBUILD_FROM = 50_000
REBUILD_RATIO = 4
LINE_COLUMNS = ("order_id", "line_number", "product_id", "quantity", "unit_price", "discount", "total")
# column of orders_order → the fields of a file that say it; () where every file does
ORDER_COLUMNS: dict[str, tuple[str, ...]] = {
    "customer_id": ("customer_id", "email"),
    "guest_email_hash": ("email",),
    "kind": (),
    "status": ("status", "financial_status", "cancelled_at"),
    "placed_at": (),
    "currency": (),
    "subtotal": (),
    "discount": ("order_discount",),
    "shipping": ("shipping",),
    "tax": ("tax",),
    "total": (),
    "refunded": ("refunded", "status", "financial_status"),
    "coupon": ("coupon",),
    "channel": ("channel",),
}
ORDER_TYPES = {
    "customer_id": "bigint",
    "placed_at": "timestamptz",
    **dict.fromkeys(("subtotal", "discount", "shipping", "tax", "total", "refunded"), "numeric(14,2)"),
}
KEYS = pa.schema([("seq", pa.int64()), ("id", pa.int64())])
TEMPORARY = (
    "imported_key",
    "imported_product",
    "imported_person",
    "imported_order",
    "imported_line",
    "touched_order",
    "made",
)
IDS = pa.schema([("key", pa.int64()), ("id", pa.int64())])


@dataclass
class Written:
    """What a load did."""

    counts: dict[str, int] = field(default_factory=dict)

    @property
    def loaded(self) -> int:
        return self.counts["lines_created"] + self.counts["lines_updated"]

    @property
    def unchanged(self) -> int:
        return self.counts["lines_unchanged"]


def load(
    *,
    staging: Staging,
    choices: Choices,
    source_id: int,
    at: datetime,
    create_products: bool,
    progress: Callable[[int], None],
) -> Written:
    """Writes what ``staging`` found good and says what that changed. Errors of the database are the caller's."""
    written = Written()
    with connection.cursor() as cursor:
        tune(cursor)
        # they end with the transaction; an import inside a longer one may find those of the import before
        cursor.execute(f"DROP TABLE IF EXISTS {', '.join(f'pg_temp.{name}' for name in TEMPORARY)}")
        written.counts["products_created"] = load_products(cursor, staging, at=at, create=create_products)
        staging.total_orders()
        written.counts["customers_created"] = load_customers(cursor, staging, choices, at=at)
        find_orders(cursor, staging, source_id=source_id)
        fresh = staging.one(
            "SELECT count(*) FROM lines l JOIN order_ids o USING (seq) WHERE l.problem IS NULL AND o.fresh"
        )
        if fresh >= REBUILD_FROM and fewer_rows(cursor, "orders_orderline", REBUILD_RATIO * fresh):
            with keys_rebuilt(cursor, ["orders_order", "orders_orderline"]):
                load_orders(cursor, staging, choices, written, source_id=source_id, at=at, progress=progress)
        else:
            load_orders(cursor, staging, choices, written, source_id=source_id, at=at, progress=progress)
    written.counts |= count_kinds(staging)
    return written


def tune(cursor: CursorWrapper) -> None:
    cursor.execute("SET LOCAL work_mem = '128MB'")
    cursor.execute("SET LOCAL maintenance_work_mem = '256MB'")
    cursor.execute("SELECT has_parameter_privilege('wal_compression', 'SET')")
    if cursor.fetchone()[0]:
        cursor.execute("SET LOCAL wal_compression = off")  # compressing the log takes longer than building the indexes


def fewer_rows(cursor: CursorWrapper, table: str, rows: int) -> bool:
    cursor.execute(f"SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT %s) AS sample", [rows])
    return cursor.fetchone()[0] < rows


def load_products(cursor: CursorWrapper, staging: Staging, *, at: datetime, create: bool) -> int:
    """Makes the products that are missing, or refuses their lines; leaves the table ``products`` in DuckDB."""
    cursor.execute(
        """
        CREATE TEMPORARY TABLE imported_product (
            key bigint, product_id text, title text, brand text, category text, category_id bigint,
            price numeric(14,2), currency text
        ) ON COMMIT DROP
        """
    )
    staging.run(
        """
        CREATE TABLE product_keys AS
        SELECT row_number() OVER (ORDER BY product_id) AS key, product_id
        FROM (SELECT DISTINCT product_id FROM lines WHERE problem IS NULL)
        """
    )
    copy_in(
        cursor,
        "imported_product",
        ["key", "product_id"],
        staging.stream("SELECT key, product_id FROM product_keys", COPY_ROWS),
    )
    cursor.execute("ANALYZE imported_product")
    created = create_products(cursor, staging, at=at) if create else 0
    query = "SELECT i.key, p.id FROM imported_product i JOIN catalog_product p ON p.product_id = i.product_id"
    staging.put("found_products", fetch(cursor, query, IDS))
    staging.run(
        "CREATE TABLE products AS SELECT k.product_id, f.id FROM product_keys k JOIN found_products f USING (key)"
    )
    if not create:
        staging.refuse_unknown_products()
    return created


def create_products(cursor: CursorWrapper, staging: Staging, *, at: datetime) -> int:
    query = """
        SELECT i.key, 0 AS id FROM imported_product i LEFT JOIN catalog_product p ON p.product_id = i.product_id
        WHERE p.id IS NULL
    """
    staging.put("missing_products", fetch(cursor, query, IDS))
    if not staging.one("SELECT count(*) FROM missing_products"):
        return 0
    # the price is the median of those paid; the title, brand and category are the first that the file gives
    described = """
        SELECT k.key, k.product_id, coalesce(arg_min(p.product_title, p.line), k.product_id) AS title,
               coalesce(arg_min(p.brand, p.line), '') AS brand, arg_min(p.category, p.line) AS category,
               CAST(round(CAST(median(p.unit_price) FILTER (p.unit_price > 0) AS DECIMAL(14,4)), 2) AS DECIMAL(14,2)) AS price,
               arg_min(o.currency, p.line) AS currency
        FROM missing_products m JOIN product_keys k USING (key)
        JOIN lines l ON l.product_id = k.product_id AND l.problem IS NULL
        JOIN parsed p ON p.line = l.line JOIN heads o ON o.seq = l.seq
        GROUP BY k.key, k.product_id
    """
    described = f"SELECT * REPLACE (coalesce(currency, '{staging.choices.currency}') AS currency) FROM ({described})"
    cursor.execute("TRUNCATE imported_product")
    columns = ["key", "product_id", "title", "brand", "category", "price", "currency"]
    copy_in(cursor, "imported_product", columns, staging.stream(described, COPY_ROWS))
    assign_categories(cursor)
    cursor.execute(
        """
        INSERT INTO catalog_product (product_id, sku, title, description, category_id, brand, price, currency, availability,
                                     image_url, url, attributes, tags, is_active, created_at, updated_at)
        SELECT product_id, '', title, '', category_id, brand, price, CASE WHEN price IS NULL THEN '' ELSE currency END,
               'in_stock', '', '', '{}', '{}', true, %(at)s, %(at)s
        FROM imported_product ORDER BY product_id
        ON CONFLICT (product_id) DO NOTHING
        """,
        {"at": at},
    )
    created = cursor.rowcount
    cursor.execute("TRUNCATE imported_product")
    copy_in(
        cursor,
        "imported_product",
        ["key", "product_id"],
        staging.stream("SELECT key, product_id FROM product_keys", COPY_ROWS),
    )
    return created


def assign_categories(cursor: CursorWrapper) -> None:
    cursor.execute("SELECT DISTINCT category FROM imported_product WHERE category IS NOT NULL")
    paths = {raw: clean_path(raw) for (raw,) in cursor.fetchall()}
    if not paths:
        return
    ids = ensure_categories({path for path in paths.values() if path})
    cursor.execute(
        """
        UPDATE imported_product i SET category_id = c.id
        FROM unnest(%s::text[], %s::bigint[]) AS c(raw, id) WHERE c.raw = i.category
        """,
        [list(paths), [ids.get(path) for path in paths.values()]],
    )


def load_customers(cursor: CursorWrapper, staging: Staging, choices: Choices, *, at: datetime) -> int:
    """Finds or makes the customers of the orders; leaves ``people`` (key, who) and ``person_ids`` (key, id) in DuckDB."""
    hash_emails(staging)
    who = who_of(staging)
    kind = "user_id" if choices.mapping.has("customer_id") else "email_hash"
    staging.run(
        f"""
        CREATE TABLE people AS
        SELECT row_number() OVER (ORDER BY min(seq)) AS key, {who} AS who, arg_min(email, seq) AS address,
               arg_min(email_hash, seq) AS address_hash, arg_min(country, seq) AS home,
               min(placed_at) AS first_at, max(placed_at) AS last_at
        FROM orders LEFT JOIN email_hashes USING (email) WHERE {who} IS NOT NULL GROUP BY {who}
        """
    )
    cursor.execute(
        """
        CREATE TEMPORARY TABLE imported_person (
            key bigint, kind text, value text, email_hash text, email text, country text, first_at timestamp,
            last_at timestamp, customer_id bigint, fresh boolean DEFAULT false
        ) ON COMMIT DROP
        """
    )
    columns = ["key", "kind", "value", "email_hash", "country", "first_at", "last_at"]
    people = f"SELECT key, '{kind}' AS kind, who, address_hash, home, first_at, last_at FROM people"
    copy_in(cursor, "imported_person", columns, staging.stream(people, COPY_ROWS))
    cursor.execute("ANALYZE imported_person")
    created = create_customers(cursor, staging, at=at)
    add_emails(cursor, at=at)
    update_customers(cursor)
    ids = fetch(cursor, "SELECT key, customer_id AS id FROM imported_person", IDS)
    staging.put("person_ids", ids)
    return created


def hash_emails(staging: Staging) -> None:
    emails = [email for (email,) in staging.run("SELECT DISTINCT email FROM orders WHERE email IS NOT NULL")]
    hashes = [hash_email(email) for email in emails]
    staging.put("email_hashes", pa.table({"email": texts(emails), "email_hash": texts(hashes)}))


FIND_CUSTOMERS = """
    UPDATE imported_person i SET customer_id = f.customer_id
    FROM identity_identifier f WHERE f.kind = i.kind AND f.value = i.value AND i.customer_id IS DISTINCT FROM f.customer_id
"""


def create_customers(cursor: CursorWrapper, staging: Staging, *, at: datetime) -> int:
    cursor.execute(FIND_CUSTOMERS)
    cursor.execute(
        """
        UPDATE imported_person SET customer_id = nextval(name), fresh = true
        FROM (SELECT pg_get_serial_sequence('identity_customer', 'id')::regclass AS name OFFSET 0) AS once
        WHERE customer_id IS NULL
        """
    )
    if not cursor.rowcount:
        return 0
    encrypt_emails(cursor, staging)
    cursor.execute(
        """
        INSERT INTO identity_customer (id, created_at, first_seen_at, last_seen_at, name, email, phone, birthday, language,
                                       country, traits)
        SELECT customer_id, %(at)s, first_at AT TIME ZONE 'UTC', last_at AT TIME ZONE 'UTC', '', coalesce(email, ''), '', '',
               '', coalesce(country, ''), '{}'
        FROM imported_person WHERE fresh ORDER BY customer_id
        """,
        {"at": at},
    )
    created = cursor.rowcount
    cursor.execute(
        """
        INSERT INTO identity_identifier (kind, value, customer_id, created_at)
        SELECT kind, value, customer_id, %(at)s FROM imported_person WHERE fresh ORDER BY kind, value
        ON CONFLICT (kind, value) DO NOTHING
        """,
        {"at": at},
    )
    if cursor.rowcount < created:
        # an event brought the same person meanwhile: theirs counts
        cursor.execute(
            "CREATE TEMPORARY TABLE made ON COMMIT DROP AS SELECT customer_id FROM imported_person WHERE fresh"
        )
        cursor.execute(FIND_CUSTOMERS)
        cursor.execute(
            """
            DELETE FROM identity_customer WHERE id IN (
                SELECT customer_id FROM made EXCEPT SELECT customer_id FROM imported_person)
            """
        )
        created -= cursor.rowcount
    return created


def encrypt_emails(cursor: CursorWrapper, staging: Staging) -> None:
    """Gives new customers their address, encrypted."""
    cursor.execute("SELECT key FROM imported_person WHERE fresh AND email_hash IS NOT NULL")
    keys = pa.table({"key": integers([key for (key,) in cursor.fetchall()])})
    if not keys.num_rows:
        return
    staging.put("fresh_people", keys)
    rows = staging.run("SELECT key, address FROM people JOIN fresh_people USING (key)")
    cursor.execute(
        "UPDATE imported_person i SET email = e.email FROM unnest(%s::bigint[], %s::text[]) AS e(key, email) WHERE e.key = i.key",
        [[key for key, _ in rows], [encrypt(email) for _, email in rows]],
    )


def add_emails(cursor: CursorWrapper, *, at: datetime) -> None:
    """Makes customers known by their e-mail too, unless it is somebody else's already: merging people is not our business."""
    cursor.execute(
        """
        INSERT INTO identity_identifier (kind, value, customer_id, created_at)
        SELECT DISTINCT ON (email_hash) 'email_hash', email_hash, customer_id, %(at)s
        FROM imported_person WHERE kind = 'user_id' AND email_hash IS NOT NULL ORDER BY email_hash, key
        ON CONFLICT (kind, value) DO NOTHING
        """,
        {"at": at},
    )


def update_customers(cursor: CursorWrapper) -> None:
    cursor.execute(
        """
        UPDATE identity_customer c
        SET first_seen_at = least(c.first_seen_at, i.first_at), last_seen_at = greatest(c.last_seen_at, i.last_at),
            country = CASE WHEN c.country = '' THEN coalesce(i.country, '') ELSE c.country END
        FROM (SELECT customer_id, min(first_at) AT TIME ZONE 'UTC' AS first_at, max(last_at) AT TIME ZONE 'UTC' AS last_at,
                     min(country) AS country FROM imported_person WHERE NOT fresh GROUP BY customer_id) AS i
        WHERE i.customer_id = c.id
          AND (c.first_seen_at IS NULL OR c.first_seen_at > i.first_at OR c.last_seen_at IS NULL
               OR c.last_seen_at < i.last_at OR (c.country = '' AND coalesce(i.country, '') <> ''))
        """
    )


def find_orders(cursor: CursorWrapper, staging: Staging, *, source_id: int) -> None:
    """Gives each order its id, old or new; leaves ``order_ids`` (seq, id, fresh) in DuckDB."""
    staging.put("known_orders", find_known(cursor, staging, source_id=source_id))
    seqs = staging.connection.sql(
        "SELECT seq FROM orders ANTI JOIN known_orders USING (seq) ORDER BY seq"
    ).to_arrow_table()
    cursor.execute(
        """
        SELECT coalesce(array_agg(nextval(name)), '{}')
        FROM (SELECT pg_get_serial_sequence('orders_order', 'id')::regclass AS name OFFSET 0) AS once, generate_series(1, %s)
        """,
        [seqs.num_rows],
    )
    ids = integers(cursor.fetchone()[0])
    staging.put("fresh_orders", pa.table([seqs["seq"], ids], schema=KEYS))
    staging.run(
        """
        CREATE TABLE order_ids AS
        SELECT seq, id, false AS fresh FROM known_orders UNION ALL SELECT seq, id, true FROM fresh_orders
        """
    )
    staging.run(
        f"""
        CREATE VIEW order_rows AS
        SELECT o.seq, k.id, k.fresh, o.order_id, i.id AS customer_id,
               CASE WHEN i.id IS NULL THEN coalesce(email_hash, '') ELSE '' END AS guest_email_hash,
               o.kind, o.status, o.placed_at::VARCHAR || '+00' AS placed_at, o.currency, o.subtotal, o.discount, o.shipping,
               o.tax, o.total, o.refunded, coalesce(o.coupon, '') AS coupon, coalesce(o.channel, '') AS channel
        FROM orders o JOIN order_ids k USING (seq) LEFT JOIN email_hashes USING (email)
        LEFT JOIN people p ON p.who = {who_of(staging)} LEFT JOIN person_ids i ON i.key = p.key
        """
    )


def who_of(staging: Staging) -> str:
    """What a customer is known by."""
    return "customer_id" if staging.choices.mapping.has("customer_id") else "email_hash"


def find_known(cursor: CursorWrapper, staging: Staging, *, source_id: int) -> pa.Table:
    """The orders that are there already."""
    cursor.execute("SELECT EXISTS (SELECT 1 FROM orders_order WHERE source_id = %s)", [source_id])
    if not cursor.fetchone()[0]:
        return pa.Table.from_batches([], schema=KEYS)
    cursor.execute("CREATE TEMPORARY TABLE imported_key (seq bigint, order_id text) ON COMMIT DROP")
    copy_in(cursor, "imported_key", ["seq", "order_id"], staging.stream("SELECT seq, order_id FROM orders", COPY_ROWS))
    cursor.execute("ANALYZE imported_key")
    query = "SELECT i.seq, o.id FROM imported_key i JOIN orders_order o ON o.source_id = %s AND o.order_id = i.order_id"
    return fetch(cursor, query, KEYS, [source_id])


def load_orders(
    cursor: CursorWrapper,
    staging: Staging,
    choices: Choices,
    written: Written,
    *,
    source_id: int,
    at: datetime,
    progress: Callable[[int], None],
) -> None:
    written.counts["orders_created"] = create_orders(cursor, staging, source_id=source_id, at=at)
    lines = """
        SELECT o.id AS order_id, l.line_number, p.id AS product_id, l.quantity, l.unit_price, l.discount, l.total
        FROM lines l JOIN order_ids o USING (seq) JOIN products p USING (product_id)
        WHERE l.problem IS NULL AND {which} ORDER BY o.id, l.line_number
    """
    fresh = copy_in(
        cursor, "orders_orderline", LINE_COLUMNS, staging.stream(lines.format(which="o.fresh"), COPY_ROWS), progress
    )
    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    written.counts |= dict.fromkeys(("lines_created", "lines_updated", "lines_unchanged", "lines_removed"), 0)
    update_lines(cursor, staging, written, lines.format(which="NOT o.fresh"), lambda rows: progress(fresh + rows))
    written.counts["lines_created"] += fresh
    known = stage_known(cursor, staging)
    written.counts["orders_updated"] = update_orders(cursor, choices) if known else 0
    written.counts["orders_unchanged"] = known - written.counts["orders_updated"]


def create_orders(cursor: CursorWrapper, staging: Staging, *, source_id: int, at: datetime) -> int:
    columns = ["id", "source_id", "order_id", *ORDER_COLUMNS, "created_at"]
    query = f"""
        SELECT id, {int(source_id)} AS source_id, order_id, {", ".join(ORDER_COLUMNS)}, {quote(at.isoformat())} AS created_at
        FROM order_rows WHERE fresh ORDER BY id
    """
    return copy_in(cursor, "orders_order", columns, staging.stream(query, COPY_ROWS))


def stage_known(cursor: CursorWrapper, staging: Staging) -> int:
    """Puts what the file says of orders that are there into ``imported_order``; returns how many they are."""
    columns = ", ".join(f"{name} {ORDER_TYPES.get(name, 'text')}" for name in ORDER_COLUMNS)
    cursor.execute(f"CREATE TEMPORARY TABLE imported_order (id bigint, {columns}) ON COMMIT DROP")
    query = f"SELECT id, {', '.join(ORDER_COLUMNS)} FROM order_rows WHERE NOT fresh ORDER BY id"
    known = copy_in(cursor, "imported_order", ["id", *ORDER_COLUMNS], staging.stream(query, COPY_ROWS))
    cursor.execute("ANALYZE imported_order")
    return known


def update_lines(
    cursor: CursorWrapper, staging: Staging, written: Written, query: str, progress: Callable[[int], None]
) -> None:
    """Brings the lines of orders that were there to what the file says."""
    cursor.execute("CREATE TEMPORARY TABLE touched_order (id bigint) ON COMMIT DROP")
    cursor.execute(
        f"CREATE TEMPORARY TABLE imported_line ON COMMIT DROP AS SELECT {', '.join(LINE_COLUMNS)} FROM orders_orderline LIMIT 0"
    )
    staged = copy_in(cursor, "imported_line", LINE_COLUMNS, staging.stream(query, COPY_ROWS), progress)
    if not staged:
        return
    cursor.execute("ANALYZE imported_line")
    changing = LINE_COLUMNS[2:]
    written.counts["lines_updated"] = touch(
        cursor,
        f"""
        UPDATE orders_orderline l SET {", ".join(f"{name} = i.{name}" for name in changing)}
        FROM imported_line i WHERE i.order_id = l.order_id AND i.line_number = l.line_number
          AND ({", ".join(f"l.{name}" for name in changing)}) IS DISTINCT FROM ({", ".join(f"i.{name}" for name in changing)})
        RETURNING l.order_id
        """,
    )
    written.counts["lines_created"] = touch(
        cursor,
        f"""
        INSERT INTO orders_orderline ({", ".join(LINE_COLUMNS)})
        SELECT {", ".join(f"i.{name}" for name in LINE_COLUMNS)} FROM imported_line i
        LEFT JOIN orders_orderline l ON l.order_id = i.order_id AND l.line_number = i.line_number
        WHERE l.id IS NULL ORDER BY i.order_id, i.line_number
        RETURNING order_id
        """,
    )
    written.counts["lines_unchanged"] = staged - written.counts["lines_updated"] - written.counts["lines_created"]
    if not staging.choices.mapping.has("line_number"):
        written.counts["lines_removed"] = remove_surplus(cursor, staging)


def remove_surplus(cursor: CursorWrapper, staging: Staging) -> int:
    """Without line numbers the file has whole orders: what lies beyond an order's last row is no longer part of it."""
    counts = staging.run("SELECT i.id, h.row_count FROM order_ids i JOIN heads h USING (seq) WHERE NOT i.fresh")
    return touch(
        cursor,
        """
        DELETE FROM orders_orderline l USING unnest(%s::bigint[], %s::bigint[]) AS o(id, row_count)
        WHERE l.order_id = o.id AND l.line_number > o.row_count
        RETURNING l.order_id
        """,
        [[key for key, _ in counts], [rows for _, rows in counts]],
    )


def touch(cursor: CursorWrapper, statement: str, parameters: Sequence[Any] = ()) -> int:
    """Runs a statement that returns the id of the order of each line it changes, notes those, and counts the lines."""
    cursor.execute(
        f"""
        WITH changed(id) AS ({statement}), noted AS (INSERT INTO touched_order SELECT DISTINCT id FROM changed)
        SELECT count(*) FROM changed
        """,
        parameters,
    )
    return cursor.fetchone()[0]


def update_orders(cursor: CursorWrapper, choices: Choices) -> int:
    """Brings orders that were there to what the file says; columns that it does not have keep their values."""
    add_kept_lines(cursor, choices)
    changing = [name for name, fields in ORDER_COLUMNS.items() if not fields or choices.mapping.has(*fields)]
    theirs = [f"i.{name}" for name in changing]
    cursor.execute(
        f"""
        WITH changed AS (
            UPDATE orders_order o SET {", ".join(f"{name} = {value}" for name, value in zip(changing, theirs, strict=True))}
            FROM imported_order i WHERE i.id = o.id
              AND ({", ".join(f"o.{name}" for name in changing)}) IS DISTINCT FROM ({", ".join(theirs)})
            RETURNING o.id)
        INSERT INTO touched_order SELECT id FROM changed
        """
    )
    cursor.execute("SELECT count(DISTINCT id) FROM touched_order")
    return cursor.fetchone()[0]


def outcomes(cursor: CursorWrapper, staging: Staging) -> dict[str, Status]:
    """What became of each order of the load before, in the same transaction."""
    cursor.execute("SELECT DISTINCT id FROM touched_order")
    touched = {key for (key,) in cursor.fetchall()}
    rows = staging.run("SELECT order_id, id, fresh FROM orders JOIN order_ids USING (seq)")
    return {
        order_id: Status.CREATED if fresh else Status.UPDATED if key in touched else Status.UNCHANGED
        for order_id, key, fresh in rows
    }


def add_kept_lines(cursor: CursorWrapper, choices: Choices) -> None:
    """Counts lines that an order has and the file has not (or not in order) into its sums."""
    total = "" if choices.mapping.has("total") else ", total = i.total + kept.total"
    cursor.execute(
        f"""
        UPDATE imported_order i SET subtotal = i.subtotal + kept.total{total}
        FROM (SELECT l.order_id, sum(l.total) AS total
              FROM orders_orderline l JOIN imported_order o ON o.id = l.order_id
              LEFT JOIN imported_line n ON n.order_id = l.order_id AND n.line_number = l.line_number
              WHERE n.order_id IS NULL GROUP BY l.order_id) AS kept
        WHERE kept.order_id = i.id
        """
    )


def count_kinds(staging: Staging) -> dict[str, int]:
    """Lines that are good and worth a figure of their own: of guests, returned, given away."""
    (row,) = staging.run(
        """
        SELECT count(*) FILTER (i.id IS NULL), count(*) FILTER (l.quantity < 0), count(*) FILTER (l.total = 0)
        FROM lines l JOIN orders o USING (seq) LEFT JOIN email_hashes USING (email)
        LEFT JOIN people p ON p.who = {who} LEFT JOIN person_ids i ON i.key = p.key WHERE l.problem IS NULL
        """.replace("{who}", who_of(staging))
    )
    return dict(zip(("guest_lines", "return_lines", "free_lines"), row, strict=True))
