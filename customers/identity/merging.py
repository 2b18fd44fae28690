"""Folds customers into one another, and undoes it."""

from collections.abc import Sequence
from datetime import datetime


def merge_customers(*, pairs: Sequence[tuple[int, int]], at: datetime, causes: Sequence[str]) -> list[int]:
    """Folds the second customer of each pair into the first; the ids of the IdentityMerge rows, in the pairs' order.

    ``causes`` is aligned with ``pairs``: a message id, or who did it.
    """
    raise NotImplementedError


def revert_merge(*, merge_id: int, at: datetime, by: str) -> None:
    """Gives back everything that a merge moved; what came later stays with the kept customer."""
    raise NotImplementedError
