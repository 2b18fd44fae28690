"""The dated history of the global holdout group: who was held out during an entire window."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import prod

from recommendations.measurement.assignment import BUCKETS, count_holdout_buckets
from recommendations.sending.models import GlobalHoldoutChange


@dataclass(frozen=True)
class SaltRange:
    """The smallest and the largest number of holdout buckets of one salt within a window."""

    salt: str
    smallest: int
    largest: int


@dataclass(frozen=True)
class HoldoutRule:
    """Who is in which group of a window.

    Held out during the whole window: with every salt, a bucket below the smallest number. With marketing during the whole window: with
    every salt, a bucket from the largest number on. Everyone else changed groups and is in neither.
    """

    ranges: tuple[SaltRange, ...] = ()

    @property
    def held_out_share(self) -> float:
        """The expected share of the holdout group among all customers."""
        return prod(entry.smallest / BUCKETS for entry in self.ranges) if self.ranges else 0.0

    @property
    def marketing_share(self) -> float:
        """The expected share of all customers who are in the marketing group."""
        return prod(1 - entry.largest / BUCKETS for entry in self.ranges)

    @property
    def salts(self) -> tuple[str, ...]:
        return tuple(entry.salt for entry in self.ranges)


def build_rule(changes: Sequence[GlobalHoldoutChange], *, since: datetime, until: datetime) -> HoldoutRule:
    """Return the rule of a window; before the first change, nobody was held out.

    changes: all changes, oldest first.
    """
    before = [change for change in changes if change.changed_at <= since]
    valid = [*before[-1:], *(change for change in changes if since < change.changed_at < until)]
    buckets: dict[str, list[int]] = {}
    for change in valid:
        buckets.setdefault(change.salt, []).append(count_holdout_buckets(change.share))
    if not before and valid:
        buckets[valid[0].salt].append(0)
    return HoldoutRule(tuple(SaltRange(salt, min(counts), max(counts)) for salt, counts in buckets.items()))
