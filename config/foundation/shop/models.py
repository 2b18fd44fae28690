"""The settings of the shop that are edited in the back office."""

from typing import Any

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

SINGLETON_ID = 1


class ShopSettings(models.Model):
    """The settings of the shop, in a single row. An empty field takes the value of the environment variable.

    ``country`` completes phone numbers without a country code; ``phone_country`` is the country with which stored numbers were hashed. After
    a change of ``country``, the two differ until a job has hashed the numbers again.
    """

    name = models.CharField(_("shop name"), max_length=100, blank=True)
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    language = models.CharField(_("language of the shop"), max_length=10, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True)
    time_zone_changed_at = models.DateTimeField(_("time zone changed at"), null=True, blank=True, editable=False)
    country = models.CharField(_("country of phone numbers"), max_length=2, blank=True, db_default="", default="")
    phone_country = models.CharField(max_length=2, blank=True, db_default="", default="", editable=False)
    color = models.CharField(
        _("brand color"),
        max_length=7,
        blank=True,
        validators=[RegexValidator(r"^#[0-9a-fA-F]{6}$", _("Enter a color such as #117d5c."))],
    )
    logo = models.BinaryField(_("logo"), default=b"", blank=True, editable=False)
    logo_type = models.CharField(_("type of the logo"), max_length=20, blank=True, editable=False)
    sender_name = models.CharField(_("sender name"), max_length=100, blank=True)
    sender_address = models.EmailField(_("sender address"), blank=True)
    reply_to = models.EmailField(_("reply-to address"), blank=True)
    postal_address = models.TextField(_("postal address"), max_length=500, blank=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("shop settings")
        verbose_name_plural = _("shop settings")
        default_permissions = ("view", "change")
        constraints = [models.CheckConstraint(condition=Q(pk=SINGLETON_ID), name="shop_settings_once")]

    def __str__(self) -> str:
        return self.name or str(_("shop settings"))

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = SINGLETON_ID
        super().save(*args, **kwargs)


def load_shop_settings() -> ShopSettings:
    """Return the stored settings, or empty ones that are not saved yet."""
    return ShopSettings.objects.filter(pk=SINGLETON_ID).first() or ShopSettings(pk=SINGLETON_ID)
