"""The reasons that visitors read, one function for each, in the language of the request."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, wraps
from typing import cast

from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from recommendations.engine import KIND_CODES, Contribution, Histories
from recommendations.engine.algorithms.base import get_reason
from recommendations.engine.algorithms.spec import ExplanationReason
from recommendations.engine.cold_start import LANDING, POPULARITY
from recommendations.engine.online.ensemble_scorer import MainCause
from recommendations.engine.placements import BOUGHT_TOGETHER, BUY_AGAIN, CART, SIMILAR
from recommendations.serving.state.product_index import ProductIndex

VIEWED_KINDS = {KIND_CODES[kind] for kind in ("view", "click", "wishlist", "cart")}
PURCHASE = KIND_CODES["purchase"]
MAX_CACHED_REASONS = 8192


@dataclass(frozen=True)
class ItemReason:
    """Why an item is shown: a code for programs, a text for visitors, and the products it names."""

    code: str
    text: str
    product_ids: list[str] = field(default_factory=list)


def cache_by_language[F: Callable[..., ItemReason]](make: F) -> F:
    """Cache the reasons of a function by language.

    They are shared between responses and must not be changed.
    """

    @lru_cache(MAX_CACHED_REASONS)
    def cached(language: str, *arguments: Hashable) -> ItemReason:
        return make(*arguments)

    @wraps(make)
    def wrapper(*arguments: Hashable) -> ItemReason:
        return cached(get_language(), *arguments)

    return cast("F", wrapper)


def choose_reason(
    *, row: int, cause: MainCause, history: Histories, products: ProductIndex, placement: str
) -> ItemReason:
    """Return the reason for the largest share of a score."""
    if cause.item < 0:
        return (
            make_trending_reason() if get_reason(cause.source) == ExplanationReason.TRENDING else make_popular_reason()
        )
    if cause.item == row:
        return _make_repeat_reason(row=row, history=history, products=products, is_due=placement == BUY_AGAIN)
    product_id = products.product_ids[cause.item]
    card = products.cards[cause.item]
    title = card.title if card is not None else product_id
    if placement in _RELATED_PRODUCT_REASONS:
        return _RELATED_PRODUCT_REASONS[placement](title, product_id, get_reason(cause.source))
    was_viewed = _find_last_kind(history, cause.item) in VIEWED_KINDS
    return _make_history_reason(title, product_id, get_reason(cause.source), was_viewed)


def choose_cold_start_reason(contributions: Sequence[Contribution], *, category: str) -> ItemReason:
    """Return the reason for a visitor without a history: landing category, traits or popularity.

    No trait is named, because visitors should not read what the shop knows about them.
    """
    landing = sum(part.value for part in contributions if part.source == LANDING)
    traits = sum(part.value for part in contributions if part.source not in (LANDING, POPULARITY))
    if landing > max(traits, 0.0):
        return ItemReason("popular_in_category", _("Popular in %(category)s") % {"category": category})
    if traits > 0:
        return ItemReason("popular_with_people_like_you", _("Popular with customers like you"))
    return make_popular_reason()


@cache_by_language
def make_popular_reason() -> ItemReason:
    """Return the reason for a product that many customers buy."""
    return ItemReason("popular", _("Popular right now"))


@cache_by_language
def make_trending_reason() -> ItemReason:
    """Return the reason for a product whose sales are rising."""
    return ItemReason("trending", _("Trending right now"))


@cache_by_language
def make_new_product_reason() -> ItemReason:
    """Return the reason for a new product."""
    return ItemReason("new", _("New in the shop"))


@cache_by_language
def make_catalog_reason() -> ItemReason:
    """Return the reason in a shop that has no model yet."""
    return ItemReason("in_the_shop", _("From our catalog"))


@cache_by_language
def make_pinned_reason() -> ItemReason:
    """Return the reason for a product that a rule pinned."""
    return ItemReason("chosen_by_the_shop", _("Selected by the shop"))


@cache_by_language
def make_recently_viewed_reason(product_id: str) -> ItemReason:
    """Return the reason for a product that the visitor viewed."""
    return ItemReason("you_viewed", _("You viewed it recently"), [product_id])


@cache_by_language
def make_category_reason(category: str) -> ItemReason:
    """Return the reason for a category that the visitor prefers."""
    return ItemReason("your_category", _("You often choose from %(category)s") % {"category": category})


def _find_last_kind(history: Histories, item: int) -> int:
    """Return the kind of the newest interaction with an item of a single history."""
    return int(history.kind[history.item == item][-1])


def _make_repeat_reason(*, row: int, history: Histories, products: ProductIndex, is_due: bool) -> ItemReason:
    product_id = products.product_ids[row]
    # Two lines of one order are one purchase.
    times = len(set(history.order[(history.item == row) & (history.kind == PURCHASE)].tolist()))
    if times == 0:
        return make_recently_viewed_reason(product_id)
    if is_due:
        text = ngettext(
            "You bought it before and may need it again",
            "You bought it %(times)d times and may need it again",
            times,
        )
        return ItemReason("due_again", text % {"times": times}, [product_id])
    if times == 1:
        return ItemReason("bought_before", _("You bought it before"), [product_id])
    return ItemReason("bought_often", _("You bought it %(times)d times") % {"times": times}, [product_id])


@cache_by_language
def _make_history_reason(title: str, product_id: str, reason: ExplanationReason, was_viewed: bool) -> ItemReason:
    if reason == ExplanationReason.SIMILAR_PRODUCT:
        text = (
            _("Similar to %(title)s, which you viewed") if was_viewed else _("Similar to %(title)s, which you bought")
        )
        code = "similar_to_viewed" if was_viewed else "similar_to_bought"
        return ItemReason(code, text % {"title": title}, [product_id])
    if reason == ExplanationReason.SIMILAR_CUSTOMERS:
        text = _("Customers who buy %(title)s also choose this")
        return ItemReason("customers_like_you", text % {"title": title}, [product_id])
    if reason == ExplanationReason.BOUGHT_TOGETHER:
        return _make_bought_together_reason(title, product_id)
    text = _("Because you viewed %(title)s") if was_viewed else _("Because you bought %(title)s")
    code = "because_you_viewed" if was_viewed else "because_you_bought"
    return ItemReason(code, text % {"title": title}, [product_id])


@cache_by_language
def _make_related_reason(title: str, product_id: str, reason: ExplanationReason) -> ItemReason:
    if reason == ExplanationReason.SIMILAR_PRODUCT:
        return ItemReason("similar_product", _("Similar to %(title)s") % {"title": title}, [product_id])
    if reason == ExplanationReason.BOUGHT_TOGETHER:
        return _make_bought_together_reason(title, product_id)
    if reason == ExplanationReason.CHOSEN_NEXT:
        return ItemReason("looked_at_next", _("Often chosen after %(title)s") % {"title": title}, [product_id])
    return ItemReason("same_buyers", _("Customers who bought %(title)s also buy this") % {"title": title}, [product_id])


@cache_by_language
def _make_cart_reason(title: str, product_id: str, reason: ExplanationReason) -> ItemReason:
    if reason == ExplanationReason.BOUGHT_TOGETHER:
        return _make_bought_together_reason(title, product_id)
    return ItemReason("goes_with_basket", _("Goes with %(title)s in your cart") % {"title": title}, [product_id])


@cache_by_language
def _make_bought_together_reason(title: str, product_id: str) -> ItemReason:
    return ItemReason("bought_together", _("Often bought together with %(title)s") % {"title": title}, [product_id])


_RELATED_PRODUCT_REASONS: dict[str, Callable[[str, str, ExplanationReason], ItemReason]] = {
    SIMILAR: _make_related_reason,
    BOUGHT_TOGETHER: _make_related_reason,
    CART: _make_cart_reason,
}
