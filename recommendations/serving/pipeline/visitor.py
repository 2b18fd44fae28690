"""Identify the visitor of a request from memory and one round trip to Valkey."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from config.foundation.array_types import Rows
from customers.events.recent.interactions import RecentActivity, RecentInteraction, read_recent_activity
from recommendations.engine import KIND_CODES, Histories
from recommendations.engine.cold_start import NewVisitors
from recommendations.engine.data.visits import VISIT_GAP_S, VisitEvent, build_visit, weigh_visit
from recommendations.engine.linear_algebra.set_kernels import are_members
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.state.loader import ServingState
from recommendations.serving.state.model import MAX_RECENT_INTERACTIONS, NO_ROWS, PURCHASE, ServingModel

VALKEY_TIMEOUT_SECONDS = 0.03  # a response may take 50 ms; without Valkey it comes from the model alone


@dataclass(frozen=True, eq=False)
class Visitor:
    """A visitor or customer as one request sees them.

    names: "kind:value" of their identifiers; empty for an unknown visitor and for one who refused personalization.
    recent: the newest interactions first, including products that the model does not know.
    dismissed: catalog rows that they asked not to see. count: see `RecentActivity`. visit: what they viewed since their last pause;
    None if that was more than half an hour ago.
    """

    names: Sequence[str]
    recent: Sequence[RecentInteraction]
    users: Sequence[int]
    history: Histories | None
    dismissed: Rows
    has_opted_out: bool = False
    count: int | None = None
    visit: Histories | None = None

    def get_rows_of_kinds(self, kinds: Sequence[int] | None) -> Rows:
        """Return the catalog rows of all interactions of these kinds; None means every kind."""
        if self.history is None or kinds == []:
            return NO_ROWS
        if kinds is None:
            return self.history.item
        if len(kinds) == 1:
            return self.history.item[self.history.kind == kinds[0]]
        is_wanted = np.zeros(len(KIND_CODES), np.bool_)
        is_wanted[kinds] = True
        return self.history.item[is_wanted[self.history.kind]]

    def get_purchased_rows(self) -> Rows:
        """Return the catalog row of every purchase."""
        return self._purchased_rows

    @cached_property
    def _purchased_rows(self) -> Rows:
        return self.get_rows_of_kinds([PURCHASE])

    @property
    def has_history(self) -> bool:
        """Whether any interaction with a product of the model is known."""
        return self.history is not None and len(self.history.item) > 0


def read_activity(request: RecommendationRequest) -> RecentActivity:
    """Read the recent interactions of the visitor whom a request names from Valkey."""
    return read_recent_activity(identifiers=request.identifiers, timeout=VALKEY_TIMEOUT_SECONDS)


def identify_visitor(
    *, state: ServingState, request: RecommendationRequest, activity: RecentActivity, now: float
) -> Visitor:
    """Return the visitor with everything known about them, by all identifiers that are linked to those of the request.

    Return nothing about a visitor who opted out or was erased.
    """
    names = [f"{kind}:{value}" for kind, value in request.identifiers]
    linked_names = [*names, *(name for name in activity.names if name not in names)] if names else []
    if names and (activity.is_denied or state.suppressions.contains_any(linked_names)):
        return Visitor([], [], [], None, NO_ROWS, has_opted_out=True, count=activity.count)
    model, products = state.model, state.products
    just_dismissed = products.find_rows(activity.dismissed) if activity.dismissed else NO_ROWS
    if model is None or not names:
        return Visitor(names, activity.interactions, [], None, just_dismissed, count=activity.count)
    users = model.find_user_rows(linked_names)
    history = model.build_history(
        users=users,
        recent=activity.interactions,
        find_row=products.find_row,
        now=now,
    )
    dismissed = _find_dismissed_rows(model, users, activity)
    if len(just_dismissed):
        dismissed = np.concatenate([dismissed, just_dismissed[just_dismissed >= 0]])
    visit = _build_visit(state, model, activity.interactions, now)
    return Visitor(names, activity.interactions, users, history, dismissed, count=activity.count, visit=visit)


def _build_visit(
    state: ServingState, model: ServingModel, recent: Sequence[RecentInteraction], now: float
) -> Histories | None:
    """Return the visit that is going on now, from the live list alone, because the training may have already seen the beginning of the visit."""
    if not recent or now - recent[0].at > VISIT_GAP_S or state.blends is None:
        return None
    n_items, find_row = len(model.items), state.products.find_row
    events = (
        VisitEvent(row if row < n_items else -1, KIND_CODES[interaction.kind], interaction.at)
        for interaction in recent[:MAX_RECENT_INTERACTIONS]
        for row in (find_row(interaction.product_id),)
    )
    visited = weigh_visit(events, now=now, decay=state.blends.visit_decay)
    return build_visit(visited, n_items=n_items, now=now) if visited else None


def describe_arrival(
    *, state: ServingState, request: RecommendationRequest, names: Sequence[str]
) -> NewVisitors | None:
    """Return what is known about a visitor without a history; None if it changes no score."""
    if state.model is None or state.model.cold_start is None or not request.personalised:
        return None
    traits = {"language": request.language, "country": request.country, "device": request.device}
    return state.model.cold_start.describe(identifiers=names, traits=traits, landing=request.landing_category)


def _find_dismissed_rows(model: ServingModel, users: Sequence[int], activity: RecentActivity) -> Rows:
    """Return the rows dismissed before the training and not added to the cart or bought since."""
    rows = model.find_dismissed_rows(users)
    if not len(rows):
        return rows
    chosen_since = [
        interaction.product_id for interaction in activity.interactions if interaction.kind in ("cart", "purchase")
    ]
    return rows[~are_members(rows, model.items.get_rows(chosen_since))] if chosen_since else rows
