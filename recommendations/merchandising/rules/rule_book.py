"""Rules compiled for one catalogue, and what those that hold in one place for one person do to its products.

Of rules that contradict each other the one of higher priority wins, product by product; of equal priority hide beats only, only beats
pin, and the older rule beats the younger.
- *hide*: the product is not shown, whatever an only says; a pin of higher priority shows it all the same.
- *only*: nothing else is shown. Several narrow each other down. One that would leave nothing that can be shown is set aside, as if it were
  switched off: a rule never empties a place of the shop. A pin of higher priority stands although it is outside.
- *pin*: the product stands at its place; several of one rule stand from there on in their order. Of two pins on one place the one of higher
  priority gets it, the other stands on the next free one. A product pinned twice stands where the rule of higher priority wants it. One that is
  hidden, outside an only, sold out or excluded by the request is left out, and the next moves up.
- *boost* and *bury* multiply the score; several multiply each other, within 0.01 and 100. They never contradict anything.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Rows
from recommendations.merchandising.choices import Action, Place
from recommendations.merchandising.rules.product_columns import Mask, ProductColumns
from recommendations.merchandising.rules.product_matching import matching
from recommendations.merchandising.rules.schedule import is_open, next_change

if TYPE_CHECKING:
    from recommendations.merchandising.models import Rule

LEAST_FACTOR, MOST_FACTOR = 0.01, 100.0
# at 100,000 products one answer that is remembered takes up to half a megabyte
MOST_REMEMBERED = 32
MOST_COMBINATIONS = 4096
STRENGTH = {Action.HIDE: 0, Action.ONLY: 1, Action.PIN: 2, Action.BOOST: 3, Action.BURY: 3}
FEW = 16  # one product in so many is changed faster by its row than by a mask
NOBODY: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A pinned product that does not stand where rule wants it. why: hidden, only or pinned; by: the rule that does it."""

    rule: int
    row: int
    why: str
    by: int


@dataclass(frozen=True, eq=False, slots=True)
class Applied:
    """What the rules that hold do.

    allowed: bool by row, None where all are. factors: float32 by row, None where all are 1. pins: (place from 1, row), those of higher
    priority first; `apply_to_ranking` gives each its place. rules: the ids of those that have an effect, highest priority first; 0 for one
    that is not saved. set_aside: ids of rules that would have left nothing to show.
    """

    allowed: Mask | None = None
    factors: npt.NDArray[np.float32] | None = None
    pins: tuple[tuple[int, int], ...] = ()
    rules: tuple[int, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    set_aside: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class Entry:
    """A rule with the products that it means. rows: of a pin, in the order in which they shall stand. few: the rows of the mask if few."""

    rule: "Rule"
    id: int
    mask: Mask
    rows: Rows
    few: Rows | None = None

    @classmethod
    def of_rule(cls, rule: "Rule", columns: ProductColumns, *, now: datetime) -> Self:
        mask = matching(rule=rule, columns=columns, now=now)
        few = np.flatnonzero(mask).astype(np.int32) if np.count_nonzero(mask) < columns.n / FEW else None
        return cls(rule, rule.pk or 0, mask, in_their_order(rule, columns, mask), few)

    @property
    def order(self) -> tuple[int, int, int]:
        """Of the rule that is not saved yet as of the youngest."""
        return -self.rule.priority, STRENGTH[Action(self.rule.action)], self.id or 2**63


@dataclass(eq=False, slots=True)
class Slot:
    """The rules of one place of the shop at one time, by number in the book, and what was worked out for whom."""

    entries: tuple[int, ...]
    segments: frozenset[int]
    known: dict[frozenset[int], Applied | None] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, slots=True)
class Period:
    """From one moment on until another the same rules are open."""

    since: float
    until: float
    slots: dict[str, Slot]


NEVER = Period(0.0, 0.0, {})


class RuleBook:
    """Rules over one catalogue. ``RuleBook()`` is without rules."""

    def __init__(self, entries: Sequence[Entry] = (), showable: Mask | None = None) -> None:
        self.entries = tuple(sorted(entries, key=lambda entry: entry.order))
        self.showable = np.zeros(0, np.bool_) if showable is None else showable
        self.period = NEVER
        self.remembered: dict[tuple[int, ...], Applied] = {}
        self.lock = threading.Lock()

    @classmethod
    def compile(cls, *, rules: Iterable["Rule"], columns: ProductColumns, now: datetime) -> Self:
        """The book of these rules for the products of ``columns``; rules that mean none of them have no effect."""
        entries = [Entry.of_rule(rule, columns, now=now) for rule in rules]
        book = cls([entry for entry in entries if entry.mask.any()], columns.shown & columns.in_stock)
        book.warm_up(now=now)
        return book

    def warm_up(self, *, now: datetime) -> None:
        """Works out what holds for everybody, and for each segment alone, so that few requests are the first of their kind."""
        period = self.reopen(now=now)
        for scenario in period.slots:
            self.apply(scenario=scenario, segments=NOBODY, now=now)
        for scenario, slot in period.slots.items():
            for segment in sorted(slot.segments):
                if len(self.remembered) < MOST_REMEMBERED // 2:
                    self.apply(scenario=scenario, segments=frozenset([segment]), now=now)

    def apply(self, *, scenario: str, segments: frozenset[int], now: datetime) -> Applied | None:
        """What the rules do here, now, for somebody in these segments; None where no rule holds."""
        period, moment = self.period, now.timestamp()
        if not period.since <= moment < period.until:
            period = self.reopen(now=now)
        slot = period.slots.get(scenario)
        if slot is None:
            return None
        own = segments & slot.segments if segments else NOBODY
        try:
            return slot.known[own]
        except KeyError:
            return self.work_out(slot, own)

    def reopen(self, *, now: datetime) -> Period:
        """The rules that are open now, by place, until the next one opens or closes."""
        change = next_change([entry.rule for entry in self.entries], now=now)
        open_now = [number for number, entry in enumerate(self.entries) if is_open(entry.rule, now=now)]
        slots = {}
        for place in Place.values:
            here = tuple(
                number for number in open_now if not (named := self.entries[number].rule.scenarios) or place in named
            )
            if here:
                of = (self.entries[number].rule.segment_id for number in here)
                slots[str(place)] = Slot(here, frozenset(segment for segment in of if segment is not None))
        self.period = Period(now.timestamp(), change.timestamp() if change is not None else float("inf"), slots)
        return self.period

    def work_out(self, slot: Slot, segments: frozenset[int]) -> Applied | None:
        chosen = tuple(
            number
            for number in slot.entries
            if (segment := self.entries[number].rule.segment_id) is None or segment in segments
        )
        with self.lock:
            applied = self.remembered.get(chosen)
            if applied is None and chosen:
                if len(self.remembered) >= MOST_REMEMBERED:
                    self.forget()
                applied = resolve([self.entries[number] for number in chosen], showable=self.showable)
                self.remembered[chosen] = applied
            if len(slot.known) >= MOST_COMBINATIONS:
                slot.known.clear()
            slot.known[segments] = applied
        return applied

    def forget(self) -> None:
        """Begins anew: cheaper than to know which answer was asked for last, and as rare as the memory is large."""
        self.remembered.clear()
        for slot in self.period.slots.values():
            slot.known.clear()


def in_their_order(rule: "Rule", columns: ProductColumns, mask: Mask) -> Rows:
    """Of a pin the rows of its products as the rule lists them."""
    if rule.action != Action.PIN:
        return np.zeros(0, np.int32)
    rows = columns.rows_of(rule.product_ids)
    return rows[mask[rows]]


def resolve(entries: Sequence[Entry], *, showable: Mask) -> Applied:
    """What these rules do together; entries in the order in which they go before each other."""
    barred = Barred.hide(entries, len(showable))
    pins, left_out, set_aside = narrow_and_pin(entries, barred, showable)
    return Applied(
        allowed=~barred.mask if barred.mask.any() else None,
        factors=multiply(entries, len(showable)),
        pins=tuple(pins),
        rules=tuple(entry.id for entry in entries if entry.id not in set_aside),
        left_out=tuple(left_out),
        set_aside=tuple(set_aside),
    )


@dataclass(eq=False, slots=True)
class Barred:
    """Products that are not shown, and of those that a pin names why and by which rule."""

    mask: Mask
    pinned: Rows
    why: dict[int, tuple[str, int]] = field(default_factory=dict)

    @classmethod
    def hide(cls, entries: Sequence[Entry], n: int) -> Self:
        """What rules hide. Hides come before all else, because an only must know what is left of its products."""
        barred = cls(np.zeros(n, np.bool_), np.concatenate([np.zeros(0, np.int32), *(entry.rows for entry in entries)]))
        kept = np.zeros(n, np.bool_)  # by pins of higher priority
        for entry in entries:
            if entry.rule.action == Action.PIN:
                kept[entry.rows] = True
            elif entry.rule.action == Action.HIDE:
                barred.add(entry.mask & ~kept, "hidden", entry.id)
        return barred

    def add(self, mask: Mask, why: str, by: int) -> None:
        new = mask & ~self.mask
        self.why |= dict.fromkeys(self.pinned[new[self.pinned]].tolist(), (why, by))
        self.mask |= new


def narrow_and_pin(
    entries: Sequence[Entry], barred: Barred, showable: Mask
) -> tuple[list[tuple[int, int]], list[LeftOut], list[int]]:
    """Bars what is outside an only; places and rows of the pins that hold, those that don't, and the rules that are set aside."""
    pins: list[tuple[int, int]] = []
    left_out: list[LeftOut] = []
    set_aside: list[int] = []
    placed: dict[int, int] = {}
    kept = np.zeros(len(showable), np.bool_)
    for entry in entries:
        if entry.rule.action == Action.ONLY:
            if (entry.mask & showable & ~barred.mask).any():
                barred.add(~entry.mask & ~kept, "only", entry.id)
            else:
                set_aside.append(entry.id)
        elif entry.rule.action == Action.PIN:
            for row in entry.rows.tolist():
                why, by = ("pinned", placed[row]) if row in placed else barred.why.get(row, ("", 0))
                if why:
                    left_out.append(LeftOut(entry.id, row, why, by))
                    continue
                pins.append((entry.rule.position or 1, row))
                placed[row] = entry.id
                kept[row] = True
    return pins, left_out, set_aside


def multiply(entries: Sequence[Entry], n: int) -> npt.NDArray[np.float32] | None:
    """The product of what boosts and buries say of each product, within 0.01 and 100; None where none says anything."""
    weighing = [entry for entry in entries if entry.rule.factor is not None]
    if not weighing:
        return None
    factors = np.ones(n, np.float64)
    for entry in weighing:
        factor = float(entry.rule.factor)  # type: ignore[arg-type]
        if entry.few is not None:
            factors[entry.few] *= factor
        else:
            np.multiply(factors, factor, out=factors, where=entry.mask)
    return factors.clip(LEAST_FACTOR, MOST_FACTOR).astype(np.float32)
