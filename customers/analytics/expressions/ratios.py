"""Ratios and means that are None where they are undefined, instead of raising an error."""

from collections.abc import Sequence


def divide(part: float, whole: float) -> float | None:
    """Return a ratio; None if the denominator is 0."""
    return float(part / whole) if whole else None


def roll_means(values: Sequence[float | None], length: int) -> tuple[float | None, ...]:
    """Return the mean of each value and those before it, ``length`` in total; None where there are fewer."""
    means: list[float | None] = []
    for end in range(1, len(values) + 1):
        window = [value for value in values[max(0, end - length) : end] if value is not None]
        means.append(sum(window) / len(window) if end >= length and window else None)
    return tuple(means)
