"""Positions within contiguous groups and ranges of arrays, without Python loops."""

import numpy as np
import numpy.typing as npt

from recommendations.engine.linear_algebra.sparse import IntArray


def number_within_groups(groups: IntArray) -> npt.NDArray[np.intp]:
    """Return the position of each entry within its group, from 0; groups must be contiguous."""
    begins = np.ones(len(groups), np.bool_)
    begins[1:] = groups[1:] != groups[:-1]
    starts = np.flatnonzero(begins)
    return np.arange(len(groups)) - np.repeat(starts, np.diff(np.append(starts, len(groups))))


def expand_ranges(begins: IntArray, ends: IntArray) -> tuple[IntArray, IntArray]:
    """Return for each range r its number and every position begins[r] … ends[r] − 1."""
    lengths = ends - begins
    numbers = np.repeat(np.arange(len(begins)), lengths)
    offsets = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return numbers, offsets + begins[numbers]
