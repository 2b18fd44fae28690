"""Preview a rule without saving it: a placement without rules, and with all of them."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime

from recommendations.merchandising.choices import RuleAction
from recommendations.merchandising.models import Rule
from recommendations.merchandising.rules.rule_book import RuleBook
from recommendations.merchandising.rules.schedule import is_rule_open
from recommendations.merchandising.rules.storage import load_rules
from recommendations.serving.recommend import recommend
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.response import RecommendationResponse, RecommendedItem
from recommendations.serving.state.compiled_rules import make_product_columns
from recommendations.serving.state.loader import StateLoader, loader
from recommendations.serving.state.product_index import ProductCard


@dataclass(frozen=True)
class PreviewedProduct:
    """A product in a list of the preview.

    previous_position: without rules; None if it was not on the page.
    """

    position: int
    card: ProductCard
    previous_position: int | None
    is_pinned: bool = False

    @property
    def has_moved(self) -> bool:
        """Whether rules changed its position."""
        return self.previous_position != self.position


@dataclass(frozen=True)
class RulePreview:
    """A placement without and with rules.

    with_rules: the enabled rules and the draft. changed_positions: of the first n, those that the draft alone changes.
    removed: product ids that are in the first list only. missing_pins: product ids that the draft cannot pin. is_ignored:
    the draft would leave nothing to show. empty_text: why the list with rules is empty, "" if it is not.
    assumptions: conditions assumed to be met: "segment", "time".
    """

    without_rules: list[PreviewedProduct]
    with_rules: list[PreviewedProduct]
    changed_positions: int
    n: int
    removed: frozenset[str]
    missing_pins: list[str]
    is_ignored: bool
    empty_text: str
    assumptions: tuple[str, ...]


def preview_with_rules(
    *, request: RecommendationRequest, draft_rule: Rule, now: datetime, source: StateLoader = loader
) -> RulePreview:
    """Return what a rule, saved or not, would change in the response to a request.

    The rule counts as enabled, within its schedule and with the visitor in its segment. It replaces the stored rule of the
    same id.

    Errors: InvalidRequestError for a contradictory request; DatabaseError if nothing is loaded and the database is down.
    """
    columns = make_product_columns(source.get_state(now=now).products)
    draft, assumptions = make_unconditional(draft_rule, now=now)
    others = [rule for rule in load_rules() if rule.pk != draft_rule.pk]
    with_others = RuleBook.compile(rules=others, columns=columns, now=now)
    with_all = RuleBook.compile(rules=[*others, draft], columns=columns, now=now)
    without_rules = recommend_with_rules(request=request, rules=RuleBook(), now=now, source=source)
    without_draft = recommend_with_rules(request=request, rules=with_others, now=now, source=source)
    with_draft = recommend_with_rules(request=request, rules=with_all, now=now, source=source)
    positions = {item.product_id: item.rank for item in without_rules.items}
    effects = with_all.apply(scenario=request.scenario, segments=frozenset(), now=now)
    number = draft.pk or 0
    pinned = {row for _position, row in effects.pins} if effects is not None else set()
    shown = {item.product_id for item in with_draft.items}
    return RulePreview(
        without_rules=[
            PreviewedProduct(item.rank, card, item.rank)
            for item in without_rules.items
            if (card := item.card) is not None
        ],
        with_rules=[
            PreviewedProduct(item.rank, card, positions.get(item.product_id), item.row in pinned)
            for item in with_draft.items
            if (card := item.card) is not None
        ],
        changed_positions=count_changed_positions(without_draft.items, with_draft.items),
        n=request.n,
        removed=frozenset(positions.keys() - shown),
        missing_pins=find_missing_pins(draft, shown) if request.cursor == "" else [],
        is_ignored=effects is not None and number in effects.ignored_rule_ids,
        empty_text=with_draft.empty_reason.text if with_draft.empty_reason is not None else "",
        assumptions=assumptions,
    )


def make_unconditional(rule: Rule, *, now: datetime) -> tuple[Rule, tuple[str, ...]]:
    """Return a copy that applies to all visitors at any time, and the names of the dropped conditions."""
    draft = copy(rule)
    assumptions = []
    if rule.segment_id is not None:
        draft.segment = None
        assumptions.append("segment")
    if not is_rule_open(rule, now=now):
        draft.starts_at, draft.ends_at, draft.weekdays = None, None, []
        assumptions.append("time")
    return draft, tuple(assumptions)


def count_changed_positions(before: Sequence[RecommendedItem], after: Sequence[RecommendedItem]) -> int:
    """Return how many positions hold different products; a missing product counts as different."""
    pairs = sum(1 for old, new in zip(before, after, strict=False) if old.product_id != new.product_id)
    return pairs + abs(len(before) - len(after))


def find_missing_pins(draft: Rule, shown: set[str]) -> list[str]:
    """Return pinned products that are not on the page: hidden, sold out, excluded or unknown."""
    if draft.action != RuleAction.PIN or (draft.position or 1) + len(draft.product_ids) - 1 > len(shown):
        return []
    return [product_id for product_id in draft.product_ids if product_id not in shown]


def recommend_with_rules(
    *, request: RecommendationRequest, rules: RuleBook, now: datetime, source: StateLoader
) -> RecommendationResponse:
    """Return the response with these rules only."""
    return recommend(request=request, now=now, source=source, rules=rules, has_deadline=False)
