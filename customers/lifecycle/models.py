"""Where each customer stands: counters, scores, stage, and how the stage came about."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from customers.identity.models import Customer


class Stage(models.TextChoices):
    VISITOR = "visitor", _("visitor")
    PROSPECT = "prospect", _("prospect")
    NEW = "new", _("new")
    ACTIVE = "active", _("active")
    LOYAL = "loyal", _("loyal")
    AT_RISK = "at_risk", _("at risk")
    DORMANT = "dormant", _("dormant")
    CHURNED = "churned", _("churned")
    REACTIVATED = "reactivated", _("reactivated")


class RfmGroup(models.TextChoices):
    CHAMPIONS = "champions", _("champions")
    LOYAL = "loyal", _("loyal customers")
    POTENTIAL_LOYALISTS = "potential_loyalists", _("potential loyalists")
    NEW = "new", _("new customers")
    PROMISING = "promising", _("promising")
    NEED_ATTENTION = "need_attention", _("need attention")
    ABOUT_TO_SLEEP = "about_to_sleep", _("about to sleep")
    CANT_LOSE = "cant_lose", _("can't lose")
    AT_RISK = "at_risk", _("at risk")
    HIBERNATING = "hibernating", _("hibernating")


OF_WINDOW = _("By the orders of the last days before the last refresh; RFM_WINDOW_DAYS says how many.")


class NextOrderReason(models.TextChoices):
    """Why no days are given for the next order."""

    NEVER_ORDERED = "never_ordered", _("no order yet")
    LONG_OVERDUE = "long_overdue", _("longer overdue than nearly every order before, so any day would be a guess")
    LEFT = "left", _("has probably left")
    TOO_UNCERTAIN = "too_uncertain", _("orders too irregularly: the days would be more than a year apart")


class StageRules(models.Model):
    """One version of the thresholds that separate the stages, measured from the shop's own gaps between orders or set by a person."""

    version = models.PositiveIntegerField(_("version"), unique=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    measured_at = models.DateTimeField(
        _("measured as of"), null=True, blank=True, help_text=_("Empty when a person set the values.")
    )
    second_gap_days = models.FloatField(
        _("days to a second order"), help_text=_("Median gap between the first and the second order.")
    )
    median_gap_days = models.FloatField(_("median gap in days"), help_text=_("Between any two orders of a customer."))
    active_gap_days = models.FloatField(_("active up to days"), help_text=_("75 % quantile of gaps."))
    dormant_gap_days = models.FloatField(_("dormant after days"), help_text=_("90 % quantile of gaps."))
    churned_multiple = models.FloatField(
        _("churned multiple"), default=2.0, help_text=_("Churned after this many times the dormant gap.")
    )
    own_gaps_from_orders = models.PositiveIntegerField(
        _("own gaps from orders"), default=4, help_text=_("From this many orders on, a customer's own gaps count.")
    )
    loyal_orders = models.PositiveIntegerField(_("loyal from orders"), default=5)
    loyal_revenue_quantile = models.FloatField(
        _("loyal revenue quantile"),
        default=0.8,
        help_text=_("Where the amount is taken when it is measured. 0.8: the top fifth of revenue is loyal."),
    )
    loyal_revenue = models.DecimalField(
        _("loyal from revenue"),
        max_digits=14,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("An active customer with this revenue is loyal. Empty: only the number of orders counts."),
    )
    alive_below = models.FloatField(
        _("churned when P(alive) is below"),
        default=0.2,
        help_text=_(
            "Beyond the dormant gap a customer has churned as soon as the probability to be still a customer is below this. "
            "0: only gaps count."
        ),
    )
    buying = models.JSONField(
        _("buying process"),
        default=dict,
        blank=True,
        editable=False,
        help_text=_("The parameters P(alive) is computed from, measured together with the gaps; times in days."),
    )
    category_gaps = models.JSONField(
        _("gaps of categories"),
        default=dict,
        blank=True,
        editable=False,
        help_text=_(
            "Active and dormant gap in days of customers who mostly order from a category, where enough was measured."
        ),
    )
    in_force_from = models.DateTimeField(
        _("in force from"),
        null=True,
        blank=True,
        help_text=_(
            "Earlier stages keep the rules of their time. Empty: the whole history is told again by these rules."
        ),
    )
    is_active = models.BooleanField(_("in force"), default=False)

    class Meta:
        verbose_name = _("stage rules")
        verbose_name_plural = _("stage rules")
        ordering = ["-version"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_active"], condition=Q(is_active=True), name="lifecycle_one_rules_in_force"
            ),
            models.CheckConstraint(
                condition=Q(second_gap_days__gt=0, median_gap_days__gt=0, active_gap_days__gt=0)
                & Q(dormant_gap_days__gte=models.F("active_gap_days"))
                & Q(churned_multiple__gte=1)
                & Q(loyal_revenue_quantile__gt=0, loyal_revenue_quantile__lt=1)
                & Q(alive_below__gte=0, alive_below__lt=1),
                name="lifecycle_rules_in_order",
            ),
        ]

    def __str__(self) -> str:
        return f"v{self.version}"


class LifecycleRun(models.Model):
    """One refresh of everybody's profile as of a moment."""

    class Status(models.TextChoices):
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    as_of = models.DateTimeField(_("as of"))
    started_at = models.DateTimeField(_("started at"))
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.RUNNING)
    rules = models.ForeignKey(
        StageRules, models.PROTECT, null=True, blank=True, related_name="runs", verbose_name=_("stage rules")
    )
    customers = models.PositiveBigIntegerField(_("customers"), default=0)
    transitions = models.PositiveBigIntegerField(_("transitions"), default=0)
    counts = models.JSONField(_("customers per stage"), default=dict, blank=True)
    quality = models.JSONField(_("quality"), default=dict, blank=True)
    error = models.TextField(_("error"), blank=True)

    class Meta:
        verbose_name = _("lifecycle run")
        verbose_name_plural = _("lifecycle runs")
        ordering = ["-started_at", "-id"]

    def __str__(self) -> str:
        return f"{self.as_of:%Y-%m-%d %H:%M}"


# what a profile foretells of the coming twelve months
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
    """The portrait of one customer: counters, then scores as of the last refresh."""

    customer = models.OneToOneField(
        Customer, models.CASCADE, primary_key=True, related_name="profile", verbose_name=_("customer")
    )
    first_order_at = models.DateTimeField(_("first order at"), null=True, blank=True)
    last_order_at = models.DateTimeField(_("last order at"), null=True, blank=True)
    orders = models.PositiveIntegerField(_("orders"), default=0)
    returns = models.PositiveIntegerField(_("returns"), default=0)
    units = models.DecimalField(_("units"), max_digits=14, decimal_places=3, default=0)
    revenue = models.DecimalField(
        _("revenue"), max_digits=14, decimal_places=2, default=0, help_text=_("Sales less returns and refunds.")
    )
    discounts = models.DecimalField(_("discounts"), max_digits=14, decimal_places=2, default=0)
    average_order_value = models.DecimalField(
        _("average order value"), max_digits=14, decimal_places=2, null=True, blank=True
    )
    average_gap_days = models.FloatField(_("average gap in days"), null=True, blank=True)
    events = models.PositiveIntegerField(_("events"), default=0)
    sessions = models.PositiveIntegerField(_("sessions"), default=0)
    last_event_at = models.DateTimeField(_("last event at"), null=True, blank=True)
    favourite_categories = models.JSONField(
        _("favourite categories"), default=list, blank=True, help_text=_("Pairs of category and share of order lines.")
    )
    favourite_brands = models.JSONField(
        _("favourite brands"), default=list, blank=True, help_text=_("Pairs of brand and share of order lines.")
    )
    favourite_hours = models.JSONField(
        _("favourite hours"), default=list, blank=True, help_text=_("Pairs of hour and share of orders.")
    )
    r = models.PositiveSmallIntegerField("R", null=True, blank=True)
    f = models.PositiveSmallIntegerField("F", null=True, blank=True)
    m = models.PositiveSmallIntegerField("M", null=True, blank=True)
    rfm_group = models.CharField(_("RFM group"), max_length=30, choices=RfmGroup, blank=True)
    r_window = models.PositiveSmallIntegerField(_("R of the window"), null=True, blank=True, help_text=OF_WINDOW)
    f_window = models.PositiveSmallIntegerField(_("F of the window"), null=True, blank=True, help_text=OF_WINDOW)
    m_window = models.PositiveSmallIntegerField(_("M of the window"), null=True, blank=True, help_text=OF_WINDOW)
    rfm_group_window = models.CharField(
        _("RFM group of the window"), max_length=30, choices=RfmGroup, blank=True, default="", help_text=OF_WINDOW
    )
    orders_window = models.PositiveIntegerField(_("orders of the window"), default=0, help_text=OF_WINDOW)
    revenue_window = models.DecimalField(
        _("revenue of the window"), max_digits=14, decimal_places=2, default=0, help_text=OF_WINDOW
    )
    rfm_months = models.BigIntegerField(
        _("RFM cells by month"), default=0, editable=False, help_text=_("At the last month ends, five bits each.")
    )
    rfm_months_window = models.BigIntegerField(
        _("RFM cells of the window by month"),
        default=0,
        editable=False,
        help_text=_("At the last month ends, five bits each."),
    )
    p_alive = models.FloatField(
        _("probability to be still a customer"), null=True, blank=True, help_text=_("As of the last refresh.")
    )
    expected_orders = models.FloatField(
        _("expected orders"), null=True, blank=True, help_text=_("Days with an order in the coming twelve months.")
    )
    expected_orders_low = models.PositiveIntegerField(_("expected orders at least"), null=True, blank=True)
    expected_orders_high = models.PositiveIntegerField(_("expected orders at most"), null=True, blank=True)
    expected_order_value = models.DecimalField(
        _("expected order value"), max_digits=14, decimal_places=2, null=True, blank=True
    )
    value = models.DecimalField(
        _("customer value"),
        max_digits=14,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("Of the coming twelve months, times the margin and discounted."),
    )
    spend_low = models.DecimalField(_("spends at least"), max_digits=14, decimal_places=2, null=True, blank=True)
    spend_high = models.DecimalField(_("spends at most"), max_digits=14, decimal_places=2, null=True, blank=True)
    interval_probability = models.FloatField(
        _("probability of the interval"),
        null=True,
        blank=True,
        help_text=_("That the spend of the coming twelve months is within it."),
    )
    next_order_from = models.DateField(
        _("next order from"),
        null=True,
        blank=True,
        help_text=_("Half of all next orders come between these days, if another comes."),
    )
    next_order_likely = models.DateField(_("next order about"), null=True, blank=True)
    next_order_to = models.DateField(_("next order until"), null=True, blank=True)
    next_order_reason = models.CharField(
        _("why there is no day"), max_length=20, choices=NextOrderReason, blank=True, default=""
    )
    cluster = models.PositiveIntegerField(
        _("cluster"), null=True, blank=True, help_text=_("The number of a group of customers who are alike.")
    )
    churn = models.FloatField(
        _("churn probability"),
        null=True,
        blank=True,
        help_text=_("That no order comes for longer than nearly all gaps of this shop."),
    )
    purchase_7 = models.FloatField(_("probability to buy within 7 days"), null=True, blank=True)
    purchase_30 = models.FloatField(_("probability to buy within 30 days"), null=True, blank=True)
    purchase_90 = models.FloatField(_("probability to buy within 90 days"), null=True, blank=True)
    next_category = models.CharField(
        _("likeliest next category"),
        max_length=1000,
        blank=True,
        default="",
        help_text=_("The top category that the next order is most likely of."),
    )
    next_category_probability = models.FloatField(
        _("probability of the next category"), null=True, blank=True, help_text=_("If another order comes.")
    )
    stage = models.CharField(_("stage"), max_length=20, choices=Stage, default=Stage.VISITOR)
    stage_since = models.DateTimeField(_("in this stage since"), null=True, blank=True)
    next_flip_at = models.DateTimeField(
        _("next change at"), null=True, blank=True, help_text=_("When the passing of time alone changes the stage.")
    )
    computed_at = models.DateTimeField(_("computed as of"), null=True, blank=True)
    valued_at = models.DateTimeField(
        _("value as of"), null=True, blank=True, help_text=_("An order brings the value up to date within minutes.")
    )

    class Meta:
        verbose_name = _("customer profile")
        verbose_name_plural = _("customer profiles")
        ordering = ["customer_id"]
        indexes = [
            models.Index(fields=["stage"], name="lifecycle_profile_stage"),
            models.Index(fields=["next_flip_at"], name="lifecycle_profile_flip"),
            models.Index(fields=["r", "f"], name="lifecycle_profile_rf"),
            models.Index(fields=["value"], name="lifecycle_profile_value"),
            models.Index(fields=["cluster"], name="lifecycle_profile_cluster"),
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


class StageTransition(models.Model):
    """A customer's move from one stage to another, with the reason and the rules in force."""

    class Reason(models.TextChoices):
        FIRST_SEEN = "first_seen", _("first seen")
        IDENTIFIED = "identified", _("identified without an order")
        FIRST_ORDER = "first_order", _("placed the first order")
        ORDERED = "ordered", _("ordered again")
        LOYAL_ORDERS = "loyal_orders", _("reached the number of orders that makes loyal")
        LOYAL_REVENUE = "loyal_revenue", _("belongs to the top of revenue")
        RETURNED = "returned", _("ordered again after being dormant or churned")
        GAP_ACTIVE = "gap_active", _("the time since the last order is usual")
        GAP_LONG = "gap_long", _("the time since the last order is longer than usual")
        GAP_DORMANT = "gap_dormant", _("the time since the last order is longer than nearly all gaps")
        GAP_CHURNED = "gap_churned", _("the time since the last order is far beyond every usual gap")
        RULES = "rules", _("the rules changed")
        ORDERS_CHANGED = "orders_changed", _("orders were cancelled or corrected")
        ALIVE_LOW = "alive_low", _("after orders like these hardly anybody comes back")

    customer = models.ForeignKey(
        Customer, models.CASCADE, related_name="stage_transitions", verbose_name=_("customer"), db_index=False
    )
    from_stage = models.CharField(_("from"), max_length=20, choices=Stage, blank=True)
    to_stage = models.CharField(_("to"), max_length=20, choices=Stage)
    at = models.DateTimeField(_("at"))
    reason = models.CharField(_("reason"), max_length=20, choices=Reason)
    rules = models.ForeignKey(StageRules, models.PROTECT, related_name="transitions", verbose_name=_("stage rules"))

    class Meta:
        verbose_name = _("stage transition")
        verbose_name_plural = _("stage transitions")
        ordering = ["-at", "-id"]
        constraints = [models.UniqueConstraint(fields=["customer", "at", "to_stage"], name="lifecycle_transition_once")]
        indexes = [models.Index(fields=["at"], name="lifecycle_transition_at")]

    def __str__(self) -> str:
        return f"{self.from_stage or '–'} → {self.to_stage}"


class ScoreModel(models.Model):
    """What a refresh computed scores with: the card of a model, with how well it had foretold what was held out."""

    class Kind(models.TextChoices):
        BUYING = "buying", _("buying process")
        SPEND = "spend", _("spend an order")
        NEXT_ORDER = "next_order", _("next order")
        CLUSTERS = "clusters", _("clusters")
        CHURN = "churn", _("churn")
        PURCHASE_7 = "purchase_7", _("purchase within 7 days")
        PURCHASE_30 = "purchase_30", _("purchase within 30 days")
        PURCHASE_90 = "purchase_90", _("purchase within 90 days")
        NEXT_CATEGORY = "next_category", _("next category")

    class Reason(models.TextChoices):
        """Why there is none, or for a propensity why something simpler stands in for it."""

        NO_CUSTOMERS = "no_customers", _("nobody has ordered yet")
        NO_TIME = "no_time", _("all orders are of one day")
        NO_REPEATS = "no_repeats", _("nobody has ordered on two days")
        FEW_REPEAT_BUYERS = "few_repeat_buyers", _("fewer than 30 customers have ordered on two days")
        NO_PAID_REPEATS = "no_paid_repeats", _("no order after the first cost anything")
        FEW_PAID_REPEATS = "few_paid_repeats", _("fewer than 30 customers have paid for an order after their first")
        TOO_FEW_CUSTOMERS = "too_few_customers", _("fewer than 30 customers have ordered")
        NO_FEATURE_VARIES = "no_feature_varies", _("all customers are alike")
        TOO_FEW_DIFFERENT = "too_few_different", _("there are fewer than three different customers")
        HISTORY_TOO_SHORT = "history_too_short", _("the history of orders is too short to learn from")
        FEW_CUSTOMERS = "few_customers", _("nobody had ordered early enough to learn from")
        FEW_POSITIVES = "few_positives", _("it happened to fewer than 50 of the customers learnt from")
        FEW_NEGATIVES = "few_negatives", _("it happened to all but fewer than 50 of the customers learnt from")
        NO_CATEGORIES = "no_categories", _("nothing that was ordered has a category")
        FEW_NEXT_ORDERS = "few_next_orders", _("fewer than 50 customers have ordered again lately")

    run = models.ForeignKey(LifecycleRun, models.CASCADE, related_name="score_models", verbose_name=_("lifecycle run"))
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    algorithm = models.CharField(_("algorithm"), max_length=40, blank=True)
    parameters = models.JSONField(_("parameters"), default=dict, blank=True)
    figures = models.JSONField(_("figures"), default=dict, blank=True)
    reason = models.CharField(_("why there is none"), max_length=40, choices=Reason, blank=True)
    arrays = models.BinaryField(
        _("arrays"), null=True, blank=True, help_text=_("Of a model learnt by this run, as a compressed npz.")
    )
    learnt_by = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="kept_by",
        verbose_name=_("learnt by"),
        help_text=_("The card whose model is still used; empty where this run has learnt its own."),
    )

    class Meta:
        verbose_name = _("score model")
        verbose_name_plural = _("score models")
        ordering = ["-run_id", "kind"]
        constraints = [models.UniqueConstraint(fields=["run", "kind"], name="lifecycle_score_model_once")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.algorithm or '–'}"


class SeenSession(models.Model):
    """That a customer was seen in a session, so that its next event does not count it again.

    Derived from the events, as the profile's counters are: no foreign key, a refresh removes what belongs to nobody.
    """

    pk = models.CompositePrimaryKey("customer_id", "session_id")
    customer_id = models.BigIntegerField()
    session_id = models.CharField(max_length=100)

    class Meta:
        verbose_name = _("seen session")
        verbose_name_plural = _("seen sessions")

    def __str__(self) -> str:
        return self.session_id


class RecountDue(models.Model):
    """A customer whose facts changed while everybody was refreshed; they are counted anew after it."""

    customer_id = models.BigIntegerField(primary_key=True)

    class Meta:
        verbose_name = _("recount due")
        verbose_name_plural = _("recounts due")

    def __str__(self) -> str:
        return f"#{self.customer_id}"
