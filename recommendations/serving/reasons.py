"""Why a product is shown: the interactions and the source with the largest share of its score, and the words for them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from recommendations.engine import KIND_CODES, Contribution, Histories
from recommendations.engine.cold_start import LANDING, POPULARITY
from recommendations.serving.catalogue import Catalogue

VIEWED = {KIND_CODES[kind] for kind in ("view", "click", "wishlist", "cart")}
NAMED_PRODUCTS = 1


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


def shares(contributions: Sequence[Contribution]) -> list[Share]:
    """Contributions as shares of the score, largest first."""
    total = sum(part.value for part in contributions)
    if total <= 0:
        return []
    return [Share(part.source, part.item, part.value / total) for part in sorted(contributions, key=lambda c: -c.value)]


def reason_of(*, row: int, contributions: Sequence[Contribution], history: Histories, catalogue: Catalogue) -> Reason:
    """The reason for showing ``row``: what the largest share of its score comes from, by item of the history."""
    by_item: dict[int, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for part in contributions:
        by_item[part.item][part.source] += part.value
    if not by_item:
        return popular()
    cause, sources = max(by_item.items(), key=lambda entry: sum(entry[1].values()))
    if cause < 0:
        return popular()
    if cause == row:
        return own_habit(row=row, history=history, catalogue=catalogue)
    card = catalogue.cards[cause]
    title = card.title if card is not None else catalogue.items.id(cause)
    return because_of(
        title=title,
        product_id=catalogue.items.id(cause),
        source=max(sources.items(), key=lambda entry: entry[1])[0],
        viewed=last_kind(history, cause) in VIEWED,
    )


def last_kind(history: Histories, item: int) -> int:
    """The kind of the newest interaction with an item of a single history."""
    return int(history.kind[history.item == item][-1])


def popular() -> Reason:
    return Reason("popular", _("Popular in the shop now"))


def new_in_the_shop() -> Reason:
    return Reason("new", _("New in the shop"))


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


def own_habit(*, row: int, history: Histories, catalogue: Catalogue) -> Reason:
    product_id = catalogue.items.id(row)
    times = int(((history.item == row) & (history.kind == KIND_CODES["purchase"])).sum())
    if times == 0:
        return Reason("you_viewed", _("You looked at it recently"), [product_id])
    if times == 1:
        return Reason("bought_before", _("You bought it before"), [product_id])
    return Reason("bought_often", _("You bought it %(times)d times") % {"times": times}, [product_id])


def because_of(*, title: str, product_id: str, source: str, viewed: bool) -> Reason:
    if source == "content":
        text = _("Similar to %(title)s that you viewed") if viewed else _("Similar to %(title)s that you bought")
        return Reason("similar_to_viewed" if viewed else "similar_to_bought", text % {"title": title}, [product_id])
    if source == "user-knn":
        text = _("Customers who also buy %(title)s choose it")
        return Reason("customers_like_you", text % {"title": title}, [product_id])
    text = _("Because you viewed %(title)s") if viewed else _("Because you bought %(title)s")
    return Reason("because_you_viewed" if viewed else "because_you_bought", text % {"title": title}, [product_id])


def alike(*, title: str, product_id: str, by_content: float, by_buyers: float) -> Reason:
    """Why a product is shown beside another one."""
    if by_content >= by_buyers:
        return Reason("similar_product", _("Similar to %(title)s") % {"title": title}, [product_id])
    return Reason("same_buyers", _("Bought by customers of %(title)s") % {"title": title}, [product_id])
