"""Merchandising in the memory of a worker: rules, and the weights of margin and stock."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags, Rows
from recommendations.engine.placements import PLACEMENTS
from recommendations.merchandising.rules.business_factors import compute_business_factors
from recommendations.merchandising.rules.product_columns import RuleProductColumns
from recommendations.merchandising.rules.rule_book import RuleBook, RuleEffects
from recommendations.merchandising.rules.storage import load_rules, read_rules_fingerprint
from recommendations.merchandising.segment_members.member_file import SegmentMemberReader
from recommendations.serving.state.product_index import ProductIndex
from recommendations.serving.state.product_values import CATALOG_PREFIX
from recommendations.serving.state.settings import PlacementConfig, PlacementConfigs

type Factors = npt.NDArray[np.float32]

MAX_CACHED_ARRAYS = 64


class HasAllowedRows(Protocol):
    """Effects of rules on which rows may be shown; None means all rows."""

    @property
    def allowed(self) -> Flags | None: ...


class AllowedRows(NamedTuple):
    """The rows that may be shown according to something other than rules."""

    allowed: Flags | None


@dataclass(frozen=True, eq=False)
class CompiledRules:
    """The rules of one product index.

    business_factors: by placement, the multipliers from margin and stock. fingerprint: what all this was compiled from.
    """

    book: RuleBook = field(default_factory=RuleBook)
    business_factors: dict[str, Factors] = field(default_factory=dict)
    members: SegmentMemberReader = field(default_factory=SegmentMemberReader)
    fingerprint: tuple[object, ...] = ()
    _factors: dict[tuple[str, int], tuple[RuleEffects | None, Factors | None]] = field(default_factory=dict)
    _allowed: dict[tuple[int, int], tuple[Flags, Flags, Flags]] = field(default_factory=dict)

    def apply(
        self, *, scenario: str, names: Sequence[str], now: datetime, rules: RuleBook | None = None
    ) -> RuleEffects | None:
        """Return what the rules do in a placement for a visitor; None without rules there.

        names: "kind:value" identifiers of the visitor. rules: used instead of the shop's.
        """
        book = self.book if rules is None else rules
        segments = self.members.find_segments(names) if names else frozenset()
        return book.apply(scenario=scenario, segments=segments, now=now)

    def filter_rows(self, mask: Flags, effects: HasAllowedRows | None) -> Flags:
        """Return the rows of a mask that the rules allow; the array is shared, never write to it."""
        allowed = effects.allowed if effects is not None else None
        if allowed is None:
            return mask
        key = (id(mask), id(allowed))
        cached = self._allowed.get(key)
        # an id may be reused after its array is gone, hence the comparison of the arrays themselves
        if cached is None or cached[0] is not mask or cached[1] is not allowed:
            if len(self._allowed) >= MAX_CACHED_ARRAYS:
                self._allowed.clear()
            cached = self._allowed[key] = (mask, allowed, mask & allowed)
        return cached[2]

    def combine_factors(self, scenario: str, effects: RuleEffects | None) -> Factors | None:
        """Return each row's multiplier from rules, margin and stock; None if it is 1 everywhere."""
        business = self.business_factors.get(scenario)
        factors = effects.factors if effects is not None else None
        if business is None or factors is None:
            return factors if business is None else business
        key = (scenario, id(effects))
        cached = self._factors.get(key)
        if cached is None or cached[0] is not effects:
            if len(self._factors) >= MAX_CACHED_ARRAYS:
                self._factors.clear()
            cached = self._factors[key] = (effects, business * factors)
        return cached[1]


def read_compiled_rules(
    *, before: CompiledRules, products: ProductIndex, placements: PlacementConfigs, now: datetime
) -> CompiledRules:
    """Return the current rules; with one query, the same object if nothing has changed."""
    before.members.refresh()
    fingerprint = (read_rules_fingerprint(now=now), products, products.generation, placements)
    if fingerprint == before.fingerprint:
        return before
    rules = load_rules() if fingerprint[0] else []
    book = RuleBook.compile(rules=rules, columns=make_product_columns(products), now=now) if rules else RuleBook()
    business_factors = {}
    for name in PLACEMENTS:
        factors = compile_business_factors(products, placements[name])
        if factors is not None:
            business_factors[name] = factors
    return CompiledRules(book, business_factors, before.members, fingerprint)


def compile_business_factors(products: ProductIndex, config: PlacementConfig) -> Factors | None:
    """Return the multipliers from margin and stock in a placement; None if it ignores both."""
    return compute_business_factors(
        margin=products.margin,
        stock=products.stock,
        margin_weight=config.margin_weight,
        stock_weight=config.stock_weight,
    )


def make_product_columns(products: ProductIndex) -> RuleProductColumns:
    """Return the columns that rules need.

    The arrays are shared with the product index, not copied.
    """
    return RuleProductColumns(
        visible=products.shown,
        in_stock=products.in_stock,
        price=products.price,
        margin=products.margin,
        stock=products.stock,
        published=products.published,
        brand=products.brand,
        category=products.category,
        brands=products.brands,
        categories=products.categories,
        find_row=products.find_row,
        rows_with_attribute=lambda name, value: find_rows_with_value(products, f"{CATALOG_PREFIX}{name}", value),
        rows_with_tag=lambda tag: find_rows_with_value(products, "tag", tag),
    )


def find_rows_with_value(products: ProductIndex, name: str, text: str) -> Rows:
    """Return the rows of the products with a value of tag or of attributes.NAME, without a query."""
    column = products.get_column(name)
    if column is None or text not in column.texts:
        return np.empty(0, np.int32)
    return column.rows[column.codes == column.texts.index(text)]
