"""Compares the results of two engines: counts and texts must be equal, and decimal numbers must agree to nine digits."""

import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pyarrow as pa

TOLERANCE = 1e-9


def count_unequal(left: Any, right: Any) -> int:
    """Return how many values of two results differ, or are in only one of them."""
    ours, theirs = dict(walk_values(left)), dict(walk_values(right))
    missing = ours.keys() ^ theirs.keys()
    return len(missing) + sum(not is_equal(ours[key], theirs[key]) for key in ours.keys() & theirs.keys())


def list_unequal(left: Any, right: Any, *, limit: int = 5) -> list[str]:
    """Return descriptions of the first differences."""
    ours, theirs = dict(walk_values(left)), dict(walk_values(right))
    texts = []
    for key in [*ours, *(key for key in theirs if key not in ours)]:
        if key not in ours or key not in theirs or not is_equal(ours[key], theirs[key]):
            texts.append(f"{'.'.join(map(str, key))}: {ours.get(key, 'missing')!r} and {theirs.get(key, 'missing')!r}")
        if len(texts) == limit:
            break
    return texts


def is_equal(left: Any, right: Any) -> bool:
    """Return whether two values agree; decimal numbers to a relative 1e-9."""
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=TOLERANCE, abs_tol=TOLERANCE) or (
            math.isnan(left) and math.isnan(right)
        )
    return type(left) is type(right) and bool(left == right)


def walk_values(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield each value of a result with its path. Table rows have no order, so they are sorted by all columns."""
    if isinstance(value, pa.Table):
        value = value.sort_by([(name, "ascending") for name in value.column_names]).to_pylist()
    elif isinstance(value, np.ndarray):
        value = value.tolist()
    if is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from walk_values(getattr(value, field.name), (*path, field.name))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from walk_values(item, (*path, key))
    elif isinstance(value, list | tuple):
        yield (*path, "length"), len(value)
        for position, item in enumerate(value):
            yield from walk_values(item, (*path, position))
    else:
        yield path, value
