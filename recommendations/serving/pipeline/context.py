"""Step 1 of a recommendation: collect everything that the other steps need for one request."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import numpy as np
from django.conf import settings
from django.utils.translation import gettext as _

from config.foundation.array_types import AnyInts, Flags, Rows
from customers.events.recent.interactions import RecentActivity
from recommendations.engine import Histories
from recommendations.engine.cold_start import NewVisitors
from recommendations.engine.online.ensemble_scorer import OnlineEnsemble, ScoredHistory
from recommendations.engine.placements import CATEGORIES, SIMILAR
from recommendations.engine.variety.product_groups import ProductGroups
from recommendations.merchandising.rules.rule_book import RuleBook, RuleEffects
from recommendations.serving.expressions.boost_factors import multiply_by_boosts
from recommendations.serving.expressions.expression import bind_expression
from recommendations.serving.pipeline.ordering import POOL_SIZE, RandomOrder
from recommendations.serving.pipeline.visitor import Visitor, identify_visitor, read_activity
from recommendations.serving.pipeline.workspaces import WorkspacePool
from recommendations.serving.request import (
    MAX_SCORED_PRODUCTS,
    InvalidRequestError,
    RecommendationRequest,
    read_cursor,
)
from recommendations.serving.state.compiled_rules import AllowedRows, Factors
from recommendations.serving.state.loader import ServingState
from recommendations.serving.state.model import NO_ROWS
from recommendations.serving.state.product_index import ProductFilters
from recommendations.serving.state.settings import PlacementConfig

COLD_START, LAST_RESORT = "cold-start", "catalogue"  # strategies; stored with impressions and sent over REST
RESERVED_SECONDS = 0.015  # part of the deadline kept for the steps after scoring
CATEGORY_POOL = 300  # candidates whose scores are summed up by category


@dataclass
class RecommendationContext:
    """One request with everything that its response is computed from.

    allowed: rows that may be shown; shared with other requests, never write to it. recommendable: those of them that were sold
    before; placements recommend only these, unless they show new or recently viewed products; shared too. factors: multiplier of each
    row's score from rules, margin and stock. deadline: `time.perf_counter` moment at which scoring gives up. depth: number of
    candidates needed. has_relaxed_filters: no product matched the filters, so they were dropped.
    """

    request: RecommendationRequest
    state: ServingState
    visitor: Visitor
    workspaces: WorkspacePool
    now: datetime
    depth: int
    allowed: Flags
    recommendable: Flags
    excluded: Rows = field(default_factory=lambda: NO_ROWS)
    factors: Factors | None = None
    rule_effects: RuleEffects | None = None
    deadline: float | None = None
    minute: int = 0
    offset: int = 0
    has_relaxed_filters: bool = False
    _excluded_by_placement: dict[str, Rows] = field(default_factory=dict)

    def get_config(self, placement: str) -> PlacementConfig:
        """Return the settings of a placement."""
        return self.state.placements.by_name[placement]

    def get_blend(self, placement: str) -> OnlineEnsemble | None:
        """Return the compiled weighted ensemble of a placement; None if the model has none for it."""
        return self.state.blends.by_placement.get(placement) if self.state.blends is not None else None

    def get_diversity(self) -> float:
        """Return the diversity to apply: that of the request, else that of the placement."""
        diversity = self.request.diversity
        return self.get_config(self.request.scenario).diversity if diversity is None else diversity

    def get_excluded_rows(self, placement: str, more: Rows = NO_ROWS) -> Rows:
        """Return the rows that a placement must not show this visitor, plus ``more``.

        They are excluded by the request, dismissed, or bought where purchased products are not shown again. Other products
        of their groups are included.
        """
        groups = self.groups
        rows = self._excluded_by_placement.get(placement)
        if rows is None:
            kinds = self.get_config(placement).get_hidden_kinds(self.state.model)
            parts = [self.excluded, self.visitor.dismissed, self.visitor.get_rows_of_kinds(kinds)]
            filled = [part for part in parts if len(part)]
            rows = np.concatenate(filled) if filled else NO_ROWS
            rows = self._excluded_by_placement[placement] = rows if groups is None else groups.expand(rows)
        if not len(more):
            return rows
        if groups is not None:
            # a nearly identical product is an alternative, a variant is not
            more = groups.expand(more, variants_only=placement == SIMILAR)
        return np.concatenate([rows, more])

    @cached_property
    def groups(self) -> ProductGroups | None:
        """The product groups of which a list shows one product; None without any, or if the request wants all products."""
        groups = self.state.groups
        return groups if groups.has_groups and self.request.distinct else None

    @cached_property
    def purchased_rows(self) -> Rows:
        """The rows of the products that the visitor has bought, with the other products of their groups, each once."""
        rows = self.visitor.get_purchased_rows()
        if self.groups is not None:
            return self.groups.expand(rows)
        flags = np.zeros(self.state.products.n, np.bool_)  # faster than sorting thousands of purchases
        flags[rows] = True
        return np.flatnonzero(flags).astype(np.int32)

    @cached_property
    def allowed_for_you(self) -> Flags:
        """The recommendable rows that for-you may show this visitor.

        A visitor without purchases has few interactions, and the recommendations may all come from pairs of a single customer. Products
        that only one person chose are therefore left out: they would reveal what that customer bought.
        """
        if len(self.visitor.get_purchased_rows()):
            return self.recommendable
        chosen = self.state.reason_support.find_chosen_by_several(len(self.recommendable))
        return self.state.rules.filter_rows(self.recommendable, AllowedRows(chosen))

    def get_start_rows(self) -> Rows:
        """Return the rows of the products that the request starts from, each once."""
        if not self.request.product_ids:
            return NO_ROWS
        rows = self.state.products.find_rows(self.request.product_ids[:MAX_SCORED_PRODUCTS])
        return np.unique(rows[rows >= 0]).astype(np.int32)

    def make_empty_history(self) -> Histories:
        """Return a history without interactions, for placements that are the same for all visitors."""
        assert self.state.model is not None
        return self.state.model.build_product_history(NO_ROWS)


@dataclass
class Candidates:
    """Candidates of a placement, best first.

    scored, arrival: what the reasons are computed from. fillers: rows that fill up a short list: popular ones, in a new shop also others.
    due: rows that the visitor will need again soon. problem: why there are no candidates. fallback: the placement that replaced the
    requested one, and fallback_reason why. random_order: the order of the first candidates, if rotation drew it and nothing but the limit
    of purchased products changed it.
    """

    strategy: str
    rows: Rows
    scores: Factors
    scored: ScoredHistory | None = None
    arrival: NewVisitors | None = None
    placement: str = ""
    fillers: frozenset[int] = frozenset()
    due: frozenset[int] = frozenset()
    problem: str | None = None
    fallback: str | None = None
    fallback_reason: str | None = None
    random_order: RandomOrder | None = None

    def reorder(self, order: Sequence[int] | AnyInts, size: int) -> None:
        """Put the first ``size`` candidates into another order."""
        if size >= len(self.rows):
            self.rows, self.scores = self.rows[order], self.scores[order]
            return
        self.rows = np.concatenate([self.rows[:size][order], self.rows[size:]])
        self.scores = np.concatenate([self.scores[:size][order], self.scores[size:]])


def build_context(
    *,
    request: RecommendationRequest,
    state: ServingState,
    workspaces: WorkspacePool,
    now: datetime,
    activity: RecentActivity | None = None,
    rules: RuleBook | None = None,
    has_deadline: bool = True,
) -> RecommendationContext:
    """Return the context of a validated request.

    activity: what Valkey knows about the visitor, if the caller has read it already. rules: used instead of the shop's. has_deadline: False for pages
    of the back office, which may take their time.

    Errors: InvalidRequestError for a cursor or landing category that does not exist.
    """
    offset, minute = read_cursor(request.cursor, now=now)
    deadline = make_deadline() if has_deadline else None  # before the round trip to Valkey, which counts towards it
    _require_landing_category(state, request)
    activity = read_activity(request) if activity is None else activity
    visitor = identify_visitor(state=state, request=request, activity=activity, now=now.timestamp())
    effects = state.rules.apply(scenario=request.scenario, names=visitor.names, now=now, rules=rules)
    filters = make_filters(request, now)
    context = RecommendationContext(
        request=request,
        state=state,
        visitor=visitor,
        workspaces=workspaces,
        now=now,
        depth=0,
        allowed=_get_mask(state, filters, effects),
        recommendable=_get_mask(state, filters._replace(sold=True), effects),
        factors=multiply_by_boosts(
            state.rules.combine_factors(request.scenario, effects), request.boost, state.products, now
        ),
        rule_effects=effects,
        excluded=state.products.find_rows(request.exclude) if request.exclude else NO_ROWS,
        deadline=deadline,
        minute=minute,
        offset=offset,
    )
    context.depth = _get_depth(context) + (len(effects.pins) if effects is not None else 0)
    # only on request: a caller who filters by a category does not want products of other categories
    relaxed = ProductFilters(request.in_stock, priced=True)
    if request.strict is False and filters != relaxed and not context.allowed.any():
        context.allowed = _get_mask(state, relaxed, effects)
        context.recommendable = _get_mask(state, relaxed._replace(sold=True), effects)
        context.has_relaxed_filters = True
    return context


def make_deadline() -> float:
    """Return the `time.perf_counter` moment at which scoring must end if it starts now."""
    return time.perf_counter() + settings.RECOMMEND_DEADLINE_MS / 1000 - RESERVED_SECONDS


def make_filters(request: RecommendationRequest, now: datetime) -> ProductFilters:
    """Return the filters of a request; the products of every list are active and have a price."""
    expression = None if request.filter is None else bind_expression(request.filter, now)
    return ProductFilters(
        request.in_stock,
        request.category,
        request.brand,
        request.price_min,
        request.price_max,
        expression,
        priced=True,
    )


def _get_mask(state: ServingState, filters: ProductFilters, effects: RuleEffects | None) -> Flags:
    return state.rules.filter_rows(state.products.get_mask(filters), effects)


def _get_depth(context: RecommendationContext) -> int:
    """Return the number of candidates needed.

    It does not depend on the page where candidates are reordered, so that all pages are cut from one order.
    """
    request = context.request
    if request.scenario == CATEGORIES:
        return CATEGORY_POOL
    needed = context.offset + request.n + 1  # one extra candidate shows whether another page follows
    is_reordered = context.get_diversity() or context.get_config(request.scenario).rotation
    return max(needed, POOL_SIZE) if is_reordered else needed


def _require_landing_category(state: ServingState, request: RecommendationRequest) -> None:
    """Errors: InvalidRequestError if no product is in the landing category or below it."""
    path = request.landing_category
    if path and not state.products.has_category(path):
        message = _(
            "Unknown category %(path)s; use a path from the catalog, such as %(example)s, or omit landing_category."
        )
        example = repr(next(iter(state.products.categories), ""))
        raise InvalidRequestError({"landing_category": message % {"path": repr(path), "example": example}})
