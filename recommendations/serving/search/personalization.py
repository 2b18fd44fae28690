"""Personal and popularity scores of products, from the active model."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Rows
from customers.events.recent.interactions import RecentActivity
from recommendations.engine.online.ensemble_scorer import DeadlineExceededError, OnlineEnsemble
from recommendations.engine.placements import FOR_YOU, POPULAR
from recommendations.serving.pipeline.context import RecommendationContext, make_deadline
from recommendations.serving.pipeline.scoring import score_visitor
from recommendations.serving.pipeline.visitor import identify_visitor, read_activity
from recommendations.serving.pipeline.workspaces import WorkspacePool
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.search.request import SearchRequest
from recommendations.serving.state.loader import ServingState
from recommendations.serving.state.product_index import ProductFilters

type Values = npt.NDArray[np.float32]
type Scores = Callable[[Rows], Values]  # catalog rows → 0…1, 0 if unknown


@contextmanager
def get_personal_scores(
    *, request: SearchRequest, state: ServingState, now: datetime, activity: RecentActivity | None = None
) -> Iterator[Scores | None]:
    """Yield a function from rows to personal scores, relative to the highest of these rows.

    Yields None for customers without a history or who refused personalization, or if the deadline passed. Valid inside the block only.
    activity: what Valkey knows about the visitor, if the caller has read it already.
    """
    scored_request = RecommendationRequest(FOR_YOU, user_id=request.user_id, anonymous_id=request.anonymous_id)
    if not request.personalised or not scored_request.identifiers or state.model is None:
        yield None
        return
    activity = read_activity(scored_request) if activity is None else activity
    allowed = state.products.get_mask(ProductFilters())
    with WorkspacePool(state) as workspaces:
        context = RecommendationContext(
            request=scored_request,
            state=state,
            visitor=identify_visitor(state=state, request=scored_request, activity=activity, now=now.timestamp()),
            workspaces=workspaces,
            now=now,
            depth=1,
            allowed=allowed,
            recommendable=allowed,
            deadline=make_deadline(),
        )
        try:
            scored = score_visitor(context)
        except DeadlineExceededError:
            scored = None
        # the scores are in a workspace, which the pool clears and hands to other requests after this block
        yield None if scored is None else lambda rows: scale_to_largest(scored.get_scores(rows))


def get_popularity_scores(state: ServingState) -> Scores | None:
    """Return a function from rows to popularity relative to the most popular product.

    The same function until the model changes, so that results can be cached for it. None without a model.
    """
    blend = state.blends.by_placement.get(POPULAR) if state.blends is not None else None
    return None if blend is None else make_popularity_scores(blend)


@lru_cache(maxsize=2)  # blends compare by identity, so that a new one replaces an entry
def make_popularity_scores(blend: OnlineEnsemble) -> Scores:
    """Return a function from rows to the square root of the popularity; without it only a handful of products would differ."""
    values = np.sqrt(scale_to_largest(blend.static_scores))
    return lambda rows: values[rows]


def scale_to_largest(values: Values) -> Values:
    """Divide by the largest value; negative values become 0."""
    largest = float(values.max(initial=0.0))
    return (np.maximum(values, 0) / (largest or 1.0)).astype(np.float32)
