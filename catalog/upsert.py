"""Creates and updates any number of products in one statement."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.bulk_results import BulkResult, FieldProblem, ItemStatus, combine_results
from catalog.categories import clean_path, ensure_categories
from catalog.field_cleaning import (
    Cleaner,
    InvalidValueError,
    clean_attributes,
    clean_bool,
    clean_currency,
    clean_fields,
    clean_id,
    clean_integer,
    clean_moment,
    clean_price,
    clean_tags,
    clean_text,
    clean_url,
    shorten_value,
)
from catalog.models import Availability, Product

MAX_TITLE, MAX_DESCRIPTION = 500, 50_000

AVAILABILITY_WORDS = {
    "instock": Availability.IN_STOCK,
    "instoreonly": Availability.IN_STOCK,
    "onlineonly": Availability.IN_STOCK,
    "limitedavailability": Availability.IN_STOCK,
    "availablefororder": Availability.IN_STOCK,
    "outofstock": Availability.OUT_OF_STOCK,
    "soldout": Availability.OUT_OF_STOCK,
    "discontinued": Availability.OUT_OF_STOCK,
    "preorder": Availability.PREORDER,
    "presale": Availability.PREORDER,
    "backorder": Availability.BACKORDER,
}


def clean_availability(value: Any) -> str:
    """Return the ``Availability`` of a value.

    Accepts our own values, Google's (``in stock``) and schema.org's (``https://schema.org/InStock``).
    """
    text = clean_text(value, 100)
    word = text.rpartition("/")[2].lower().replace(" ", "").replace("_", "").replace("-", "")
    if not word:
        return Availability.IN_STOCK.value
    if word not in AVAILABILITY_WORDS:
        raise InvalidValueError(
            "unknown_availability",
            _("Unknown availability %(value)s; valid: %(known)s.")
            % {"value": repr(text), "known": ", ".join(Availability.values)},
        )
    return AVAILABILITY_WORDS[word].value


CLEANERS: dict[str, Cleaner] = {
    "product_id": partial(clean_id, max_length=200),
    "parent_id": partial(clean_id, max_length=200),
    "sku": partial(clean_text, max_length=200),
    "title": partial(clean_text, max_length=MAX_TITLE),
    "description": partial(clean_text, max_length=MAX_DESCRIPTION),
    "category": clean_path,
    "brand": partial(clean_text, max_length=200),
    "price": clean_price,
    "currency": clean_currency,
    "cost": clean_price,
    "availability": clean_availability,
    "stock": clean_integer,
    "image_url": clean_url,
    "url": clean_url,
    "attributes": clean_attributes,
    "tags": clean_tags,
    "published_at": clean_moment,
    "is_active": clean_bool,
}
FIELDS = tuple(CLEANERS)
REQUIRED = frozenset({"product_id", "title"})


def clean_product(
    item: Mapping[str, Any], *, currency: str, required: frozenset[str] = REQUIRED
) -> tuple[dict[str, Any], list[FieldProblem]]:
    """Return the item's clean fields and its problems.

    ``currency`` applies to a price without one.
    """
    cleaned, problems = clean_fields(item, CLEANERS, required)
    if cleaned.get("price") is not None and not cleaned.get("currency"):
        cleaned["currency"] = currency
    elif cleaned.get("currency") == "":
        del cleaned["currency"]
    return cleaned, problems


def upsert_products(
    *,
    items: Sequence[Mapping[str, Any]],
    at: datetime,
    currency: str,
    dry_run: bool = False,
    reserved_ids: Collection[str] = (),
) -> BulkResult:
    """Create new products and update changed ones; unchanged products are not touched.

    A missing field keeps its value; null or an empty value clears it. A new product needs all required fields, and so does
    a draft, whose other fields are replaced too. Of two items with the same ``product_id`` the first wins. Invalid items are
    rejected with their problems; the other items are written.

    Args:
        items: fields as in ``FIELDS``; ``category`` is a path such as ``Kitchen > Kettles``, created when missing.
        at: the time of the change.
        currency: for prices without a currency.
        dry_run: count, and write nothing.
        reserved_ids: IDs that are rejected.
    """
    with transaction.atomic():
        known = lock_partial_products(items)
        keys, problems, rows = clean_items(items, currency=currency, known=known, reserved_ids=reserved_ids)
        written = write_products(rows, at=at)
        inactive = count_inactive(rows)
        if dry_run:
            transaction.set_rollback(True)
    return replace(combine_results(keys=keys, problems=problems, written=written), inactive=inactive)


def lock_partial_products(items: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Lock the known products among items that lack required fields; return the currencies of these products by ID."""
    partial = [item for item in items if not item.keys() >= REQUIRED]
    product_ids = {shorten_value(item.get("product_id")).strip() for item in partial}
    if not product_ids:
        return {}
    products = Product.objects.filter(product_id__in=product_ids, is_draft=False)
    return dict(products.select_for_update().order_by("product_id").values_list("product_id", "currency"))


def clean_items(
    items: Sequence[Mapping[str, Any]], *, currency: str, known: Mapping[str, str], reserved_ids: Collection[str]
) -> tuple[list[str], list[list[FieldProblem]], dict[str, dict[str, Any]]]:
    """Return each item's id and problems, and the valid rows by id.

    Items of ``known`` products need only the fields that change, and their prices keep their currencies.
    """
    keys: list[str] = []
    problems: list[list[FieldProblem]] = []
    rows: dict[str, dict[str, Any]] = {}
    for item in items:
        key = shorten_value(item.get("product_id")).strip()
        required = select_named(item) if key in known else REQUIRED
        cleaned, item_problems = clean_product(item, currency=known.get(key) or currency, required=required)
        key = cleaned.get("product_id", "")
        if key in reserved_ids:
            message = _("This key is reserved by the REST API.")
            item_problems.append(FieldProblem("product_id", "reserved", message, key))
        if not item_problems and key in rows:
            item_problems = [build_duplicate_problem(key)]
        if not item_problems:
            rows[key] = cleaned
        keys.append(key or shorten_value(item.get("product_id")))
        problems.append(item_problems)
    return keys, problems, rows


def select_named(item: Mapping[str, Any]) -> frozenset[str]:
    """Return the ID and the required fields that an item contains; none of them may become empty."""
    return frozenset({"product_id", *(REQUIRED & item.keys())})


def update_product(*, product_id: str, fields: Mapping[str, Any], at: datetime, currency: str) -> list[FieldProblem]:
    """Change only the given fields of a product or draft; return the problems, any of which prevents the change.

    A draft stays a draft until it is activated. ``currency`` is for a new price of a product without a currency.
    """
    with transaction.atomic():
        stored = Product.objects.select_for_update().values_list("currency", flat=True).get(product_id=product_id)
        cleaned, problems = clean_product(
            {**fields, "product_id": product_id}, currency=stored or currency, required=select_named(fields)
        )
        if not problems and len(cleaned) > 1:
            write_products({product_id: cleaned}, at=at, replaces_drafts=False)
    return problems


def deactivate_product(*, product_id: str, at: datetime) -> bool:
    """Deactivate a product, which is kept for the order history; return whether it was active."""
    return bool(Product.objects.active().filter(product_id=product_id).update(is_active=False, updated_at=at))


def get_change_time(started_at: datetime) -> datetime:
    """Return the time of a change that a task makes now, which is not earlier than its start.

    Serving and search read what changed since one minute before the newest change that they know: they would miss a change that has
    the time at which a long task started.
    """
    return max(started_at, timezone.now())


def build_duplicate_problem(product_id: str) -> FieldProblem:
    return FieldProblem("product_id", "duplicate", _("Duplicate ID; the first item with this ID is kept."), product_id)


# column → its type and its default in a new row
COLUMNS = {
    "product_id": ("text", "NULL"),
    "parent_id": ("text", "''"),
    "sku": ("text", "''"),
    "title": ("text", "NULL"),
    "description": ("text", "''"),
    "category_id": ("bigint", "NULL"),
    "brand": ("text", "''"),
    "price": ("numeric(14, 2)", "NULL"),
    "currency": ("text", "''"),
    "cost": ("numeric(14, 2)", "NULL"),
    "availability": ("text", "'in_stock'"),
    "stock": ("integer", "NULL"),
    "image_url": ("text", "''"),
    "url": ("text", "''"),
    "attributes": ("jsonb", "'{}'::jsonb"),
    "tags": ("text[]", "'{}'::text[]"),
    "published_at": ("timestamptz", "NULL"),
    "is_active": ("boolean", "true"),
}


def write_products(
    rows: Mapping[str, Mapping[str, Any]], *, at: datetime, replaces_drafts: bool = True
) -> dict[str, ItemStatus]:
    """Write clean rows in the caller's transaction; return the ids that were created or updated.

    A draft is replaced by its row as if it did not exist, unless ``replaces_drafts`` is false.
    """
    if not rows:
        return {}
    categories = ensure_categories({row["category"] for row in rows.values() if row.get("category")})
    payload = [build_row_columns(row, categories) for row in rows.values()]
    has_drafts = replaces_drafts and Product.objects.filter(product_id__in=list(rows), is_draft=True).exists()
    # the required columns even if no row has them: PostgreSQL checks a row before it finds that the product exists
    columns = [
        column for column in COLUMNS if has_drafts or column in REQUIRED or any(column in row for row in payload)
    ]
    with connection.cursor() as cursor:
        if any(len(row) < len(columns) for row in payload):
            # rows that lack a column get its current value written back: lock them, so that it does not change in between
            cursor.execute(
                "SELECT 1 FROM catalog_product WHERE product_id = ANY(%s) ORDER BY product_id FOR UPDATE",
                [list(rows)],
            )
        statement = build_upsert_statement(tuple(columns), replaces_drafts=replaces_drafts)
        cursor.execute(statement, {"rows": json.dumps(payload, default=str), "at": at})
        return {key: ItemStatus.CREATED if created else ItemStatus.UPDATED for key, created in cursor.fetchall()}


def count_inactive(rows: Mapping[str, Mapping[str, Any]]) -> int:
    """Count the products that are inactive after the write although their rows do not say so: their users may expect to see them."""
    product_ids = [key for key, row in rows.items() if "is_active" not in row]
    return Product.objects.filter(
        product_id__in=product_ids, is_active=False
    ).count()  # without IDs, Django asks nothing


def build_row_columns(row: Mapping[str, Any], categories: Mapping[str, int]) -> dict[str, Any]:
    columns = {field: value for field, value in row.items() if field != "category"}
    if "category" in row:
        columns["category_id"] = categories.get(row["category"])
    if isinstance(moment := columns.get("published_at"), datetime):
        columns["published_at"] = moment.isoformat()
    return columns


def build_upsert_statement(columns: tuple[str, ...], *, replaces_drafts: bool) -> str:
    """Return the statement for rows with at most these columns.

    All names in it are constants of this module.
    """
    updated_columns = [column for column in columns if column != "product_id"]
    keeps_values = "p.id IS NOT NULL" + (" AND NOT p.is_draft" if replaces_drafts else "")
    values = [
        f"CASE WHEN item ? '{column}' THEN s.{column} WHEN {keeps_values} THEN p.{column} ELSE {default} END"
        if column in columns
        else default
        for column, (kind, default) in COLUMNS.items()
    ]
    changes = [f"{name} = EXCLUDED.{name}" for name in updated_columns]
    if replaces_drafts:
        changes.append("is_draft = false")
    elif "is_active" in columns:
        changes.append("is_draft = catalog_product.is_draft AND NOT EXCLUDED.is_active")
    is_replaced = "catalog_product.is_draft" if replaces_drafts else "false"
    return f"""
        INSERT INTO catalog_product ({", ".join(COLUMNS)}, created_at, updated_at)
        SELECT {", ".join(values)}, %(at)s, %(at)s
        FROM jsonb_array_elements(%(rows)s::jsonb) AS item
        CROSS JOIN LATERAL jsonb_to_record(item) AS s({", ".join(f"{name} {COLUMNS[name][0]}" for name in columns)})
        LEFT JOIN catalog_product p ON p.product_id = s.product_id
        ORDER BY s.product_id  -- every writer locks rows in the same order, which prevents deadlocks
        ON CONFLICT (product_id) DO UPDATE
        SET {", ".join(changes)}, updated_at = EXCLUDED.updated_at
        WHERE {is_replaced}
           OR ({", ".join(f"catalog_product.{name}" for name in updated_columns)})
              IS DISTINCT FROM ({", ".join(f"EXCLUDED.{name}" for name in updated_columns)})
        RETURNING product_id, xmax = 0 AS created  -- xmax is 0 in an inserted row and set in an updated one
    """  # noqa: S608
