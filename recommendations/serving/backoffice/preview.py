"""The recommendation preview: the response of a storefront, and the sources of every score."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from catalog.models import Product
from customers.events.recent.interactions import RecentActivity
from customers.identity.models import Customer, Identifier
from recommendations.engine import Contribution
from recommendations.engine.placements import FOR_YOU, PLACEMENTS, PlacementInput
from recommendations.serving.pipeline.context import COLD_START, build_context
from recommendations.serving.pipeline.scoring import score_visitor
from recommendations.serving.pipeline.visitor import Visitor, describe_arrival, identify_visitor, read_activity
from recommendations.serving.pipeline.workspaces import WorkspacePool
from recommendations.serving.recommend import recommend
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.response import RecommendationResponse, RecommendedItem
from recommendations.serving.state.loader import ServingState, StateLoader, loader
from recommendations.serving.state.model import NO_ROWS
from recommendations.training.backoffice.labels.algorithm_labels import get_algorithm_label


@dataclass(frozen=True)
class SourceLine:
    """One line of "Why this?".

    percent: share of the score that one algorithm derives from one product of the history.
    """

    source: str
    product_id: str
    title: str
    percent: float

    @property
    def label(self) -> str:
        """Return the name of the source in the active language."""
        return get_algorithm_label(self.source)


@dataclass(frozen=True)
class PreviewedItem:
    """An item of a response with the sources of its score, largest first."""

    item: RecommendedItem
    causes: list[SourceLine]


@dataclass(frozen=True)
class RecommendationPreview:
    """A response with its sources.

    history: (product id, title, moment) of the newest interactions it starts from.
    """

    response: RecommendationResponse
    items: list[PreviewedItem]
    history: list[tuple[str, str, datetime]]


def build_preview(
    *, request: RecommendationRequest, now: datetime, source: StateLoader = loader
) -> RecommendationPreview:
    """Return the response to a request with the sources of each item."""
    activity = read_activity(request)
    response = recommend(request=request, now=now, source=source, activity=activity, has_deadline=False)
    state = source.get_state(now=now)
    visitor = identify_visitor(state=state, request=request, activity=activity, now=now.timestamp())
    causes = explain_sources(
        state, request, visitor, response, [item.row for item in response.items], now=now, activity=activity
    )
    history = visitor.history
    newest: list[tuple[str, str, datetime]] = []
    if history is not None and PLACEMENTS[request.scenario].start != PlacementInput.PRODUCTS:
        rows, moments = history.item[::-1][:20].tolist(), history.order[::-1][:20].tolist()
        newest = [
            (*get_id_and_title(state, row), datetime.fromtimestamp(moment, now.tzinfo))
            for row, moment in zip(rows, moments, strict=True)
        ]
    items = [PreviewedItem(item, lines) for item, lines in zip(response.items, causes, strict=True)]
    return name_hidden_products(RecommendationPreview(response, items, newest))


def name_hidden_products(preview: RecommendationPreview) -> RecommendationPreview:
    """Return the preview with the titles of products that are no longer shown; the serving state knows only their IDs."""
    lines = [line for entry in preview.items for line in entry.causes]
    unnamed = {line.product_id for line in lines if line.title == line.product_id}
    unnamed |= {product_id for product_id, title, _moment in preview.history if title == product_id}
    titles = dict(
        Product.objects.filter(product_id__in=unnamed - {""}).exclude(title="").values_list("product_id", "title")
    )
    if not titles:
        return preview
    items = [
        replace(entry, causes=[replace(line, title=titles.get(line.product_id, line.title)) for line in entry.causes])
        for entry in preview.items
    ]
    history = [(product_id, titles.get(product_id, title), moment) for product_id, title, moment in preview.history]
    return replace(preview, items=items, history=history)


def make_customer_request(customer: Customer, *, n: int) -> RecommendationRequest:
    """Return the for-you request that the storefront would make for a customer."""
    names = dict(customer.identifiers.values_list("kind", "value"))
    return RecommendationRequest(
        scenario=FOR_YOU,
        user_id=names.get(Identifier.Kind.USER_ID, ""),
        anonymous_id=names.get(Identifier.Kind.ANONYMOUS_ID, ""),
        n=n,
    )


def explain_sources(
    state: ServingState,
    request: RecommendationRequest,
    visitor: Visitor,
    response: RecommendationResponse,
    rows: Sequence[int],
    *,
    now: datetime,
    activity: RecentActivity,
) -> list[list[SourceLine]]:
    """Return the share of every source in the score of each row, largest first.

    Empty if there are no scores.
    """
    model = state.model
    no_sources: list[list[SourceLine]] = [[] for _row in rows]
    if model is None or state.blends is None or response.categories is not None:
        return no_sources
    if response.strategy == COLD_START:
        return _explain_cold_start(state, request, visitor, rows)
    placement = response.fallback or request.scenario
    blend = state.blends.by_placement.get(placement)
    if blend is None:
        return no_sources
    history = visitor.history if visitor.history is not None else model.build_product_history(NO_ROWS)
    match PLACEMENTS[placement].start:
        case PlacementInput.PRODUCTS:
            start_rows = state.products.find_rows(request.product_ids)
            history = model.build_product_history(start_rows[(start_rows >= 0) & (start_rows < len(model.items))])
        case PlacementInput.NOTHING:
            history = model.build_product_history(NO_ROWS)
    with WorkspacePool(state) as workspaces:
        scored = None
        if placement == FOR_YOU:
            context = build_context(
                request=request, state=state, workspaces=workspaces, now=now, activity=activity, has_deadline=False
            )
            scored = score_visitor(context)
        if scored is None:
            scored = blend.score(history, workspaces.take())
        return [_make_lines(state, parts) for parts in scored.list_contributions(np.array(rows, np.int32))]


def _explain_cold_start(
    state: ServingState, request: RecommendationRequest, visitor: Visitor, rows: Sequence[int]
) -> list[list[SourceLine]]:
    """Return the sources that raise each score.

    The scores are logarithms, so only positive parts count.
    """
    arrival = describe_arrival(state=state, request=request, names=visitor.names)
    if arrival is None or state.model is None or state.model.cold_start is None:
        return [[] for _row in rows]
    contributions = state.model.cold_start.model.explain_many(arrival, rows)
    return [
        [
            SourceLine(line.source, "", "", line.percent)
            for line in _make_lines(state, [part for part in parts if part.value > 0])
        ]
        for parts in contributions
    ]


def _make_lines(state: ServingState, contributions: Sequence[Contribution]) -> list[SourceLine]:
    """Return the contributions as percentages of the score, largest first."""
    total = sum(part.value for part in contributions)
    if total <= 0:
        return []
    return [
        SourceLine(part.source, *get_id_and_title(state, part.item), percent=round(part.value / total * 100, 1))
        for part in sorted(contributions, key=lambda part: -part.value)
    ]


def get_id_and_title(state: ServingState, row: int) -> tuple[str, str]:
    """Return product id and title of a row.

    Both empty for -1, a source that is not a single product.
    """
    if row < 0:
        return "", ""
    card = state.products.cards[row]
    product_id = state.products.product_ids[row]
    return product_id, card.title if card is not None else product_id
