"""The settings of the product feed for shopping agents, and what the current feed contains."""

from typing import Any

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

SINGLETON_ID = 1


class AgentFeedSettings(models.Model):
    """The only row of settings. Nothing is published before the feed is switched on."""

    is_enabled = models.BooleanField(
        _("publish the catalog for shopping agents"),
        default=False,
        help_text=_("Serves the product feed, the catalog queries and the discovery document to everyone."),
    )
    includes_sold_out = models.BooleanField(
        _("include sold-out products"),
        default=True,
        help_text=_("If included, they are marked as out of stock. Otherwise, they are not in the feed."),
    )
    target_country = models.CharField(
        _("target country"),
        max_length=2,
        blank=True,
        validators=[RegexValidator(r"^[A-Z]{2}$", _("Use a two-letter ISO 3166-1 code in capitals, such as DE."))],
        help_text=_("Two-letter code of the country that the prices are for, such as DE; OpenAI needs it."),
    )
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("shopping agent settings")
        verbose_name_plural = _("shopping agent settings")
        default_permissions = ("view", "change")
        constraints = [models.CheckConstraint(condition=Q(pk=SINGLETON_ID), name="shopping_agents_settings_once")]

    def __str__(self) -> str:
        return str(_("shopping agent settings"))

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = SINGLETON_ID
        super().save(*args, **kwargs)


class AgentFeedFile(models.Model):
    """What the published feed file contains; one row.

    Attributes:
        fingerprint: of the catalog and the settings that it was built from.
        left_out: numbers of products by reason.
    """

    built_at = models.DateTimeField()
    fingerprint = models.CharField(max_length=200)
    products = models.PositiveBigIntegerField(default=0)
    variants = models.PositiveBigIntegerField(default=0)
    size = models.PositiveBigIntegerField(default=0)
    left_out = models.JSONField(default=dict)

    class Meta:
        verbose_name = _("product feed for shopping agents")
        verbose_name_plural = _("product feeds for shopping agents")
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=Q(pk=SINGLETON_ID), name="shopping_agents_feed_once")]

    def __str__(self) -> str:
        return f"{localtime(self.built_at):%Y-%m-%d %H:%M}"


def load_settings() -> AgentFeedSettings:
    """Return the stored settings, or the defaults that are not saved yet."""
    return AgentFeedSettings.objects.filter(pk=SINGLETON_ID).first() or AgentFeedSettings(pk=SINGLETON_ID)


def load_feed_file() -> AgentFeedFile | None:
    """Return what the published feed contains; None before the first one."""
    return AgentFeedFile.objects.filter(pk=SINGLETON_ID).first()
