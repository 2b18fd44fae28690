"""Customer profiles: counters and scores, one row per customer.

Further tables keep the profiles up to date between refreshes.
"""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from customers.identity.models import Customer
from customers.lifecycle.models.stages import Stage


class RfmGroup(models.TextChoices):
    """The ten RFM groups, from the best customers to the least active."""

    CHAMPIONS = "champions", _("champions")
    LOYAL = "loyal", _("loyal customers")
    POTENTIAL_LOYALISTS = "potential_loyalists", _("potential loyalists")
    NEW = "new", _("new customers")
    PROMISING = "promising", _("promising")
    NEED_ATTENTION = "need_attention", _("need attention")
    ABOUT_TO_SLEEP = "about_to_sleep", _("about to sleep")
    CANT_LOSE = "cant_lose", _("can't lose them")
    AT_RISK = "at_risk", _("at risk (RFM)")
    HIBERNATING = "hibernating", _("hibernating")


WINDOW_HELP = _("Based on orders in the RFM window before the last refresh; RFM_WINDOW_DAYS sets its length.")


class NextOrderReason(models.TextChoices):
    """Why there is no predicted date of the next order."""

    NEVER_ORDERED = "never_ordered", _("no order yet")
    LONG_OVERDUE = "long_overdue", _("overdue for too long to predict a date")
    LEFT = "left", _("has probably churned")
    TOO_UNCERTAIN = "too_uncertain", _("orders too irregularly: the interval would be longer than a year")


# predictions for the next 12 months
VALUE_COLUMNS = (
    "p_alive",
    "expected_orders",
    "expected_orders_low",
    "expected_orders_high",
    "expected_order_value",
    "value",
    "spend_low",
    "spend_high",
    "interval_probability",
)


class CustomerProfile(models.Model):
    """One customer's counters, updated with every event, and scores of the last refresh."""

    customer = models.OneToOneField(
        Customer, models.CASCADE, primary_key=True, related_name="profile", verbose_name=_("customer")
    )
    first_order_at = models.DateTimeField(_("first order at"), null=True, blank=True)
    last_order_at = models.DateTimeField(_("last order at"), null=True, blank=True)
    orders = models.PositiveIntegerField(_("orders"), default=0)
    returns = models.PositiveIntegerField(_("returns"), default=0)
    units = models.DecimalField(_("units"), max_digits=14, decimal_places=3, default=0)
    revenue = models.DecimalField(
        _("revenue"), max_digits=14, decimal_places=2, default=0, help_text=_("Sales minus returns and refunds.")
    )
    discounts = models.DecimalField(_("discounts"), max_digits=14, decimal_places=2, default=0)
    average_order_value = models.DecimalField(
        _("average order value"), max_digits=14, decimal_places=2, null=True, blank=True
    )
    average_gap_days = models.FloatField(_("average gap in days"), null=True, blank=True)
    events = models.PositiveIntegerField(_("events"), default=0)
    sessions = models.PositiveIntegerField(_("sessions"), default=0)
    last_event_at = models.DateTimeField(_("last event at"), null=True, blank=True)
    favorite_categories = models.JSONField(
        _("favorite categories"), default=list, blank=True, help_text=_("Category and share of order lines.")
    )
    favorite_brands = models.JSONField(
        _("favorite brands"), default=list, blank=True, help_text=_("Brand and share of order lines.")
    )
    favorite_hours = models.JSONField(
        _("favorite hours"), default=list, blank=True, help_text=_("Hour and share of orders.")
    )
    r = models.PositiveSmallIntegerField("R", null=True, blank=True)
    f = models.PositiveSmallIntegerField("F", null=True, blank=True)
    m = models.PositiveSmallIntegerField("M", null=True, blank=True)
    rfm_group = models.CharField(_("RFM group"), max_length=30, choices=RfmGroup, blank=True)
    r_window = models.PositiveSmallIntegerField(_("R in the window"), null=True, blank=True, help_text=WINDOW_HELP)
    f_window = models.PositiveSmallIntegerField(_("F in the window"), null=True, blank=True, help_text=WINDOW_HELP)
    m_window = models.PositiveSmallIntegerField(_("M in the window"), null=True, blank=True, help_text=WINDOW_HELP)
    rfm_group_window = models.CharField(
        _("RFM group in the window"), max_length=30, choices=RfmGroup, blank=True, default="", help_text=WINDOW_HELP
    )
    orders_window = models.PositiveIntegerField(_("orders in the window"), default=0, help_text=WINDOW_HELP)
    revenue_window = models.DecimalField(
        _("revenue in the window"), max_digits=14, decimal_places=2, default=0, help_text=WINDOW_HELP
    )
    rfm_months = models.BigIntegerField(
        _("RFM cells by month"), default=0, editable=False, help_text=_("Cells at the last month ends, five bits each.")
    )
    rfm_months_window = models.BigIntegerField(
        _("RFM cells in the window by month"),
        default=0,
        editable=False,
        help_text=_("Cells at the last month ends, five bits each."),
    )
    p_alive = models.FloatField(_("probability active"), null=True, blank=True, help_text=_("As of the last refresh."))
    expected_orders = models.FloatField(
        _("expected orders"), null=True, blank=True, help_text=_("Expected days with an order in the next 12 months.")
    )
    expected_orders_low = models.PositiveIntegerField(_("expected orders, lower bound"), null=True, blank=True)
    expected_orders_high = models.PositiveIntegerField(_("expected orders, upper bound"), null=True, blank=True)
    expected_order_value = models.DecimalField(
        _("expected order value"), max_digits=14, decimal_places=2, null=True, blank=True
    )
    value = models.DecimalField(
        _("predicted value"),
        max_digits=14,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("Expected spend in the next 12 months, times the margin, discounted."),
    )
    spend_low = models.DecimalField(
        _("expected spend, lower bound"), max_digits=14, decimal_places=2, null=True, blank=True
    )
    spend_high = models.DecimalField(
        _("expected spend, upper bound"), max_digits=14, decimal_places=2, null=True, blank=True
    )
    interval_probability = models.FloatField(
        _("interval probability"),
        null=True,
        blank=True,
        help_text=_("Probability that the spend in the next 12 months is between the bounds."),
    )
    next_order_from = models.DateField(
        _("next order, earliest"),
        null=True,
        blank=True,
        help_text=_("50% interval of the date, if the customer orders again."),
    )
    next_order_likely = models.DateField(_("next order, most likely"), null=True, blank=True)
    next_order_to = models.DateField(_("next order, latest"), null=True, blank=True)
    next_order_reason = models.CharField(
        _("why there is no date"), max_length=20, choices=NextOrderReason, blank=True, default=""
    )
    cluster = models.PositiveIntegerField(
        _("cluster"), null=True, blank=True, help_text=_("Number of the customer's cluster.")
    )
    churn = models.FloatField(
        _("churn risk"),
        null=True,
        blank=True,
        help_text=_("Probability of no order within the churn horizon."),
    )
    purchase_7 = models.FloatField(_("probability of a purchase within 7 days"), null=True, blank=True)
    purchase_30 = models.FloatField(_("probability of a purchase within 30 days"), null=True, blank=True)
    purchase_90 = models.FloatField(_("probability of a purchase within 90 days"), null=True, blank=True)
    next_category = models.CharField(
        _("most likely next category"),
        max_length=1000,
        blank=True,
        default="",
        help_text=_("Most likely top-level category of the next order."),
    )
    next_category_probability = models.FloatField(
        _("probability of the next category"), null=True, blank=True, help_text=_("If the customer orders again.")
    )
    stage = models.CharField(_("stage"), max_length=20, choices=Stage, default=Stage.VISITOR)
    stage_since = models.DateTimeField(_("in this stage since"), null=True, blank=True)
    next_stage_change_at = models.DateTimeField(
        _("next stage change at"),
        null=True,
        blank=True,
        help_text=_("When the stage changes if the customer does not order."),
    )
    computed_at = models.DateTimeField(_("computed as of"), null=True, blank=True)
    valued_at = models.DateTimeField(
        _("scored as of"), null=True, blank=True, help_text=_("Scores are updated within minutes of an order.")
    )

    class Meta:
        verbose_name = _("customer profile")
        verbose_name_plural = _("customer profiles")
        ordering = ["customer_id"]
        indexes = [
            models.Index(fields=["stage"], name="lifecycle_profile_stage"),
            models.Index(fields=["next_stage_change_at"], name="lifecycle_profile_flip"),
            models.Index(fields=["r", "f"], name="lifecycle_profile_rf"),
            models.Index(fields=["value", "churn", "stage", "last_order_at"], name="lifecycle_profile_value"),
            models.Index(fields=["cluster"], name="lifecycle_profile_cluster"),
            models.Index(fields=["churn", "stage", "last_order_at"], name="lifecycle_profile_churn"),
            models.Index(fields=["last_order_at", "churn", "stage"], name="lifecycle_profile_last_order"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(stage__in=Stage.values), name="lifecycle_profile_stage_known"),
            models.CheckConstraint(
                condition=Q(r__isnull=True, f__isnull=True, m__isnull=True)
                | Q(r__range=(1, 5), f__range=(1, 5), m__range=(1, 5)),
                name="lifecycle_profile_rfm_1_to_5",
            ),
            models.CheckConstraint(
                condition=Q(r_window__isnull=True, f_window__isnull=True, m_window__isnull=True)
                | Q(r_window__range=(1, 5), f_window__range=(1, 5), m_window__range=(1, 5)),
                name="lifecycle_profile_rfm_window_1_to_5",
            ),
            models.CheckConstraint(
                condition=Q(p_alive__isnull=True) | Q(p_alive__range=(0, 1)), name="lifecycle_profile_p_alive"
            ),
            *(
                models.CheckConstraint(
                    condition=Q(**{f"{name}__isnull": True}) | Q(**{f"{name}__range": (0, 1)}),
                    name=f"lifecycle_profile_{name}",
                )
                for name in ("churn", "purchase_7", "purchase_30", "purchase_90")
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.customer_id}"


class CountedSession(models.Model):
    """A session that is already counted in a customer's `sessions`.

    It is stored so that the session's next event does not count it again.
    Derived from the events, like the counters: there is no foreign key, a refresh deletes rows without a customer.
    """

    pk = models.CompositePrimaryKey("customer_id", "session_id")
    customer_id = models.BigIntegerField()
    session_id = models.CharField(max_length=100)

    class Meta:
        verbose_name = _("counted session")
        verbose_name_plural = _("counted sessions")

    def __str__(self) -> str:
        return self.session_id


class PendingRecount(models.Model):
    """A customer whose facts changed during a refresh or by an import; event processing or the refresh recounts them."""

    customer_id = models.BigIntegerField(primary_key=True)

    class Meta:
        verbose_name = _("pending recount")
        verbose_name_plural = _("pending recounts")

    def __str__(self) -> str:
        return f"#{self.customer_id}"
