"""The sentences about an effect, of marketing and of recommendations."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from recommendations.sending.models import GlobalHoldoutResult


@dataclass(frozen=True)
class EffectSentences:
    """The sentences about an effect, with %(start)s, %(amount)s, %(interval)s, %(customers)s; group: the label of the treated customers."""

    group: str | Promise
    nobody: str | Promise
    uneven: str | Promise
    few_orders: str | Promise
    increase: str | Promise
    decrease: str | Promise
    no_effect: str | Promise
    too_few: str | Promise
    cost: str | Promise
    unclear_cost: str | Promise


SENTENCES: dict[str, EffectSentences] = {
    GlobalHoldoutResult.Subject.MARKETING: EffectSentences(
        group=_("Customers with marketing"),
        nobody=_("No comparison is possible yet: one group has no reachable customers."),
        uneven=_(
            "The group sizes do not match the share of the holdout group, and the mismatch is too large to be random. The difference "
            "is not the effect of marketing."
        ),
        few_orders=_(
            "There are too few orders to measure the incremental lift of marketing: each group needs at least 10 customers who ordered."
        ),
        increase=_(
            "Marketing has generated %(amount)s of additional revenue since %(start)s (95%% interval %(interval)s)."
        ),
        decrease=_("Marketing has cost %(amount)s of revenue since %(start)s (95%% interval %(interval)s)."),
        no_effect=_(
            "Marketing has had no large effect on revenue since %(start)s: less than 10%% more or less (95%% interval of the additional "
            "revenue %(interval)s)."
        ),
        too_few=_(
            "Too few customers to tell: since %(start)s, marketing has generated additional revenue of %(interval)s, with 95%% confidence."
        ),
        cost=_(
            "Cost of the holdout group: with marketing, its %(customers)s customers would have generated about "
            "%(amount)s of additional revenue (95%% interval %(interval)s)."
        ),
        unclear_cost=_(
            "The cost of the holdout group is not clear yet: with marketing, its %(customers)s customers would have generated additional "
            "revenue of %(interval)s, with 95%% confidence."
        ),
    ),
    GlobalHoldoutResult.Subject.RECOMMENDATIONS: EffectSentences(
        group=_("People with recommendations"),
        nobody=_("No comparison is possible yet: one group has no customers or visitors."),
        uneven=_(
            "The group sizes do not match the shares of the experiment, and the mismatch is too large to be random. The difference is "
            "not the effect of recommendations."
        ),
        few_orders=_(
            "There are too few orders to measure the incremental lift of recommendations: each group needs at least 10 customers who ordered."
        ),
        increase=_(
            "Recommendations have generated %(amount)s of additional revenue since %(start)s (95%% interval %(interval)s)."
        ),
        decrease=_("Recommendations have cost %(amount)s of revenue since %(start)s (95%% interval %(interval)s)."),
        no_effect=_(
            "Recommendations have had no large effect on revenue since %(start)s: less than 10%% more or less (95%% interval of the "
            "additional revenue %(interval)s)."
        ),
        too_few=_(
            "Too few people to tell: since %(start)s, recommendations have generated additional revenue of %(interval)s, with 95%% "
            "confidence."
        ),
        cost=_(
            "Cost of the holdout group: with recommendations, its %(customers)s people would have generated about "
            "%(amount)s of additional revenue (95%% interval %(interval)s)."
        ),
        unclear_cost=_(
            "The cost of the holdout group is not clear yet: with recommendations, its %(customers)s people would have generated "
            "additional revenue of %(interval)s, with 95%% confidence."
        ),
    ),
}
