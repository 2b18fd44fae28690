"""The audience of a product: the customers most likely to want it, best first.

A customer's score is Σ share · (the component's score of the product for them / its largest score for any customer), over the
components of for-you that depend on the customer. The scores of recommendations compare products for one customer (each
component relative to the customer's best product) and would not compare customers.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection
from django.utils.translation import gettext as _

from config.foundation.array_types import Rows
from customers.segments.editing import create_static_segment
from customers.segments.models import Segment
from recommendations.engine import Algorithm, Histories
from recommendations.engine.algorithms.base import get_reason
from recommendations.engine.algorithms.popularity.popularity import Popularity
from recommendations.engine.algorithms.repeat.own_items import OwnItemsAlgorithm
from recommendations.engine.algorithms.spec import ExplanationReason
from recommendations.engine.pair_support.support import MIN_PEOPLE
from recommendations.engine.placements import FOR_YOU
from recommendations.serving.batch.customer_blocks import build_histories
from recommendations.serving.state.compiled_blends import select_placement_blend
from recommendations.serving.state.loader import ServingState, StateLoader, loader
from recommendations.serving.state.model import PURCHASE, ServingModel

MAX_AUDIENCE = 10_000  # customers of one product; those below have scores close to the average customer's
BLOCK_SIZE = 2_000  # customers whose histories are in memory at a time
MAX_CACHED_PRODUCTS = 16  # products whose ranked users this process keeps in memory
# reason codes by component; for interactions with the product itself see `choose_reason_code`
REASON_CODES = {
    ExplanationReason.SIMILAR_PRODUCT: "similar_to_bought",
    ExplanationReason.BOUGHT_TOGETHER: "bought_together",
    ExplanationReason.SIMILAR_CUSTOMERS: "customers_like_you",
    ExplanationReason.DUE_AGAIN: "due_again",
}

# excludes erased customers, those who refused or dismissed the product, and buyers of its group if purchased products are not shown again
CUSTOMERS_SQL = """
SELECT ranked.position, i.customer_id,
       (SELECT u.value FROM identity_identifier u WHERE u.customer_id = i.customer_id AND u.kind = 'user_id' ORDER BY u.id LIMIT 1)
FROM unnest(%(kinds)s::text[], %(values)s::text[]) WITH ORDINALITY AS ranked (kind, value, position)
JOIN identity_identifier i ON i.kind = ranked.kind AND i.value = ranked.value
JOIN identity_customer c ON c.id = i.customer_id
WHERE c.erased_at IS NULL
  AND NOT EXISTS (
      SELECT FROM identity_identifier own
      JOIN identity_consentdenial d ON d.kind = own.kind AND d.value = own.value
      WHERE own.customer_id = i.customer_id
  )
  AND NOT EXISTS (
      SELECT FROM identity_identifier own
      JOIN unnest(%(dismissed_kinds)s::text[], %(dismissed_values)s::text[]) AS dismissed (kind, value)
          ON own.kind = dismissed.kind AND own.value = dismissed.value
      WHERE own.customer_id = i.customer_id
  )
  AND NOT (%(hides_purchased)s AND EXISTS (
      SELECT FROM orders_order o
      JOIN orders_orderline l ON l.order_id = o.id
      JOIN catalog_product p ON p.id = l.product_id
      WHERE o.customer_id = i.customer_id AND o.kind = 'sale' AND o.status <> 'cancelled' AND p.product_id = ANY(%(products)s)
  ))
ORDER BY ranked.position
"""

# number of the serving state, purchased_products and weights of for-you, row of the product
type CacheKey = tuple[int, str, tuple[tuple[str, float], ...], int]
type Numbers = npt.NDArray[np.float32]


@dataclass(frozen=True)
class AudienceMember:
    """A customer with their score relative to the others, 0 to 1, and the code of the reason."""

    customer_id: int
    user_id: str
    score: float
    code: str

    @property
    def reason(self) -> str:
        return describe_reason_code(self.code)


@dataclass(frozen=True)
class Audience:
    """The customers of a product.

    model_version: empty without a model. known: whether the model knows the product. priced: whether it has a price; without
    one it is not recommended and has no customers.
    """

    product_id: str
    model_version: str
    known: bool
    customers: list[AudienceMember]
    priced: bool = True


@dataclass(frozen=True, eq=False)
class RankedUsers:
    """Rows of users in the model, best first, with their scores and reason codes.

    dismissed: the users who dismissed the product or another one of its group.
    """

    users: npt.NDArray[np.int64]
    scores: Numbers
    codes: list[str]
    dismissed: npt.NDArray[np.int64]


def find_audience(*, product_id: str, now: datetime, source: StateLoader = loader) -> Audience:
    """Return the customers most likely to want a product, at most MAX_AUDIENCE, with one query.

    Customers who were erased, refused personalization or analytics or dismissed the product are left out, and buyers if for-you does
    not show purchased products again; also of another product of its group, such as another size. Two users of the model who have been
    merged since count once.
    """
    state = source.get_state(now=now)
    model, row = state.model, state.products.find_row(product_id)
    if model is None or not 0 <= row < len(model.items):
        return Audience(product_id, state.version, known=False, customers=[])
    if not state.products.is_priced(row):
        return Audience(product_id, state.version, known=True, customers=[], priced=False)
    ranked = get_ranked_users(state, model, row, now=now.timestamp())
    return Audience(product_id, state.version, known=True, customers=resolve_customers(state, model, ranked, row))


class AudienceCache:
    """Caches the customers of the most recently requested products, as long as the same state is in use."""

    def __init__(self) -> None:
        self._ranked_users: OrderedDict[CacheKey, RankedUsers] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: CacheKey) -> RankedUsers | None:
        with self._lock:
            return self._ranked_users.get(key)

    def set(self, key: CacheKey, ranked: RankedUsers) -> None:
        with self._lock:
            # entries of an earlier state are never asked for again
            for other in [other for other in self._ranked_users if other[0] != key[0]]:
                del self._ranked_users[other]
            self._ranked_users[key] = ranked
            while len(self._ranked_users) > MAX_CACHED_PRODUCTS:
                self._ranked_users.popitem(last=False)


_cache = AudienceCache()


def get_ranked_users(state: ServingState, model: ServingModel, row: int, *, now: float) -> RankedUsers:
    config = state.placements[FOR_YOU]
    key = (state.number, config.purchased_products, tuple(sorted(config.weights.items())), row)
    ranked = _cache.get(key)
    if ranked is None:
        ranked = rank_users(state, model, row, now=now)
        _cache.set(key, ranked)
    return ranked


def rank_users(state: ServingState, model: ServingModel, row: int, *, now: float) -> RankedUsers:
    """Rank all users of the model by their score for one product, in blocks."""
    blend = select_placement_blend(FOR_YOU, model=model, placements=state.placements)
    assert blend is not None, "for-you always has the ensemble of the model"
    shares = {
        name: share
        for name, share in blend.compute_shares().items()
        if share and not isinstance(blend.components_[name], Popularity)
    }
    hidden_kinds, group = state.placements[FOR_YOU].get_hidden_kinds(model), list_group_rows(state, row)
    n = max(model.n_trained, len(model.refreshed.indptr) - 1 if model.refreshed is not None else 0)
    item_scores = np.zeros((len(shares), n), np.float32)
    is_excluded, times_bought = np.zeros(n, np.bool_), np.zeros(n, np.int64)
    for start in range(0, n, BLOCK_SIZE):
        users = np.arange(start, min(start + BLOCK_SIZE, n))
        block = build_histories(model, np.stack([users - start, users], axis=1), len(users), now=now)
        owners = np.repeat(users, np.diff(block.indptr))
        is_purchase = (block.item == row) & (block.kind == PURCHASE)
        # several lines of one order are one purchase
        orders = np.unique(np.stack([owners[is_purchase], block.order[is_purchase]]), axis=1)
        times_bought += np.bincount(orders[0].astype(np.int64), minlength=n)
        is_hidden = np.isin(block.item, group) & find_hidden_interactions(hidden_kinds, block)
        is_excluded[owners[is_hidden]] = True
        for component, name in enumerate(shares):
            item_scores[component, users] = np.maximum(blend.components_[name].score_item(block, row), 0)
    # each component relative to its largest score, weighted by its share; a component without any score adds 0
    parts = np.array([*shares.values()], np.float32)[:, None] * item_scores
    largest = item_scores.max(axis=1, initial=0, keepdims=True)
    parts = np.divide(parts, largest * sum(shares.values()), out=np.zeros_like(parts), where=largest > 0)
    scores = parts.sum(axis=0)
    dismissed = find_dismissing_users(state, model, row)
    is_excluded[dismissed[dismissed < n]] = True
    scores[is_excluded] = 0
    best = np.argsort(-scores, kind="stable")[:MAX_AUDIENCE]
    best = best[scores[best] > 0]
    names = list(shares)
    sources = [names[component] for component in parts[:, best].argmax(axis=0).tolist()] if len(best) else []
    is_bought = int((times_bought > 0).sum()) >= MIN_PEOPLE
    codes = [
        choose_reason_code(blend.components_[name], times, is_bought=is_bought)
        for name, times in zip(sources, times_bought[best].tolist(), strict=True)
    ]
    return RankedUsers(best, scores[best], codes, dismissed)


def list_group_rows(state: ServingState, row: int) -> Rows:
    """Return the rows of a product and of the other ones of its group, which a request hides together."""
    rows = np.array([row], np.int32)
    return state.groups.expand(rows) if state.groups.has_groups else rows


def find_dismissing_users(state: ServingState, model: ServingModel, row: int) -> npt.NDArray[np.int64]:
    """Return the users who dismissed a product or another one of its group: a request shows it to none of them."""
    if model.dismissed is None:
        return np.empty(0, np.int64)
    indptr, item = model.dismissed
    entries = np.flatnonzero(np.isin(item, list_group_rows(state, row)))
    return np.unique(np.searchsorted(indptr, entries, side="right") - 1).astype(np.int64)


def find_hidden_interactions(kinds: Sequence[int] | None, block: Histories) -> npt.NDArray[np.bool_]:
    """Return which interactions are of the kinds that hide their product; None means every kind."""
    return np.ones(len(block.item), np.bool_) if kinds is None else np.isin(block.kind, kinds)


def choose_reason_code(component: Algorithm, times_bought: int, *, is_bought: bool) -> str:
    """Return the code of the reason for a component's share of a score.

    is_bought: at least two people bought the product, so that a reason may say that similar customers do.
    """
    code = REASON_CODES.get(get_reason(component.name), "because_you_bought")
    if isinstance(component, OwnItemsAlgorithm):
        if not times_bought:
            return "you_viewed"
        if code == "due_again":
            return code
        return "bought_often" if times_bought > 1 else "bought_before"
    return "because_you_bought" if code == "customers_like_you" and not is_bought else code


def describe_reason_code(code: str) -> str:
    """Return the reason in words, for the staff of the shop."""
    return {
        "bought_often": _("Bought it multiple times"),
        "bought_before": _("Bought it before"),
        "you_viewed": _("Viewed it"),
        "due_again": _("Bought it before and may need it again"),
        "similar_to_bought": _("Chose similar products"),
        "bought_together": _("Bought complementary products"),
        "customers_like_you": _("Similar customers buy it"),
    }.get(code, _("Chose products that go with it"))


def resolve_customers(state: ServingState, model: ServingModel, ranked: RankedUsers, row: int) -> list[AudienceMember]:
    """Return the current customers of the model's users; for merged customers, the better rank counts."""
    pairs = [name.partition(":") for name in find_names(model, ranked.users)]
    # the customer of such a user may have been merged with another user of the model since
    dismissed = [name.partition(":") for name in find_names(model, ranked.dismissed)]
    hidden_kinds = state.placements[FOR_YOU].get_hidden_kinds(model)
    parameters: dict[str, Any] = {
        "kinds": [kind for kind, _colon, _value in pairs],
        "values": [value for _kind, _colon, value in pairs],
        "dismissed_kinds": [kind for kind, _colon, _value in dismissed],
        "dismissed_values": [value for _kind, _colon, value in dismissed],
        "hides_purchased": hidden_kinds is None or PURCHASE in hidden_kinds,
        "products": [state.products.product_ids[number] for number in list_group_rows(state, row).tolist()],
    }
    with connection.cursor() as cursor:
        cursor.execute(CUSTOMERS_SQL, parameters)
        rows = cursor.fetchall()
    members: dict[int, AudienceMember] = {}
    for number, customer_id, user_id in rows:
        score, code = float(ranked.scores[number - 1]), ranked.codes[number - 1]
        members.setdefault(customer_id, AudienceMember(customer_id, user_id or "", score, code))
    return list(members.values())


def find_names(model: ServingModel, users: npt.NDArray[np.int64]) -> Sequence[str]:
    """Return a "kind:value" identifier of each user, preferably a user id; "" without any."""
    names = [""] * len(users)
    maps = [(model.identifiers, model.identifier_user)]
    if model.refreshed is not None:
        maps.append((model.refreshed.identifiers, model.refreshed.identifier_user))
    number_by_user = np.full(int(users.max(initial=-1)) + 2, -1, np.int64)
    number_by_user[users] = np.arange(len(users))
    for identifiers, owner in maps:
        rows = np.flatnonzero((owner >= 0) & (owner < len(number_by_user) - 1))
        rows = rows[number_by_user[owner[rows]] >= 0]
        numbers = number_by_user[owner[rows]].tolist()
        for number, name in zip(numbers, identifiers.get_ids(rows.astype(np.int32)), strict=True):
            if not names[number] or name.startswith("user_id:"):
                names[number] = name
    return names


def save_audience(*, audience: Audience, name: str, max_customers: int) -> Segment:
    """Save the best ``max_customers`` customers as a static segment. Errors: NameTakenError."""
    return create_static_segment(
        name=name,
        description=_("Customers interested in %(product)s (model %(model)s)") % {
            "product": audience.product_id, "model": audience.model_version},
        customer_ids=[member.customer_id for member in audience.customers[:max_customers]],
    )  # fmt: skip
