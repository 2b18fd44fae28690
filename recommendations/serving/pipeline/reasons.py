"""The reasons that visitors read, one function for each, in the language of the request."""

from collections.abc import Callable, Hashable, Sequence
from enum import StrEnum
from functools import cached_property, lru_cache, wraps
from typing import cast

import msgspec
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from recommendations.engine import KIND_CODES, Contribution, Histories
from recommendations.engine.algorithms.spec import ExplanationReason
from recommendations.engine.cold_start import LANDING, POPULARITY
from recommendations.engine.pair_support.support import SupportLevel
from recommendations.engine.placements import BOUGHT_TOGETHER, CART, SIMILAR
from recommendations.serving.reason_claims import MIN_MILD_COUNT, PAIR_CLAIMS
from recommendations.serving.state.product_index import ProductIndex
from recommendations.serving.state.reason_support import ReasonSupport

VIEWED_KINDS = {KIND_CODES[kind] for kind in ("view", "click", "wishlist", "cart")}
PURCHASE, RATING = KIND_CODES["purchase"], KIND_CODES["rating"]
MAX_CACHED_REASONS = 8192
MAX_CACHED_WORDINGS = 256
RELATED_PLACEMENTS = (SIMILAR, BOUGHT_TOGETHER, CART)
# For products of the visitor's own history, only these make a claim about other customers; the others name the visitor's interaction.
HISTORY_CLAIMS = (ExplanationReason.SIMILAR_CUSTOMERS, ExplanationReason.BOUGHT_TOGETHER)


class ItemReason(msgspec.Struct, dict=True):
    """Why an item is shown: a code for programs, a text for visitors, and the products it names. Instances are shared: never change one."""

    code: str
    text: str
    product_ids: list[str] = []

    @cached_property
    def json_field(self) -> bytes:
        """The field of the reason in the JSON of an item, after a comma; encoded once, because items share reasons."""
        return b',"reason":' + _encode(self)


_encode = msgspec.json.Encoder().encode


class Relation(StrEnum):
    """What a visitor did with a product that is the reason for another one."""

    VIEWED = "viewed"
    BOUGHT = "bought"
    RATED = "rated"


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
    row: int,
    item: int,
    reason: ExplanationReason,
    level: int,
    is_general: bool,
    last_kind: int,
    *,
    history: Histories,
    products: ProductIndex,
    placement: str,
    is_due: bool,
    support: ReasonSupport,
    language: str | None,
) -> ItemReason:
    """Return the reason for the score of a row, from the item of the history that caused it, -1 for none, and the reason of the algorithm.

    level, is_general: how well both support a claim about other customers, see `ReasonSupport.find_row_causes`. last_kind: of the
    visitor's newest interaction with the item. is_due: whether they will need the row again soon. language: the active one.
    """
    if item < 0:
        return make_trending_reason() if reason == ExplanationReason.TRENDING else choose_popular_reason(row, support)
    if item == row:
        return _make_repeat_reason(row=row, history=history, products=products, is_due=is_due)
    product_id, card = products.product_ids[item], products.cards[item]
    if card is None:  # a product that is no longer shown: its ID would tell visitors nothing
        return choose_popular_reason(row, support)
    title = card.title
    if placement not in RELATED_PLACEMENTS:
        relation = _find_relation(item, last_kind, history)
        # Gasoline is bought with everything: it is no reason to show eggs.
        if is_general and relation != Relation.VIEWED and support.is_popular(row):
            return make_similar_customers_reason()
        code, text = _get_history_wording(language, reason, level, relation)
    elif level == SupportLevel.NONE and reason in PAIR_CLAIMS:
        return _choose_softer_reason(row, item, title, products=products, support=support)
    elif placement == CART:
        code, text = _get_cart_wording(language, reason, level)
    else:
        code, text = _get_related_wording(language, reason, level)
    return ItemReason(code, text % {"title": title}, [product_id])


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
        if support.is_popular_in_category(row, landing_path, products):
            return make_popular_in_category_reason(landing_path.rpartition(" > ")[2])
        return make_popular_reason()
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
    return ItemReason("you_viewed", _("You viewed it before"), [product_id])


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
    if times == 0 and not (history.kind[history.item == row] == RATING).any():
        return make_recently_viewed_reason(product_id)
    if times == 0:  # a gift, or bought elsewhere
        return ItemReason("you_rated", _("You rated it before"), [product_id])
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


def _find_relation(item: int, last_kind: int, history: Histories) -> Relation:
    """Return what the visitor did with an item; a rating may follow a purchase, or a product that they got as a gift."""
    if last_kind in VIEWED_KINDS:
        return Relation.VIEWED
    if last_kind == RATING and not (history.kind[history.item == item] == PURCHASE).any():
        return Relation.RATED
    return Relation.BOUGHT


@lru_cache(MAX_CACHED_WORDINGS)
def _get_history_wording(
    language: str | None, reason: ExplanationReason, level: int, relation: Relation
) -> tuple[str, str]:
    """Return the code of a reason and its text with a place for the title; language: the active one."""
    if reason == ExplanationReason.SIMILAR_PRODUCT:
        if relation == Relation.VIEWED:
            return "similar_to_viewed", _("Similar to %(title)s, which you viewed")
        if relation == Relation.RATED:
            return "similar_to_rated", _("Similar to %(title)s, which you rated")
        return "similar_to_bought", _("Similar to %(title)s, which you bought")
    if reason in HISTORY_CLAIMS and level != SupportLevel.NONE:
        return _get_pair_wording(reason, level)
    if relation == Relation.VIEWED:
        return "because_you_viewed", _("Because you viewed %(title)s")
    if relation == Relation.RATED:
        return "because_you_rated", _("Because you rated %(title)s")
    return "because_you_bought", _("Because you bought %(title)s")


@lru_cache(MAX_CACHED_WORDINGS)
def _get_related_wording(language: str | None, reason: ExplanationReason, level: int) -> tuple[str, str]:
    """Return code and text as `_get_history_wording` does, for similar products and those bought together."""
    return _get_pair_wording(reason, level) if reason in PAIR_CLAIMS else _get_similar_wording()


@lru_cache(MAX_CACHED_WORDINGS)
def _get_cart_wording(language: str | None, reason: ExplanationReason, level: int) -> tuple[str, str]:
    """Return code and text as `_get_history_wording` does, for a cart."""
    if reason == ExplanationReason.BOUGHT_TOGETHER:
        return _get_pair_wording(reason, level)
    if reason == ExplanationReason.SIMILAR_PRODUCT:
        return _get_similar_wording()
    return "goes_with_basket", _("Goes with %(title)s in your cart")


def _get_pair_wording(reason: ExplanationReason, level: int) -> tuple[str, str]:
    """Return the claim about the customers of two products, in the words that the level allows."""
    wording = PAIR_CLAIMS[reason].choose(level)
    return wording.code, str(wording.text)


def _get_similar_wording() -> tuple[str, str]:
    return "similar_product", _("Similar to %(title)s")


def _choose_softer_reason(
    row: int, other: int, title: str, *, products: ProductIndex, support: ReasonSupport
) -> ItemReason:
    """Return a true reason for a product that too few people chose with the other one."""
    if support.is_similar(other, row):
        code, text = _get_similar_wording()
        return ItemReason(code, text % {"title": title}, [products.product_ids[other]])
    card = products.cards[row]
    if card is not None and card.category and support.is_popular_in_category(row, card.category, products):
        return make_popular_in_category_reason(card.category.rpartition(" > ")[2])
    return make_catalog_reason()
