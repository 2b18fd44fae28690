"""Segments of customers: dynamic ones have a condition, static ones a list."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.identity.models import Customer


class Segment(models.Model):
    """A named set of customers.

    The members of a dynamic segment are queried whenever they are needed.
    """

    class Kind(models.TextChoices):
        DYNAMIC = "dynamic", _("dynamic")
        STATIC = "static", _("static")

    key = models.SlugField(_("key"), max_length=100, unique=True)
    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    kind = models.CharField(_("type"), max_length=10, choices=Kind, default=Kind.DYNAMIC)
    condition = models.JSONField(
        _("condition"), default=dict, blank=True, help_text=_("A tree of all, any, not and comparisons.")
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    size = models.PositiveBigIntegerField(_("size"), null=True, blank=True, editable=False)
    last_evaluated_at = models.DateTimeField(_("last evaluated at"), null=True, blank=True, editable=False)
    duration_ms = models.FloatField(_("duration in ms"), null=True, blank=True, editable=False)
    error = models.TextField(_("error"), blank=True, editable=False)

    class Meta:
        verbose_name = _("segment")
        verbose_name_plural = _("segments")
        ordering = ["key"]

    def __str__(self) -> str:
        return self.name


class SegmentMember(models.Model):
    """A customer in a static segment."""

    segment = models.ForeignKey(
        Segment, models.CASCADE, related_name="members", verbose_name=_("segment"), db_index=False
    )
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="static_segments", verbose_name=_("customer"))
    added_at = models.DateTimeField(_("added at"), auto_now_add=True)

    class Meta:
        verbose_name = _("segment member")
        verbose_name_plural = _("segment members")
        constraints = [models.UniqueConstraint(fields=["segment", "customer"], name="segments_member_unique")]

    def __str__(self) -> str:
        return f"{self.segment_id}: #{self.customer_id}"
