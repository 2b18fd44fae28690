"""The loyalty program: its rules and levels, members, level changes, the ledger of points, and reservations of points."""

from decimal import Decimal

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import get_language, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from catalog.models import Category
from customers.identity.models import Customer

SINGLETON_ID = 1


def choose_language(english: str, chinese: str) -> str:
    """Return the text in the active language, or in the other one if it is missing."""
    first, second = (chinese, english) if (get_language() or "").startswith("zh") else (english, chinese)
    return first or second


class LoyaltyProgram(models.Model):
    """The only row of rules: what counts towards a level, and what earns points.

    Attributes:
        started_at: orders, reviews and answers from this time on earn points; earlier ones count towards levels only.
    """

    is_enabled = models.BooleanField(_("program is running"), default=False)
    started_at = models.DateTimeField(_("points are earned from"), null=True, blank=True)
    period_months = models.PositiveSmallIntegerField(
        _("period that counts towards a level, in months"), default=12, help_text=_("0: the customer's whole history.")
    )
    validity_months = models.PositiveSmallIntegerField(
        _("validity of a level, in months"), default=12, help_text=_("0: a level is never lost.")
    )
    grace_days = models.PositiveSmallIntegerField(
        _("grace period, in days"),
        default=30,
        help_text=_("Between the end of the validity period and the loss of the level."),
    )
    points_per_unit = models.DecimalField(
        _("points per unit of currency"),
        max_digits=8,
        decimal_places=3,
        default=1,
        validators=[MinValueValidator(0)],
        help_text=_("For customers without a level. Each level has its own."),
    )
    point_value = models.DecimalField(
        _("value of a point"),
        max_digits=10,
        decimal_places=4,
        default=Decimal("0.01"),
        validators=[MinValueValidator(0)],
        help_text=_("In the shop's currency; for the liability."),
    )
    expiry_months = models.PositiveSmallIntegerField(
        _("points expire at the end of month"),
        default=12,
        help_text=_("12: at the end of the 12th month after the month in which they were earned. 0: never."),
    )
    sign_in_points = models.PositiveIntegerField(_("points for a daily sign-in"), default=0)
    streak_days = models.PositiveSmallIntegerField(
        _("days in a row for the bonus"), default=7, validators=[MinValueValidator(2)]
    )
    streak_bonus = models.PositiveIntegerField(_("bonus for signing in that many days in a row"), default=0)
    review_points = models.PositiveIntegerField(_("points for a review"), default=0)
    survey_points = models.PositiveIntegerField(_("points for a survey answer"), default=0)
    reservation_minutes = models.PositiveSmallIntegerField(
        _("a reservation of points ends after, in minutes"), default=30, validators=[MinValueValidator(1)]
    )
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("loyalty program")
        verbose_name_plural = _("loyalty programs")
        default_permissions = ("view", "change")
        constraints = [models.CheckConstraint(condition=Q(pk=SINGLETON_ID), name="loyalty_program_once")]

    def __str__(self) -> str:
        return str(_("loyalty program"))


class LoyaltyLevel(models.Model):
    """A level that customers reach by spend and orders of the period.

    Attributes:
        position: the order of the levels; the highest is the best.
        requires_both: whether spend and orders are both needed; otherwise one of them is enough. A threshold of 0 is not used.
    """

    key = models.SlugField(_("key"), max_length=50, unique=True)
    position = models.PositiveSmallIntegerField(_("position"))
    name = models.CharField(_("name"), max_length=100)
    name_zh = models.CharField(_("name in Chinese"), max_length=100, blank=True)
    benefits = models.TextField(_("benefits"), max_length=2000, blank=True)
    benefits_zh = models.TextField(_("benefits in Chinese"), max_length=2000, blank=True)
    min_spend = models.DecimalField(
        _("spend at least"), max_digits=14, decimal_places=2, default=0, validators=[MinValueValidator(0)]
    )
    min_orders = models.PositiveIntegerField(_("orders at least"), default=0)
    requires_both = models.BooleanField(_("spend and orders are both needed"), default=False)
    points_per_unit = models.DecimalField(
        _("points per unit of currency"),
        max_digits=8,
        decimal_places=3,
        default=1,
        validators=[MinValueValidator(0)],
    )

    class Meta:
        verbose_name = _("level")
        verbose_name_plural = _("levels")
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["position"], name="loyalty_level_position", deferrable=models.Deferrable.DEFERRED
            )
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        return choose_language(self.name, self.name_zh)

    @property
    def benefits_text(self) -> str:
        return choose_language(self.benefits, self.benefits_zh)


class CategoryBonus(models.Model):
    """More points for the products of a category and its subcategories."""

    category = models.OneToOneField(Category, models.CASCADE, related_name="+", verbose_name=_("category"))
    multiplier = models.DecimalField(
        _("multiplier"),
        max_digits=6,
        decimal_places=2,
        default=2,
        validators=[MinValueValidator(1)],
        help_text=_("2: twice the points."),
    )

    class Meta:
        verbose_name = _("category bonus")
        verbose_name_plural = _("category bonuses")
        ordering = ["category__path"]

    def __str__(self) -> str:
        return f"{self.category_id}: ×{self.multiplier}"


class LoyaltyMember(models.Model):
    """The state of a customer in the program. A trigger keeps ``balance`` equal to the sum of the ledger.

    Attributes:
        spend, order_count: of the period that counts towards a level, at the last count.
        reserved: the sum of open reservations.
        next_expiry_on: the last day on which the next points that will expire are valid; next_expiry_at: the end of that day in the
            shop's time zone; next_expiry_points: how many.
        spend_to_next, orders_to_next: what is missing for the next level.
    """

    customer = models.OneToOneField(
        Customer, models.CASCADE, primary_key=True, related_name="loyalty", verbose_name=_("customer")
    )
    level = models.ForeignKey(
        LoyaltyLevel, models.SET_NULL, null=True, blank=True, related_name="members", verbose_name=_("level")
    )
    level_since = models.DateTimeField(_("level since"), null=True, blank=True)
    level_until = models.DateField(_("level valid until"), null=True, blank=True)
    spend = models.DecimalField(_("spend in the period"), max_digits=16, decimal_places=2, default=0, db_default=0)
    order_count = models.PositiveIntegerField(_("orders in the period"), default=0, db_default=0)
    balance = models.BigIntegerField(_("points"), default=0, db_default=0)
    reserved = models.BigIntegerField(_("reserved points"), default=0, db_default=0)
    next_expiry_on = models.DateField(_("next points valid until"), null=True, blank=True)
    next_expiry_at = models.DateTimeField(_("next points expire"), null=True, blank=True)
    next_expiry_points = models.BigIntegerField(_("points that expire next"), default=0, db_default=0)
    next_level = models.ForeignKey(
        LoyaltyLevel, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("next level")
    )
    spend_to_next = models.DecimalField(
        _("spend needed for the next level"), max_digits=16, decimal_places=2, null=True, blank=True
    )
    orders_to_next = models.PositiveIntegerField(_("orders needed for the next level"), null=True, blank=True)
    signed_in_at = models.DateTimeField(_("last sign-in"), null=True, blank=True)
    signed_in_on = models.DateField(_("day of the last sign-in"), null=True, blank=True)
    streak = models.PositiveIntegerField(_("consecutive sign-in days"), default=0, db_default=0)

    class Meta:
        verbose_name = _("member")
        verbose_name_plural = _("members")
        default_permissions = ("view", "change")
        indexes = [
            models.Index(fields=["next_expiry_on"], name="loyalty_member_expiry"),
            models.Index(fields=["level_until"], name="loyalty_member_until"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"

    @property
    def available(self) -> int:
        """The points that can be spent now."""
        return self.balance - self.reserved


class LevelChange(models.Model):
    """A change of a customer's level, with its reason and what counted at that time."""

    class Reason(models.TextChoices):
        JOINED = "joined", _("joined the program")
        UPGRADE = "upgrade", _("reached the level")
        DOWNGRADE = "downgrade", _("the validity and the grace period have ended")
        RULES = "rules", _("the rules were changed")

    customer = models.ForeignKey(Customer, models.CASCADE, related_name="+", verbose_name=_("customer"))
    from_level = models.ForeignKey(
        LoyaltyLevel, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("level before")
    )
    to_level = models.ForeignKey(
        LoyaltyLevel, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("level after")
    )
    at = models.DateTimeField(_("at"), db_index=True)
    reason = models.CharField(_("reason"), max_length=20, choices=Reason)
    spend = models.DecimalField(_("spend in the period"), max_digits=16, decimal_places=2)
    order_count = models.PositiveIntegerField(_("orders in the period"))

    class Meta:
        verbose_name = _("level change")
        verbose_name_plural = _("level changes")
        default_permissions = ("view",)
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"#{self.customer_id}: {self.from_level_id} → {self.to_level_id}"


class PointEntry(models.Model):
    """One entry of the ledger of points; the database refuses to change or delete entries.

    Attributes:
        cause: what the points are for, unique, so that nothing is posted twice.
        order_number: the number of the order, of points for orders.
        rate: points per unit of currency of an order, by which later changes of the order are posted.
        currency: that of the order's amount when its points were first counted; empty in entries from before this column.
        expires_on: the last day on which the points are valid.
    """

    class Kind(models.TextChoices):
        ORDER = "order", _("order")
        CATEGORY_BONUS = "category_bonus", _("category bonus")
        SIGN_IN = "sign_in", _("sign-in")
        STREAK = "streak", _("sign-in streak")
        REVIEW = "review", _("review")
        SURVEY = "survey", _("survey answer")
        MANUAL = "manual", _("manual adjustment")
        REDEMPTION = "redemption", _("spent")
        EXPIRY = "expiry", _("expired")

    customer = models.ForeignKey(Customer, models.CASCADE, related_name="+", db_index=False, verbose_name=_("customer"))
    kind = models.CharField(_("type"), max_length=20, choices=Kind)
    points = models.BigIntegerField(_("points"))
    at = models.DateTimeField(_("at"))
    cause = models.CharField(_("cause"), max_length=200, unique=True)
    order_number = models.BigIntegerField(_("order number"), null=True, blank=True)
    rate = models.DecimalField(
        _("points per unit of currency"), max_digits=20, decimal_places=12, null=True, blank=True
    )
    currency = models.CharField(_("currency"), max_length=3, blank=True, db_default="")
    expires_on = models.DateField(_("valid until"), null=True, blank=True)
    reference = models.CharField(_("reference"), max_length=200, blank=True, db_default="")
    note = models.CharField(_("reason"), max_length=500, blank=True, db_default="")
    by = models.CharField(_("by"), max_length=150, blank=True, db_default="")

    class Meta:
        verbose_name = _("entry of the points ledger")
        verbose_name_plural = _("points ledger")
        default_permissions = ("view", "add")
        ordering = ["-id"]
        constraints = [models.CheckConstraint(condition=~Q(points=0), name="loyalty_entry_not_zero")]
        indexes = [
            models.Index(fields=["customer", "-id"], name="loyalty_entry_of_customer"),
            models.Index(fields=["at"], name="loyalty_entry_at"),
        ]

    def __str__(self) -> str:
        return f"#{self.customer_id}: {self.points:+d}"

    @property
    def is_reversal(self) -> bool:
        """Whether points of an order were taken back."""
        return self.points < 0 and self.kind in (self.Kind.ORDER, self.Kind.CATEGORY_BONUS)

    @property
    def label(self) -> str:
        return str(_("return or cancellation")) if self.is_reversal else self.get_kind_display()


class PointReservation(models.Model):
    """Points held for a checkout until it confirms or cancels them, or until the reservation times out."""

    class Status(models.TextChoices):
        OPEN = "open", pgettext_lazy("reservation", "open")
        CONFIRMED = "confirmed", _("spent")
        CANCELLED = "cancelled", _("canceled")
        EXPIRED = "expired", _("timed out")

    customer = models.ForeignKey(Customer, models.CASCADE, related_name="+", verbose_name=_("customer"))
    points = models.PositiveBigIntegerField(_("points"))
    reference = models.CharField(_("reference"), max_length=200, blank=True)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.OPEN)
    created_at = models.DateTimeField(_("created at"))
    expires_at = models.DateTimeField(_("ends at"))
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True)

    class Meta:
        verbose_name = _("reservation of points")
        verbose_name_plural = _("reservations of points")
        default_permissions = ("view",)
        ordering = ["-id"]
        constraints = [models.CheckConstraint(condition=Q(points__gt=0), name="loyalty_reservation_positive")]
        indexes = [models.Index(fields=["expires_at"], name="loyalty_reservation_open", condition=Q(status="open"))]

    def __str__(self) -> str:
        return f"#{self.customer_id}: {self.points}"


class PendingMember(models.Model):
    """A customer whose orders or feedback have changed since the last count. Rows are only added, and deleted once counted."""

    customer_id = models.BigIntegerField(_("customer number"))

    class Meta:
        verbose_name = _("customer to recalculate")
        verbose_name_plural = _("customers to recalculate")
        default_permissions = ()

    def __str__(self) -> str:
        return f"#{self.customer_id}"
