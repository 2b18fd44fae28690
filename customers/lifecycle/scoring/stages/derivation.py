"""The stage of a customer and every change that led to it, told from their orders alone.

A customer's story is a list of facts (orders, returns, the moment they became known) and the thresholds in force. Between two facts the
stage changes only by the passing of time, at moments known in advance. Telling the story from its start gives the same
changes whenever and however often it is told, so any past day can be replayed.

The rules, in the order in which they are asked (an age is the time since the last order; a gap of zero is one visit):
visitor: no order, known by a device only; prospect: no order, identified; new: one order, younger than the median gap to a second;
reactivated: came back from dormant or churned less than a median gap ago; active: age < q75, and loyal when active with enough
orders or revenue; at risk: q75 ≤ age ≤ q90; dormant: q90 < age ≤ multiple · q90; churned: beyond, or beyond q90 with P(alive) of the
buying process below a threshold. q75 and q90 are the customer's own from a number of orders on, else those of the category that most
of their orders until then were of (of several the one that got there first), else the shop's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import NEVER
from customers.lifecycle.scoring.stages.kernels import ALIVE_FIELDS, FIELDS, tell_stories
from customers.lifecycle.scoring.stages.order_gaps import DAY

STAGES: tuple[str, ...] = (
    "visitor",
    "prospect",
    "new",
    "active",
    "loyal",
    "at_risk",
    "dormant",
    "churned",
    "reactivated",
)

REASONS: tuple[str, ...] = (
    "first_seen",
    "identified",
    "first_order",
    "ordered",
    "loyal_orders",
    "loyal_revenue",
    "returned",
    "gap_active",
    "gap_long",
    "gap_dormant",
    "gap_churned",
    "rules",
    "orders_changed",
    "alive_low",
)

NO_STAGE = -1
CHUNK = 20_000  # customers told at a time


@dataclass(frozen=True)
class AliveRule:
    """Whose P(alive) is below ``least`` has churned. r, alpha (days), a, b: of a BG/NBD, or of an MBG/NBD where ``modified``."""

    r: float
    alpha: float
    a: float
    b: float
    modified: bool
    least: float = 0.2


@dataclass(frozen=True)
class Thresholds:
    """One version of the rules. Times in days, revenue in minor units (None: revenue makes nobody loyal).

    ``in_force_from`` in microseconds; None means since ever. alive: None where only gaps count. category_gaps: days of the active
    and of the dormant gap, by the name of a category.
    """

    version: int
    second_gap_days: float
    median_gap_days: float
    active_gap_days: float
    dormant_gap_days: float
    churned_multiple: float = 2.0
    own_gaps_from_orders: int = 4
    loyal_orders: int = 5
    loyal_revenue: int | None = None
    in_force_from: int | None = None
    alive: AliveRule | None = None
    category_gaps: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Histories:
    """The facts of n customers.

    customer, known_at, identified_at: shape (n,), ids and moments in microseconds (``NEVER`` for not identified).
    start: shape (n + 1,), customer i has the facts start[i] to start[i + 1], sorted by moment.
    at, amount, is_order: shape (facts,), moment, net revenue in minor units, whether it is an order that counts.
    category: shape (facts,), the place in ``categories`` of what an order was mainly of, -1 where that is not known; None: of none.
    """

    customer: npt.NDArray[np.int64]
    known_at: npt.NDArray[np.int64]
    identified_at: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    at: npt.NDArray[np.int64]
    amount: npt.NDArray[np.int64]
    is_order: npt.NDArray[np.bool_]
    category: npt.NDArray[np.int64] | None = None
    categories: Sequence[str] = ()


@dataclass(frozen=True)
class Stories:
    """stage, since, next_flip: shape (n,), index of STAGES, since when, when time alone changes it (``NEVER``: not at all).

    The changes, shape (k,), by customer and moment: customer id, from_stage (``NO_STAGE`` for the first), to_stage, at, reason
    (index of REASONS), version of the rules.
    """

    stage: npt.NDArray[np.int64]
    since: npt.NDArray[np.int64]
    next_flip: npt.NDArray[np.int64]
    customer: npt.NDArray[np.int64]
    from_stage: npt.NDArray[np.int64]
    to_stage: npt.NDArray[np.int64]
    at: npt.NDArray[np.int64]
    reason: npt.NDArray[np.int64]
    version: npt.NDArray[np.int64]


def derive_stages(*, histories: Histories, versions: Sequence[Thresholds], as_of: int) -> Stories:
    """Tells everyone's story up to ``as_of`` (microseconds): facts before it count, and time has passed until it.

    versions: by ascending version; a later one replaces the earlier ones from its ``in_force_from`` on.
    Errors: ValueError without versions, or when a customer became known at or after ``as_of``.
    """
    if not versions:
        raise ValueError("derive_stages needs at least one version of the thresholds.")
    if len(histories.known_at) and histories.known_at.max() >= as_of:
        raise ValueError("A customer of derive_stages became known at or after as_of; leave such customers out.")
    known_versions = [v for v in versions if v.in_force_from is None or v.in_force_from <= as_of] or list(versions[:1])
    epochs, rules, alive, category_gaps = _epochs(known_versions, histories.categories)
    category = np.full(len(histories.at), -1, np.int64) if histories.category is None else histories.category
    identified_at = np.where(histories.identified_at < as_of, histories.identified_at, NEVER)
    parts = [
        tell_stories(
            histories.known_at[low:high],
            identified_at[low:high],
            histories.start[low : high + 1],
            histories.at,
            histories.amount,
            histories.is_order,
            epochs,
            rules,
            alive,
            category,
            category_gaps,
            as_of,
        )
        for low in range(0, len(histories.customer), CHUNK)
        for high in (min(low + CHUNK, len(histories.customer)),)
    ]
    return _joined(parts, histories.customer)


def _epochs(
    versions: Sequence[Thresholds], categories: Sequence[str]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """When which thresholds begin to count, shape (e,), they in microseconds, shape (e, len(FIELDS)), what P(alive) needs, and the
    gaps of categories in microseconds, shape (e, categories, 2), 0 where there are none."""
    kept: list[tuple[int, Thresholds]] = []
    for version in versions:
        begins = -NEVER if version.in_force_from is None else version.in_force_from
        kept = [(begin, earlier) for begin, earlier in kept if begin < begins]
        kept.append((begins if kept else -NEVER, version))
    rows = [[_field(version, name) for name in FIELDS] for _begin, version in kept]
    begins_at = np.array([begin for begin, _version in kept], np.int64)
    alive = np.array([_alive(version.alive) for _begin, version in kept], np.float64)
    gaps = np.zeros((len(kept), len(categories), 2), np.int64)
    for epoch, (_begin, version) in enumerate(kept):
        for place, name in enumerate(categories):
            gaps[epoch, place] = [round(days * DAY) for days in version.category_gaps.get(name, (0.0, 0.0))]
    return begins_at, np.array(rows, np.int64), alive, gaps


def _alive(rule: AliveRule | None) -> tuple[float, ...]:
    if rule is None:
        return (0.0,) * len(ALIVE_FIELDS)
    return rule.r, rule.alpha, rule.a, rule.b, 0.0 if rule.modified else 1.0, (1.0 - rule.least) / rule.least


def _field(thresholds: Thresholds, name: str) -> int:
    if name == "loyal_revenue":
        return NEVER if thresholds.loyal_revenue is None else thresholds.loyal_revenue
    if name == "churned_permille":
        return round(thresholds.churned_multiple * 1000)
    value = getattr(thresholds, name)
    return round(value * DAY) if name.endswith("_days") else int(value)


def _joined(parts: Sequence[tuple[npt.NDArray[np.int64], ...]], customer: npt.NDArray[np.int64]) -> Stories:
    nothing = np.empty(0, np.int64)
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else [nothing] * 9
    stage, since, next_flip, row, from_stage, to_stage, at, reason, version = columns
    counts = [len(part[0]) for part in parts]
    offsets = np.repeat(np.cumsum([0, *counts[:-1]]), [len(part[3]) for part in parts]) if parts else nothing
    return Stories(
        stage=stage,
        since=since,
        next_flip=next_flip,
        customer=customer[row + offsets],
        from_stage=from_stage,
        to_stage=to_stage,
        at=at,
        reason=reason,
        version=version,
    )
