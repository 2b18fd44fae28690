"""The reasons that visitors read, one function for each, in the language of the request."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, wraps
from typing import cast

import msgspec
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from recommendations.engine import KIND_CODES, Contribution, Histories
from recommendations.engine.algorithms.base import get_reason
from recommendations.engine.algorithms.spec import ExplanationReason
from recommendations.engine.cold_start import LANDING, POPULARITY
from recommendations.engine.online.ensemble_scorer import MainCause
from recommendations.engine.pair_support.support import SupportLevel
from recommendations.engine.placements import BOUGHT_TOGETHER, BUY_AGAIN, CART, SIMILAR
from recommendations.serving.reason_claims import MIN_MILD_COUNT, PAIR_CLAIMS
from recommendations.serving.state.product_index import ProductIndex
from recommendations.serving.state.reason_support import CauseSupport, ReasonSupport

VIEWED_KINDS = {KIND_CODES[kind] for kind in ("view", "click", "wishlist", "cart")}
PURCHASE = KIND_CODES["purchase"]
MAX_CACHED_REASONS = 8192
MAX_CACHED_WORDINGS = 256
RELATED_PLACEMENTS = (SIMILAR, BOUGHT_TOGETHER, CART)
# Beside the visitor's own history, other algorithms name the visitor's interaction instead of other customers.
HISTORY_CLAIMS = (ExplanationReason.SIMILAR_CUSTOMERS, ExplanationReason.BOUGHT_TOGETHER)


@dataclass
class ItemReason:
    """Why an item is shown: a code for programs, a text for visitors, and the products it names. Shared, never change one."""

    code: str
    text: str
    product_ids: list[str] = field(default_factory=list)

    @cached_property
    def json(self) -> bytes:
        """The reason as JSON, encoded once: items share reasons."""
        return msgspec.json.encode(self)

    @cached_property
    def json_field(self) -> bytes:
        """The field of the reason in the JSON of an item, after a comma."""
        return b',"reason":' + self.json


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
    *,
    row: int,
    cause: MainCause,
    grade: CauseSupport,
    history: Histories,
    products: ProductIndex,
    placement: str,
    support: ReasonSupport,
    last_kind: int,
    language: str | None = None,
) -> ItemReason:
    """Return the reason for the cause of a score.

    last_kind: of the visitor's newest interaction with the product that is the cause. grade: how well the cause supports a claim
    about other customers. language: the active one, if the caller has looked it up.
    """
    reason, level = get_reason(cause.source), grade.level
    if cause.item < 0:
        return make_trending_reason() if reason == ExplanationReason.TRENDING else choose_popular_reason(row, support)
    if cause.item == row:
        return _make_repeat_reason(row=row, history=history, products=products, is_due=placement == BUY_AGAIN)
    product_id = products.product_ids[cause.item]
    card = products.cards[cause.item]
    title = card.title if card is not None else product_id
    if placement not in RELATED_PLACEMENTS:
        was_viewed = last_kind in VIEWED_KINDS
        # Gasoline is bought with everything: it is no reason to show eggs.
        if grade.is_general and not was_viewed and support.is_popular(row):
            return make_similar_customers_reason()
        wording = _get_history_wording(language or get_language(), reason, level, was_viewed)
        return _make_titled_reason(wording, title, product_id)
    if reason in PAIR_CLAIMS and level == SupportLevel.NONE:
        return _choose_softer_reason(row, cause.item, title, products=products, support=support)
    get_wording = _get_cart_wording if placement == CART else _get_related_wording
    return _make_titled_reason(get_wording(language or get_language(), reason, level), title, product_id)


def choose_popular_reason(row: int, support: ReasonSupport) -> ItemReason:
    """Return "popular" for a product that enough people chose, else the reason that makes no claim."""
    return make_popular_reason() if support.is_popular(row) else make_catalog_reason()


def choose_cold_start_reason(
    contributions: Sequence[Contribution],
    *,
    row: int,
    landing_path: str,
    products: ProductIndex,
    support: ReasonSupport,
) -> ItemReason:
    """Return the reason for a visitor without a history: landing category, traits or popularity.

    No trait is named, because visitors should not read what the shop knows about them.
    """
    card = products.cards[row]
    path = card.category if card is not None else ""
    is_inside = path == landing_path or path.startswith(f"{landing_path} > ")
    if not support.is_popular(row):
        return make_catalog_reason()
    landing = sum(part.value for part in contributions if part.source == LANDING)
    traits = sum(part.value for part in contributions if part.source not in (LANDING, POPULARITY))
    if landing > max(traits, 0.0) and landing_path and is_inside:
        return make_popular_in_category_reason(landing_path.rpartition(" > ")[2])
    if traits > 0:
        return make_similar_customers_reason()
    return make_popular_reason()


@cache_by_language
def make_similar_customers_reason() -> ItemReason:
    """Return the reason for a product that customers with the same traits or purchases choose."""
    return ItemReason("popular_with_people_like_you", _("Popular with customers like you"))


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
def make_popular_in_category_reason(category: str) -> ItemReason:
    """Return the reason for a product that is popular among those of a category."""
    return ItemReason("popular_in_category", _("Popular in %(category)s") % {"category": category})


def choose_category_reason(category: str, count: int, *, minimum: int) -> ItemReason:
    """Return the reason for a category of a visitor. count: how often they chose products of it."""
    level = SupportLevel.OFTEN if count >= minimum else SupportLevel(count >= MIN_MILD_COUNT)
    return make_category_reason(category, level)


@cache_by_language
def make_category_reason(category: str, level: SupportLevel) -> ItemReason:
    """Return the reason for a category, in the words that the level allows."""
    if level == SupportLevel.OFTEN:
        return ItemReason("your_category", _("You often choose from %(category)s") % {"category": category})
    if level == SupportLevel.SOME:
        return ItemReason("chosen_category", _("You have chosen from %(category)s before") % {"category": category})
    return ItemReason("your_activity", _("Based on what you viewed and bought"))


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


@lru_cache(MAX_CACHED_WORDINGS)
def _get_history_wording(
    language: str | None, reason: ExplanationReason, level: SupportLevel, was_viewed: bool
) -> tuple[str, str]:
    """Return the code of a reason and its text with a place for the title; language: the active one."""
    if reason == ExplanationReason.SIMILAR_PRODUCT:
        if was_viewed:
            return "similar_to_viewed", _("Similar to %(title)s, which you viewed")
        return "similar_to_bought", _("Similar to %(title)s, which you bought")
    if reason in HISTORY_CLAIMS and level != SupportLevel.NONE:
        return _get_pair_wording(reason, level)
    if was_viewed:
        return "because_you_viewed", _("Because you viewed %(title)s")
    return "because_you_bought", _("Because you bought %(title)s")


@lru_cache(MAX_CACHED_WORDINGS)
def _get_related_wording(language: str | None, reason: ExplanationReason, level: SupportLevel) -> tuple[str, str]:
    """Return code and text as `_get_history_wording` does, for similar products and those bought together."""
    return _get_pair_wording(reason, level) if reason in PAIR_CLAIMS else _get_similar_wording()


@lru_cache(MAX_CACHED_WORDINGS)
def _get_cart_wording(language: str | None, reason: ExplanationReason, level: SupportLevel) -> tuple[str, str]:
    """Return code and text as `_get_history_wording` does, for a cart."""
    if reason == ExplanationReason.BOUGHT_TOGETHER:
        return _get_pair_wording(reason, level)
    if reason == ExplanationReason.SIMILAR_PRODUCT:
        return _get_similar_wording()
    return "goes_with_basket", _("Goes with %(title)s in your cart")


def _get_pair_wording(reason: ExplanationReason, level: SupportLevel) -> tuple[str, str]:
    """Return the claim about the customers of two products, in the words that the level allows."""
    wording = PAIR_CLAIMS[reason].choose(level)
    return wording.code, str(wording.text)


def _get_similar_wording() -> tuple[str, str]:
    return "similar_product", _("Similar to %(title)s")


def _make_titled_reason(wording: tuple[str, str], title: str, product_id: str) -> ItemReason:
    """Return the reason that names a product."""
    code, text = wording
    return ItemReason(code, text % {"title": title}, [product_id])


def _choose_softer_reason(
    row: int, other: int, title: str, *, products: ProductIndex, support: ReasonSupport
) -> ItemReason:
    """Return a true reason for a product that too few people chose with the other one."""
    if support.is_similar(other, row):
        return _make_titled_reason(_get_similar_wording(), title, products.product_ids[other])
    card = products.cards[row]
    if card is not None and card.category and support.is_popular_in_category(row, products.category):
        return make_popular_in_category_reason(card.category.rpartition(" > ")[2])
    return make_catalog_reason()
