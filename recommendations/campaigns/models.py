"""Campaigns, their runs, and the exports of their audiences."""

import secrets
from datetime import time
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Case, CharField, Exists, F, OuterRef, Q, Value, When
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from customers.identity.models import Consent
from customers.segments.models import Segment
from recommendations.messaging.models import MessageTemplate, TemplateVersion

MAX_TEST_HOURS = 168
# shown instead of draft once the audience was exported
EXPORTED, EXPORTED_LABEL = "exported", pgettext_lazy("campaign", "exported")


def make_salt() -> str:
    """Return a random salt, so that the holdout groups of different campaigns are independent."""
    return secrets.token_hex(8)


class CampaignQuerySet(models.QuerySet["Campaign"]):
    """Campaigns, and the status that users see."""

    def with_shown_status(self) -> "models.QuerySet[Any]":  # the type checker does not know the annotation
        """Annotate ``shown_status``: a campaign that another program sends is never launched, but its audience is exported."""
        is_exported = Q(channel=Campaign.Channel.EXPORT, status=Campaign.Status.DRAFT) & Exists(
            AudienceExport.objects.filter(campaign=OuterRef("pk"))
        )
        return self.annotate(
            shown_status=Case(When(is_exported, then=Value(EXPORTED)), default=F("status"), output_field=CharField())
        )


class Campaign(models.Model):
    """A message to a segment, without the customers of the holdout group."""

    class Channel(models.TextChoices):
        EXPORT = "export", _("CSV export")
        EMAIL = "email", pgettext_lazy("channel", "email")
        SMS = "sms", _("SMS")
        WHATSAPP = "whatsapp", _("WhatsApp")
        WECOM = "wecom", _("WeCom")
        PUSH = "push", _("push")
        WEBHOOK = "webhook", _("webhook")
        ON_SITE = "on_site", _("on-site offer")

    class Status(models.TextChoices):
        DRAFT = "draft", _("draft")
        WAITING = "waiting_for_approval", _("waiting for approval")
        SCHEDULED = "scheduled", _("scheduled")
        RUNNING = "running", _("running")
        PAUSED = "paused", _("paused")
        ENDED = "ended", _("ended")
        CANCELED = "canceled", _("canceled")

    class Kind(models.TextChoices):
        ONCE = "once", _("once")
        RECURRING = "recurring", _("recurring")

    class Frequency(models.TextChoices):
        WEEKLY = "weekly", _("weekly")
        MONTHLY = "monthly", _("monthly")

    class Goal(models.TextChoices):
        ORDER = "order", _("an order")
        CHECKOUT = "started_checkout", _("a started checkout")
        CART = "added", _("a product added to the cart")
        VIEW = "viewed", _("a viewed product")
        REVIEW = "reviewed", _("a review")

    class TestMetric(models.TextChoices):
        OPENS = "opens", _("opens by people")
        CLICKS = "clicks", _("clicks")
        ORDERS = "orders", _("customers who order")

    class Priority(models.IntegerChoices):
        LOW = -1, _("low")
        NORMAL = 0, _("normal")
        HIGH = 1, _("high")

    key = models.SlugField(_("key"), max_length=100, unique=True)
    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    channel = models.CharField(_("channel"), max_length=20, choices=Channel, default=Channel.EXPORT)
    segment = models.ForeignKey(Segment, models.PROTECT, related_name="campaigns", verbose_name=_("segment"))
    excluded_segments = models.ManyToManyField(
        Segment,
        related_name="excluding_campaigns",
        verbose_name=_("excluded segments"),
        blank=True,
        help_text=_("Customers of these segments do not get the message."),
    )
    holdout_share = models.DecimalField(
        _("holdout share"),
        max_digits=5,
        decimal_places=4,
        default=0.1,
        help_text=_("0.1 puts one customer in ten in the holdout group."),
    )
    required_consent = models.CharField(
        _("required consent"),
        max_length=20,
        choices=Consent.Purpose,
        blank=True,
        help_text=_(
            "Only customers who granted this consent are in the audience. Each channel except webhooks, on-site offers and CSV already "
            "requires its own consent, unless the message is transactional. Select another one to require both."
        ),
    )
    salt = models.CharField(
        _("salt"),
        max_length=32,
        default=make_salt,
        editable=False,
        help_text=_("Determines the holdout group; never changes."),
    )
    template = models.ForeignKey(
        MessageTemplate,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="campaigns",
        verbose_name=_("message"),
        help_text=_("Each run sends the version that is published when the run starts."),
    )
    test_template = models.ForeignKey(
        MessageTemplate,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="tested_campaigns",
        verbose_name=_("message B"),
        help_text=_(
            "Part of the audience gets the message of the campaign (A) or this one (B), half each. The rest waits and gets the winner."
        ),
    )
    test_share = models.DecimalField(
        _("share of the audience in the test"),
        max_digits=5,
        decimal_places=4,
        default=Decimal("0.2"),
        db_default=Decimal("0.2"),
        validators=[MinValueValidator(Decimal("0.01")), MaxValueValidator(Decimal("0.9"))],
        help_text=_("0.2 sends message A to 10% and message B to 10% of the audience."),
    )
    test_hours = models.PositiveSmallIntegerField(
        _("waiting time of the test in hours"),
        default=4,
        db_default=4,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_TEST_HOURS)],
        help_text=_(
            "Reactions count within this time after each message. The winner is sent this long after the last message of the test."
        ),
    )
    test_metric = models.CharField(
        _("what decides the test"), max_length=10, choices=TestMetric, default=TestMetric.OPENS, db_default="opens"
    )
    kind = models.CharField(_("type"), max_length=10, choices=Kind, default=Kind.ONCE)
    starts_at = models.DateTimeField(
        _("start"), null=True, blank=True, help_text=_("Leave empty to send as soon as the campaign is launched.")
    )
    frequency = models.CharField(_("frequency"), max_length=10, choices=Frequency, default=Frequency.WEEKLY)
    weekdays = ArrayField(
        models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(7)]),
        verbose_name=_("days of the week"),
        default=list,
        blank=True,
        help_text=_("1 is Monday, 7 is Sunday."),
    )
    month_day = models.PositiveSmallIntegerField(
        _("day of the month"),
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(31)],
        help_text=_("In shorter months, the last day of the month."),
    )
    send_time = models.TimeField(_("time of day"), default=time(10))
    uses_customer_time = models.BooleanField(
        _("at the customer's local time"),
        default=False,
        help_text=_("Customers whose time zone is unknown get the message at the shop's time."),
    )
    ends_on = models.DateField(_("last day"), null=True, blank=True)
    goal = models.CharField(_("goal"), max_length=30, choices=Goal, default=Goal.ORDER)
    attribution_days = models.PositiveSmallIntegerField(
        _("attribution window in days"),
        default=7,
        validators=[MinValueValidator(1), MaxValueValidator(90)],
        help_text=_("Orders and other goals count if they happen within this many days after the start of a run."),
    )
    is_transactional = models.BooleanField(
        _("transactional"),
        default=False,
        help_text=_(
            "For messages that customers need, such as a recall. Frequency caps and quiet hours do not apply. "
            "Never for advertising."
        ),
    )
    priority = models.SmallIntegerField(
        _("priority"),
        choices=Priority,
        default=Priority.NORMAL,
        help_text=_("Messages of high priority are sent first."),
    )
    status = models.CharField(_("status"), max_length=30, choices=Status, default=Status.DRAFT)
    next_run_at = models.DateTimeField(_("next run"), null=True, blank=True, editable=False)
    next_scheduled_for = models.DateTimeField(null=True, blank=True, editable=False)
    problem = models.TextField(_("problem"), blank=True, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        editable=False,
        verbose_name=_("created by"),
    )
    submitted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        editable=False,
        verbose_name=_("submitted by"),
    )
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        editable=False,
        verbose_name=_("approved by"),
    )
    approved_at = models.DateTimeField(_("approved at"), null=True, blank=True, editable=False)
    approved_version = models.ForeignKey(
        TemplateVersion, models.PROTECT, null=True, blank=True, related_name="+", editable=False
    )
    approved_test_version = models.ForeignKey(
        TemplateVersion, models.PROTECT, null=True, blank=True, related_name="+", editable=False
    )
    is_simulated = models.BooleanField(
        _("simulated"), default=False, editable=False, help_text=_("The deliveries are simulated.")
    )

    objects = CampaignQuerySet.as_manager()

    class Meta:
        verbose_name = _("campaign")
        verbose_name_plural = _("campaigns")
        ordering = ["-created_at", "-id"]
        permissions = [("approve_campaign", "Can approve campaigns of others")]
        constraints = [
            models.CheckConstraint(
                condition=Q(holdout_share__gte=0, holdout_share__lt=1), name="campaigns_holdout_share_range"
            ),
            models.CheckConstraint(condition=Q(test_share__gt=0, test_share__lt=1), name="campaigns_test_share_range"),
        ]
        indexes = [
            models.Index(fields=["next_run_at"], name="campaigns_next_run", condition=Q(next_run_at__isnull=False))
        ]

    def __str__(self) -> str:
        return self.name

    def get_shown_status(self) -> str:
        """Return the status that users see; see ``with_shown_status``."""
        if not hasattr(self, "shown_status"):
            is_unsent = self.channel == self.Channel.EXPORT and self.status == self.Status.DRAFT
            return EXPORTED if is_unsent and self.exports.exists() else self.status
        return str(self.shown_status)

    def get_shown_status_display(self) -> str:
        return str({**dict(self.Status.choices), EXPORTED: EXPORTED_LABEL}[self.get_shown_status()])

    @property
    def follows_local_time(self) -> bool:
        """Whether each message is due when the customer's clock shows the time of the run.

        Without a start, a campaign that is sent once has no such time: the moment of the launch is the same for everybody.
        """
        return self.uses_customer_time and not (self.kind == self.Kind.ONCE and self.starts_at is None)


class CampaignRun(models.Model):
    """One sending of a campaign: its message, its audience and its holdout group as they were at the start.

    Attributes:
        scheduled_for: the time of the schedule; a campaign has one run for it. With customers' local times, the shop's time.
        segment_condition: the condition of the segment; null for a static one. exclusions: key, name and condition of each.
        counts: the customers at each step, see `recommendations/campaigns/audience.py`.
        test_version: message B of an A/B test; null without a test. template_version is message A.
        test_outcome: the winner; empty until the test is decided. test_figures: what decided it, see `results/message_test.py`.
    """

    class Status(models.TextChoices):
        SENDING = "sending", _("sending")
        PAUSED = "paused", _("paused")
        FINISHED = "finished", _("finished")
        CANCELED = "canceled", _("canceled")

    class TestOutcome(models.TextChoices):
        A = "a", _("A is better")
        B = "b", _("B is better")
        UNCLEAR = "unclear", _("no clear difference")
        TOO_FEW = "too_few", _("too few messages")

    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="runs", verbose_name=_("campaign"))
    number = models.PositiveIntegerField(_("number"))
    template_version = models.ForeignKey(
        TemplateVersion, models.PROTECT, related_name="campaign_runs", verbose_name=_("message")
    )
    status = models.CharField(_("status"), max_length=20, choices=Status, default=Status.SENDING)
    scheduled_for = models.DateTimeField(_("scheduled for"))
    started_at = models.DateTimeField(_("started at"))
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    segment_key = models.CharField(_("segment"), max_length=100)
    segment_condition = models.JSONField(_("condition"), null=True)
    exclusions = models.JSONField(_("exclusions"), default=list)
    holdout_share = models.DecimalField(_("holdout share"), max_digits=5, decimal_places=4)
    counts = models.JSONField(_("audience"), default=dict)
    test_version = models.ForeignKey(
        TemplateVersion,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="tested_campaign_runs",
        verbose_name=_("message B"),
    )
    test_outcome = models.CharField(
        _("outcome of the test"), max_length=10, choices=TestOutcome, blank=True, default="", db_default=""
    )
    test_decided_at = models.DateTimeField(_("test decided at"), null=True, blank=True)
    test_figures = models.JSONField(_("figures of the test"), default=dict, db_default={}, blank=True)

    class Meta:
        verbose_name = _("campaign run")
        verbose_name_plural = _("campaign runs")
        ordering = ["-started_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["campaign", "number"], name="campaigns_run_number_unique"),
            models.UniqueConstraint(fields=["campaign", "scheduled_for"], name="campaigns_run_time_unique"),
        ]
        indexes = [
            models.Index(
                fields=["status"], name="campaigns_run_unfinished", condition=Q(status__in=["sending", "paused"])
            )
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id} #{self.number}"


class AudienceExport(models.Model):
    """One CSV export of a campaign's audience, with its size, and who was held out.

    Attributes:
        held_out_ids: the customers of the holdout group, who are not in the file but are compared with the customers in it.
    """

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="exports", verbose_name=_("campaign"))
    exported_at = models.DateTimeField(_("exported at"))
    exported_by = models.CharField(_("exported by"), max_length=150, blank=True)
    segment_size = models.PositiveBigIntegerField(_("segment size"))
    held_out = models.PositiveBigIntegerField(_("holdout group"))
    held_out_ids = ArrayField(models.BigIntegerField(), default=list, db_default=[], editable=False)
    rows = models.PositiveBigIntegerField(_("rows"))
    segment_condition = models.JSONField(_("condition"), null=True)

    class Meta:
        verbose_name = _("audience export")
        verbose_name_plural = _("audience exports")
        ordering = ["-exported_at", "-id"]

    def __str__(self) -> str:
        return f"{self.campaign_id} ({localtime(self.exported_at):%Y-%m-%d %H:%M})"


class CampaignSettings(models.Model):
    """The rules of the shop for all campaigns; one row."""

    requires_approval = models.BooleanField(
        _("second person approves"),
        default=False,
        help_text=_("A campaign is sent only after someone other than its author has approved it."),
    )

    class Meta:
        verbose_name = _("campaign settings")
        verbose_name_plural = _("campaign settings")

    def __str__(self) -> str:
        return str(self._meta.verbose_name)
