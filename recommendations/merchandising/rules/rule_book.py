"""Rules compiled for one product index, and their combined effects in one placement for one visitor.

If rules conflict, the one of higher priority wins, product by product; at equal priority hide beats only, only beats pin, and
the older rule beats the newer one.
- *hide*: the product is not shown, even if an only rule includes it. A pin of higher priority shows it nevertheless.
- *only*: no other product is shown. Several only rules show what they have in common. One that would leave nothing to show is
  ignored: a rule never empties a placement. Only search shows products without a price. A pin of higher priority is shown although it is outside.
- *pin*: the product is shown at its position; several products of one rule follow in their order. If two pins have the same
  position, the one of higher priority gets it and the other moves to the next free one. A product pinned twice is shown at the
  position of higher priority. A pinned product that is hidden, outside an only rule, sold out or excluded by the request is
  omitted, and the next one moves up.
- *boost* and *bury* multiply the score; several are multiplied, limited to 0.01 to 100. They never conflict.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Rows
from recommendations.merchandising.choices import RuleAction, RulePlacement
from recommendations.merchandising.rules.product_columns import Mask, RuleProductColumns
from recommendations.merchandising.rules.product_matching import match_products
from recommendations.merchandising.rules.schedule import find_next_change, is_rule_open

if TYPE_CHECKING:
    from recommendations.merchandising.models import Rule

MIN_FACTOR, MAX_FACTOR = 0.01, 100.0
# at 100,000 products the effects of one combination of rules take up to half a megabyte
MAX_CACHED_EFFECTS = 32
MAX_SEGMENT_COMBINATIONS = 4096
ACTION_ORDER = {RuleAction.HIDE: 0, RuleAction.ONLY: 1, RuleAction.PIN: 2, RuleAction.BOOST: 3, RuleAction.BURY: 3}
SPARSE_DIVISOR = 16  # below n / 16 matching products, updating by row is faster than by mask
NO_SEGMENTS: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class OmittedPin:
    """A pinned product that is not shown at its position. reason: hidden, only or pinned, by the other rule."""

    rule_id: int
    row: int
    reason: str
    other_rule_id: int


@dataclass(frozen=True, eq=False, slots=True)
class RuleEffects:
    """The combined effects of the rules that apply.

    allowed: bool by row, None if all are. factors: float32 by row, None if all are 1. pins: (position from 1, row),
    highest priority first; `apply_to_ranking` assigns the final positions. rule_ids: rules with an effect, highest
    priority first; 0 for an unsaved rule. ignored_rule_ids: only rules that would have left nothing to show.
    """

    allowed: Mask | None = None
    factors: npt.NDArray[np.float32] | None = None
    pins: tuple[tuple[int, int], ...] = ()
    rule_ids: tuple[int, ...] = ()
    omitted_pins: tuple[OmittedPin, ...] = ()
    ignored_rule_ids: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class CompiledRule:
    """A rule with its products. rows: of a pin, in display order. sparse_rows: the rows of the mask if they are few."""

    rule: "Rule"
    id: int
    mask: Mask
    rows: Rows
    sparse_rows: Rows | None = None

    @classmethod
    def compile(cls, rule: "Rule", columns: RuleProductColumns, *, now: datetime) -> Self:
        mask = match_products(rule=rule, columns=columns, now=now)
        is_sparse = np.count_nonzero(mask) < columns.n / SPARSE_DIVISOR
        sparse_rows = np.flatnonzero(mask).astype(np.int32) if is_sparse else None
        return cls(rule, rule.pk or 0, mask, order_pinned_rows(rule, columns, mask), sparse_rows)

    @property
    def sort_key(self) -> tuple[int, int, int]:
        """Sort by priority, then action, then age; an unsaved rule counts as the newest."""
        return -self.rule.priority, ACTION_ORDER[RuleAction(self.rule.action)], self.id or 2**63


@dataclass(eq=False, slots=True)
class PlacementRules:
    """The rules of one placement in one period, by number in the book, and their effects by segments.

    in_search: whether products without a price can be shown there.
    """

    rule_numbers: tuple[int, ...]
    in_search: bool
    segments: frozenset[int]
    effects_by_segments: dict[frozenset[int], RuleEffects | None] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, slots=True)
class RulePeriod:
    """A period during which the same rules are within their schedule."""

    since: float
    until: float
    by_placement: dict[str, PlacementRules]


EMPTY_PERIOD = RulePeriod(0.0, 0.0, {})


class RuleBook:
    """The rules compiled for one product index; ``RuleBook()`` has none."""

    def __init__(self, entries: Sequence[CompiledRule] = (), columns: RuleProductColumns | None = None) -> None:
        self.rules = tuple(sorted(entries, key=lambda entry: entry.sort_key))
        self.showable = {
            in_search: np.zeros(0, np.bool_) if columns is None else columns.find_showable(in_search=in_search)
            for in_search in (False, True)
        }
        self.period = EMPTY_PERIOD
        self.cache: dict[tuple[tuple[int, ...], bool], RuleEffects] = {}
        self.lock = threading.Lock()

    @classmethod
    def compile(cls, *, rules: Iterable["Rule"], columns: RuleProductColumns, now: datetime) -> Self:
        """Compile rules for the products of ``columns``; rules that match none of them are dropped."""
        entries = [CompiledRule.compile(rule, columns, now=now) for rule in rules]
        book = cls([entry for entry in entries if entry.mask.any()], columns)
        book.warm_up(now=now)
        return book

    def warm_up(self, *, now: datetime) -> None:
        """Compute the effects for all visitors and for each segment alone.

        Few requests must then compute any.
        """
        period = self.open_period(now=now)
        for scenario in period.by_placement:
            self.apply(scenario=scenario, segments=NO_SEGMENTS, now=now)
        for scenario, slot in period.by_placement.items():
            for segment in sorted(slot.segments):
                # Half of the cache stays free for the combinations of segments that requests need.
                if len(self.cache) < MAX_CACHED_EFFECTS // 2:
                    self.apply(scenario=scenario, segments=frozenset([segment]), now=now)

    def apply(self, *, scenario: str, segments: frozenset[int], now: datetime) -> RuleEffects | None:
        """Return the effects of the rules in a placement for a visitor in these segments.

        Return None if no rule applies.
        """
        period, moment = self.period, now.timestamp()
        if not period.since <= moment < period.until:
            period = self.open_period(now=now)
        slot = period.by_placement.get(scenario)
        if slot is None:
            return None
        # Only segments that rules of this placement use: other segments of the visitor must not multiply the combinations.
        used_segments = segments & slot.segments if segments else NO_SEGMENTS
        try:
            return slot.effects_by_segments[used_segments]  # not `get`: None is a result too
        except KeyError:
            return self.compute_effects(slot, used_segments)

    def open_period(self, *, now: datetime) -> RulePeriod:
        """Start the period of the rules whose schedule is open now.

        It ends when the next one opens or closes.
        """
        change = find_next_change([entry.rule for entry in self.rules], now=now)
        open_now = [number for number, entry in enumerate(self.rules) if is_rule_open(entry.rule, now=now)]
        by_placement = {}
        for placement in RulePlacement.values:
            numbers = tuple(
                number
                for number in open_now
                if not (placements := self.rules[number].rule.scenarios) or placement in placements
            )
            if numbers:
                segment_ids = (self.rules[number].rule.segment_id for number in numbers)
                segments = frozenset(segment_id for segment_id in segment_ids if segment_id is not None)
                by_placement[str(placement)] = PlacementRules(numbers, placement == RulePlacement.SEARCH, segments)
        until = change.timestamp() if change is not None else float("inf")
        # Replaced as a whole: `apply` reads it without the lock, and a request must not see half of a change.
        self.period = RulePeriod(now.timestamp(), until, by_placement)
        return self.period

    def compute_effects(self, slot: PlacementRules, segments: frozenset[int]) -> RuleEffects | None:
        """Return the effects for these segments, computed once per combination of rules.

        Different placements and segments often lead to the same rules and then share one result, which is large.
        """
        numbers = tuple(
            number
            for number in slot.rule_numbers
            if (segment := self.rules[number].rule.segment_id) is None or segment in segments
        )
        # Only an only rule depends on what can be shown; without any, search shares the result of the other placements.
        has_only = any(self.rules[number].rule.action == RuleAction.ONLY for number in numbers)
        key = (numbers, slot.in_search and has_only)
        with self.lock:
            effects = self.cache.get(key)
            if effects is None and numbers:
                if len(self.cache) >= MAX_CACHED_EFFECTS:
                    self.clear_cache()
                effects = resolve_rules(
                    [self.rules[number] for number in numbers], showable=self.showable[slot.in_search]
                )
                self.cache[key] = effects
            if len(slot.effects_by_segments) >= MAX_SEGMENT_COMBINATIONS:
                slot.effects_by_segments.clear()
            slot.effects_by_segments[segments] = effects
        return effects

    def clear_cache(self) -> None:
        """Drop all cached effects: cheaper than tracking the least recently used, and rare."""
        self.cache.clear()
        for slot in self.period.by_placement.values():
            slot.effects_by_segments.clear()


def order_pinned_rows(rule: "Rule", columns: RuleProductColumns, mask: Mask) -> Rows:
    """Return the rows of a pin in the order in which the rule lists its products."""
    if rule.action != RuleAction.PIN:
        return np.zeros(0, np.int32)
    rows = columns.find_rows(rule.product_ids)
    return rows[mask[rows]]


def resolve_rules(entries: Sequence[CompiledRule], *, showable: Mask) -> RuleEffects:
    """Return the combined effects of rules, which are sorted by `sort_key`."""
    hidden = HiddenProducts.from_rules(entries, len(showable))
    pins, omitted_pins, ignored_ids = apply_only_and_pin(entries, hidden, showable)
    return RuleEffects(
        allowed=~hidden.mask if hidden.mask.any() else None,
        factors=combine_factors(entries, len(showable)),
        pins=tuple(pins),
        rule_ids=tuple(entry.id for entry in entries if entry.id not in ignored_ids),
        omitted_pins=tuple(omitted_pins),
        ignored_rule_ids=tuple(ignored_ids),
    )


@dataclass(eq=False, slots=True)
class HiddenProducts:
    """Products that rules hide; reasons: of pinned products, why and by which rule."""

    mask: Mask
    pinned: Rows
    reasons: dict[int, tuple[str, int]] = field(default_factory=dict)

    @classmethod
    def from_rules(cls, entries: Sequence[CompiledRule], n: int) -> Self:
        """Return the products of hide rules.

        These rules come first, because an only rule must know which of its products remain.
        """
        pinned_rows = np.concatenate([np.zeros(0, np.int32), *(entry.rows for entry in entries)])
        hidden = cls(np.zeros(n, np.bool_), pinned_rows)
        is_protected = np.zeros(n, np.bool_)  # by pins of higher priority
        for entry in entries:
            if entry.rule.action == RuleAction.PIN:
                is_protected[entry.rows] = True
            elif entry.rule.action == RuleAction.HIDE:
                hidden.add(entry.mask & ~is_protected, "hidden", entry.id)
        return hidden

    def add(self, mask: Mask, reason: str, rule_id: int) -> None:
        """Hide more products; the reason of a product is that of the first rule that hides it."""
        new = mask & ~self.mask
        self.reasons |= dict.fromkeys(self.pinned[new[self.pinned]].tolist(), (reason, rule_id))
        self.mask |= new


def apply_only_and_pin(
    entries: Sequence[CompiledRule], hidden: HiddenProducts, showable: Mask
) -> tuple[list[tuple[int, int]], list[OmittedPin], list[int]]:
    """Hide the products outside an only rule.

    Return the (position, row) of pins, the omitted pins and the ids of the ignored rules.
    """
    pins: list[tuple[int, int]] = []
    omitted_pins: list[OmittedPin] = []
    ignored_ids: list[int] = []
    rule_of_row: dict[int, int] = {}
    is_protected = np.zeros(len(showable), np.bool_)  # by pins of higher priority
    for entry in entries:
        if entry.rule.action == RuleAction.ONLY:
            if (entry.mask & showable & ~hidden.mask).any():
                hidden.add(~entry.mask & ~is_protected, "only", entry.id)
            else:
                ignored_ids.append(entry.id)
        elif entry.rule.action == RuleAction.PIN:
            for row in entry.rows.tolist():
                if row in rule_of_row:
                    reason, other_id = "pinned", rule_of_row[row]
                else:
                    reason, other_id = hidden.reasons.get(row, ("", 0))
                if reason:
                    omitted_pins.append(OmittedPin(entry.id, row, reason, other_id))
                    continue
                pins.append((entry.rule.position or 1, row))
                rule_of_row[row] = entry.id
                is_protected[row] = True
    return pins, omitted_pins, ignored_ids


def combine_factors(entries: Sequence[CompiledRule], n: int) -> npt.NDArray[np.float32] | None:
    """Return the product of all factors of each row, limited to 0.01 to 100.

    Return None without boost and bury.
    """
    with_factor = [entry for entry in entries if entry.rule.factor is not None]
    if not with_factor:
        return None
    factors = np.ones(n, np.float64)
    for entry in with_factor:
        factor = float(entry.rule.factor)  # type: ignore[arg-type]
        if entry.sparse_rows is not None:  # its rows are distinct, so that in-place multiplication is complete
            factors[entry.sparse_rows] *= factor
        else:
            np.multiply(factors, factor, out=factors, where=entry.mask)
    return factors.clip(MIN_FACTOR, MAX_FACTOR).astype(np.float32)
