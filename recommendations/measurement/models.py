"""Who was assigned to which group of a campaign or flow, and what was known of the customer then."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Assignment(models.Model):
    """The first assignment of a customer to a group of a campaign or flow, written when the decision was made.

    It is never changed, so results can be recomputed at any time, and what was known of the customer then is not an effect. After a merge,
    one customer can have several; `assignment_records.py` decides which one counts.

    Attributes:
        scope_id: of the campaign or flow. customer_id: without a foreign key, as in all large tables; merges, erasure and deletions are
            followed by receivers.
        holdout_share: the probability with which the customer was to be held out.
        stage, rfm_group, language, predicted_value: as they were then.
    """

    class Kind(models.TextChoices):
        CAMPAIGN = "campaign", _("campaign")
        FLOW = "flow", _("flow")

    kind = models.CharField(_("type"), max_length=10, choices=Kind)
    scope_id = models.BigIntegerField(_("campaign or flow"))
    customer_id = models.BigIntegerField(_("customer number"))
    is_held_out = models.BooleanField(_("in the holdout group"))
    holdout_share = models.FloatField(_("holdout share"))
    assigned_at = models.DateTimeField(_("assigned at"))
    stage = models.CharField(_("stage"), max_length=20, blank=True)
    rfm_group = models.CharField(_("RFM group"), max_length=30, blank=True)
    language = models.CharField(_("language"), max_length=20, blank=True)
    predicted_value = models.FloatField(_("predicted value"), null=True)

    class Meta:
        default_permissions = ()
        verbose_name = _("assignment")
        verbose_name_plural = _("assignments")
        indexes = [
            models.Index(fields=["kind", "scope_id", "customer_id"], name="measurement_assignment_of"),
            models.Index(fields=["customer_id"], name="measurement_of_customer"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.scope_id}: #{self.customer_id}"
