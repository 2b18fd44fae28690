"""Deliveries, what happened to them, and the state of the campaigns and flows that they belong to."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

# Retention sets these values. The indexes of retention leave such rows out, so that they are not read again every night.
NO_DELIVERY_DETAILS = {"choices": {}, "event": {}, "error": "", "provider_id": ""}
NO_EVENT_DETAILS = {"url": "", "detail": ""}


class OriginKind(models.TextChoices):
    CAMPAIGN = "campaign", _("campaign")
    FLOW = "flow", _("flow")
    TEST = "test", _("test")
    API = "api", _("API")


class DeliveryStatus(models.TextChoices):
    PENDING = "pending", _("pending")
    SENDING = "sending", _("being sent")
    SENT = "sent", _("sent")
    DELIVERED = "delivered", _("delivered")
    SKIPPED = "skipped", _("skipped")
    FAILED = "failed", _("failed")
    BOUNCED = "bounced", _("bounced")
    CANCELED = "canceled", _("canceled")
    UNCERTAIN = "uncertain", _("uncertain")


class SkipReason(models.TextChoices):
    NOT_REACHABLE = "not_reachable", _("no address for the channel")
    NO_CONSENT = "no_consent", _("no consent")
    OBJECTED = "objected", _("objection to marketing")
    RESTRICTED = "restricted", _("processing of the data is restricted")
    SUPPRESSED = "suppressed", _("on the suppression list")
    FREQUENCY_CAP = "frequency_cap", _("frequency cap reached")
    QUIET_HOURS = "quiet_hours", _("quiet hours until the message expires")
    HOLDOUT = "holdout", _("in the holdout group")
    GLOBAL_HOLDOUT = "global_holdout", _("in the global holdout group")
    ERASED = "erased", _("erased or deleted customer")
    NO_CONTENT = "no_content", _("no content for the message")
    COUPONS_USED_UP = "coupons_used_up", _("no coupon codes left")
    CANCELED = "canceled", _("canceled")
    GOAL_REACHED = "goal_reached", _("already reached the goal of the flow")
    LEFT_FLOW = "left_flow", _("already left the flow")
    EXPIRED = "expired", _("expired")
    MERGED = "merged", _("merged customer has the message already")


class TestPart(models.TextChoices):
    """The part of an A/B test of two messages that a delivery belongs to: it waits until the test is decided, and is the rest after that."""

    TEST = "test", _("in the test")
    WAITING = "waiting", _("waiting for the winner")
    REST = "rest", _("sent after the test")


class Delivery(models.Model):
    """One message of one origin to one customer: at most one exists, so that nobody gets a message twice.

    ``claimed_at`` is set when the delivery is claimed for sending, and counts towards frequency caps; ``claim`` names the worker whose journal knows
    what happened. ``reserved`` lists the limits in which the delivery already has a slot, see `RateSlot`.
    """

    Kind = OriginKind
    Status = DeliveryStatus
    SkipReason = SkipReason
    TestPart = TestPart

    WARM_UP_RESERVED = 1
    DOMAIN_RESERVED = 2

    origin_kind = models.CharField(_("origin"), max_length=10, choices=OriginKind)
    origin_id = models.BigIntegerField(_("origin ID"))
    customer_id = models.BigIntegerField(_("customer"))
    template_version_id = models.BigIntegerField(_("template version"))
    channel = models.CharField(_("channel"), max_length=20)
    language = models.CharField(_("language"), max_length=20, blank=True, db_default="")
    priority = models.SmallIntegerField(_("priority"), default=0, db_default=0)
    is_transactional = models.BooleanField(_("transactional"), default=False, db_default=False)
    status = models.CharField(
        _("status"), max_length=10, choices=DeliveryStatus, default=DeliveryStatus.PENDING, db_default="pending"
    )
    skip_reason = models.CharField(
        _("reason for skipping"), max_length=20, choices=SkipReason, blank=True, db_default=""
    )
    queued_at = models.DateTimeField(_("queued at"), db_default=Now())
    due_at = models.DateTimeField(_("due at"))
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    is_paused = models.BooleanField(_("paused"), default=False, db_default=False)
    test_part = models.CharField(
        _("part of an A/B test"), max_length=10, choices=TestPart, blank=True, default="", db_default=""
    )
    claimed_at = models.DateTimeField(_("claimed at"), null=True, blank=True)
    claim = models.CharField(_("claim"), max_length=64, blank=True, db_default="")
    reserved = models.SmallIntegerField(_("reserved slots"), default=0, db_default=0)
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    attempts = models.SmallIntegerField(_("attempts"), default=0, db_default=0)
    error = models.TextField(_("error"), blank=True, db_default="")
    provider_id = models.CharField(_("ID at the provider"), max_length=255, blank=True, db_default="")
    choices = models.JSONField(_("chosen products and coupons"), default=dict, db_default={}, blank=True)
    event = models.JSONField(_("triggering event"), default=dict, db_default={}, blank=True)
    delivered_at = models.DateTimeField(_("delivered at"), null=True, blank=True)
    opened_at = models.DateTimeField(_("opened at"), null=True, blank=True)
    machine_opened_at = models.DateTimeField(_("opened by a machine at"), null=True, blank=True)
    clicked_at = models.DateTimeField(_("clicked at"), null=True, blank=True)
    bounced_at = models.DateTimeField(_("bounced at"), null=True, blank=True)
    complained_at = models.DateTimeField(_("complained at"), null=True, blank=True)
    unsubscribed_at = models.DateTimeField(_("unsubscribed at"), null=True, blank=True)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        constraints = [
            models.UniqueConstraint(fields=["origin_kind", "origin_id", "customer_id"], name="sending_delivery_once"),
        ]
        indexes = [
            models.Index(
                fields=["priority", "due_at", "id"],
                name="sending_delivery_due",
                condition=Q(status="pending", is_paused=False),
            ),
            models.Index(fields=["claim"], name="sending_delivery_claims", condition=Q(status="sending")),
            models.Index(
                fields=["customer_id", "claimed_at"],
                name="sending_delivery_cap",
                condition=Q(claimed_at__isnull=False, is_transactional=False),
            ),
            models.Index(fields=["customer_id", "-id"], name="sending_delivery_customer"),
            models.Index(fields=["origin_kind", "origin_id", "id"], name="sending_delivery_origin"),
            models.Index(
                fields=["origin_kind", "origin_id", "test_part"],
                name="sending_delivery_unfinished",
                condition=Q(status__in=("pending", "sending")),
            ),
            models.Index(
                fields=["origin_kind", "origin_id", "sent_at"],
                name="sending_delivery_tested",
                condition=Q(test_part="test", sent_at__isnull=False),
            ),
            models.Index(
                fields=["-id"], name="sending_delivery_problems", condition=Q(status__in=("failed", "uncertain"))
            ),
            models.Index(
                fields=["channel", "-id"],
                name="sending_delivery_waiting",
                condition=Q(status="pending") & ~Q(error=""),
            ),
            models.Index(
                fields=["sent_at"], name="sending_delivery_wecom", condition=Q(channel="wecom", status="sent")
            ),
            models.Index(
                fields=["provider_id"], name="sending_delivery_sms", condition=Q(channel="sms") & ~Q(provider_id="")
            ),
            # filters of lists by what few messages have; most are sent emails, without which these indexes stay small
            models.Index(fields=["skip_reason", "-id"], name="sending_delivery_skips", condition=~Q(skip_reason="")),
            models.Index(fields=["channel", "-id"], name="sending_delivery_channel", condition=~Q(channel="email")),
            models.Index(
                fields=["status", "-id"],
                name="sending_delivery_outcome",
                condition=Q(status__in=("bounced", "canceled", "delivered")),
            ),
            models.Index(fields=["queued_at"], name="sending_delivery_details", condition=~Q(**NO_DELIVERY_DETAILS)),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


class OriginState(models.Model):
    """An origin that is paused or canceled: effective immediately, although its deliveries are updated in batches."""

    class State(models.TextChoices):
        PAUSED = "paused", _("paused")
        CANCELED = "canceled", _("canceled")
        RESUMING = "resuming", _("resuming")

    origin_kind = models.CharField(max_length=10, choices=OriginKind)
    origin_id = models.BigIntegerField()
    state = models.CharField(max_length=10, choices=State)
    is_applied = models.BooleanField(default=False)
    changed_at = models.DateTimeField()

    class Meta:
        verbose_name = _("state of an origin")
        verbose_name_plural = _("states of origins")
        constraints = [
            models.UniqueConstraint(fields=["origin_kind", "origin_id"], name="sending_originstate_once"),
        ]

    def __str__(self) -> str:
        return f"{self.origin_kind} {self.origin_id}: {self.state}"


class DeliveryEvent(models.Model):
    """An open, click, bounce or other feedback about a delivery; the key makes repeated reports count once."""

    class Kind(models.TextChoices):
        DELIVERED = "delivered", _("delivered")
        OPEN = "open", pgettext_lazy("delivery event", "open")
        CLICK = "click", _("click")
        UNSUBSCRIBE = "unsubscribe", _("unsubscribe")
        COMPLAINT = "complaint", _("complaint")
        HARD_BOUNCE = "hard_bounce", _("hard bounce")
        SOFT_BOUNCE = "soft_bounce", _("soft bounce")

    key = models.CharField(max_length=100, unique=True)
    delivery_id = models.BigIntegerField(_("delivery"), db_index=True)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind)
    at = models.DateTimeField(_("at"))
    is_machine = models.BooleanField(_("by a machine"), default=False)
    url = models.TextField(_("URL"), blank=True)
    detail = models.CharField(_("detail"), max_length=255, blank=True)

    class Meta:
        verbose_name = _("delivery event")
        verbose_name_plural = _("delivery events")
        indexes = [models.Index(fields=["at"], name="sending_event_details", condition=~Q(**NO_EVENT_DETAILS))]

    def __str__(self) -> str:
        return f"{self.kind} #{self.delivery_id}"
