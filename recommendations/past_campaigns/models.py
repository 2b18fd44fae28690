"""Campaigns that another system sent in the past."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _


class PastCampaign(models.Model):
    """A campaign of another system, without a random holdout group.

    Attributes:
        is_targeted: whether the recipients or their coupons were chosen by what they had bought.
        recipient_ids: the customers who got it. redeemer_ids, redemption_days: one entry per redeemed coupon.
        coupons, products: the coupons of the campaign, and the products that they are for.
        note: where the data comes from.
    """

    key = models.SlugField(_("key"), max_length=100, unique=True)
    name = models.CharField(_("name"), max_length=200)
    kind = models.CharField(_("type"), max_length=100, blank=True)
    is_targeted = models.BooleanField(_("targeted"), default=False)
    note = models.TextField(_("note"), blank=True)
    starts_on = models.DateField(_("first day"))
    ends_on = models.DateField(_("last day"))
    coupons = models.PositiveIntegerField(_("coupons"), default=0)
    products = models.PositiveIntegerField(_("products"), default=0)
    recipient_ids = ArrayField(models.BigIntegerField(), default=list, editable=False)
    redeemer_ids = ArrayField(models.BigIntegerField(), default=list, editable=False)
    redemption_days = ArrayField(models.DateField(), default=list, editable=False)

    class Meta:
        verbose_name = _("past campaign")
        verbose_name_plural = _("past campaigns")
        ordering = ["-starts_on", "-id"]

    def __str__(self) -> str:
        return self.name
