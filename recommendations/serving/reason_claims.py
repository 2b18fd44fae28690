"""What reasons claim about other customers, the support that each claim needs, and the milder words used with less support.

| reason | support | from RECOMMEND_MIN_SUPPORT (5) on | from 2 people on |
|---|---|---|---|
| bought together | orders or people with both products in one order | Often bought together with … | Bought together with … |
| chosen next | people who chose the product after the other | Often chosen after … | Other customers chose this after … |
| same buyers, similar customers | people who bought both | Customers who bought … also buy this | … also bought this |
| category | the visitor's own interactions | You often choose from … | You have chosen from … before |
| popular | people who viewed or bought the product | Popular right now, Popular in … | – |

"Often" and "also buy" also need a lower confidence bound of the lift above 1 (`engine.pair_support`): more than by chance. Below two
people, and without counts, no claim is made: the reason names the visitor's own interaction, a similar product, or the catalog.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from recommendations.engine.algorithms.spec import ExplanationReason
from recommendations.engine.pair_support.support import SupportLevel

MIN_MILD_COUNT = 2  # of the visitor's own interactions with a category


class Wording(NamedTuple):
    """The code of a reason for programs, and its text, translated when it is read."""

    code: str
    text: str | Promise


@dataclass(frozen=True)
class PairClaim:
    """A claim about the customers of two products.

    component: the algorithm whose pairs count the orders and people, if that of the score counts none.
    """

    component: str
    often: Wording
    some: Wording

    def choose(self, level: int) -> Wording:
        """Return the words for a level of at least SOME."""
        return self.often if level == SupportLevel.OFTEN else self.some


_ALSO_BOUGHT = Wording("also_bought", gettext_lazy("Customers who bought %(title)s also bought this"))

PAIR_CLAIMS: Mapping[ExplanationReason, PairClaim] = {
    ExplanationReason.BOUGHT_TOGETHER: PairClaim(
        "co-purchase",
        Wording("bought_together", gettext_lazy("Often bought together with %(title)s")),
        Wording("bought_with", gettext_lazy("Bought together with %(title)s")),
    ),
    ExplanationReason.CHOSEN_NEXT: PairClaim(
        "transitions",
        Wording("looked_at_next", gettext_lazy("Often chosen after %(title)s")),
        Wording("chosen_after", gettext_lazy("Other customers chose this after %(title)s")),
    ),
    ExplanationReason.SAME_BUYERS: PairClaim(
        "item-knn",
        Wording("same_buyers", gettext_lazy("Customers who bought %(title)s also buy this")),
        _ALSO_BOUGHT,
    ),
    ExplanationReason.SIMILAR_CUSTOMERS: PairClaim(
        "item-knn",
        Wording("customers_like_you", gettext_lazy("Customers who buy %(title)s also choose this")),
        _ALSO_BOUGHT,
    ),
}
