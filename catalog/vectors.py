"""Creates and updates product vectors in one statement; all vectors of a name have the same dimension."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection, transaction
from django.db.models import Count, Max
from django.utils.translation import gettext as _

from catalog.bulk_results import BulkResult, FieldProblem, ItemStatus, combine_results
from catalog.field_cleaning import InvalidValueError, clean_id, shorten_value
from catalog.models import Product, ProductVector
from config.foundation.database.advisory_locks import compute_lock_key

MAX_DIMENSION = 4096
MAX_NAME_LENGTH = 50
FIELDS = ("product_id", "vector")  # of an item over REST


class InvalidVectorNameError(InvalidValueError):
    """A vector name that is empty or cannot be stored."""


def clean_vector_name(name: Any) -> str:
    """Return the vector name without surrounding spaces. Errors: InvalidVectorNameError."""
    try:
        cleaned = clean_id(name, MAX_NAME_LENGTH)
    except InvalidValueError as error:
        raise InvalidVectorNameError(error.code, error.message) from error
    if not cleaned:
        raise InvalidVectorNameError("required", _("Enter a name for the vectors, such as image."))
    return cleaned


def upsert_vectors(
    *,
    name: str,
    items: Sequence[tuple[Any, Any]],
    at: datetime,
    seen_ids: set[str] | None = None,
    other_fields: Mapping[int, Sequence[str]] | None = None,
) -> BulkResult:
    """Create new vectors and update changed ones; unchanged vectors are not touched.

    Invalid items are rejected with their problems; of two items for the same product the first wins.

    Args:
        name: what the numbers describe, such as ``image``.
        items: pairs of product id and numbers.
        at: the time of the change.
        seen_ids: products of earlier batches of the same file; the products of ``items`` are added to it.
        other_fields: the unknown fields of items by index; these items are rejected.

    Raises:
        InvalidVectorNameError: no name, or one that cannot be stored.
    """
    name = clean_vector_name(name)
    with transaction.atomic():
        # without the lock, two first batches of a new name could both find no stored dimension and write two different ones
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [compute_lock_key(f"catalog.vectors.{name}")])
        keys, problems, rows = clean_vectors(
            items, name=name, seen_ids=set() if seen_ids is None else seen_ids, other_fields=other_fields or {}
        )
        written = write_vectors(rows, name=name, at=at)
    return combine_results(keys=keys, problems=problems, written=written)


def clean_vectors(
    items: Sequence[tuple[Any, Any]], *, name: str, seen_ids: set[str], other_fields: Mapping[int, Sequence[str]]
) -> tuple[list[str], list[list[FieldProblem]], dict[str, tuple[int, bytes]]]:
    """Return each item's product id and problems, and the rows to write.

    A row is the database key and the bytes of the vector, by product id.
    """
    keys = [shorten_value(product_id).strip() for product_id, _numbers in items]
    # PostgreSQL accepts neither NUL nor unpaired surrogates in a parameter, so such ids are not looked up
    storable = [key for key in keys if key.isprintable()]
    products = dict(Product.objects.filter(product_id__in=storable).values_list("product_id", "id"))
    dimension = ProductVector.objects.filter(name=name).values_list("dimension", flat=True).first()
    problems: list[list[FieldProblem]] = []
    rows: dict[str, tuple[int, bytes]] = {}
    for index, (key, (_product_id, numbers)) in enumerate(zip(keys, items, strict=True)):
        vector, item_problems = clean_vector(numbers)
        item_problems += [build_unknown_field_problem(field) for field in other_fields.get(index, ())]
        if not key:
            item_problems = [FieldProblem("product_id", "required", _("This field is required.")), *item_problems]
        elif key not in products:
            message = _("Unknown product; import the products first.")
            item_problems = [FieldProblem("product_id", "unknown_product", message, key), *item_problems]
        elif key in seen_ids:
            item_problems = [
                FieldProblem("product_id", "duplicate", _("Duplicate ID; the first item with this ID is kept."), key)
            ]
        if vector is not None and not item_problems:
            dimension = dimension or len(vector)
            if len(vector) != dimension:
                item_problems = [build_dimension_problem(name, len(vector), dimension)]
            else:
                rows[key] = products[key], vector.tobytes()
                seen_ids.add(key)
        problems.append(item_problems)
    return keys, problems, rows


def clean_vector(numbers: Any) -> tuple[npt.NDArray[np.float32] | None, list[FieldProblem]]:
    """Return a little-endian float32 array of shape (d,), or the problems."""

    def reject(code: str, message: str) -> tuple[None, list[FieldProblem]]:
        return None, [FieldProblem("vector", code, message, shorten_value(numbers))]

    is_numeric = isinstance(numbers, np.ndarray) or (
        isinstance(numbers, list) and all(type(number) in (int, float) for number in numbers)
    )
    if not is_numeric or not len(numbers):
        return reject("not_numbers", _("The vector must be a list of numbers, such as [0.12, -0.5]."))
    if len(numbers) > MAX_DIMENSION:
        return reject(
            "too_long",
            _("The vector has %(length)d dimensions; the maximum is %(most)d.")
            % {"length": len(numbers), "most": MAX_DIMENSION},
        )
    try:
        # a number beyond float32 becomes infinity here and is reported as such below
        with np.errstate(over="ignore"):
            vector = np.asarray(numbers, "<f4")
    except (ValueError, TypeError, OverflowError):
        return reject("not_numbers", _("The vector must be a list of numbers, such as [0.12, -0.5]."))
    if not np.isfinite(vector).all():
        return reject("not_finite", _("The vector contains NaN or infinity; omit the product."))
    if not vector.any():
        return reject("all_zero", _("The vector contains only zeros; omit the product."))
    return vector, []


def build_unknown_field_problem(field: str) -> FieldProblem:
    message = _("Unknown field; valid: %(names)s.") % {"names": ", ".join(FIELDS)}
    return FieldProblem(shorten_value(field), "unknown_field", message)


def build_dimension_problem(name: str, length: int, stored_length: int) -> FieldProblem:
    message = _(
        "The vector has dimension %(given)d, but the stored vectors named %(name)s have dimension "
        "%(stored)d. Use another name, or replace all of them: manage.py import_vectors FILE --name "
        "%(name)s --replace."
    ) % {"name": name, "stored": stored_length, "given": length}
    return FieldProblem("vector", "other_dimension", message, str(length))


def write_vectors(rows: dict[str, tuple[int, bytes]], *, name: str, at: datetime) -> dict[str, ItemStatus]:
    """Write clean rows in the caller's transaction.

    Return the product ids whose vectors were created or updated.
    """
    names = {pk: key for key, (pk, _vector) in rows.items()}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO catalog_productvector (product_id, name, dimension, vector, updated_at)
            SELECT product, %(name)s, octet_length(vector) / 4, vector, %(at)s
            FROM unnest(%(products)s::bigint[], %(vectors)s::bytea[]) AS s(product, vector)
            ORDER BY product  -- every writer locks rows in the same order, which prevents deadlocks
            ON CONFLICT (product_id, name) DO UPDATE
            SET dimension = EXCLUDED.dimension, vector = EXCLUDED.vector, updated_at = EXCLUDED.updated_at
            WHERE catalog_productvector.vector IS DISTINCT FROM EXCLUDED.vector
            RETURNING product_id, xmax = 0 AS created  -- xmax is 0 in an inserted row and set in an updated one
            """,
            {
                "name": name,
                "at": at,
                "products": list(names),
                "vectors": [vector for _pk, vector in rows.values()],
            },
        )
        return {names[pk]: ItemStatus.CREATED if created else ItemStatus.UPDATED for pk, created in cursor.fetchall()}


def list_vector_names() -> list[Any]:
    """Return each vector name with its dimension and number of products, ordered by name."""
    names = ProductVector.objects.values("name", "dimension").annotate(
        products=Count("id"), updated_at=Max("updated_at")
    )
    return list(names.order_by("name"))
