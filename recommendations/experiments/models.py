"""Experiments, their variants, and who was first exposed to which variant."""

from uuid import uuid4

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from customers.identity.models import Customer

MAX_KEY_LENGTH = 40
MAX_UNIT_LENGTH = 300
MAX_VARIANTS = 4


def make_salt() -> str:
    """Return a new salt, which no other experiment has: its groups are independent of all others."""
    return f"experiment:{uuid4().hex}"


class Experiment(models.Model):
    """A comparison of variants of one subject, to which customers or visitors are assigned at random.

    kind, subject: what is varied, see `subjects`. replaced: what the promotion has overwritten, from which it can be undone.
    """

    class Status(models.TextChoices):
        DRAFT = "draft", _("draft")
        RUNNING = "running", _("running")
        STOPPED = "stopped", _("stopped")
        PROMOTED = "promoted", _("promoted")

    class Unit(models.TextChoices):
        CUSTOMER = "customer", _("customer")
        VISITOR = "visitor", _("visitor (device)")

    class Metric(models.TextChoices):
        ORDERS = "orders", _("orders")
        REVENUE = "revenue", _("revenue")
        MARGIN = (
            "margin",
            pgettext_lazy("amount", "margin"),
        )  # in merchandising, "margin" is a rate, another word in Chinese
        CLICKS = "clicks", _("clicks")

    class Method(models.TextChoices):
        FIXED = "fixed", _("fixed shares")
        BANDIT = "bandit", _("bandit")
        INTERLEAVING = "interleaving", _("interleaving")

    key = models.SlugField(_("key"), max_length=MAX_KEY_LENGTH, unique=True)
    name = models.CharField(_("name"), max_length=200)
    kind = models.CharField(_("what is varied"), max_length=20)
    subject = models.CharField(_("subject"), max_length=100, blank=True)
    unit = models.CharField(
        _("unit"),
        max_length=10,
        choices=Unit,
        default=Unit.CUSTOMER,
        help_text=_("Customers keep their variant on all their devices, visitors on one device."),
    )
    salt = models.CharField(_("salt"), max_length=64, default=make_salt, editable=False)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.DRAFT)
    planned_days = models.PositiveSmallIntegerField(
        _("planned days"),
        default=28,
        validators=[MinValueValidator(7), MaxValueValidator(180)],
        help_text=_("How long the experiment is meant to run, 7 to 180 days. Whole weeks give the fairest comparison."),
    )
    metric = models.CharField(_("primary metric"), max_length=10, choices=Metric, default=Metric.ORDERS)
    method = models.CharField(_("method"), max_length=15, choices=Method, default=Method.FIXED)
    is_simulated = models.BooleanField(_("simulated"), default=False, editable=False)
    replaced = models.JSONField(_("replaced settings"), default=dict, blank=True, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)
    started_at = models.DateTimeField(_("started at"), null=True, blank=True)
    stopped_at = models.DateTimeField(_("stopped at"), null=True, blank=True)
    promoted_at = models.DateTimeField(_("promoted at"), null=True, blank=True)
    archived_at = models.DateTimeField(_("archived at"), null=True, blank=True, editable=False)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("started by"),
    )
    stopped_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("stopped by"),
    )

    class Meta:
        verbose_name = _("experiment")
        verbose_name_plural = _("experiments")
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject"], condition=Q(status="running"), name="experiments_one_running_per_subject"
            ),
            models.CheckConstraint(condition=Q(planned_days__range=(1, 180)), name="experiments_planned_days_in_range"),
        ]

    def __str__(self) -> str:
        return self.name


class Variant(models.Model):
    """One of the alternatives that an experiment compares.

    config: the settings that differ from the present ones; empty for the control. allocation: the current share of a bandit.
    """

    experiment = models.ForeignKey(Experiment, models.CASCADE, related_name="variants", verbose_name=_("experiment"))
    key = models.CharField(_("key"), max_length=10)
    name = models.CharField(_("name"), max_length=100)
    share = models.DecimalField(
        _("share"), max_digits=5, decimal_places=4, validators=[MinValueValidator(0), MaxValueValidator(1)]
    )
    allocation = models.FloatField(_("current share"), null=True, blank=True, editable=False)
    config = models.JSONField(_("settings"), default=dict, blank=True)
    is_control = models.BooleanField(_("control"), default=False)
    is_promoted = models.BooleanField(_("promoted"), default=False, editable=False)

    class Meta:
        verbose_name = _("variant")
        verbose_name_plural = _("variants")
        ordering = ["experiment", "key"]
        constraints = [
            models.UniqueConstraint(fields=["experiment", "key"], name="experiments_variant_once"),
            models.UniqueConstraint(
                fields=["experiment"], condition=Q(is_control=True), name="experiments_one_control"
            ),
            models.CheckConstraint(condition=Q(share__range=(0, 1)), name="experiments_share_in_range"),
        ]

    def __str__(self) -> str:
        return self.name


class BanditAllocation(models.Model):
    """The shares of a bandit from a moment on, by variant ID; earlier ones are kept, because the estimates need them."""

    experiment = models.ForeignKey(Experiment, models.CASCADE, related_name="allocations", verbose_name=_("experiment"))
    decided_at = models.DateTimeField(_("decided at"))
    shares = models.JSONField(_("shares"))

    class Meta:
        default_permissions = ()
        verbose_name = _("bandit allocation")
        verbose_name_plural = _("bandit allocations")
        ordering = ["experiment", "decided_at"]
        constraints = [
            models.UniqueConstraint(fields=["experiment", "decided_at"], name="experiments_allocation_once"),
        ]

    def __str__(self) -> str:
        return f"{self.experiment_id} {localtime(self.decided_at):%Y-%m-%d %H:%M}"


class ExperimentExposure(models.Model):
    """The first time that a customer or visitor was served a variant.

    unit_key: "user_id:…" or "anonymous_id:…", by which the variant was chosen. customer: to whom it belonged at the last look-up. propensity:
    the probability with which the variant was chosen.
    """

    experiment = models.ForeignKey(Experiment, models.CASCADE, related_name="exposures", verbose_name=_("experiment"))
    variant = models.ForeignKey(
        Variant, models.CASCADE, related_name="exposures", verbose_name=_("variant"), db_index=False
    )
    unit_key = models.CharField(_("unit"), max_length=MAX_UNIT_LENGTH)
    # no foreign key in the database: rows are inserted in bulk, and merged and deleted customers are followed by signals
    customer = models.ForeignKey(
        Customer,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("customer"),
        db_constraint=False,
    )
    exposed_at = models.DateTimeField(_("exposed at"))
    propensity = models.FloatField(_("propensity"), default=1.0)

    class Meta:
        verbose_name = _("exposure")
        verbose_name_plural = _("exposures")
        constraints = [
            models.UniqueConstraint(fields=["experiment", "unit_key"], name="experiments_exposure_once"),
            models.CheckConstraint(
                condition=Q(propensity__gt=0, propensity__lte=1), name="experiments_propensity_valid"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.experiment_id} {self.unit_key}"
