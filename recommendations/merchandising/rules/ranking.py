"""Apply pins and factors of rules to a ranking."""

from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class RankedPage:
    """One page of a ranking, best first.

    pinned: rows that a rule put there; one without a score of its own has the score 0. omitted: pinned rows that must not
    be shown. has_more: whether another page follows.
    """

    rows: list[int]
    scores: list[float]
    pinned: frozenset[int] = frozenset()
    omitted: tuple[int, ...] = ()
    has_more: bool = False


def get_required_length(*, n: int, offset: int, pins: Sequence[tuple[int, int]]) -> int:
    """Return the length of the ranking that `apply_to_ranking` needs for a page.

    It is enough to see whether another page follows.
    """
    return offset + n + 1 + len(pins)


def apply_to_ranking(
    *,
    rows: npt.NDArray[np.integer] | Sequence[int],
    scores: npt.NDArray[np.floating] | Sequence[float],
    pins: Sequence[tuple[int, int]],
    allowed: npt.NDArray[np.bool_] | None,
    n: int,
    offset: int = 0,
    excluded: Container[int] = frozenset(),
) -> RankedPage:
    """Return the page of ``n`` products from ``offset`` of the ranking with all pins inserted.

    rows, scores: the ranking from its first position, best first, `get_required_length` long if possible. pins:
    (position from 1, row), in the order of priority. allowed: rows that may be shown; excluded: rows that may not. A
    pinned row that may not be shown is omitted. If a position is occupied, the pin moves to the next free one; in a
    list that is too short it comes last. Pages of the same ranking and pins never share a product.
    """
    last = offset + n + 1
    row_at_position: dict[int, int] = {}
    omitted = []
    for position, row in pins:
        if row in excluded or (allowed is not None and not allowed[row]):
            omitted.append(row)
            continue
        while position in row_at_position:
            position += 1
        row_at_position[position] = row
    ranking = list(zip(to_list(rows), to_list(scores), strict=True))
    pinned: frozenset[int] = frozenset()
    if row_at_position:
        ranking, pinned = insert_pins(ranking, row_at_position, last)
    page = ranking[offset : offset + n]
    return RankedPage(
        [row for row, _ in page],
        [score for _, score in page],
        pinned.intersection(row for row, _ in page) if pinned else pinned,
        tuple(omitted),
        len(ranking[offset:last]) > n,
    )


def insert_pins(
    ranking: list[tuple[int, float]], row_at_position: dict[int, int], last: int
) -> tuple[list[tuple[int, float]], frozenset[int]]:
    """Return the first ``last`` positions of the ranking with pins, and the pinned rows.

    Pins are at their positions, with the ranking in between.
    """
    pinned = frozenset(row_at_position.values())
    own_scores = {row: score for row, score in ranking if row in pinned}
    others = iter([pair for pair in ranking if pair[0] not in pinned])
    pins = sorted(row_at_position.items())
    merged: list[tuple[int, float]] = []
    next_pin = 0
    while len(merged) < last:
        is_due = next_pin < len(pins) and pins[next_pin][0] <= len(merged) + 1
        pair = None if is_due else next(others, None)
        if pair is None:  # a pin is due, or the ranking has ended and the remaining pins follow
            if next_pin == len(pins):
                break
            row = pins[next_pin][1]
            next_pin += 1
            pair = (row, own_scores.get(row, 0.0))
        merged.append(pair)
    return merged, pinned


def to_list(values: npt.NDArray[np.generic] | Sequence[float]) -> list:
    return values.tolist() if isinstance(values, np.ndarray) else list(values)


def apply_factors(
    *, scores: npt.NDArray[np.float32], factors: npt.NDArray[np.float32] | None
) -> npt.NDArray[np.float32]:
    """Return scores · factors.

    A negative score, such as a log-probability, is divided, so that a boost always raises it.
    """
    if factors is None:
        return scores
    return np.where(scores < 0, scores / factors, scores * factors)
