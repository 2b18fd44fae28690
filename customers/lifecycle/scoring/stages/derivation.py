"""Derives the stage of a customer, and every change that led to it, from their orders alone.

The input is a list of facts (orders, returns, the moment at which each became known) and the thresholds in force. Between two
facts the stage changes only with the passing of time, at moments known in advance. Deriving the history from its start
always gives the same changes, so any past day can be replayed.

The rules in order of evaluation (the age t is the time since the last order): visitor: no order, known by a device only; prospect: no
order, identified; new: one order, younger than the median gap to a second; by `GapRule`: churned, dormant, at risk: the probability S(t)
that a gap of this customer lasts longer is below min(share, alarms / gaps per year), and t is at least a number of days (dormant and
churned only without the guard, `gap_kernels.is_guarded`); reactivated: ordered again after dormant or churned, less than a median gap
ago; loyal: enough orders, or revenue in the 12 months up to the latest order; active: the rest.

Versions without a `GapRule`, of earlier releases, use quantiles of gaps (orders of one moment are one visit): reactivated is checked before
the age; active: age < q75 (loyal with enough orders or revenue of all time); at risk: q75 ≤ age ≤ q90; dormant: q90 < age ≤ multiple · q90;
churned: beyond that, or beyond q90 with P(alive) of the purchase model below a threshold. q75 and q90 are the customer's own from a minimum
number of orders on, else those of their main category (most of their orders so far; of several the one that got there first), else
the shop's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import NEVER
from config.foundation.calendars.local_clock import LocalClock
from customers.lifecycle.scoring.stages.gap_distribution import GapDistribution
from customers.lifecycle.scoring.stages.gap_kernels import ALIVE_FIELDS, GAP_FIELDS
from customers.lifecycle.scoring.stages.kernels import THRESHOLD_FIELDS, derive_stage_histories
from customers.lifecycle.scoring.stages.order_gaps import DAY

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
    "gap_rare",
    "guard_ended",
)

NO_STAGE = -1
CHUNK_SIZE = 20_000  # customers per kernel call, which bounds the memory of the results


@dataclass(frozen=True)
class AliveRule:
    """A customer whose P(alive) is below ``min_alive`` has churned; 0 switches this off.

    A `GapRule` uses only the parameters, for its guard.
    r, alpha (days), a, b: parameters of a BG/NBD model, or of an MBG/NBD model where ``modified``.
    """

    r: float
    alpha: float
    a: float
    b: float
    modified: bool
    min_alive: float = 0.2


@dataclass(frozen=True)
class GapRule:
    """When a gap is too long for a customer, for at risk, dormant and churned.

    alarms: false alarms per customer and year. max_shares: the largest probability of a longer gap. min_days: the shortest gap.
    guard_alive, guard_churn: a customer with P(alive) ≥ ``guard_alive`` and a probability of no order within ``guard_days`` of at most
    ``guard_churn`` is neither dormant nor churned.
    """

    gaps: GapDistribution
    alarms: tuple[float, float, float] = (1.0, 0.25, 0.025)
    max_shares: tuple[float, float, float] = (0.25, 0.10, 0.05)
    min_days: tuple[float, float, float] = (7.0, 14.0, 30.0)
    guard_alive: float = 0.9
    guard_churn: float = 0.1
    guard_days: float = 30.0


@dataclass(frozen=True)
class StageThresholds:
    """One version of the rules.

    Times in days, revenue in minor units (None: revenue makes no customer loyal).
    ``effective_from``: microseconds, None for always. alive: None where only gaps count. category_gaps: the active and the
    dormant gap in days, by category name. gap_rule: replaces the quantiles.
    order_gap_days: how long the whole shop can be without an order before orders count as missing; None: they never do.
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
    effective_from: int | None = None
    alive: AliveRule | None = None
    category_gaps: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    gap_rule: GapRule | None = None
    order_gap_days: float | None = None


@dataclass(frozen=True)
class OrderHistories:
    """The facts of n customers.

    customer, known_at, identified_at: shape (n,), ids and moments in microseconds (``NEVER`` for not identified).
    start: shape (n + 1,); customer i has the facts start[i] to start[i + 1], sorted by moment.
    at, amount, is_order: shape (facts,), moment, net revenue in minor units, whether it is an order that counts.
    clock: the shop's, whose midnights separate the days.
    category: shape (facts,), the index in ``categories`` of the main category of an order, -1 where unknown; None: no categories.
    """

    customer: npt.NDArray[np.int64]
    known_at: npt.NDArray[np.int64]
    identified_at: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    at: npt.NDArray[np.int64]
    amount: npt.NDArray[np.int64]
    is_order: npt.NDArray[np.bool_]
    clock: LocalClock
    category: npt.NDArray[np.int64] | None = None
    categories: Sequence[str] = ()


@dataclass(frozen=True)
class StageHistories:
    """The current stages of n customers and the k changes that led to them.

    stage, since, next_change_at: shape (n,), index of STAGES, its start, and when time alone changes it (``NEVER``: not at all).
    The changes, shape (k,), by customer and moment: customer id, from_stage (``NO_STAGE`` for the first), to_stage, at, reason
    (index of REASONS), version of the rules.
    """

    stage: npt.NDArray[np.int64]
    since: npt.NDArray[np.int64]
    next_change_at: npt.NDArray[np.int64]
    customer: npt.NDArray[np.int64]
    from_stage: npt.NDArray[np.int64]
    to_stage: npt.NDArray[np.int64]
    at: npt.NDArray[np.int64]
    reason: npt.NDArray[np.int64]
    version: npt.NDArray[np.int64]


def derive_stages(
    *, histories: OrderHistories, versions: Sequence[StageThresholds], as_of: int, time_limit: int = NEVER
) -> StageHistories:
    """Derive the stage histories of all customers up to ``as_of`` (microseconds).

    Only facts before it count.
    versions: by ascending version; a later one replaces the earlier ones from its ``effective_from`` on.
    time_limit: the passing of time changes no stage after this moment, as while orders of the whole shop are missing.
    Errors: ValueError without versions, or when a customer became known at or after ``as_of``.
    """
    if not versions:
        raise ValueError("derive_stages needs at least one version of the thresholds, got none.")
    if len(histories.known_at) and histories.known_at.max() >= as_of:
        raise ValueError("A customer of derive_stages became known at or after as_of; leave such customers out.")
    # Without a version in force, the earliest one applies: a past day can be older than all rules.
    known_versions = [v for v in versions if v.effective_from is None or v.effective_from <= as_of] or list(
        versions[:1]
    )
    epochs, rules, alive, category_gaps = _build_epochs(known_versions, histories.categories)
    in_force = _list_epochs(known_versions)
    gap_rules = np.array([to_gap_row(version.gap_rule) for _begin, version in in_force], np.float64)
    category_means = np.array(
        [list_category_means(version.gap_rule, histories.categories) for _begin, version in in_force], np.float64
    )
    category = np.full(len(histories.at), -1, np.int64) if histories.category is None else histories.category
    day = histories.clock.find_day_starts(histories.at)
    identified_at = np.where(histories.identified_at < as_of, histories.identified_at, NEVER)
    parts = [
        derive_stage_histories(
            histories.known_at[low:high],
            identified_at[low:high],
            histories.start[low : high + 1],
            histories.at,
            day,
            histories.amount,
            histories.is_order,
            epochs,
            rules,
            alive,
            gap_rules,
            category,
            category_gaps,
            category_means,
            as_of,
            time_limit,
        )
        for low in range(0, len(histories.customer), CHUNK_SIZE)
        for high in (min(low + CHUNK_SIZE, len(histories.customer)),)
    ]
    return _join_chunks(parts, histories.customer)


def _build_epochs(
    versions: Sequence[StageThresholds], categories: Sequence[str]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return the rule epochs as arrays for the kernel.

    Shapes: begin (e,) in microseconds, thresholds (e, len(THRESHOLD_FIELDS)), parameters of P(alive) (e, len(ALIVE_FIELDS)),
    gaps of categories (e, categories, 2) in microseconds, 0 where a category has none.
    """
    epochs = _list_epochs(versions)
    rows = [[_to_threshold_value(version, name) for name in THRESHOLD_FIELDS] for _begin, version in epochs]
    epoch_starts = np.array([begin for begin, _version in epochs], np.int64)
    alive = np.array([to_alive_row(version.alive) for _begin, version in epochs], np.float64)
    gaps = np.zeros((len(epochs), len(categories), 2), np.int64)
    for epoch, (_begin, version) in enumerate(epochs):
        for index, name in enumerate(categories):
            gaps[epoch, index] = [round(days * DAY) for days in version.category_gaps.get(name, (0.0, 0.0))]
    return epoch_starts, np.array(rows, np.int64), alive, gaps


def _list_epochs(versions: Sequence[StageThresholds]) -> list[tuple[int, StageThresholds]]:
    """Return each version in force with the moment from which it applies."""
    epochs: list[tuple[int, StageThresholds]] = []
    for version in versions:
        begin = -NEVER if version.effective_from is None else version.effective_from
        epochs = [(start, earlier) for start, earlier in epochs if start < begin]
        epochs.append((begin if epochs else -NEVER, version))
    return epochs


def to_gap_row(rule: GapRule | None) -> tuple[float, ...]:
    """Return a rule as a row of GAP_FIELDS; zeros where quantiles count."""
    if rule is None:
        return (0.0,) * len(GAP_FIELDS)
    guard = (rule.guard_alive, rule.guard_churn, rule.guard_days)
    return (
        rule.gaps.within,
        rule.gaps.shrinkage,
        rule.gaps.tail_variance,
        *rule.alarms,
        *rule.max_shares,
        *rule.min_days,
        *guard,
    )


def list_category_means(rule: GapRule | None, categories: Sequence[str]) -> list[float]:
    """Return the mean log gap of each category, and last that of the shop, which index −1 finds."""
    if rule is None:
        return [0.0] * (len(categories) + 1)
    return [*(rule.gaps.category_means.get(name, rule.gaps.mean) for name in categories), rule.gaps.mean]


def to_alive_row(rule: AliveRule | None) -> tuple[float, ...]:
    """Return a rule as a row of ALIVE_FIELDS; zeros switch it off."""
    if rule is None:
        return (0.0,) * len(ALIVE_FIELDS)
    odds = (1.0 - rule.min_alive) / rule.min_alive if rule.min_alive > 0 else 0.0
    return rule.r, rule.alpha, rule.a, rule.b, 0.0 if rule.modified else 1.0, odds


def _to_threshold_value(thresholds: StageThresholds, name: str) -> int:
    """Return a threshold as an integer: days as microseconds, multiples as thousandths."""
    if name == "loyal_revenue":
        return NEVER if thresholds.loyal_revenue is None else thresholds.loyal_revenue
    if name == "churned_permille":
        return round(thresholds.churned_multiple * 1000)
    value = getattr(thresholds, name)
    return round(value * DAY) if name.endswith("_days") else int(value)


def _join_chunks(parts: Sequence[tuple[npt.NDArray[np.int64], ...]], customer: npt.NDArray[np.int64]) -> StageHistories:
    """Concatenate the results of the chunks and replace rows within a chunk by customer ids."""
    empty = np.empty(0, np.int64)
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else [empty] * 9
    stage, since, next_flip, row, from_stage, to_stage, at, reason, version = columns
    counts = [len(part[0]) for part in parts]
    offsets = np.repeat(np.cumsum([0, *counts[:-1]]), [len(part[3]) for part in parts]) if parts else empty
    return StageHistories(
        stage=stage,
        since=since,
        next_change_at=next_flip,
        customer=customer[row + offsets],
        from_stage=from_stage,
        to_stage=to_stage,
        at=at,
        reason=reason,
        version=version,
    )
