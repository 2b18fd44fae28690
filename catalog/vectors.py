"""Writes vectors of products, many in one statement; all of one name have one dimension."""

from collections.abc import Sequence
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
from config.foundation.database.advisory_locks import lock_key

MAX_DIMENSION = 4096
MAX_NAME_LENGTH = 50


class InvalidVectorNameError(InvalidValueError):
    """A name under which no vectors can be kept."""


def clean_vector_name(name: Any) -> str:
    """Errors: WrongNameError."""
    try:
        cleaned = clean_id(name, MAX_NAME_LENGTH)
    except InvalidValueError as error:
        raise InvalidVectorNameError(error.code, error.message) from error
    if not cleaned:
        raise InvalidVectorNameError("required", _("Say what the vectors describe, such as image."))
    return cleaned


def upsert_vectors(
    *, name: str, items: Sequence[tuple[Any, Any]], at: datetime, taken: set[str] | None = None
) -> BulkResult:
    """Creates the vectors that are new, updates those that differ, leaves the others untouched.

    Wrong items are rejected with their reasons and keep nobody else out; of two items with one product the first wins.

    Args:
        name: what the numbers describe, such as ``image``.
        items: product id and numbers of each.
        at: the moment of the change.
        taken: products that got theirs before, from the same file; those of ``items`` are added.

    Raises:
        WrongNameError: no name, or one that cannot be stored.
    """
    name = clean_vector_name(name)
    with transaction.atomic():
        with connection.cursor() as cursor:  # two first batches at once could be of two dimensions
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock_key(f"catalog.vectors.{name}")])
        keys, problems, rows = clean_vectors(items, name=name, taken=set() if taken is None else taken)
        written = write_vectors(rows, name=name, at=at)
    return combine_results(keys=keys, problems=problems, written=written)


def clean_vectors(
    items: Sequence[tuple[Any, Any]], *, name: str, taken: set[str]
) -> tuple[list[str], list[list[FieldProblem]], dict[str, tuple[int, bytes]]]:
    """Each item's product id and problems, and by product id its key in the database and the bytes to write."""
    keys = [shorten_value(product_id).strip() for product_id, _numbers in items]
    storable = [key for key in keys if key.isprintable()]
    products = dict(Product.objects.filter(product_id__in=storable).values_list("product_id", "id"))
    dimension = ProductVector.objects.filter(name=name).values_list("dimension", flat=True).first()
    problems: list[list[FieldProblem]] = []
    rows: dict[str, tuple[int, bytes]] = {}
    for key, (_product_id, numbers) in zip(keys, items, strict=True):
        vector, wrong = clean_vector(numbers)
        if not key:
            wrong = [FieldProblem("product_id", "required", _("This field is required.")), *wrong]
        elif key not in products:
            message = _("There is no such product; import the products first.")
            wrong = [FieldProblem("product_id", "unknown_product", message, key), *wrong]
        elif key in taken:
            wrong = [FieldProblem("product_id", "duplicate", _("This id came before; the first one is taken."), key)]
        if vector is not None and not wrong:
            dimension = dimension or len(vector)
            if len(vector) != dimension:
                wrong = [build_dimension_problem(name, len(vector), dimension)]
            else:
                rows[key] = products[key], vector.tobytes()
                taken.add(key)
        problems.append(wrong)
    return keys, problems, rows


def clean_vector(numbers: Any) -> tuple[npt.NDArray[np.float32] | None, list[FieldProblem]]:
    """Little-endian float32 (d,), or what is wrong."""

    def problem(code: str, message: str) -> tuple[None, list[FieldProblem]]:
        return None, [FieldProblem("vector", code, message, shorten_value(numbers))]

    plain = isinstance(numbers, np.ndarray) or (
        isinstance(numbers, list) and all(type(number) in (int, float) for number in numbers)
    )
    if not plain or not len(numbers):
        return problem("not_numbers", _("Give a list of numbers such as [0.12, -0.5]."))
    if len(numbers) > MAX_DIMENSION:
        return problem(
            "too_long",
            _("Has %(length)d numbers; at most %(most)d fit.") % {"length": len(numbers), "most": MAX_DIMENSION},
        )
    try:
        with np.errstate(over="ignore"):
            vector = np.asarray(numbers, "<f4")
    except (ValueError, TypeError, OverflowError):
        return problem("not_numbers", _("Give a list of numbers such as [0.12, -0.5]."))
    if not np.isfinite(vector).all():
        return problem(
            "not_finite", _("Holds a number that is infinite, or none at all; leave the product out instead.")
        )
    if not vector.any():
        return problem("all_zero", _("Holds zeros alone, which say nothing; leave the product out instead."))
    return vector, []


def build_dimension_problem(name: str, given: int, stored: int) -> FieldProblem:
    message = _(
        "%(name)s has %(stored)d numbers for the other products, this one has %(given)d: they are of two models. Give these another "
        "name, or import all of them anew with manage.py import_vectors FILE --name %(name)s --replace."
    ) % {"name": name, "stored": stored, "given": given}
    return FieldProblem("vector", "other_dimension", message, str(given))


def write_vectors(rows: dict[str, tuple[int, bytes]], *, name: str, at: datetime) -> dict[str, ItemStatus]:
    """Writes clean rows inside the caller's transaction; tells which product ids got a vector or another one."""
    names = {pk: key for key, (pk, _vector) in rows.items()}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO catalog_productvector (product_id, name, dimension, vector, updated_at)
            SELECT product, %(name)s, octet_length(vector) / 4, vector, %(at)s
            FROM unnest(%(products)s::bigint[], %(vectors)s::bytea[]) AS s(product, vector)
            ORDER BY product  -- the same order of row locks in everyone
            ON CONFLICT (product_id, name) DO UPDATE
            SET dimension = EXCLUDED.dimension, vector = EXCLUDED.vector, updated_at = EXCLUDED.updated_at
            WHERE catalog_productvector.vector IS DISTINCT FROM EXCLUDED.vector
            RETURNING product_id, xmax = 0 AS created
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
    """Each name with its dimension and how many products have one, by name."""
    found = ProductVector.objects.values("name", "dimension").annotate(
        products=Count("id"), updated_at=Max("updated_at")
    )
    return list(found.order_by("name"))
