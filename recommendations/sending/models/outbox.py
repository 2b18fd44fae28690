"""Messages that are written here instead of being sent."""

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from customers.identity.personal_data.encrypted_field import EncryptedTextField


class OutboxMessage(models.Model):
    """A message that was written here instead of being sent: in demo mode, and without a mail server or provider."""

    delivery_id = models.BigIntegerField(_("delivery"), null=True, unique=True)
    customer_id = models.BigIntegerField(_("customer"), null=True, db_index=True)
    channel = models.CharField(_("channel"), max_length=20)
    recipient = EncryptedTextField(pgettext_lazy("message", "recipient"))
    subject = EncryptedTextField(_("subject"), blank=True)
    headers = models.JSONField(_("headers"), default=dict)
    html = EncryptedTextField(_("HTML part"), blank=True)
    text = EncryptedTextField(_("text part"), blank=True)
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("outbox message")
        verbose_name_plural = _("outbox messages")
        ordering = ["-id"]
        indexes = [models.Index(fields=["created_at"], name="sending_outbox_age")]

    def __str__(self) -> str:
        return f"#{self.pk}"
