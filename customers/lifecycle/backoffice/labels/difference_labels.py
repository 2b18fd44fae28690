"""Sentences on metrics of one customer that seem to contradict each other because they measure different things."""

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.foundation.number_formats import format_whole_percent
from customers.lifecycle.models import CustomerProfile, RfmGroup, Stage

GOOD_STAGES = (Stage.NEW, Stage.ACTIVE, Stage.LOYAL, Stage.REACTIVATED)
QUIET_STAGES = (Stage.AT_RISK, Stage.DORMANT, Stage.CHURNED)
GOOD_GROUPS = (RfmGroup.CHAMPIONS, RfmGroup.LOYAL, RfmGroup.POTENTIAL_LOYALISTS, RfmGroup.NEW, RfmGroup.PROMISING)
QUIET_GROUPS = (RfmGroup.ABOUT_TO_SLEEP, RfmGroup.CANT_LOSE, RfmGroup.AT_RISK, RfmGroup.HIBERNATING)
LIKELY = 0.5


def describe_differences(profile: CustomerProfile, *, churn_days: int | None) -> list[str]:
    """Return a sentence for each difference between stage, predictions and RFM group. churn_days: the churn horizon."""
    texts = []
    if profile.churn is not None and profile.p_alive is not None and churn_days is not None:
        texts += _describe_churn(profile, profile.churn, profile.p_alive, churn_days)
    if (profile.stage in QUIET_STAGES and profile.rfm_group in GOOD_GROUPS) or (
        profile.stage in GOOD_STAGES and profile.rfm_group in QUIET_GROUPS
    ):
        texts.append(
            _(
                "The RFM group compares this customer with all others; the stage compares the time since the last order with "
                "the customer's own gaps."
            )
        )
    return texts


def _describe_churn(profile: CustomerProfile, churn: float, p_alive: float, days: int) -> list[str]:
    """Return why churn risk, probability active and stage differ."""
    horizon = ngettext("%(days)s day", "%(days)s days", days) % {"days": number_format(days)}
    values = {"horizon": horizon, "churn": format_whole_percent(churn), "again": format_whole_percent(1 - churn)}
    if profile.stage in QUIET_STAGES and churn < LIKELY:
        return [
            _(
                "The gap is unusually long for this customer; even so, %(again)s of customers with a similar history order again within "
                "%(horizon)s."
            )
            % values
        ]
    if churn < LIKELY:
        return []
    if p_alive >= LIKELY:
        return [
            _(
                "Probability active is the probability of another order at any time; churn risk is the probability of no order "
                "within the next %(horizon)s. This customer may well order again, but probably later."
            )
            % values
        ]
    if profile.stage in GOOD_STAGES:
        return [
            _(
                "The time since the last order is within the customer's usual gaps; even so, %(churn)s of customers with a similar "
                "history do not order within the next %(horizon)s."
            )
            % values
        ]
    return []
