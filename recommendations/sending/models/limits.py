"""What the rate limits have already reserved: slots of domains and days of the warm-up plan."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class RateSlot(models.Model):
    """The next free moment of a rate limit, such as that of an email domain."""

    scope = models.CharField(max_length=255, unique=True)
    next_at = models.DateTimeField()

    class Meta:
        verbose_name = _("rate slot")
        verbose_name_plural = _("rate slots")

    def __str__(self) -> str:
        return self.scope


class WarmUpDay(models.Model):
    """How many emails are reserved for a day of the warm-up plan."""

    day = models.DateField(unique=True)
    reserved = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = _("warm-up day")
        verbose_name_plural = _("warm-up days")

    def __str__(self) -> str:
        return self.day.isoformat()
