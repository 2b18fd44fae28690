"""Alarms, who is notified of them, and what was sent; the state of the monitoring itself."""

import secrets
from base64 import b64encode

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from customers.identity.personal_data.encrypted_field import EncryptedTextField


class AlarmState(models.TextChoices):
    OPEN = "open", pgettext_lazy("alarm", "open")
    ACKNOWLEDGED = "acknowledged", _("acknowledged")
    RESOLVED = "resolved", _("resolved")


class Severity(models.TextChoices):
    WARNING = "warning", _("warning")
    CRITICAL = "critical", _("critical")


class Alarm(models.Model):
    """A problem that a rule found: at most one unresolved alarm per rule and subject exists.

    Attributes:
        rule: the key of the rule. subject: what it is about, such as a task; empty if the rule has one subject only.
        details: the values of the message. opened_at: the first time. seen_at: the last check that found it.
        reopened: how often it came back shortly after it was resolved, without another notification.
    """

    rule = models.CharField(_("rule"), max_length=50)
    subject = models.CharField(_("subject"), max_length=200, blank=True)
    severity = models.CharField(_("severity"), max_length=10, choices=Severity)
    state = models.CharField(_("state"), max_length=15, choices=AlarmState, default=AlarmState.OPEN)
    details = models.JSONField(_("details"), default=dict)
    opened_at = models.DateTimeField(pgettext_lazy("alarm", "opened at"))
    seen_at = models.DateTimeField(_("last seen at"))
    acknowledged_at = models.DateTimeField(_("acknowledged at"), null=True)
    acknowledged_by = models.CharField(_("acknowledged by"), max_length=150, blank=True)
    resolved_at = models.DateTimeField(_("resolved at"), null=True)
    reopened = models.PositiveIntegerField(_("reopened"), default=0)

    class Meta:
        default_permissions = ("view", "change")
        verbose_name = _("alarm")
        verbose_name_plural = _("alarms")
        ordering = ["-opened_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "subject"], name="monitoring_alarm_once", condition=~Q(state="resolved")
            )
        ]
        indexes = [models.Index(fields=["rule", "subject", "-resolved_at"], name="monitoring_alarm_latest")]

    def __str__(self) -> str:
        return f"{self.rule} {self.subject}".strip()

    @property
    def is_resolved(self) -> bool:
        return self.state == AlarmState.RESOLVED


class AlarmSubscription(models.Model):
    """A member of the team who gets alarms by email. language: of the emails."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="alarm_subscription", verbose_name=_("user")
    )
    language = models.CharField(_("language"), max_length=10, choices=settings.LANGUAGES)
    only_critical = models.BooleanField(_("only critical alarms"), default=False)

    class Meta:
        default_permissions = ()
        verbose_name = _("alarm subscription")
        verbose_name_plural = _("alarm subscriptions")

    def __str__(self) -> str:
        return str(self.user)


def make_alarm_secret() -> str:
    return f"whsec_{b64encode(secrets.token_bytes(24)).decode()}"


class AlarmWebhook(models.Model):
    """A URL that gets alarms as signed JSON, such as that of a chat or of an on-call service."""

    url = models.URLField(_("URL"), max_length=1000)
    secret = EncryptedTextField(_("secret"), default=make_alarm_secret, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        default_permissions = ()
        verbose_name = _("alarm webhook")
        verbose_name_plural = _("alarm webhooks")
        ordering = ["id"]

    def __str__(self) -> str:
        return self.url


class NotificationKind(models.TextChoices):
    OPENED = "opened", _("opened")
    REMINDER = "reminder", _("reminder")
    RESOLVED = "resolved", _("resolved")


class NotificationStatus(models.TextChoices):
    PENDING = "pending", _("waiting")
    SENDING = "sending", _("being sent")
    SENT = "sent", _("sent")
    FAILED = "failed", _("given up")


class AlarmNotification(models.Model):
    """One message about an alarm to one recipient: at most one exists for each opening, reminder and resolution.

    Attributes:
        number: of the reminder; 0 for the others. user, webhook: the recipient, exactly one of the two.
        status: "being sent" remains if the process was killed while sending; the message may have arrived, so it is not sent again.
    """

    alarm = models.ForeignKey(Alarm, models.CASCADE, related_name="notifications", verbose_name=_("alarm"))
    kind = models.CharField(_("kind"), max_length=10, choices=NotificationKind)
    number = models.PositiveIntegerField(_("number"), default=0)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+", verbose_name=_("user")
    )
    webhook = models.ForeignKey(
        AlarmWebhook, models.CASCADE, null=True, related_name="+", verbose_name=_("alarm webhook")
    )
    status = models.CharField(
        _("status"), max_length=10, choices=NotificationStatus, default=NotificationStatus.PENDING
    )
    created_at = models.DateTimeField(_("created at"))
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"))
    sent_at = models.DateTimeField(_("sent at"), null=True)
    error = models.CharField(_("error"), max_length=300, blank=True)

    class Meta:
        default_permissions = ()
        verbose_name = _("alarm notification")
        verbose_name_plural = _("alarm notifications")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["alarm", "kind", "number", "user"],
                name="monitoring_mail_once",
                condition=Q(user__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["alarm", "kind", "number", "webhook"],
                name="monitoring_webhook_once",
                condition=Q(webhook__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["next_attempt_at"], name="monitoring_notification_due", condition=Q(status="pending"))
        ]

    def __str__(self) -> str:
        return f"{self.kind} #{self.alarm_id}"


class AlarmRuleSetting(models.Model):
    """An operator's changes to a rule. threshold: None for the default."""

    rule = models.CharField(_("rule"), max_length=50, unique=True)
    is_active = models.BooleanField(pgettext_lazy("switch", "active"), default=True)
    threshold = models.FloatField(_("threshold"), null=True, blank=True)

    class Meta:
        default_permissions = ()
        verbose_name = _("alarm rule setting")
        verbose_name_plural = _("alarm rule settings")

    def __str__(self) -> str:
        return self.rule


class MonitoringState(models.Model):
    """One row: when the rules were last checked, and since when without a break.

    Attributes:
        checked_at: of the last check. checked_since: the first check after the last pause of more than some minutes, so that a server
            that was switched off for a night does not report every job as late. reminder_hours: between two reminders; 0 for none.
    """

    checked_at = models.DateTimeField(null=True)
    checked_since = models.DateTimeField(null=True)
    reminder_hours = models.PositiveIntegerField(_("hours between reminders"), default=24)

    class Meta:
        default_permissions = ()
        verbose_name = _("state of monitoring")
        verbose_name_plural = _("states of monitoring")

    def __str__(self) -> str:
        return f"{self.checked_at}"

    @classmethod
    def load(cls) -> "MonitoringState":
        return cls.objects.get_or_create(pk=1)[0]


class RequestCountSample(models.Model):
    """How many requests the web servers of this machine had answered by a moment, and how many of them with a server error."""

    at = models.DateTimeField(unique=True)
    requests = models.BigIntegerField()
    errors = models.BigIntegerField()

    class Meta:
        default_permissions = ()
        verbose_name = _("sample of requests")
        verbose_name_plural = _("samples of requests")
        ordering = ["-at"]

    def __str__(self) -> str:
        return f"{localtime(self.at):%Y-%m-%d %H:%M}"
