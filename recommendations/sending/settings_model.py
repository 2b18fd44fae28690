"""The settings of sending: one row, and the history of its global holdout group."""

import secrets
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models import Q
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

SINGLETON_ID = 1


def make_salt() -> str:
    return secrets.token_hex(8)


def list_default_caps() -> list[dict[str, Any]]:
    """Return the caps of a new shop: at most three emails a week, and five messages a week over all channels."""
    return [{"channel": "email", "messages": 3, "days": 7}, {"channel": "", "messages": 5, "days": 7}]


class SendingSettings(models.Model):
    """The only row of settings of sending.

    ``caps`` are rolling windows, [{"channel": "" for all, "messages": 3, "days": 7}]. ``domain_rates`` are emails per minute by domain
    of the recipient; "*" is the limit of every other domain.
    """

    caps = models.JSONField(_("frequency caps"), default=list_default_caps, blank=True)
    quiet_from = models.TimeField(_("quiet hours from"), null=True, blank=True)
    quiet_until = models.TimeField(_("quiet hours until"), null=True, blank=True)
    global_holdout_share = models.DecimalField(
        _("global holdout share"),
        max_digits=5,
        decimal_places=4,
        default=Decimal(0),
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal("0.5"))],
    )
    global_holdout_salt = models.CharField(max_length=32, default=make_salt, editable=False)
    domain_rates = models.JSONField(_("emails per minute by domain"), default=dict, blank=True)
    warm_up_from = models.DateField(_("warm-up from"), null=True, blank=True)
    warm_up_first_day = models.PositiveIntegerField(_("emails on the first day"), default=500)
    warm_up_growth = models.DecimalField(
        _("growth per day"),
        max_digits=4,
        decimal_places=2,
        default=Decimal("1.5"),
        validators=[MinValueValidator(Decimal("1.05")), MaxValueValidator(Decimal(5))],
    )
    warm_up_days = models.PositiveSmallIntegerField(
        _("days of the warm-up"), default=14, validators=[MinValueValidator(1), MaxValueValidator(90)]
    )
    soft_bounce_limit = models.PositiveSmallIntegerField(
        _("soft bounces until suppression"), default=5, validators=[MinValueValidator(1), MaxValueValidator(50)]
    )
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("sending settings")
        verbose_name_plural = _("sending settings")
        default_permissions = ("view", "change")
        constraints = [models.CheckConstraint(condition=Q(pk=SINGLETON_ID), name="sending_settings_once")]

    def __str__(self) -> str:
        return str(_("sending settings"))

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = SINGLETON_ID
        with transaction.atomic():
            super().save(*args, **kwargs)
            share = Decimal(self.global_holdout_share)
            record_holdout_change(share=share, salt=self.global_holdout_salt, at=self.updated_at)


class GlobalHoldoutChange(models.Model):
    """Share and salt of the global holdout group from a moment on, so that past months are measured with the values of that time."""

    changed_at = models.DateTimeField(_("changed at"))
    share = models.DecimalField(_("share"), max_digits=5, decimal_places=4)
    salt = models.CharField(max_length=32, editable=False)

    class Meta:
        default_permissions = ()
        verbose_name = _("change of the global holdout group")
        verbose_name_plural = _("changes of the global holdout group")
        ordering = ["changed_at", "id"]

    def __str__(self) -> str:
        return f"{self.share} ({localtime(self.changed_at):%Y-%m-%d %H:%M})"


def record_holdout_change(*, share: Decimal, salt: str, at: datetime) -> None:
    """Record share and salt if they differ from the latest ones. Call it in the transaction that changes the settings."""
    latest = GlobalHoldoutChange.objects.order_by("-changed_at", "-id").first()
    if latest is None and not share:
        return
    if latest is None or (latest.share, latest.salt) != (share, salt):
        GlobalHoldoutChange.objects.create(changed_at=at, share=share, salt=salt)


def load_sending_settings() -> SendingSettings:
    """Return the stored settings, or those of a new shop, which are not saved yet."""
    return SendingSettings.objects.filter(pk=SINGLETON_ID).first() or SendingSettings(pk=SINGLETON_ID)
