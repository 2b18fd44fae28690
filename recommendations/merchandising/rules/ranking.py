"""Puts what rules say into a ranked list."""

from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Placed:
    """One page. rows and scores: best first. pinned: rows that stand where a rule wants them. left_out: pinned rows that may not be shown.

    more: whether there is a page after it. A pinned row that was in no ranking has the score 0.
    """

    rows: list[int]
    scores: list[float]
    pinned: frozenset[int] = frozenset()
    left_out: tuple[int, ...] = ()
    more: bool = False


def places_needed(*, n: int, offset: int, pins: Sequence[tuple[int, int]]) -> int:
    """How long a ranking must be so that `apply_to_ranking` can cut this page out of it and knows whether there is another."""
    return offset + n + 1 + len(pins)


def apply_to_ranking(
    *,
    rows: npt.NDArray[np.integer] | Sequence[int],
    scores: npt.NDArray[np.floating] | Sequence[float],
    pins: Sequence[tuple[int, int]],
    allowed: npt.NDArray[np.bool_] | None,
    n: int,
    offset: int = 0,
    barred: Container[int] = frozenset(),
) -> Placed:
    """The page of ``n`` products from ``offset`` on, out of the one list of the ranking with the pins in it.

    rows, scores: the ranking from its first place on, best first, `places_needed` long where there is so much. pins: (place from 1, row),
    those that go first come first. allowed: rows that may be shown to this request, but for the barred; a pin on another is left out.
    Where a place is taken a pin stands on the next free one, behind a short list at its end. Pages of the same ranking and pins never
    share a product.
    """
    last = offset + n + 1
    standing: dict[int, int] = {}
    left_out = []
    for place, row in pins:
        if row in barred or (allowed is not None and not allowed[row]):
            left_out.append(row)
            continue
        while place in standing:
            place += 1
        standing[place] = row
    ranked = zip(as_list(rows), as_list(scores), strict=True)
    if not standing:
        page = list(ranked)[offset:last]
        return Placed(
            [row for row, _ in page[:n]], [score for _, score in page[:n]], frozenset(), tuple(left_out), len(page) > n
        )
    placed, pinned = fill(list(ranked), standing, last)
    page = placed[offset:last]
    shown = page[:n]
    return Placed(
        [row for row, _ in shown],
        [score for _, score in shown],
        pinned.intersection(row for row, _ in shown),
        tuple(left_out),
        len(page) > n,
    )


def fill(
    ranked: list[tuple[int, float]], standing: dict[int, int], last: int
) -> tuple[list[tuple[int, float]], frozenset[int]]:
    """The list until its place ``last``, with the pins on their places and the others in between."""
    pinned = frozenset(standing.values())
    own = {row: score for row, score in ranked if row in pinned}
    others = iter([pair for pair in ranked if pair[0] not in pinned])
    waiting = sorted(standing.items())
    placed: list[tuple[int, float]] = []
    following = 0
    while len(placed) < last:
        due = following < len(waiting) and waiting[following][0] <= len(placed) + 1
        pair = None if due else next(others, None)
        if pair is None:
            if following == len(waiting):
                break
            row = waiting[following][1]
            following += 1
            pair = (row, own.get(row, 0.0))
        placed.append(pair)
    return placed, pinned


def as_list(values: npt.NDArray[np.generic] | Sequence[float]) -> list:
    return values.tolist() if isinstance(values, np.ndarray) else list(values)


def weighted(*, scores: npt.NDArray[np.float32], factors: npt.NDArray[np.float32] | None) -> npt.NDArray[np.float32]:
    """Scores times factors. One below zero, such as the logarithm of a chance, is divided instead: a boost never lowers anybody."""
    if factors is None:
        return scores
    return np.where(scores < 0, scores / factors, scores * factors)
