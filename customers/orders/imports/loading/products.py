"""Finds or creates the products of an import."""

from datetime import datetime

from django.db.backends.utils import CursorWrapper

from catalog.categories import clean_path, ensure_categories
from catalog.upsert import get_change_time
from customers.orders.imports.arrow_copy import copy_batches, fetch_integers
from customers.orders.imports.loading.load_result import COPY_ROWS, KEY_IDS
from customers.orders.imports.staging import Staging

# The price is the median of the prices paid; title, brand and category are the first ones in the file.
DESCRIBE_MISSING_PRODUCTS = """
SELECT * REPLACE (coalesce(currency, '{currency}') AS currency) FROM (
    SELECT k.key, k.product_id, coalesce(arg_min(p.product_title, p.line), k.product_id) AS title,
           coalesce(arg_min(p.brand, p.line), '') AS brand, arg_min(p.category, p.line) AS category,
           CAST(round(CAST(median(p.unit_price) FILTER (p.unit_price > 0) AS DECIMAL(14,4)), 2) AS DECIMAL(14,2)) AS price,
           arg_min(o.currency, p.line) AS currency
    FROM missing_products m JOIN product_keys k USING (key)
    JOIN lines l ON l.product_id = k.product_id AND l.problem IS NULL
    JOIN parsed p ON p.line = l.line JOIN heads o ON o.seq = l.seq
    GROUP BY k.key, k.product_id
)
"""

# a product by its ID, else by its SKU if no other product has it; a product whose SKU is the ID of a draft takes precedence over the draft
_FOUND = "COALESCE(CASE WHEN p.is_draft THEN s.id END, p.id, s.id)"
FIND_PRODUCTS = f"""
    SELECT i.key, {_FOUND} AS id
    FROM imported_product i
    LEFT JOIN catalog_product p ON p.product_id = i.product_id
    LEFT JOIN (
        SELECT sku, min(id) AS id FROM catalog_product WHERE sku <> '' GROUP BY sku HAVING count(*) = 1
    ) s ON s.sku = i.product_id
    WHERE {_FOUND}
"""  # noqa: S608 — the texts are constants


def load_products(cursor: CursorWrapper, staging: Staging, *, at: datetime, create: bool) -> int:
    """Create the missing products, or reject their rows; return how many were created.

    Leaves the table ``products`` (product_id, id) in DuckDB.
    """
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
    copy_product_keys(cursor, staging)
    cursor.execute("ANALYZE imported_product")
    created = create_missing_products(cursor, staging, at=at) if create else 0
    staging.put_table("known_products", fetch_integers(cursor, f"{FIND_PRODUCTS} IS NOT NULL", KEY_IDS))
    staging.run(
        "CREATE TABLE products AS SELECT k.product_id, f.id FROM product_keys k JOIN known_products f USING (key)"
    )
    if not create:
        staging.reject_unknown_products()
    return created


def copy_product_keys(cursor: CursorWrapper, staging: Staging) -> None:
    """Copy the ID of each product of the file to ``imported_product``."""
    batches = staging.stream("SELECT key, product_id FROM product_keys", COPY_ROWS)
    copy_batches(cursor, "imported_product", ["key", "product_id"], batches)


def create_missing_products(cursor: CursorWrapper, staging: Staging, *, at: datetime) -> int:
    """Create the products that the catalog lacks; return how many."""
    query = f"SELECT key, 0 AS id FROM ({FIND_PRODUCTS} IS NULL) AS missing"  # noqa: S608 — the text is constant
    staging.put_table("missing_products", fetch_integers(cursor, query, KEY_IDS))
    if not staging.fetch_value("SELECT count(*) FROM missing_products"):
        return 0
    cursor.execute("TRUNCATE imported_product")
    columns = ["key", "product_id", "title", "brand", "category", "price", "currency"]
    described = DESCRIBE_MISSING_PRODUCTS.format(currency=staging.options.currency)
    copy_batches(cursor, "imported_product", columns, staging.stream(described, COPY_ROWS))
    assign_categories(cursor)
    cursor.execute(
        """
        INSERT INTO catalog_product (product_id, sku, title, description, category_id, brand, price, currency, availability,
                                     image_url, url, attributes, tags, is_active, is_draft, created_at, updated_at)
        SELECT product_id, '', title, '', category_id, brand, price, CASE WHEN price IS NULL THEN '' ELSE currency END,
               'in_stock', '', '', '{}', '{}', NOT %(is_draft)s, %(is_draft)s, %(at)s, %(at)s
        FROM imported_product ORDER BY product_id
        ON CONFLICT (product_id) DO NOTHING
        """,
        {"at": at, "is_draft": staging.options.creates_drafts},
    )
    created = cursor.rowcount
    # the table held only the missing products; the caller needs all of them
    cursor.execute("TRUNCATE imported_product")
    copy_product_keys(cursor, staging)
    return created


def date_created_products(cursor: CursorWrapper, *, at: datetime) -> None:
    """Set the change time of the products that an import created to now, just before its transaction ends.

    at: the start of the import, with which they were created. See ``get_change_time``.
    """
    cursor.execute(
        "UPDATE catalog_product SET updated_at = %s WHERE updated_at = %s AND created_at = %s",
        [get_change_time(at), at, at],
    )


def assign_categories(cursor: CursorWrapper) -> None:
    """Set the category of each imported product, and create the categories that are missing."""
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
