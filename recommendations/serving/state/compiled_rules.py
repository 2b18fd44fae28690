"""What the merchandiser says, as a worker keeps it: the rules over its catalogue, and what margin and stock are worth."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags
from recommendations.engine.placements import SCENARIOS
from recommendations.merchandising.rules.business_factors import business_factors
from recommendations.merchandising.rules.product_columns import ProductColumns
from recommendations.merchandising.rules.rule_book import Applied, RuleBook
from recommendations.merchandising.rules.storage import load_rules, rules_fingerprint
from recommendations.merchandising.segment_members.member_file import SegmentMembers
from recommendations.serving.state.product_index import Catalogue
from recommendations.serving.state.settings import Places

type Values = npt.NDArray[np.float32]

MOST_KEPT = 64


class Allowing(Protocol):
    """Rules that say which rows may be shown; None: all."""

    @property
    def allowed(self) -> Flags | None: ...


@dataclass(frozen=True, eq=False)
class Ruling:
    """book: over the rows of one catalogue; business: by place, what margin and stock weigh; seen: what they were made from."""

    book: RuleBook = field(default_factory=RuleBook)
    business: dict[str, Values] = field(default_factory=dict)
    members: SegmentMembers = field(default_factory=SegmentMembers)
    seen: tuple[object, ...] = ()
    _factors: dict[tuple[str, int], tuple[Applied | None, Values | None]] = field(default_factory=dict)
    _allowed: dict[tuple[int, int], tuple[Flags, Flags, Flags]] = field(default_factory=dict)

    def applied(
        self, *, scenario: str, names: Sequence[str], now: datetime, rules: RuleBook | None = None
    ) -> Applied | None:
        """What the rules do in a place for somebody known by "kind:value" names; ``rules``: these instead of the shop's."""
        book = self.book if rules is None else rules
        segments = self.members.segments_of(names) if names else frozenset()
        return book.apply(scenario=scenario, segments=segments, now=now)

    def allowed(self, mask: Flags, applied: Allowing | None) -> Flags:
        """Which rows of a mask of the catalogue the rules let through; not to be written to."""
        told = applied.allowed if applied is not None else None
        if told is None:
            return mask
        key = (id(mask), id(told))
        kept = self._allowed.get(key)
        if kept is None or kept[0] is not mask or kept[1] is not told:
            if len(self._allowed) >= MOST_KEPT:
                self._allowed.clear()
            kept = self._allowed[key] = (mask, told, mask & told)
        return kept[2]

    def factors(self, scenario: str, applied: Applied | None) -> Values | None:
        """By row what a score is multiplied by, of rules, margin and stock together; None where that is 1 everywhere."""
        own = self.business.get(scenario)
        told = applied.factors if applied is not None else None
        if own is None or told is None:
            return told if own is None else own
        key = (scenario, id(applied))
        kept = self._factors.get(key)
        if kept is None or kept[0] is not applied:
            if len(self._factors) >= MOST_KEPT:
                self._factors.clear()
            kept = self._factors[key] = (applied, own * told)
        return kept[1]


def read_ruling(*, before: Ruling, catalogue: Catalogue, places: Places, now: datetime) -> Ruling:
    """What holds now; the same object where nothing has changed. One query where there is nothing new."""
    before.members.refresh()
    seen = (rules_fingerprint(now=now), catalogue, catalogue.generation, places)
    if seen == before.seen:
        return before
    rules = load_rules() if seen[0] else []
    book = RuleBook.compile(rules=rules, columns=columns_of(catalogue), now=now) if rules else RuleBook()
    business = {}
    for name in SCENARIOS:
        place = places[name]
        factors = business_factors(
            margin=catalogue.margin,
            stock=catalogue.stock,
            margin_weight=place.margin_weight,
            stock_weight=place.stock_weight,
        )
        if factors is not None:
            business[name] = factors
    return Ruling(book, business, before.members, seen)


def columns_of(catalogue: Catalogue) -> ProductColumns:
    """What rules ask of products, out of the worker's catalogue; its arrays are shared, not copied."""
    return ProductColumns(
        shown=catalogue.shown,
        in_stock=catalogue.in_stock,
        price=catalogue.price,
        margin=catalogue.margin,
        stock=catalogue.stock,
        published=catalogue.published,
        brand=catalogue.brand,
        category=catalogue.category,
        brands=catalogue.brands,
        categories=catalogue.categories,
        row_of=catalogue.row_of,
    )
