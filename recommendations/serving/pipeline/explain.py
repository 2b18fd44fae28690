"""Why a product is shown: the interactions and the source with the largest share of its score, and the words for them."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, wraps
from typing import cast

from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from recommendations.engine import KIND_CODES, Contribution, Histories
from recommendations.engine.cold_start import LANDING, POPULARITY
from recommendations.engine.online.ensemble_scorer import Cause
from recommendations.engine.placements import BOUGHT_TOGETHER, BUY_AGAIN, CART, SIMILAR
from recommendations.serving.state.product_index import Catalogue

VIEWED = {KIND_CODES[kind] for kind in ("view", "click", "wishlist", "cart")}
PURCHASE = KIND_CODES["purchase"]
MOST_WORDED = 8192


@dataclass(frozen=True)
class Reason:
    """A code for programs, a sentence for people, and the products that it names."""

    code: str
    text: str
    product_ids: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Share:
    """How much of a score comes from one item of the history (-1: from no single one) through one source; shares sum to 1."""

    source: str
    item: int
    share: float


def worded_once[F: Callable[..., Reason]](word: F) -> F:
    """A function that is asked for the same words again and again, kept by language; nobody changes a reason."""

    @lru_cache(MOST_WORDED)
    def kept(language: str, *given: Hashable) -> Reason:
        return word(*given)

    @wraps(word)
    def worded(*given: Hashable) -> Reason:
        return kept(get_language(), *given)

    return cast("F", worded)


def shares(contributions: Sequence[Contribution]) -> list[Share]:
    """Contributions as shares of the score, largest first."""
    total = sum(part.value for part in contributions)
    if total <= 0:
        return []
    return [Share(part.source, part.item, part.value / total) for part in sorted(contributions, key=lambda c: -c.value)]


def reason_of(*, row: int, cause: Cause, history: Histories, catalogue: Catalogue, scenario: str) -> Reason:
    """The words for what the largest share of a score comes from."""
    if cause.item < 0:
        return rising() if cause.source == "trending" else popular()
    if cause.item == row:
        return own_habit(row=row, history=history, catalogue=catalogue, due=scenario == BUY_AGAIN)
    product_id = catalogue.product_ids[cause.item]
    card = catalogue.cards[cause.item]
    title = card.title if card is not None else product_id
    if scenario in BESIDE:
        return BESIDE[scenario](title, product_id, cause.source)
    return because_of(title, product_id, cause.source, last_kind(history, cause.item) in VIEWED)


def last_kind(history: Histories, item: int) -> int:
    """The kind of the newest interaction with an item of a single history."""
    return int(history.kind[history.item == item][-1])


@worded_once
def popular() -> Reason:
    return Reason("popular", _("Popular in the shop now"))


@worded_once
def rising() -> Reason:
    return Reason("trending", _("More wanted now than usual"))


@worded_once
def new_in_the_shop() -> Reason:
    return Reason("new", _("New in the shop"))


@worded_once
def in_the_shop() -> Reason:
    """Of a shop that has no model yet."""
    return Reason("in_the_shop", _("From the shop's range"))


@worded_once
def chosen_by_the_shop() -> Reason:
    """Of a product that a rule has put where it stands."""
    return Reason("chosen_by_the_shop", _("Chosen by the shop"))


@worded_once
def seen_lately(product_id: str) -> Reason:
    return Reason("you_viewed", _("You looked at it recently"), [product_id])


def by_arrival(parts: Sequence[Contribution], *, category: str) -> Reason:
    """Of somebody without a history: what speaks most for the product, of the category they arrived at and of their traits.

    No trait is named: people need not read what the shop knows of them.
    """
    landing = sum(part.value for part in parts if part.source == LANDING)
    people = sum(part.value for part in parts if part.source not in (LANDING, POPULARITY))
    if landing > max(people, 0.0):
        return Reason("popular_in_category", _("Popular in %(category)s") % {"category": category})
    if people > 0:
        return Reason("popular_with_people_like_you", _("Popular with customers like you"))
    return popular()


def own_habit(*, row: int, history: Histories, catalogue: Catalogue, due: bool = False) -> Reason:
    product_id = catalogue.product_ids[row]
    times = int(((history.item == row) & (history.kind == PURCHASE)).sum())
    if times == 0:
        return seen_lately(product_id)
    if due:
        text = ngettext(
            "You bought it before, and it is about time again",
            "You bought it %(times)d times, and it is about time again",
            times,
        )
        return Reason("due_again", text % {"times": times}, [product_id])
    if times == 1:
        return Reason("bought_before", _("You bought it before"), [product_id])
    return Reason("bought_often", _("You bought it %(times)d times") % {"times": times}, [product_id])


@worded_once
def because_of(title: str, product_id: str, source: str, viewed: bool) -> Reason:
    if source == "content":
        text = _("Similar to %(title)s that you viewed") if viewed else _("Similar to %(title)s that you bought")
        return Reason("similar_to_viewed" if viewed else "similar_to_bought", text % {"title": title}, [product_id])
    if source == "user-knn":
        text = _("Customers who also buy %(title)s choose it")
        return Reason("customers_like_you", text % {"title": title}, [product_id])
    if source == "co-purchase":
        return together(title, product_id, source)
    text = _("Because you viewed %(title)s") if viewed else _("Because you bought %(title)s")
    return Reason("because_you_viewed" if viewed else "because_you_bought", text % {"title": title}, [product_id])


@worded_once
def alike(title: str, product_id: str, source: str) -> Reason:
    """Why a product is shown beside another one."""
    if source == "content":
        return Reason("similar_product", _("Similar to %(title)s") % {"title": title}, [product_id])
    if source == "co-purchase":
        return together(title, product_id, source)
    if source in ("transitions", "transition-walk", "session-neighbours"):
        return Reason("looked_at_next", _("Often chosen after %(title)s") % {"title": title}, [product_id])
    return Reason("same_buyers", _("Bought by customers of %(title)s") % {"title": title}, [product_id])


@worded_once
def together(title: str, product_id: str, source: str) -> Reason:
    return Reason("bought_together", _("Often bought together with %(title)s") % {"title": title}, [product_id])


@worded_once
def in_the_basket(title: str, product_id: str, source: str) -> Reason:
    if source == "co-purchase":
        return together(title, product_id, source)
    return Reason("goes_with_basket", _("Goes with %(title)s in your basket") % {"title": title}, [product_id])


@worded_once
def often_bought_category(category: str) -> Reason:
    return Reason("your_category", _("You often choose from %(category)s") % {"category": category})


BESIDE: dict[str, Callable[[str, str, str], Reason]] = {SIMILAR: alike, BOUGHT_TOGETHER: alike, CART: in_the_basket}
