"""What is known about a simulated campaign run: the true effect, and what the results reported."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from recommendations.campaigns.models import CampaignRun


class SimulatedTruth(models.Model):
    """The true effect on the customers of a run, by intent to treat, and the estimate of the results with its 95% interval.

    Attributes:
        conversion: the mean effect on the probability to order; 0.01 is one percentage point. revenue: on the revenue per customer.
        is_covered: whether the interval of the conversion contains the true effect.
    """

    run = models.OneToOneField(CampaignRun, models.CASCADE, related_name="truth", verbose_name=_("campaign run"))
    customers = models.PositiveIntegerField(_("customers"))
    conversion = models.FloatField(_("true effect on the conversion rate"))
    revenue = models.FloatField(_("true effect on the revenue per customer"))
    estimate = models.FloatField(_("estimated effect on the conversion rate"), null=True)
    low = models.FloatField(_("lower bound"), null=True)
    high = models.FloatField(_("upper bound"), null=True)
    revenue_estimate = models.FloatField(_("estimated effect on the revenue per customer"), null=True)
    revenue_low = models.FloatField(_("lower bound"), null=True)
    revenue_high = models.FloatField(_("upper bound"), null=True)
    is_covered = models.BooleanField(_("covered"), null=True)
    compared_at = models.DateTimeField(_("compared at"))

    class Meta:
        verbose_name = _("simulated truth")
        verbose_name_plural = _("simulated truths")

    def __str__(self) -> str:
        return f"{self.run_id}: {self.conversion:+.4f}"
