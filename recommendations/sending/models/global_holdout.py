"""The stored results of the global holdout report."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class GlobalHoldoutResult(models.Model):
    """What was counted of a calendar month, or of the whole time since ``began_at`` if ``month`` is empty.

    A month has several results if the groups were replaced in it: one experiment was stopped and the next one started.
    groups: the sums and products of both groups, from which effects and intervals are computed when they are shown. shares: the expected
    shares of both groups among all customers.
    """

    class Subject(models.TextChoices):
        MARKETING = "marketing", _("marketing")
        RECOMMENDATIONS = "recommendations", _("recommendations")

    subject = models.CharField(_("subject"), max_length=15, choices=Subject, default=Subject.MARKETING)
    month = models.DateField(_("month"), null=True, blank=True)
    began_at = models.DateTimeField(_("began at"))
    since = models.DateTimeField(_("since"))
    until = models.DateTimeField(_("until"))
    measured_at = models.DateTimeField(_("measured at"))
    currency = models.CharField(_("currency"), max_length=3)
    margin_basis = models.CharField(_("basis of the margin"), max_length=10)
    groups = models.JSONField(_("groups"))
    shares = models.JSONField(_("expected shares"))

    class Meta:
        default_permissions = ()
        verbose_name = _("result of the global holdout group")
        verbose_name_plural = _("results of the global holdout group")
        ordering = ["subject", "-month"]
        constraints = [
            models.UniqueConstraint(fields=["subject", "month", "began_at"], name="sending_holdout_result_once"),
            models.UniqueConstraint(
                fields=["subject"], condition=models.Q(month=None), name="sending_holdout_total_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}" if self.month else str(_("total"))
