"""Uplift: what was learned from campaigns with a holdout group, and the next best action of each customer."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.identity.models import Customer


class UpliftSettings(models.Model):
    """The cost of a contact, and the limits on contacts; one row."""

    contact_cost = models.DecimalField(
        _("cost per contact"),
        max_digits=10,
        decimal_places=4,
        default=0,
        validators=[MinValueValidator(0)],
        help_text=_(
            "The cost of sending and coupons, in the currency of the shop. Add what an unnecessary message costs you."
        ),
    )
    budget = models.DecimalField(
        _("budget per day"),
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=_("The sum of all costs. Leave empty for no limit."),
    )
    max_customers = models.PositiveIntegerField(
        _("maximum customers per day"), null=True, blank=True, help_text=_("Leave empty for no limit.")
    )
    exploration_share = models.DecimalField(
        _("random share"),
        max_digits=4,
        decimal_places=3,
        default=0.1,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text=_("This share of the contacts goes to random customers, so that later estimates stay unbiased."),
    )

    class Meta:
        default_permissions = ()  # those of campaigns apply
        verbose_name = _("uplift settings")
        verbose_name_plural = _("uplift settings")

    def __str__(self) -> str:
        return str(self._meta.verbose_name)


class UpliftModel(models.Model):
    """The latest result of learning from the actions of a pool together, or from one action (with its kind and key).

    Attributes:
        pool: a `kinds.action_kind.Pool`. kind: a key of `kinds.registry.KINDS`.
        problem: a code of `action_texts.describe_problem`, with its numbers in figures; empty if there is a model.
        figures: evidence, learners, curve and groups, see `training.measure_figures`; for all messages together, also the choice of actions.
    """

    pool = models.CharField(_("learned from"), max_length=10)
    kind = models.CharField(_("type"), max_length=10, blank=True)
    key = models.SlugField(_("key"), max_length=100, blank=True)
    computed_at = models.DateTimeField(_("computed at"))
    problem = models.CharField(_("problem"), max_length=40, blank=True)
    figures = models.JSONField(_("figures"), default=dict)

    class Meta:
        default_permissions = ()  # those of campaigns apply
        verbose_name = _("uplift model")
        verbose_name_plural = _("uplift models")
        constraints = [models.UniqueConstraint(fields=["pool", "kind", "key"], name="uplift_model_unique")]

    def __str__(self) -> str:
        return f"{self.pool} {self.kind} {self.key}".strip()


class MessageEffect(models.TextChoices):
    POSITIVE = "positive", _("a message raises orders")
    NONE = "none", _("no effect of messages shown")
    NEGATIVE = "negative", _("a message lowers orders")


NO_ACTION_KIND = "none"


class CustomerAction(models.Model):
    """The next best action of a customer, as of the last refresh.

    Attributes:
        kind: a key of `kinds.registry.KINDS`, or NO_ACTION_KIND. key: of the campaign, flow or offer.
        expected_margin, low, high: incremental margin of the action without its cost, with the interval measured on customers with a
            similar prediction; without an action, that of the best one that was possible.
        effect, message_effect: of the best message on the probability of an order, or of messages in general if the customer can get none;
            null and empty without enough evidence of messages.
        reasons: codes of `action_texts.REASONS`. is_explored: chosen at random.
        computed_at: of the refresh that chose this first; later ones with the same result leave the row as it is.
    """

    # without a constraint: the nightly job writes a million rows, and must not lock every customer meanwhile
    customer = models.OneToOneField(
        Customer,
        models.CASCADE,
        primary_key=True,
        related_name="next_action",
        verbose_name=_("customer"),
        db_constraint=False,
    )
    kind = models.CharField(_("next best action"), max_length=10)
    key = models.SlugField(_("key"), max_length=100, blank=True)
    expected_margin = models.FloatField(_("expected incremental margin"), null=True)
    low = models.FloatField(_("lower bound"), null=True)
    high = models.FloatField(_("upper bound"), null=True)
    effect = models.FloatField(_("effect of a message on the probability of an order"), null=True)
    message_effect = models.CharField(_("effect of messages"), max_length=10, choices=MessageEffect, blank=True)
    reasons = ArrayField(models.CharField(max_length=30), verbose_name=_("reasons"), default=list)
    is_explored = models.BooleanField(_("chosen at random"), default=False)
    computed_at = models.DateTimeField(_("computed as of"))

    class Meta:
        default_permissions = ()  # those of campaigns apply
        verbose_name = _("next best action")
        verbose_name_plural = _("next best actions")
        indexes = [
            models.Index(fields=["kind", "key"], name="uplift_action_kind"),
            models.Index(fields=["message_effect"], name="uplift_action_effect"),
        ]

    def __str__(self) -> str:
        return f"#{self.customer_id}: {self.kind} {self.key}".strip()
