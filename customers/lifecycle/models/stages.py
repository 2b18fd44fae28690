"""Lifecycle stages, versions of their rules, and the stage changes of each customer."""

from django.db import models
from django.db.models import Q
from django.utils import translation as lazy_translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from customers.identity.models import Customer
from customers.lifecycle.scoring.stages.stage_table import STAGE_BY_KEY, STAGES


def _translate_label(key: str) -> Promise:
    # `makemessages` finds these texts in the table, which marks them; a variable here is not extracted.
    return lazy_translation.gettext_lazy(STAGE_BY_KEY[key].label)


class Stage(models.TextChoices):
    """The stages of `stage_table.STAGE_TABLE`, which has their labels, colors and descriptions."""

    VISITOR = "visitor", _translate_label("visitor")
    PROSPECT = "prospect", _translate_label("prospect")
    NEW = "new", _translate_label("new")
    ACTIVE = "active", _translate_label("active")
    LOYAL = "loyal", _translate_label("loyal")
    AT_RISK = "at_risk", _translate_label("at_risk")
    DORMANT = "dormant", _translate_label("dormant")
    CHURNED = "churned", _translate_label("churned")
    REACTIVATED = "reactivated", _translate_label("reactivated")


assert tuple(Stage.values) == STAGES


class StageRules(models.Model):
    """One version of the thresholds between the stages.

    They are measured from the shop's order gaps or entered by a user.
    """

    class Method(models.TextChoices):
        FALSE_ALARMS = "false_alarms", _("false alarms per customer per year")
        QUANTILES = "quantiles", _("quantiles of gaps")

    version = models.PositiveIntegerField(_("version"), unique=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    measured_at = models.DateTimeField(
        _("measured as of"), null=True, blank=True, help_text=_("Empty when a user entered the values.")
    )
    # Versions of earlier releases counted the days of UTC; they have "".
    time_zone = models.CharField(max_length=64, blank=True, db_default="", default="", editable=False)
    # Versions of earlier releases have no gap distribution, so their rows keep the method that they were written for.
    method = models.CharField(
        _("method"),
        max_length=20,
        choices=Method,
        default=Method.QUANTILES,
        help_text=_(
            "False alarms: at risk, dormant and churned begin after a gap that is unusual for this customer. Quantiles: "
            "they begin after the same share of gaps for everyone, so frequent buyers change stage often."
        ),
    )
    at_risk_alarms = models.FloatField(
        _("at risk: false alarms per year"),
        default=1.0,
        help_text=_("How often per year, on average, a customer who has not left may be wrongly marked as at risk."),
    )
    dormant_alarms = models.FloatField(_("dormant: false alarms per year"), default=0.25)
    churned_alarms = models.FloatField(_("churned: false alarms per year"), default=0.025)
    at_risk_share = models.FloatField(
        _("at risk: largest share of longer gaps"),
        default=0.25,
        help_text=_(
            "A customer is not at risk while more than this share of their gaps is expected to be longer than the current gap."
        ),
    )
    dormant_share = models.FloatField(_("dormant: largest share of longer gaps"), default=0.10)
    churned_share = models.FloatField(_("churned: largest share of longer gaps"), default=0.05)
    at_risk_days = models.FloatField(
        _("at risk: days without an order, at least"), default=7.0, help_text=_("Also for the most frequent buyers.")
    )
    dormant_days = models.FloatField(_("dormant: days without an order, at least"), default=14.0)
    churned_days = models.FloatField(_("churned: days without an order, at least"), default=30.0)
    guard_alive = models.FloatField(
        _("not dormant or churned while the probability active is at least"),
        default=0.9,
        help_text=_("Only if the churn risk is also low. If 1, only gaps count."),
    )
    guard_churn = models.FloatField(
        _("not dormant or churned while the churn risk is at most"),
        default=0.1,
        help_text=_("Probability of no order within the dormant gap, by the purchase model of these rules."),
    )
    order_gap_days = models.FloatField(
        _("days without any order before data counts as missing"),
        null=True,
        blank=True,
        help_text=_(
            "If the whole shop has had no order for longer than this, stages do not change over time until orders arrive. "
            "Measured as the 99.9th percentile of the gaps between orders. If empty, stages always change over time."
        ),
    )
    gap_distribution = models.JSONField(
        _("gap distribution"),
        default=dict,
        blank=True,
        editable=False,
        help_text=_("Mean and variances of the logarithm of gaps in days, measured together with the gaps."),
    )
    second_gap_days = models.FloatField(
        _("median days to second order"), help_text=_("Median gap between a customer's first and second order.")
    )
    median_gap_days = models.FloatField(
        _("median gap in days"), help_text=_("Median gap between consecutive orders of a customer.")
    )
    active_gap_days = models.FloatField(
        _("active gap in days"), help_text=_("75th percentile of gaps. A customer is at risk after a longer gap.")
    )
    dormant_gap_days = models.FloatField(
        _("dormant gap in days"), help_text=_("90th percentile of gaps. A customer is dormant after a longer gap.")
    )
    churned_multiple = models.FloatField(
        _("churned multiple"),
        default=2.0,
        help_text=_("A customer has churned after this multiple of the dormant gap."),
    )
    own_gaps_from_orders = models.PositiveIntegerField(
        _("orders for personal gaps"),
        default=4,
        help_text=_("A customer with at least this many orders is compared with their own gaps."),
    )
    loyal_orders = models.PositiveIntegerField(_("orders to be loyal"), default=5)
    loyal_revenue_quantile = models.FloatField(
        _("loyal revenue quantile"),
        default=0.8,
        help_text=_(
            "The revenue threshold is measured at this quantile of the revenue of the last 12 months. With 0.8, the top "
            "fifth of customers is loyal."
        ),
    )
    loyal_revenue = models.DecimalField(
        _("revenue to be loyal"),
        max_digits=14,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_(
            "An active customer with at least this revenue in 12 months is loyal. If empty, only the number of orders "
            "counts."
        ),
    )
    min_p_alive = models.FloatField(
        _("churned below probability active"),
        default=0.2,
        help_text=_(
            "A dormant customer has churned when their probability active falls below this value. If 0, only "
            "gaps count."
        ),
    )
    purchase_model = models.JSONField(
        _("purchase model"),
        default=dict,
        blank=True,
        editable=False,
        help_text=_("Parameters of the probability active, measured together with the gaps; times in days."),
    )
    category_gaps = models.JSONField(
        _("gaps by category"),
        default=dict,
        blank=True,
        editable=False,
        help_text=_(
            "Active and dormant gap in days, for customers who mostly order from a category with enough measured gaps."
        ),
    )
    effective_from = models.DateTimeField(
        _("effective from"),
        null=True,
        blank=True,
        help_text=_(
            "Stage changes before this time keep the rules that were active then. If empty, the whole history "
            "is recalculated with these rules."
        ),
    )
    is_active = models.BooleanField(pgettext_lazy("rules", "active"), default=False)

    class Meta:
        verbose_name = _("stage rules")
        verbose_name_plural = _("stage rules")
        ordering = ["-version"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_active"], condition=Q(is_active=True), name="lifecycle_one_active_rules"
            ),
            models.CheckConstraint(
                condition=Q(second_gap_days__gt=0, median_gap_days__gt=0, active_gap_days__gt=0)
                & Q(dormant_gap_days__gte=models.F("active_gap_days"))
                & Q(churned_multiple__gte=1)
                & Q(loyal_revenue_quantile__gt=0, loyal_revenue_quantile__lt=1)
                & Q(min_p_alive__gte=0, min_p_alive__lt=1),
                name="lifecycle_rules_consistent",
            ),
            models.CheckConstraint(
                condition=Q(at_risk_alarms__gt=0, dormant_alarms__gt=0, churned_alarms__gt=0)
                & Q(at_risk_share__gt=0, dormant_share__gt=0, churned_share__gt=0)
                & Q(at_risk_share__lte=0.5, dormant_share__lte=0.5, churned_share__lte=0.5)
                & Q(at_risk_days__gte=0, dormant_days__gte=0, churned_days__gte=0)
                & Q(guard_alive__gte=0, guard_alive__lte=1, guard_churn__gte=0, guard_churn__lte=1)
                & (Q(order_gap_days__isnull=True) | Q(order_gap_days__gt=0)),
                name="lifecycle_rules_gaps_consistent",
            ),
        ]

    def __str__(self) -> str:
        return f"v{self.version}"


class StageTransition(models.Model):
    """A customer's change from one stage to another, with its reason and rules."""

    class Reason(models.TextChoices):
        FIRST_SEEN = "first_seen", _("first seen")
        IDENTIFIED = "identified", _("identified without an order")
        FIRST_ORDER = "first_order", _("placed the first order")
        ORDERED = "ordered", _("ordered again")
        LOYAL_ORDERS = "loyal_orders", _("reached the number of orders for loyal customers")
        LOYAL_REVENUE = "loyal_revenue", _("reached the revenue for loyal customers")
        RETURNED = "returned", _("ordered again after being dormant or churned")
        GAP_ACTIVE = "gap_active", _("the time since the last order is within the usual gap")
        GAP_LONG = "gap_long", _("the time since the last order exceeds the usual gap")
        GAP_DORMANT = "gap_dormant", _("the time since the last order exceeds 90% of gaps")
        GAP_CHURNED = "gap_churned", _("the time since the last order far exceeds the usual gap")
        RULES = "rules", _("the stage rules changed")
        ORDERS_CHANGED = "orders_changed", _("orders were canceled or corrected")
        ALIVE_LOW = "alive_low", _("the probability active is low")
        GAP_RARE = "gap_rare", _("this customer rarely goes this long without an order")
        GUARD_ENDED = "guard_ended", _("an order in the near future has become less certain")

    customer = models.ForeignKey(
        Customer, models.CASCADE, related_name="stage_transitions", verbose_name=_("customer"), db_index=False
    )
    from_stage = models.CharField(_("from"), max_length=20, choices=Stage, blank=True)
    to_stage = models.CharField(_("to"), max_length=20, choices=Stage)
    at = models.DateTimeField(_("at"))
    reason = models.CharField(_("reason"), max_length=20, choices=Reason)
    rules = models.ForeignKey(StageRules, models.PROTECT, related_name="transitions", verbose_name=_("stage rules"))

    class Meta:
        verbose_name = _("stage change")
        verbose_name_plural = _("stage changes")
        ordering = ["-at", "-id"]
        constraints = [models.UniqueConstraint(fields=["customer", "at", "to_stage"], name="lifecycle_transition_once")]
        indexes = [models.Index(fields=["at"], name="lifecycle_transition_at")]

    def __str__(self) -> str:
        return f"{self.from_stage or '–'} → {self.to_stage}"
